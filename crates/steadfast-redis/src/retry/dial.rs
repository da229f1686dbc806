//! When the next connection may be dialled.

use super::dial_pace::Pace;
use super::{DialConfig, InvalidConfig, SharedJitter, unit};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_clock::SharedClock;

/// The dials of one node, shared by everyone who dials it.
///
/// - The first dial, and every dial to a node that is up, may be made at once.
/// - After a failure the next waits: exponential, full jitter, at most [`DialConfig::cap`] (2 s). So a node that
///   comes back is found at most one cap after it did, plus the time the dial takes.
/// - In any [`DialConfig::span`] (15 s) at most [`DialConfig::dials_max`] (12) dials are made that do not succeed.
///   Where the draws were short, later ones are drawn from a range that keeps both promises; dials never run out.
/// - A success costs nothing and lets the next dial be made at once. If its connection dies before
///   [`DialConfig::stable`] (1 s), as with a server that accepts and hangs up, it counts like a failed dial: tell it
///   with [`connection_lost`](Self::connection_lost).
///
/// Cheap to clone; clones share the count. Locked for some tens of nanoseconds per dial.
#[derive(Clone)]
pub struct DialBudget(Arc<Shared>);

struct Shared {
    pace: Mutex<Pace>,
    clock: SharedClock,
    jitter: SharedJitter,
}

/// The next dial has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the next dial to this node may be made in {wait:?}: earlier ones failed and are spaced")]
#[non_exhaustive]
pub struct DialWait {
    /// When to ask again, on the monotonic clock handed in, in milliseconds. Someone else may be faster; a success of
    /// someone else makes it sooner.
    pub at_ms: u64,
    /// The same as a span from now.
    pub wait: Duration,
}

/// Where the dials of a node stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DialView {
    /// Dials within the span that ends now, but for those that led to a usable connection.
    pub recent: usize,
    /// Failures in a row.
    pub failures: u32,
    /// When the next dial may be made, in milliseconds of the monotonic clock handed in. May be past.
    pub next_ms: u64,
    /// The same as a span from now; zero if it may be made at once.
    pub wait: Duration,
}

impl DialBudget {
    /// A budget of which nothing is spent.
    ///
    /// # Errors
    /// Every field of `config` that is out of its range or does not fit the others.
    pub fn new(config: &DialConfig, clock: SharedClock, jitter: SharedJitter) -> Result<Self, InvalidConfig> {
        config.validate()?;
        Ok(Self(Arc::new(Shared { pace: Mutex::new(Pace::new(config)), clock, jitter })))
    }

    /// Leave to dial now. Report how it went on the permit.
    ///
    /// # Errors
    /// When to ask again, at most one cap from now.
    pub fn try_dial(&self) -> Result<DialPermit, DialWait> {
        let (now_ms, drawn) = self.0.now();
        match self.0.pace().start(now_ms, drawn) {
            Ok(()) => Ok(DialPermit { budget: self.clone(), started_ms: now_ms, reported: false }),
            Err(at_ms) => Err(DialWait { at_ms, wait: Duration::from_millis(at_ms.saturating_sub(now_ms)) }),
        }
    }

    /// A connection died `lifetime` after it became usable. Say it of every connection; those that lasted, and those
    /// that die together with another, cost nothing.
    pub fn connection_lost(&self, lifetime: Duration) {
        let (now_ms, drawn) = self.0.now();
        let lifetime_ms = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX);
        self.0.pace().lost(lifetime_ms, now_ms, drawn);
    }

    /// Word came that the node may be up now (a failover was announced, its address changed): the next dial may be
    /// made as soon as the span's count allows.
    pub fn hasten(&self) {
        self.0.pace().hasten();
    }

    /// Where the dials stand.
    pub fn view(&self) -> DialView {
        let now_ms = self.0.clock.mono_ms();
        let pace = self.0.pace();
        let next_ms = pace.next_ms();
        let wait = Duration::from_millis(next_ms.saturating_sub(now_ms));
        DialView { recent: pace.charged(now_ms), failures: pace.failures(), next_ms, wait }
    }

    /// Goes on under other numbers; what was spent stays spent.
    ///
    /// # Errors
    /// Every field of `config` that is out of its range or does not fit the others; the numbers stay.
    pub fn reconfigure(&self, config: &DialConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        self.0.pace().reconfigure(config);
        Ok(())
    }
}

impl Shared {
    /// What is read from outside is read before the lock is taken.
    fn now(&self) -> (u64, f64) {
        (self.clock.mono_ms(), unit(&*self.jitter))
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DialBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DialBudget").field(&self.view()).finish()
    }
}

/// Leave to dial once. Dropped without a report (the dial was cancelled) it counts as a failure: it cost the server
/// the same.
#[derive(Debug)]
#[must_use = "a dial that is not reported counts as failed"]
pub struct DialPermit {
    budget: DialBudget,
    started_ms: u64,
    reported: bool,
}

impl DialPermit {
    /// The connection is usable: connected, encrypted, greeted and authenticated, not merely accepted.
    pub fn succeeded(mut self) {
        self.reported = true;
        let now_ms = self.budget.0.clock.mono_ms();
        self.budget.0.pace().succeeded(self.started_ms, now_ms);
    }

    /// The dial failed, at whatever stage.
    pub fn failed(self) {
        drop(self);
    }
}

impl Drop for DialPermit {
    fn drop(&mut self) {
        if !self.reported {
            let (now_ms, drawn) = self.budget.0.now();
            self.budget.0.pace().failed(now_ms, drawn);
        }
    }
}
