//! What SQS says about itself: numbers of messages, approximate and up to a minute late.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName;

use super::SqsQueue;
use super::persist::within;
use crate::queue::{QueueError, QueueStats};

const VISIBLE: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessages;
const IN_FLIGHT: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
const DELAYED: QueueAttributeName = QueueAttributeName::ApproximateNumberOfMessagesDelayed;
const REDRIVE: QueueAttributeName = QueueAttributeName::RedrivePolicy;

impl SqsQueue {
    /// The figures, with the dead-letter queue's where the redrive policy names one.
    pub(super) async fn approximate_stats(&self) -> Result<QueueStats, QueueError> {
        let attributes = self.attributes(&self.settings.queue_url, &[VISIBLE, IN_FLIGHT, DELAYED, REDRIVE]).await?;
        let policy = attributes.get(&REDRIVE).map(String::as_str);
        let dead_letter_url = self.dead_letter_url.get_or_try_init(|| self.url_of_dead_letters(policy)).await?;
        let dead = match dead_letter_url {
            Some(url) => count(&self.attributes(url, &[VISIBLE, IN_FLIGHT]).await?, &[VISIBLE, IN_FLIGHT]),
            None => 0,
        };
        Ok(QueueStats {
            visible: count(&attributes, &[VISIBLE]),
            in_flight: count(&attributes, &[IN_FLIGHT, DELAYED]),
            dead,
            approximate: true,
            ..QueueStats::default()
        })
    }

    async fn attributes(
        &self,
        queue_url: &str,
        names: &[QueueAttributeName],
    ) -> Result<HashMap<QueueAttributeName, String>, QueueError> {
        let call = self.client.get_queue_attributes().queue_url(queue_url).set_attribute_names(Some(names.to_vec()));
        Ok(within(self.settings.call_timeout, call.send()).await?.attributes.unwrap_or_default())
    }

    async fn url_of_dead_letters(&self, policy: Option<&str>) -> Result<Option<String>, QueueError> {
        let Some((account, name)) = policy.and_then(target) else { return Ok(None) };
        let call = self.client.get_queue_url().queue_name(name).queue_owner_aws_account_id(account);
        Ok(within(self.settings.call_timeout, call.send()).await?.queue_url)
    }
}

fn count(attributes: &HashMap<QueueAttributeName, String>, names: &[QueueAttributeName]) -> u64 {
    names.iter().filter_map(|name| attributes.get(name)?.parse::<u64>().ok()).sum()
}

/// Account and name of the queue that a redrive policy names: `arn:aws:sqs:<region>:<account>:<name>`.
fn target(policy: &str) -> Option<(String, String)> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let mut parts = policy.get("deadLetterTargetArn")?.as_str()?.split(':').skip(4);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redrive_policy_names_the_queue_of_dead_letters() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:123456789012:dead","maxReceiveCount":"5"}"#;
        assert_eq!(target(policy), Some(("123456789012".to_owned(), "dead".to_owned())));
        assert_eq!(target("{}"), None);
    }
}
