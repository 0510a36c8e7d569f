//! `bootstrap` of the function that takes events.

use std::convert::Infallible;
use std::sync::Arc;

use lambda_http::{Error, Request, service_fn};
use lambdas::collector::CollectorFunction;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambdas::log::start()?;
    let function = Arc::new(CollectorFunction::start().await?);
    lambda_http::run(service_fn(move |request: Request| {
        let function = Arc::clone(&function);
        async move { Ok::<_, Infallible>(function.handle(request).await) }
    }))
    .await
}
