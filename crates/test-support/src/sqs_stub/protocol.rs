//! What calls look like: the bodies of requests, the names of errors, digests.

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The body of any call that we know; each uses its own part.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Call {
    pub(super) queue_url: String,
    pub(super) queue_name: String,
    pub(super) attributes: Map<String, Value>,
    pub(super) attribute_names: Vec<String>,
    pub(super) entries: Vec<Entry>,
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) wait_time_seconds: Option<u64>,
    pub(super) message_attribute_names: Vec<String>,
    #[serde(flatten)]
    pub(super) single: Entry,
}

/// One message of a call, or the call's only one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) message_body: String,
    pub(super) message_attributes: Value,
    pub(super) delay_seconds: u64,
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: Option<u64>,
}

impl Entry {
    /// What it counts for: its body, and names, types and values of its attributes.
    pub(super) fn bytes(&self) -> usize {
        let attributes = self.message_attributes.as_object().into_iter().flatten();
        let size = |field: Option<&Value>| field.and_then(Value::as_str).map_or(0, str::len);
        let attributes: usize = attributes
            .map(|(name, value)| name.len() + size(value.get("DataType")) + size(value.get("StringValue")))
            .sum();
        self.message_body.len() + attributes
    }
}

/// A refusal as SQS words it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// The name in the JSON protocol.
    pub(super) name: &'static str,
    /// The older code, which SDKs still tell their callers.
    pub(super) query_code: &'static str,
    pub(super) detail: String,
}

impl Refusal {
    pub(super) fn new(name: &'static str, query_code: &'static str, detail: impl Into<String>) -> Self {
        Self { name, query_code, detail: detail.into() }
    }

    pub(super) fn no_such_queue() -> Self {
        Self::new("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.")
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new("InvalidParameterValue", "InvalidParameterValue", detail)
    }

    pub(super) fn body(&self) -> Value {
        json!({ "__type": format!("com.amazonaws.sqs#{}", self.name), "message": self.detail })
    }

    /// As an entry of a batch that failed.
    pub(super) fn entry(&self, id: &str) -> Value {
        json!({ "Id": id, "SenderFault": true, "Code": self.query_code, "Message": self.detail })
    }
}

/// MD5 in hexadecimal digits: clients compare it with their own.
pub(super) fn md5(text: &str) -> String {
    use md5::{Digest as _, Md5};
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new UUID.
pub(super) fn uuid(random: u128) -> String {
    event_model::EventId(random.to_be_bytes()).to_string()
}
