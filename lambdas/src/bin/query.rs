//! `bootstrap` of the function that answers questions.

use lambda_http::Error;

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambdas::log::start()?;
    lambda_http::run(lambdas::query::start().await?).await
}
