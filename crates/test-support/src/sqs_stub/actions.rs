//! What each action does: ten of them are enough for queues like ours.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use event_queue::clock::Clock;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::faults::{Chance, Fate, SqsFaults};
use super::protocol::{Call, Entry, Refusal, md5, uuid};
use super::queue::{Counts, Held, Message, Queue, QueueRules};
use super::{ACCOUNT, REGION};

/// Most messages in one call.
const MAX_ENTRIES: usize = 10;
/// Longest visibility timeout, in seconds.
const MAX_VISIBILITY: u64 = 43_200;

/// All queues.
pub(super) struct Account {
    endpoint: String,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Messages may have become visible.
    changed: Notify,
}

struct State {
    queues: HashMap<String, Queue>,
    chance: Chance,
    calls: HashMap<String, (u64, Value)>,
}

type Answer = Result<Value, Refusal>;

impl Account {
    pub(super) fn new(endpoint: String, clock: Arc<dyn Clock>) -> Self {
        let chance = Chance::new(SqsFaults::none());
        let state = Mutex::new(State { queues: HashMap::new(), chance, calls: HashMap::new() });
        Self { endpoint, clock, state, changed: Notify::new() }
    }

    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) fn set_faults(&self, faults: SqsFaults) {
        self.state.lock().chance = Chance::new(faults);
    }

    pub(super) fn counts(&self, name: &str) -> Option<Counts> {
        let now = self.clock.monotonic();
        self.state.lock().queues.get_mut(name).map(|queue| queue.counts(now))
    }

    pub(super) fn calls(&self, action: &str) -> u64 {
        self.state.lock().calls.get(action).map_or(0, |(count, _)| *count)
    }

    pub(super) fn last_call(&self, action: &str) -> Option<Value> {
        self.state.lock().calls.get(action).map(|(_, call)| call.clone())
    }

    pub(super) fn create_with_dead_letters(&self, name: &str, rules: QueueRules) -> String {
        let dead = rules.max_receives.map(|_| format!("{name}-dead"));
        let mut state = self.state.lock();
        if let Some(dead) = &dead {
            let rules = QueueRules { max_receives: None, ..rules };
            state.queues.entry(dead.clone()).or_insert_with(|| Queue::new(dead, rules, None));
        }
        state.queues.entry(name.to_owned()).or_insert_with(|| Queue::new(name, rules, dead));
        self.url(name)
    }

    /// What becomes of the next call, and how long it takes.
    pub(super) fn fate(&self) -> (Fate, Duration) {
        let mut state = self.state.lock();
        (state.chance.fate(), state.chance.delay())
    }

    /// Does what a call says.
    pub(super) async fn act(&self, action: &str, body: &[u8]) -> Answer {
        let whole: Value = serde_json::from_slice(body).map_err(|error| Refusal::invalid(error.to_string()))?;
        {
            let mut state = self.state.lock();
            let (count, last) = state.calls.entry(action.to_owned()).or_default();
            *count += 1;
            last.clone_from(&whole);
        }
        let call: Call = serde_json::from_value(whole).map_err(|error| Refusal::invalid(error.to_string()))?;
        match action {
            "CreateQueue" => self.create_queue(&call),
            "GetQueueUrl" => self.get_queue_url(&call),
            "GetQueueAttributes" => self.get_queue_attributes(&call),
            "PurgeQueue" => self.with_queue(&call, |queue, _| {
                queue.purge();
                Ok(json!({}))
            }),
            "SendMessage" => self.send_message(&call),
            "SendMessageBatch" => self.send_message_batch(&call),
            "ReceiveMessage" => self.receive_message(&call).await,
            "DeleteMessage" => self.one(&call, Self::delete),
            "DeleteMessageBatch" => self.each(&call, Self::delete),
            "ChangeMessageVisibility" => self.one(&call, Self::change_visibility),
            "ChangeMessageVisibilityBatch" => self.each(&call, Self::change_visibility),
            other => Err(Refusal::new("InvalidAction", "InvalidAction", format!("{other} is not known here"))),
        }
    }

    fn url(&self, name: &str) -> String {
        format!("{}/{ACCOUNT}/{name}", self.endpoint)
    }

    fn with_queue(&self, call: &Call, act: impl FnOnce(&mut Queue, &mut Chance) -> Answer) -> Answer {
        let name = call.queue_url.rsplit('/').next().unwrap_or_default();
        let mut state = self.state.lock();
        let State { queues, chance, .. } = &mut *state;
        act(queues.get_mut(name).ok_or_else(Refusal::no_such_queue)?, chance)
    }

    fn create_queue(&self, call: &Call) -> Answer {
        let number = |name: &str| call.attributes.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
        let policy = call.attributes.get("RedrivePolicy").and_then(Value::as_str);
        let policy: Option<Value> = policy.and_then(|text| serde_json::from_str(text).ok());
        let dead = policy.as_ref().and_then(|policy| policy["deadLetterTargetArn"].as_str()?.rsplit(':').next());
        let max_receives = policy.as_ref().and_then(|policy| match &policy["maxReceiveCount"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        });
        let defaults = QueueRules::default();
        let rules = QueueRules {
            visibility: number("VisibilityTimeout").map_or(defaults.visibility, Duration::from_secs),
            max_receives,
            max_message_bytes: number("MaximumMessageSize")
                .map_or(defaults.max_message_bytes, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX)),
        };
        if call.queue_name.is_empty() {
            return Err(Refusal::invalid("a queue needs a name"));
        }
        let queue = Queue::new(&call.queue_name, rules, dead.map(str::to_owned));
        self.state.lock().queues.entry(call.queue_name.clone()).or_insert(queue);
        Ok(json!({ "QueueUrl": self.url(&call.queue_name) }))
    }

    fn get_queue_url(&self, call: &Call) -> Answer {
        if self.state.lock().queues.contains_key(&call.queue_name) {
            return Ok(json!({ "QueueUrl": self.url(&call.queue_name) }));
        }
        Err(Refusal::no_such_queue())
    }

    fn get_queue_attributes(&self, call: &Call) -> Answer {
        let now = self.clock.monotonic();
        self.with_queue(call, |queue, _| {
            let Counts { visible, hidden } = queue.counts(now);
            let mut all = Map::new();
            let mut note = |name: &str, value: String| drop(all.insert(name.to_owned(), Value::String(value)));
            note("ApproximateNumberOfMessages", visible.to_string());
            note("ApproximateNumberOfMessagesNotVisible", hidden.to_string());
            note("ApproximateNumberOfMessagesDelayed", "0".to_owned());
            note("VisibilityTimeout", queue.rules.visibility.as_secs().to_string());
            note("MaximumMessageSize", queue.rules.max_message_bytes.to_string());
            note("QueueArn", arn(&queue.name));
            if let (Some(dead), Some(max)) = (&queue.dead_letters, queue.rules.max_receives) {
                let policy = json!({ "deadLetterTargetArn": arn(dead), "maxReceiveCount": max });
                note("RedrivePolicy", policy.to_string());
            }
            let wanted = |name: &String| call.attribute_names.iter().any(|asked| asked == name || asked == "All");
            all.retain(|name, _| wanted(name));
            Ok(json!({ "Attributes": all }))
        })
    }

    fn send_message(&self, call: &Call) -> Answer {
        let (now, wall) = (self.clock.monotonic(), self.clock.wall().0 / 1_000);
        let sent = self.with_queue(call, |queue, _| store(queue, &call.single, now, wall));
        self.changed.notify_waiters();
        sent
    }

    fn send_message_batch(&self, call: &Call) -> Answer {
        check_ids(&call.entries)?;
        let (now, wall) = (self.clock.monotonic(), self.clock.wall().0 / 1_000);
        let sent = self.with_queue(call, |queue, chance| {
            let bytes: usize = call.entries.iter().map(Entry::bytes).sum();
            if bytes > queue.rules.max_message_bytes {
                let detail = format!("Batch requests cannot be longer than {} bytes.", queue.rules.max_message_bytes);
                let code = "AWS.SimpleQueueService.BatchRequestTooLong";
                return Err(Refusal::new("BatchRequestTooLong", code, detail));
            }
            Ok(in_turn(&call.entries, chance, |entry, _| store(queue, entry, now, wall)))
        });
        self.changed.notify_waiters();
        sent
    }

    async fn receive_message(&self, call: &Call) -> Answer {
        let max = call.max_number_of_messages.unwrap_or(1);
        let max = usize::try_from(max).ok().filter(|max| (1..=MAX_ENTRIES).contains(max));
        let max = max.ok_or_else(|| Refusal::invalid("MaxNumberOfMessages must be between 1 and 10"))?;
        let wait = call.wait_time_seconds.unwrap_or(0);
        if wait > 20 {
            return Err(Refusal::invalid("WaitTimeSeconds must be between 0 and 20"));
        }
        let patience_ends = self.clock.monotonic() + Duration::from_secs(wait);
        loop {
            let notified = self.changed.notified();
            tokio::pin!(notified);
            // Registered before looking: a send between the look and the wait still wakes us.
            notified.as_mut().enable();
            let (messages, next_deadline) = self.take(call, max)?;
            let over = self.clock.monotonic() >= patience_ends;
            if !messages.is_empty() {
                return Ok(json!({ "Messages": messages }));
            }
            if over {
                return Ok(json!({}));
            }
            let wake = next_deadline.map_or(patience_ends, |deadline| deadline.min(patience_ends));
            tokio::select! {
                () = notified => {}
                () = self.clock.sleep_until(wake) => {}
            }
        }
    }

    fn take(&self, call: &Call, max: usize) -> Result<(Vec<Value>, Option<Duration>), Refusal> {
        let (now, wall) = (self.clock.monotonic(), self.clock.wall().0 / 1_000);
        let name = call.queue_url.rsplit('/').next().unwrap_or_default();
        let mut state = self.state.lock();
        let State { queues, chance, .. } = &mut *state;
        let queue = queues.get_mut(name).ok_or_else(Refusal::no_such_queue)?;
        let visibility = call.single.visibility_timeout.map_or(queue.rules.visibility, Duration::from_secs);
        let (received, dead) = queue.receive(max, now + visibility, now, wall);
        let mut messages = Vec::new();
        for (sequence, receipt) in received {
            let Some(message) = queue.message_mut(sequence) else { continue };
            messages.push(received_message(message, &receipt, &call.message_attribute_names));
            let again = message.extra_deliveries < 3 && chance.happens(chance.faults.redelivered);
            message.extra_deliveries += u32::from(again);
            if again {
                queue.change_visibility(sequence, now, now);
            }
        }
        let deadline = queue.next_deadline();
        let changed = !dead.is_empty() || !messages.is_empty();
        if let Some(target) = queue.dead_letters.clone().and_then(|name| queues.get_mut(&name)) {
            dead.into_iter().for_each(|message| target.insert(message, None));
        }
        drop(state);
        // Nothing to tell otherwise, and whoever waits here would wake itself.
        if changed {
            self.changed.notify_waiters();
        }
        Ok((messages, deadline))
    }

    /// A call about one receipt.
    fn one(&self, call: &Call, act: fn(&mut Queue, &mut Chance, &Entry, Duration) -> Answer) -> Answer {
        let now = self.clock.monotonic();
        let answer = self.with_queue(call, |queue, chance| act(queue, chance, &call.single, now).map(|_| json!({})));
        self.changed.notify_waiters();
        answer
    }

    /// A call about several receipts.
    fn each(&self, call: &Call, act: fn(&mut Queue, &mut Chance, &Entry, Duration) -> Answer) -> Answer {
        check_ids(&call.entries)?;
        let now = self.clock.monotonic();
        let answer = self.with_queue(call, |queue, chance| {
            Ok(in_turn(&call.entries, chance, |entry, chance| act(queue, chance, entry, now)))
        });
        self.changed.notify_waiters();
        answer
    }

    fn delete(queue: &mut Queue, chance: &mut Chance, entry: &Entry, _now: Duration) -> Answer {
        match queue.held(&entry.receipt_handle) {
            Held::Last(sequence) => {
                let Some(message) = queue.message_mut(sequence) else { return Ok(json!({})) };
                if message.lost_deletions < 2 && chance.happens(chance.faults.lost_deletions) {
                    message.lost_deletions += 1;
                } else {
                    queue.delete(sequence);
                }
                Ok(json!({}))
            }
            Held::Void => Ok(json!({})),
            Held::Nonsense => Err(bad_receipt()),
        }
    }

    fn change_visibility(queue: &mut Queue, _chance: &mut Chance, entry: &Entry, now: Duration) -> Answer {
        let seconds = entry.visibility_timeout.filter(|seconds| *seconds <= MAX_VISIBILITY);
        let seconds = seconds.ok_or_else(|| Refusal::invalid("VisibilityTimeout must be between 0 and 43200"))?;
        match queue.held(&entry.receipt_handle) {
            Held::Last(sequence) if queue.change_visibility(sequence, now + Duration::from_secs(seconds), now) => {
                Ok(json!({}))
            }
            Held::Last(_) => Err(Refusal::new(
                "MessageNotInflight",
                "AWS.SimpleQueueService.MessageNotInflight",
                "The message referred to is not in flight.",
            )),
            Held::Void => Err(Refusal::invalid("Message does not exist or is not available for visibility change.")),
            Held::Nonsense => Err(bad_receipt()),
        }
    }
}

fn bad_receipt() -> Refusal {
    Refusal::new("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
}

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

fn check_ids(entries: &[Entry]) -> Result<(), Refusal> {
    let code = |name: &str| match name {
        "EmptyBatchRequest" => "AWS.SimpleQueueService.EmptyBatchRequest",
        "TooManyEntriesInBatchRequest" => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        _ => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    };
    let distinct: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    let wrong = if entries.is_empty() {
        "EmptyBatchRequest"
    } else if entries.len() > MAX_ENTRIES {
        "TooManyEntriesInBatchRequest"
    } else if distinct.len() < entries.len() {
        "BatchEntryIdsNotDistinct"
    } else {
        return Ok(());
    };
    Err(Refusal::new(wrong, code(wrong), "the entries of the batch are not as SQS takes them"))
}

/// Handles the entries of a batch one by one; some fail for no fault of the sender, before anything is done.
fn in_turn(entries: &[Entry], chance: &mut Chance, mut act: impl FnMut(&Entry, &mut Chance) -> Answer) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        if chance.happens(chance.faults.failed_entries) {
            failed
                .push(json!({ "Id": entry.id, "SenderFault": false, "Code": "InternalError", "Message": "by order" }));
            continue;
        }
        match act(entry, chance) {
            Ok(Value::Object(mut success)) => {
                success.insert("Id".to_owned(), Value::String(entry.id.clone()));
                successful.push(Value::Object(success));
            }
            Ok(_) => successful.push(json!({ "Id": entry.id })),
            Err(refusal) => failed.push(refusal.entry(&entry.id)),
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

fn store(queue: &mut Queue, entry: &Entry, now: Duration, wall_millis: i64) -> Answer {
    if entry.message_body.is_empty() || entry.bytes() > queue.rules.max_message_bytes {
        return Err(Refusal::invalid("A message must be between 1 byte and the queue's maximum."));
    }
    let id = uuid(fastrand::u128(..));
    let digest = md5(&entry.message_body);
    let message = Message {
        id: id.clone(),
        body: entry.message_body.clone(),
        attributes: entry.message_attributes.clone(),
        sent_at: wall_millis,
        first_received_at: None,
        receive_count: 0,
        delivery: 0,
        extra_deliveries: 0,
        lost_deletions: 0,
    };
    let delay = Duration::from_secs(entry.delay_seconds);
    queue.insert(message, (!delay.is_zero()).then(|| now + delay));
    Ok(json!({ "MessageId": id, "MD5OfMessageBody": digest }))
}

fn received_message(message: &Message, receipt: &str, attributes_wanted: &[String]) -> Value {
    let attributes = if attributes_wanted.is_empty() { &Value::Null } else { &message.attributes };
    json!({
        "MessageId": message.id,
        "ReceiptHandle": receipt,
        "MD5OfBody": md5(&message.body),
        "Body": message.body,
        "Attributes": {
            "ApproximateReceiveCount": message.receive_count.to_string(),
            "SentTimestamp": message.sent_at.to_string(),
            "ApproximateFirstReceiveTimestamp": message.first_received_at.unwrap_or(0).to_string(),
        },
        "MessageAttributes": attributes,
    })
}
