//! How many questions run and how many wait: the one after that is told to come back.

use std::sync::Arc;

use event_model::{ErrorCode, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Places for running and for waiting questions.
#[derive(Debug)]
pub(crate) struct Gate {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// A place; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _admitted: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
}

impl Gate {
    pub(crate) fn new(concurrent: usize, waiting: usize) -> Self {
        let concurrent = concurrent.max(1);
        Self { admitted: Arc::new(Semaphore::new(concurrent + waiting)), running: Arc::new(Semaphore::new(concurrent)) }
    }

    /// Waits for a place to run in.
    ///
    /// # Errors
    /// `too_many_questions` at once when the waiting list is full, or when `deadline` comes before a place is free.
    pub(crate) async fn enter(&self, deadline: Instant) -> Result<Place, Problem> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy())?;
        let running = timeout_at(deadline, Arc::clone(&self.running).acquire_owned()).await;
        match running {
            Ok(Ok(running)) => Ok(Place { _admitted: admitted, _running: running }),
            Ok(Err(_)) | Err(_) => Err(busy()),
        }
    }
}

fn busy() -> Problem {
    Problem::new(ErrorCode::TooManyQuestions, "").retry_after(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn one_runs_one_waits_and_the_third_is_told_to_come_back() {
        let gate = Arc::new(Gate::new(1, 1));
        let soon = Instant::now() + Duration::from_secs(5);
        let first = gate.enter(soon).await.unwrap();
        let second = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.enter(soon).await }
        });
        tokio::task::yield_now().await;
        let third = gate.enter(soon).await.unwrap_err();
        assert_eq!((third.code, third.retry_after), (ErrorCode::TooManyQuestions, Some(1)));
        drop(first);
        assert!(second.await.unwrap().is_ok());
        assert!(gate.enter(soon).await.is_ok(), "places are given back");
    }

    #[tokio::test]
    async fn waiting_ends_at_the_deadline() {
        let gate = Gate::new(1, 1);
        let _first = gate.enter(Instant::now() + Duration::from_secs(1)).await.unwrap();
        let late = gate.enter(Instant::now() + Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(late.code, ErrorCode::TooManyQuestions);
    }
}
