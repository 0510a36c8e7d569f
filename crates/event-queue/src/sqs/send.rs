//! Sending: ten messages and 256 KiB a call, and again what SQS did not take.

use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};

use super::SqsQueue;
use super::persist::{Answer, Refusal, in_parallel, persist, within};
use crate::queue::{Outgoing, QueueError};
use crate::sqs_format::{TextMessage, calls};

impl SqsQueue {
    /// Returns when SQS has said of every message that it is stored.
    pub(super) async fn send_all(&self, messages: &[Outgoing]) -> Result<(), QueueError> {
        let calls = calls(messages.iter().map(TextMessage::from)).into_iter();
        let tasks = calls.map(|call| {
            let queue = self.clone();
            async move { queue.send_call(call).await }
        });
        in_parallel(self.settings.parallel_calls, tasks.collect()).await.map(|_| ())
    }

    async fn send_call(&self, messages: Vec<TextMessage>) -> Result<(), QueueError> {
        persist(messages, &self.settings, Refusal::Error, move |messages| async move {
            let entries = messages.into_iter().map(|(id, message)| entry(id, &message)).collect::<Result<_, _>>()?;
            let call = self.client.send_message_batch().queue_url(&self.settings.queue_url).set_entries(Some(entries));
            let output = within(self.settings.call_timeout, call.send()).await?;
            let successful = output.successful.into_iter().map(|entry| entry.id).collect();
            Ok(Answer { successful, failed: output.failed })
        })
        .await
    }
}

fn entry(id: String, message: &TextMessage) -> Result<SendMessageBatchRequestEntry, QueueError> {
    let mut entry = SendMessageBatchRequestEntry::builder().id(id).message_body(&message.body);
    for (name, kind, value) in message.attributes() {
        let value = MessageAttributeValue::builder().data_type(kind).string_value(value).build().map_err(incomplete)?;
        entry = entry.message_attributes(name, value);
    }
    entry.build().map_err(incomplete)
}

pub(super) fn incomplete(error: impl std::fmt::Display) -> QueueError {
    QueueError::Refused(error.to_string())
}
