//! `bootstrap` of the function that tells the edge who may send.

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use lambdas::publisher::PublisherFunction;
use serde_json::Value;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambdas::log::start()?;
    let function = Arc::new(PublisherFunction::start()?);
    lambda_runtime::run(service_fn(move |_: LambdaEvent<Value>| {
        let function = Arc::clone(&function);
        async move { function.publish().await.map_err(Error::from) }
    }))
    .await
}
