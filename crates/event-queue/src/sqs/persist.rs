//! Trying again: SQS answers a call for ten messages with success for some of them, or with nothing at all.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use aws_sdk_sqs::config::http::HttpResponse;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::BatchResultErrorEntry;
use tokio::task::JoinSet;

use super::error;
use super::settings::SqsSettings;
use crate::queue::QueueError;

/// What SQS says to a call for several messages.
pub(super) struct Answer {
    /// The ids of the entries that succeeded.
    pub(super) successful: Vec<String>,
    /// Those that did not.
    pub(super) failed: Vec<BatchResultErrorEntry>,
}

/// What becomes of an entry that SQS refuses for its own sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is an error: the message is not in the queue.
    Error,
    /// It changes nothing: the receipt was used already, or has expired.
    Nothing,
}

/// Calls with the entries that have not succeeded yet until there are none, or patience ends. Entries are known by
/// their place, which is also their id.
pub(super) async fn persist<E, F, C>(
    entries: Vec<E>,
    settings: &SqsSettings,
    refusal: Refusal,
    call: C,
) -> Result<(), QueueError>
where
    E: Clone,
    C: Fn(Vec<(String, E)>) -> F,
    F: Future<Output = Result<Answer, QueueError>>,
{
    let started = Instant::now();
    let mut left: HashMap<String, E> =
        entries.into_iter().enumerate().map(|(place, entry)| (place.to_string(), entry)).collect();
    let mut tries = 0;
    loop {
        let mut asked: Vec<(String, E)> = left.iter().map(|(id, entry)| (id.clone(), entry.clone())).collect();
        asked.sort_by(|a, b| a.0.cmp(&b.0));
        let last_error = match call(asked).await {
            Ok(answer) => settle(&mut left, answer, refusal)?,
            Err(error @ QueueError::Unavailable(_)) => error,
            Err(error) => return Err(error),
        };
        if left.is_empty() {
            return Ok(());
        }
        tries += 1;
        let wait = backoff(settings.first_backoff, tries);
        if started.elapsed() + wait > settings.patience {
            return Err(last_error);
        }
        tracing::debug!(error = %last_error, entries = left.len(), "sqs did not take everything; trying again");
        tokio::time::sleep(wait).await;
    }
}

/// Takes out what is done with; the error is what to say if patience ends now.
fn settle<E>(left: &mut HashMap<String, E>, answer: Answer, refusal: Refusal) -> Result<QueueError, QueueError> {
    for id in answer.successful {
        // Named as both is not done: what is done twice does no harm.
        if answer.failed.iter().all(|failed| failed.id() != id) {
            left.remove(&id);
        }
    }
    let mut last_error = QueueError::Unavailable("sqs says of some entries neither success nor failure".to_owned());
    for failed in answer.failed {
        let text = format!("{}: {}", failed.code(), failed.message().unwrap_or("no message"));
        if error::entry_passes(failed.code(), failed.sender_fault()) {
            last_error = QueueError::Unavailable(text);
        } else if refusal == Refusal::Error {
            return Err(QueueError::Refused(text));
        } else {
            left.remove(failed.id());
        }
    }
    Ok(last_error)
}

/// Doubling from `first` on, half of it by chance, so that those who failed together do not return together.
fn backoff(first: Duration, tries: u32) -> Duration {
    let full = first.saturating_mul(1 << tries.saturating_sub(1).min(6));
    let nanos = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), tries) % 1_000;
    full.mul_f64(0.5 + f64::from(u32::try_from(nanos).unwrap_or(0)) / 2_000.0)
}

/// Waits for one call, but not for ever.
pub(super) async fn within<T, E>(
    limit: Duration,
    call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
) -> Result<T, QueueError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(|error| error::of_call(&error)),
        Err(_) => Err(QueueError::Unavailable(format!("sqs did not answer within {limit:?}"))),
    }
}

/// Runs all tasks, at most `parallel` at a time; the first error ends it. What was begun is dropped with the future.
pub(super) async fn in_parallel<T, F>(parallel: usize, tasks: Vec<F>) -> Result<Vec<T>, QueueError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, QueueError>> + Send + 'static,
{
    let mut waiting = tasks.into_iter();
    let mut running: JoinSet<Result<T, QueueError>> = waiting.by_ref().take(parallel.max(1)).collect();
    let mut results = Vec::new();
    while let Some(joined) = running.join_next().await {
        results.push(joined.map_err(|error| QueueError::Unavailable(error.to_string()))??);
        if let Some(task) = waiting.next() {
            running.spawn(task);
        }
    }
    Ok(results)
}
