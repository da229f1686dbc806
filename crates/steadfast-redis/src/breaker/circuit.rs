//! The breaker as callers see it.

use super::config::BreakerConfig;
use super::core::Core;
use super::event::{Evidence, Reason, State, StateChange};
use super::permit::{Permit, Rejected};
use super::shared::Shared;
use crate::notify::Subscription;
use crate::retry::{InvalidConfig, SharedJitter};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::sync::watch;

/// A circuit breaker. Cheap to clone; clones are the same breaker. See the [module](super) for how it decides.
///
/// Asking a closed breaker is one atomic load; counting a good result is one compare-and-swap, a bad one two or three
/// and a look over the window. An open breaker rejects without a lock.
#[derive(Clone)]
pub struct CircuitBreaker {
    pub(super) shared: Arc<Shared>,
}

impl CircuitBreaker {
    /// A closed breaker. `name` appears in its events.
    ///
    /// # Errors
    /// Every field of `config` that is out of its range or does not fit the others.
    pub fn new(
        name: impl Into<Arc<str>>,
        config: BreakerConfig,
        clock: SharedClock,
        jitter: SharedJitter,
    ) -> Result<Self, InvalidConfig> {
        let shared = Shared::new(name.into(), config, clock, jitter)?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.shared.name()
    }

    /// Leave for one call. Report how it went on the permit; dropped, it says nothing.
    ///
    /// # Errors
    /// If calls are not let through now: why, and when to ask again.
    pub fn try_acquire(&self) -> Result<Permit<'_>, Rejected> {
        let right = self.shared.ask()?;
        Ok(Permit::new(&self.shared, right))
    }

    /// The state. An open breaker whose time is over is still open: it moves on with the next call.
    pub fn state(&self) -> State {
        self.shared.sign().state()
    }

    /// The epoch: grows with every change of state and every clean slate.
    pub fn epoch(&self) -> u64 {
        self.shared.sign().epoch()
    }

    /// How long calls will be rejected, unless a probe passes before. `None`: they are not, or nobody knows.
    pub fn retry_after(&self) -> Option<Duration> {
        let open = self.state() == State::Open;
        open.then(|| self.shared.open_left(self.shared.now_ms())).filter(|left| !left.is_zero())
    }

    /// Opens at once upon proof that the dependency is gone. False if that changed nothing: it was open already, or an
    /// operator has taken it out of its own hands.
    pub fn trip(&self, evidence: Evidence) -> bool {
        self.shared.change(|core, now| core.trip(None, Reason::Evidence(evidence), now)).is_some()
    }

    /// The same, if the proof concerns the `epoch` that is current: for a proof begun under it that comes late.
    pub fn trip_in(&self, epoch: u64, evidence: Evidence) -> bool {
        self.shared.change(|core, now| core.trip(Some(epoch), Reason::Evidence(evidence), now)).is_some()
    }

    /// The owner's active prober found the dependency well. Open: trial calls begin now. Half-open without calls under
    /// way: worth a round, so that an idle breaker closes too.
    pub fn probe_passed(&self) {
        let _ = self.shared.change(Core::probe_passed);
    }

    /// The owner's active prober found it ill. Open: it stays so for another open time from now. Half-open: it reopens.
    /// Closed: nothing; if the probe amounts to proof, [`trip`](Self::trip).
    pub fn probe_failed(&self) {
        let _ = self.shared.change(Core::probe_failed);
    }

    /// Closes with a clean slate: nothing counted, open time and episode forgotten. What is under way becomes late.
    /// The learnt median stays.
    pub fn reset(&self) {
        self.force(State::Closed, Reason::Reset);
    }

    /// Rejects all calls until [`reset`](Self::reset) or another such word.
    pub fn force_open(&self) {
        self.force(State::ForcedOpen, Reason::Operator);
    }

    /// Lets all calls through and counts nothing until [`reset`](Self::reset) or another such word.
    pub fn disable(&self) {
        self.force(State::Disabled, Reason::Operator);
    }

    /// Lets all calls through and counts, but never opens, until [`reset`](Self::reset) or another such word.
    pub fn metrics_only(&self) {
        self.force(State::MetricsOnly, Reason::Operator);
    }

    fn force(&self, state: State, reason: Reason) {
        let _ = self.shared.change(|core, now| core.force(state, reason, now.ms));
    }

    /// Goes on under other numbers, in the state it is in. Counts stay, unless the window's shape changes.
    ///
    /// # Errors
    /// Every field of `config` that is out of its range or does not fit the others; the numbers stay.
    pub fn reconfigure(&self, config: BreakerConfig) -> Result<(), InvalidConfig> {
        self.shared.reconfigure(config)
    }

    /// The numbers in force.
    pub fn config(&self) -> BreakerConfig {
        self.shared.look(|core| core.config)
    }

    /// Calls `callback` upon every change of state, in order, until the subscription is dropped.
    ///
    /// It runs on the thread of the call that made the change, or of one before it that is still telling; so it should
    /// be short, and should hand work on. No lock is held: it may use the breaker. If it panics, that is logged and
    /// nothing else happens. If it lags more than 64 changes behind, the oldest of them are not told.
    pub fn on_state_change(&self, callback: impl Fn(&StateChange) + Send + Sync + 'static) -> Subscription {
        self.shared.notifier.listen(Arc::new(callback))
    }

    /// The latest change of state, to be awaited. Before the first it holds one from closed to closed,
    /// [`Reason::Start`]. Changes in quick succession may be seen as one.
    pub fn subscribe(&self) -> watch::Receiver<StateChange> {
        self.shared.notifier.watch()
    }
}

impl fmt::Debug for CircuitBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = self.shared.sign();
        f.debug_struct("CircuitBreaker")
            .field("name", &self.shared.name())
            .field("state", &sign.state())
            .field("epoch", &sign.epoch())
            .finish_non_exhaustive()
    }
}
