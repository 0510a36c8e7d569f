//! `bootstrap` of the function that stores events.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use lambdas::budget::TimeBudget;
use lambdas::compactor::CompactorFunction;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambdas::log::start()?;
    let function = Arc::new(CompactorFunction::start().await?);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let function = Arc::clone(&function);
        async move {
            let budget = TimeBudget::of(&event.context);
            function.call(event.payload, budget).await.map_err(Error::from)
        }
    }))
    .await
}
