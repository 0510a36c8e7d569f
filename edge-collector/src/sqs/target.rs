//! Where the queue is, and a signed request to it.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use event_model::Timestamp;
use event_queue::sqs_format::TextMessage;
use serde::{Serialize, Serializer};

use super::sending::Batch;

const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
const ACTION: &str = "AmazonSQS.SendMessageBatch";

/// A queue: the URL that names it, and from it where requests go and the region they are signed for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    queue_url: String,
    endpoint: String,
    region: String,
}

/// Who signs.
#[derive(Clone)]
pub struct Credentials {
    /// The access key's id.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The token of a session, where the key is a temporary one.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// A request for the host to send by POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// Where to.
    pub url: String,
    /// Its headers, without `host`, which the host makes from the URL.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Target {
    /// Reads a queue's URL, such as `https://sqs.eu-central-1.amazonaws.com/123456789012/events`. The region is read
    /// from it unless it is given.
    ///
    /// # Errors
    /// A sentence: not a URL, plain http to anything but this machine, or no region.
    pub fn parse(queue_url: &str, region: Option<&str>) -> Result<Self, String> {
        let uri: http::Uri = queue_url.parse().map_err(|_| format!("{queue_url} is not the URL of a queue"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(format!("{queue_url} is not the URL of a queue"));
        };
        let host = authority.host();
        if scheme != "https" && !(scheme == "http" && is_loopback(host)) {
            return Err(format!("{queue_url} must begin with https://, since it is not on this machine"));
        }
        let in_host = || match host.split('.').collect::<Vec<_>>().as_slice() {
            ["sqs", region, "amazonaws", "com"] | ["sqs", region, "amazonaws", "com", "cn"] => {
                Some((*region).to_owned())
            }
            _ => None,
        };
        let region = region.filter(|region| !region.is_empty()).map(str::to_owned).or_else(in_host);
        let region = region.ok_or_else(|| format!("{queue_url} names no region: set SQS_REGION"))?;
        Ok(Self { queue_url: queue_url.to_owned(), endpoint: format!("{scheme}://{authority}/"), region })
    }

    /// The signed request that sends a batch.
    ///
    /// # Errors
    /// A sentence, where the credentials or the region cannot stand in a header.
    pub fn request(&self, batch: &Batch, by: &Credentials, now: Timestamp) -> Result<SignedRequest, String> {
        let body = self.body(batch)?;
        let identity = aws_credential_types::Credentials::new(
            by.access_key_id.as_str(),
            by.secret_access_key.as_str(),
            by.session_token.clone(),
            None,
            "headwater",
        )
        .into();
        let time = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(now.0).unwrap_or_default());
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("sqs")
            .time(time)
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", ACTION)];
        let signable =
            SignableRequest::new("POST", &self.endpoint, headers.into_iter(), SignableBody::Bytes(body.as_bytes()))
                .map_err(|error| error.to_string())?;
        let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
        let signed = instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().chain(signed);
        Ok(SignedRequest { url: self.endpoint.clone(), headers: headers.collect(), body })
    }

    fn body(&self, batch: &Batch) -> Result<String, String> {
        let entries = batch.0.iter().enumerate().map(|(place, message)| Entry {
            id: place.to_string(),
            message_body: &message.body,
            message_attributes: Attributes(message),
        });
        let request = Request { queue_url: &self.queue_url, entries: entries.collect() };
        serde_json::to_string(&request).map_err(|error| error.to_string())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Request<'a> {
    queue_url: &'a str,
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    id: String,
    message_body: &'a str,
    message_attributes: Attributes<'a>,
}

/// What a consumer must know even of a body that it cannot read.
struct Attributes<'a>(&'a TextMessage);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Value<'a> {
            data_type: &'a str,
            string_value: &'a str,
        }
        let attributes = self.0.attributes();
        serializer
            .collect_map(attributes.map(|(name, data_type, string_value)| (name, Value { data_type, string_value })))
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queues_url_says_where_requests_go_and_for_which_region() {
        let target = Target::parse("https://sqs.eu-central-1.amazonaws.com/123456789012/events", None).unwrap();
        assert_eq!(
            (target.endpoint.as_str(), target.region.as_str()),
            ("https://sqs.eu-central-1.amazonaws.com/", "eu-central-1")
        );
        let local = Target::parse("http://127.0.0.1:4566/000000000000/events", Some("us-east-1")).unwrap();
        assert_eq!((local.endpoint.as_str(), local.region.as_str()), ("http://127.0.0.1:4566/", "us-east-1"));
        for (url, region) in [
            ("http://sqs.eu-central-1.amazonaws.com/1/events", None),
            ("http://127.0.0.1.example.com/1/events", Some("us-east-1")),
            ("https://queue.example.com/1/events", None),
            ("events", Some("us-east-1")),
            ("", Some("us-east-1")),
        ] {
            assert!(Target::parse(url, region).is_err(), "{url}");
        }
    }
}
