//! What is done with receipts, ten a call: acknowledge, hide for longer, give back.

use std::time::Duration;

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry};

use super::persist::{Answer, Refusal, in_parallel, persist, within};
use super::send::incomplete;
use super::{SqsQueue, visibility_seconds};
use crate::queue::{QueueError, Receipt};
use crate::sqs_format::MAX_ENTRIES;

impl SqsQueue {
    /// Removes messages for good. SQS keeps the right to deliver one once more all the same.
    pub(super) async fn delete(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let tasks = receipts.chunks(MAX_ENTRIES).map(|some| {
            let (queue, some) = (self.clone(), some.to_vec());
            async move { queue.delete_call(some).await }
        });
        in_parallel(self.settings.parallel_calls, tasks.collect()).await.map(|_| ())
    }

    async fn delete_call(&self, receipts: Vec<Receipt>) -> Result<(), QueueError> {
        persist(receipts, &self.settings, Refusal::Nothing, move |receipts| async move {
            let entry = |(id, receipt): (String, Receipt)| {
                DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(receipt.0).build().map_err(incomplete)
            };
            let entries = receipts.into_iter().map(entry).collect::<Result<_, _>>()?;
            let call =
                self.client.delete_message_batch().queue_url(&self.settings.queue_url).set_entries(Some(entries));
            let output = within(self.settings.call_timeout, call.send()).await?;
            let successful = output.successful.into_iter().map(|entry| entry.id).collect();
            Ok(Answer { successful, failed: output.failed })
        })
        .await
    }

    /// Hides messages until `visibility` from now. SQS allows 12 hours in all since the message was received.
    pub(super) async fn change_visibility(&self, receipts: &[Receipt], visibility: Duration) -> Result<(), QueueError> {
        let tasks = receipts.chunks(MAX_ENTRIES).map(|some| {
            let (queue, some) = (self.clone(), some.to_vec());
            async move { queue.change_visibility_call(some, visibility).await }
        });
        in_parallel(self.settings.parallel_calls, tasks.collect()).await.map(|_| ())
    }

    async fn change_visibility_call(&self, receipts: Vec<Receipt>, visibility: Duration) -> Result<(), QueueError> {
        persist(receipts, &self.settings, Refusal::Nothing, move |receipts| async move {
            let entry = |(id, receipt): (String, Receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(id)
                    .receipt_handle(receipt.0)
                    .visibility_timeout(visibility_seconds(visibility))
                    .build()
                    .map_err(incomplete)
            };
            let entries = receipts.into_iter().map(entry).collect::<Result<_, _>>()?;
            let call = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.settings.queue_url)
                .set_entries(Some(entries));
            let output = within(self.settings.call_timeout, call.send()).await?;
            let successful = output.successful.into_iter().map(|entry| entry.id).collect();
            Ok(Answer { successful, failed: output.failed })
        })
        .await
    }
}
