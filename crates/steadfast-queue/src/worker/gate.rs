//! Who may run beside whom in one process.

use std::sync::Arc;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore};

/// Lets ordinary jobs run side by side and suspects alone. Share one among all workers of a process:
/// a suspect may take the process down, and must take no innocent job with it.
///
/// Fair: who asks first passes first, so a waiting suspect holds back what comes after it, and is itself
/// held back only by what came before.
#[derive(Clone, Debug)]
pub struct RunGate {
    running: Arc<RwLock<()>>,
    /// One suspect at a time may even wait: two waiting under their leases would share a crash.
    seat: Arc<Semaphore>,
}

impl Default for RunGate {
    fn default() -> Self {
        Self::new()
    }
}

impl RunGate {
    /// A gate for one process.
    pub fn new() -> Self {
        Self { running: Arc::new(RwLock::new(())), seat: Arc::new(Semaphore::new(1)) }
    }

    /// Waits until no suspect runs or waits. Whoever holds the pass keeps suspects out, so a reservation
    /// is made under one: a job that comes with it cannot meet a suspect.
    pub(crate) async fn enter(&self) -> Pass {
        Pass::Shared { _running: Arc::clone(&self.running).read_owned().await }
    }

    /// The right to wait as the next suspect; `None` while there is another.
    pub(crate) fn claim_seat(&self) -> Option<Seat> {
        let permit = Arc::clone(&self.seat).try_acquire_owned().ok()?;
        Some(Seat { running: Arc::clone(&self.running), permit })
    }

    /// Whether a suspect runs or waits.
    pub(crate) fn has_suspect(&self) -> bool {
        self.seat.available_permits() == 0
    }
}

/// A waiting suspect's place.
#[derive(Debug)]
pub(crate) struct Seat {
    running: Arc<RwLock<()>>,
    permit: OwnedSemaphorePermit,
}

impl Seat {
    /// Waits until nothing else is under a lease in the process.
    pub(crate) async fn alone(self) -> Pass {
        Pass::Alone { _running: self.running.write_owned().await, _seat: self.permit }
    }
}

/// The right to run, given back when dropped.
#[derive(Debug)]
pub(crate) enum Pass {
    /// Beside others.
    Shared {
        /// Keeps suspects out.
        _running: OwnedRwLockReadGuard<()>,
    },
    /// With nothing else.
    Alone {
        /// Keeps everything out.
        _running: OwnedRwLockWriteGuard<()>,
        /// Keeps other suspects from waiting.
        _seat: OwnedSemaphorePermit,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn a_suspect_waits_for_those_before_it_and_holds_back_those_after_it() {
        let gate = RunGate::new();
        let first = gate.enter().await;
        let second = gate.enter().await;
        let seat = gate.claim_seat().expect("free");
        assert!(gate.claim_seat().is_none() && gate.has_suspect());
        let mut alone = Box::pin(seat.alone());
        assert!((&mut alone).now_or_never().is_none());
        let mut later = Box::pin(gate.enter());
        assert!((&mut later).now_or_never().is_none(), "comes after the suspect");
        drop(first);
        assert!((&mut alone).now_or_never().is_none());
        drop(second);
        let alone = alone.await;
        assert!((&mut later).now_or_never().is_none());
        drop(alone);
        assert!(later.now_or_never().is_some());
        assert!(!gate.has_suspect());
    }

    #[tokio::test]
    async fn a_suspect_that_gives_up_lets_the_others_pass() {
        let gate = RunGate::new();
        let running = gate.enter().await;
        let mut alone = Box::pin(gate.claim_seat().expect("free").alone());
        assert!((&mut alone).now_or_never().is_none());
        drop(alone);
        assert!(gate.enter().now_or_never().is_some());
        assert!(gate.claim_seat().is_some());
        drop(running);
    }
}
