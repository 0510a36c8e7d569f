//! The messages of one request on their way into the queue: rounds of batches, until all are durable or time is up.

use std::time::Duration;

use event_model::{ErrorCode, Problem, Timestamp};
use event_queue::Outgoing;
use event_queue::sqs_format::{TextMessage, calls};

use super::reply::{Verdict, read};
use crate::reply::RETRY_SECONDS;

/// Rounds at most, the first one included. Three retries outlast what SQS calls transient; the client has its own.
const ROUNDS: u32 = 4;
/// The pause before the second round; it doubles for each after that.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Messages, of which some are durable already.
#[derive(Debug)]
pub struct Sending {
    /// The messages that are not known to be durable.
    waiting: Vec<TextMessage>,
    rounds: u32,
    deadline: Timestamp,
    /// Why the last one failed, and whether trying again can help.
    fault: Option<(String, bool)>,
}

/// Messages that go in one request. The id of each is its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch(pub(super) Vec<TextMessage>);

/// What came back for a batch.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// An HTTP answer.
    Http {
        /// Its status.
        status: u16,
        /// Its body.
        body: &'a [u8],
    },
    /// None in time, or no connection.
    None {
        /// What happened, for the log.
        why: &'a str,
    },
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// All messages are durable.
    Done,
    /// Send a round after this pause; the first one has none.
    Again(Duration),
    /// Tell the client to try again later.
    GiveUp(Problem),
}

impl Sending {
    /// Starts with messages that must be durable within a budget of time.
    #[must_use]
    pub fn new(messages: &[Outgoing], now: Timestamp, budget: Duration) -> Self {
        let waiting = messages.iter().map(TextMessage::from).collect();
        let deadline = Timestamp(now.0.saturating_add(micros(budget)));
        Self { waiting, rounds: 0, deadline, fault: None }
    }

    /// The batches of the next round, in order: as few as fit what SQS takes. Each must be answered before the next
    /// round.
    pub fn round(&mut self) -> Vec<Batch> {
        self.rounds += 1;
        self.fault = None;
        calls(std::mem::take(&mut self.waiting)).into_iter().map(Batch).collect()
    }

    /// Takes what came back for a batch; what is not durable waits for the next round.
    pub fn answered(&mut self, batch: &Batch, answer: Answer<'_>) {
        let verdict = match answer {
            Answer::Http { status, body } => read(status, body),
            Answer::None { why } => Verdict::Later(why.to_owned()),
        };
        let (taken, why, worth_trying) = match verdict {
            Verdict::Taken { ids, why_not, worth_trying } => (ids, why_not, worth_trying),
            Verdict::Later(why) => (Default::default(), why, true),
            Verdict::Never(why) => (Default::default(), why, false),
        };
        let before = self.waiting.len();
        let left = batch.0.iter().enumerate().filter(|(place, _)| !taken.contains(&place.to_string()));
        self.waiting.extend(left.map(|(_, message)| message.clone()));
        let hopeless = self.fault.as_ref().is_some_and(|(_, worth_trying)| !worth_trying);
        if self.waiting.len() > before && !hopeless {
            self.fault = Some((why, worth_trying));
        }
    }

    /// What to do once each batch of the round is answered.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Next {
        if self.waiting.is_empty() {
            return Next::Done;
        }
        if self.rounds == 0 {
            return Next::Again(Duration::ZERO);
        }
        let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(self.rounds.saturating_sub(1)));
        let (why, worth_trying) = self.fault.as_ref().map_or(("not sent", true), |(why, worth)| (why.as_str(), *worth));
        if worth_trying && self.rounds < ROUNDS && self.time_left(now) > pause {
            return Next::Again(pause);
        }
        let why = format!("{} messages after {} rounds: {why}", self.waiting.len(), self.rounds);
        Next::GiveUp(Problem::from(ErrorCode::QueueUnavailable).retry_after(RETRY_SECONDS).because(why))
    }

    /// How long an answer may take that comes within the budget.
    #[must_use]
    pub fn time_left(&self, now: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.deadline.0.saturating_sub(now.0)).unwrap_or_default())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use event_model::{EventId, ProjectId};

    use super::*;

    const BUDGET: Duration = Duration::from_secs(8);
    const START: Timestamp = Timestamp(1_000_000);

    fn messages(sizes: &[usize]) -> Vec<Outgoing> {
        let message = |(place, size): (usize, &usize)| Outgoing {
            message_id: EventId([u8::try_from(place).unwrap(); 16]),
            project: ProjectId::parse("shop").unwrap(),
            events: 1,
            body: Bytes::from(vec![u8::try_from(place).unwrap(); *size]),
        };
        sizes.iter().enumerate().map(message).collect()
    }

    fn good(batch: &Batch, but: &[usize]) -> Vec<u8> {
        let ids = (0..batch.0.len()).filter(|id| !but.contains(id));
        let successful: Vec<_> = ids.map(|id| serde_json::json!({ "Id": id.to_string() })).collect();
        let failed: Vec<_> =
            but.iter().map(|id| serde_json::json!({ "Id": id.to_string(), "Code": "InternalError" })).collect();
        serde_json::to_vec(&serde_json::json!({ "Successful": successful, "Failed": failed })).unwrap()
    }

    #[test]
    fn only_what_failed_is_sent_again() {
        let mut sending = Sending::new(&messages(&[10, 20, 30]), START, BUDGET);
        let batch = sending.round().pop().unwrap();
        let body = good(&batch, &[1]);
        sending.answered(&batch, Answer::Http { status: 200, body: &body });
        assert_eq!(sending.next(START), Next::Again(FIRST_PAUSE));
        let batch = sending.round().pop().unwrap();
        assert_eq!(batch.0, [TextMessage::from(&messages(&[10, 20])[1])]);
        let body = good(&batch, &[]);
        sending.answered(&batch, Answer::Http { status: 200, body: &body });
        assert_eq!(sending.next(START), Next::Done);
    }

    #[test]
    fn it_is_not_done_before_each_message_is_named_as_taken() {
        for body in [&b"{}"[..], b"OK", b"", br#"{"Successful":[{"Id":"7"}]}"#] {
            let mut sending = Sending::new(&messages(&[10]), START, BUDGET);
            let batch = sending.round().pop().unwrap();
            sending.answered(&batch, Answer::Http { status: 200, body });
            assert_eq!(sending.next(START), Next::Again(FIRST_PAUSE));
        }
    }

    #[test]
    fn it_gives_up_after_four_rounds_or_at_the_end_of_its_time_or_at_once_where_nothing_helps() {
        let gave_up = |sending: &Sending, now| match sending.next(now) {
            Next::GiveUp(problem) => {
                assert_eq!((problem.code, problem.retry_after), (ErrorCode::QueueUnavailable, Some(RETRY_SECONDS)));
                true
            }
            _ => false,
        };
        let mut sending = Sending::new(&messages(&[10]), START, BUDGET);
        let mut pauses = Vec::new();
        loop {
            let batch = sending.round().pop().unwrap();
            sending.answered(&batch, Answer::None { why: "timed out" });
            match sending.next(START) {
                Next::Again(pause) => pauses.push(pause.as_millis()),
                _ => break,
            }
        }
        assert_eq!(pauses, [50, 100, 200]);
        assert!(gave_up(&sending, START));

        let mut late = Sending::new(&messages(&[10]), START, BUDGET);
        let batch = late.round().pop().unwrap();
        late.answered(&batch, Answer::Http { status: 503, body: b"" });
        assert!(gave_up(&late, Timestamp(START.0 + 8_000_000)) && !gave_up(&late, START));

        let mut refused = Sending::new(&messages(&[10; 12]), START, BUDGET);
        let mut batches = refused.round().into_iter();
        refused.answered(&batches.next().unwrap(), Answer::Http { status: 403, body: b"" });
        refused.answered(&batches.next().unwrap(), Answer::None { why: "timed out" });
        assert!(gave_up(&refused, START));
    }
}
