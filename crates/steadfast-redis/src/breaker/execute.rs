//! A call and its breaker in one.

use super::circuit::CircuitBreaker;
use super::permit::Rejected;
use std::future::Future;
use tokio::time::Instant;

/// What a call's result says about the dependency's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It did its work.
    Success,
    /// It failed: transport, timeout, overload.
    Failure,
    /// Nothing: the caller asked for something it could not have.
    Ignore,
}

/// Why [`CircuitBreaker::execute`] has no result.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError<E> {
    /// The call was not made.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The call was made and failed.
    #[error(transparent)]
    Failed(E),
}

impl CircuitBreaker {
    /// Makes the call if the breaker lets it through, and reports its result as `classify` judges it.
    ///
    /// The time it takes is measured from the call to its end. It has no deadline of its own: `op` brings one, whose
    /// passing is an error and a [`Verdict::Failure`]. Cancel safe: a dropped future, or an `op` that panics, returns
    /// the permit and decides nothing.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] if the call was not made, [`ExecuteError::Failed`] with its own error if it failed.
    pub async fn execute<T, E, F, Fut, C>(&self, op: F, classify: C) -> Result<T, ExecuteError<E>>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        C: FnOnce(&Result<T, E>) -> Verdict,
    {
        let permit = self.try_acquire()?;
        let started = Instant::now();
        let result = op().await;
        let elapsed = started.elapsed();
        match classify(&result) {
            Verdict::Success => permit.success(elapsed),
            Verdict::Failure => permit.failure(elapsed),
            Verdict::Ignore => permit.ignore(),
        }
        result.map_err(ExecuteError::Failed)
    }
}
