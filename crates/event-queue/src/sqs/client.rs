//! From settings and environment to Amazon's client.

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Credentials;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::settings::SqsSettings;
use crate::queue::QueueError;

/// Where an endpoint of the user's own is: a signature needs a region, and such an endpoint takes any.
const REGION_OF_OWN_ENDPOINT: &str = "us-east-1";

/// Makes a client; no call is made yet, except to find out the region where nobody says it.
pub(super) async fn connect(settings: &SqsSettings) -> Result<Client, QueueError> {
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let said = settings.region.as_deref().or_else(|| region_of(&settings.queue_url));
    let said = said.or_else(|| settings.endpoint.is_some().then_some(REGION_OF_OWN_ENDPOINT));
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = said {
        loader = loader.region(Region::new(region.to_owned()));
    }
    if let Some(endpoint) = &settings.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(keys) = &settings.keys {
        loader = loader.credentials_provider(Credentials::new(&keys.id, &keys.secret, None, None, "settings"));
    }
    let shared = loader.load().await;
    if shared.region().is_none() {
        return Err(QueueError::Refused("no region is known: set AWS_REGION".to_owned()));
    }
    let config = aws_sdk_sqs::config::Builder::from(&shared)
        // What is tried again is decided in one place, `persist`, which also knows of partial failures.
        .retry_config(RetryConfig::disabled())
        // Each call has its own time limit, since receives wait.
        .timeout_config(TimeoutConfig::builder().connect_timeout(settings.call_timeout).build())
        .build();
    Ok(Client::from_conf(config))
}

/// The region in a URL such as `https://sqs.eu-central-1.amazonaws.com/1/queue`.
fn region_of(queue_url: &str) -> Option<&str> {
    let host = queue_url.split_once("://")?.1.split('/').next()?;
    let (region, domain) = host.strip_prefix("sqs.")?.split_once('.')?;
    domain.starts_with("amazonaws.com").then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_is_read_from_amazons_urls_only() {
        assert_eq!(region_of("https://sqs.eu-central-1.amazonaws.com/1/events"), Some("eu-central-1"));
        assert_eq!(region_of("https://sqs.cn-north-1.amazonaws.com.cn/1/events"), Some("cn-north-1"));
        assert_eq!(region_of("http://127.0.0.1:5000/1/events"), None);
        assert_eq!(region_of("http://sqs.example.com/1/events"), None);
    }
}
