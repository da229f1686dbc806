//! One way to call the store: with a deadline, and never taken down by it.

use crate::error::QueueError;
use crate::worker::backoff::Backoff;
use futures::FutureExt as _;
use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Waits for `call` at most `timeout`. A store that does not answer is unavailable; one that panics is
/// inconsistent; neither ends the caller.
pub(crate) async fn bounded<T>(
    what: &'static str,
    timeout: Duration,
    call: impl Future<Output = Result<T, QueueError>>,
) -> Result<T, QueueError> {
    match tokio::time::timeout(timeout, AssertUnwindSafe(call).catch_unwind()).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_panic)) => Err(QueueError::Inconsistent { what: format!("the store panicked in {what}") }),
        Err(_elapsed) => Err(QueueError::Unavailable {
            what: format!("{what}: no answer within {} ms", timeout.as_millis()),
            source: None,
        }),
    }
}

/// A store that answers fewer or more items than it was asked has a defect.
pub(crate) fn miscounted(what: &'static str, asked: usize, answered: usize) -> QueueError {
    QueueError::Inconsistent { what: format!("{what}: {asked} asked, {answered} answered") }
}

/// A run of failures: backs off, and is logged once at its start and once at its end.
#[derive(Debug)]
pub(crate) struct Trouble {
    what: &'static str,
    backoff: Backoff,
    failures: u64,
}

impl Trouble {
    /// Watches calls named `what`; pauses from `first` to `cap`.
    pub(crate) fn new(what: &'static str, first: Duration, cap: Duration) -> Self {
        Self { what, backoff: Backoff::new(first, cap), failures: 0 }
    }

    /// Notes a failure; returns how long to pause.
    pub(crate) fn failed(&mut self, scope: &str, error: &QueueError) -> Duration {
        self.failures += 1;
        let pause = self.backoff.next_pause();
        let cause = error.source().map(chain).unwrap_or_default();
        if self.failures == 1 {
            tracing::warn!(queue.name = scope, call = self.what, %error, cause, "the queue's store fails; trying again until it answers");
        } else {
            tracing::debug!(queue.name = scope, call = self.what, %error, cause, failures = self.failures, "the queue's store still fails");
        }
        pause
    }

    /// Notes a success.
    pub(crate) fn over(&mut self, scope: &str) {
        if self.failures > 0 {
            tracing::info!(
                queue.name = scope,
                call = self.what,
                failures = self.failures,
                "the queue's store answers again"
            );
            self.failures = 0;
            self.backoff.reset();
        }
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_store_is_unavailable_and_a_panicking_one_is_survived() {
        let silent = bounded::<()>("reserve", Duration::from_secs(1), std::future::pending()).await;
        assert!(matches!(silent, Err(QueueError::Unavailable { .. })));
        let broken = bounded::<()>("reserve", Duration::from_secs(1), async { panic!("broken") }).await;
        assert!(matches!(broken, Err(QueueError::Inconsistent { .. })));
    }

    #[test]
    fn an_episode_ends_with_the_first_success() {
        let mut trouble = Trouble::new("settle", Duration::from_millis(10), Duration::from_secs(1));
        let error = QueueError::Overloaded { waiting: 1 };
        let first = trouble.failed("q", &error);
        let second = trouble.failed("q", &error);
        assert!(first <= Duration::from_millis(10) && second >= Duration::from_millis(10));
        trouble.over("q");
        assert_eq!(trouble.failures, 0);
        assert!(trouble.failed("q", &error) <= Duration::from_millis(10));
    }
}
