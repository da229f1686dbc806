//! What all clones of a breaker share: the window, the state word and the rules put together.

use super::config::BreakerConfig;
use super::core::{Admission, Change, Core, Now};
use super::event::{Evidence, Reason, State, StateChange};
use super::gate::{Gate, Sign};
use super::half_open::Trial;
use super::live::Live;
use super::permit::{Rejected, Right};
use super::ring::{Mark, Ring, Shape};
use crate::notify::Notifier;
use crate::retry::{InvalidConfig, SharedJitter, unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steadfast_clock::SharedClock;

/// What all clones share. The lock guards the rules; what calls read without it mirrors them.
pub(super) struct Shared {
    name: Arc<str>,
    gate: Gate,
    /// Meaningful while the gate says open. Written before the gate.
    open_until_ms: AtomicU64,
    pub(super) ring: Ring,
    pub(super) live: Live,
    core: Mutex<Core>,
    pub(super) notifier: Arc<Notifier<StateChange>>,
    clock: SharedClock,
    jitter: SharedJitter,
}

impl Shared {
    /// Closed, with nothing counted.
    pub(super) fn new(
        name: Arc<str>,
        config: BreakerConfig,
        clock: SharedClock,
        jitter: SharedJitter,
    ) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let now_ms = clock.mono_ms();
        let core = Core::new(config, now_ms);
        let first = Change {
            from: State::Closed,
            to: State::Closed,
            reason: Reason::Start,
            epoch: core.epoch(),
            episode: 0,
            alert: false,
            trips: 0,
            open_for: None,
            at_ms: now_ms,
        };
        Ok(Self {
            gate: Gate::new(core.sign()),
            open_until_ms: AtomicU64::new(0),
            ring: Ring::new(Shape::of(&config)),
            live: Live::new(&config),
            core: Mutex::new(core),
            notifier: Arc::new(Notifier::new(Arc::clone(&name), first.told_by(&name))),
            name,
            clock,
            jitter,
        })
    }

    /// One caller asks: without a lock if the answer is clear.
    pub(super) fn ask(&self) -> Result<Right, Rejected> {
        let sign = self.sign();
        match sign.state() {
            State::Closed | State::MetricsOnly => Ok(Right::Counted { epoch: sign.epoch() }),
            State::Disabled => Ok(Right::Unmetered { epoch: sign.epoch() }),
            State::ForcedOpen => Err(Rejected::by(sign, None)),
            State::Open => {
                let now_ms = self.clock.mono_ms();
                let left = self.open_left(now_ms);
                if left.is_zero() { self.ask_core(now_ms) } else { Err(Rejected::by(sign, Some(left))) }
            }
            State::HalfOpen => self.ask_core(self.clock.mono_ms()),
        }
    }

    fn ask_core(&self, now_ms: u64) -> Result<Right, Rejected> {
        let (admission, sign) = self.with_core(|core| {
            let (admission, change) = core.admit(now_ms);
            ((admission, core.sign()), change)
        });
        let epoch = sign.epoch();
        match admission {
            Admission::Unmetered => Ok(Right::Unmetered { epoch }),
            Admission::Counted => Ok(Right::Counted { epoch }),
            Admission::Leased(lease) => Ok(Right::Leased { epoch, lease }),
            Admission::Rejected { retry_at_ms } => {
                let left = retry_at_ms.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now_ms)));
                Err(Rejected::by(sign, left))
            }
        }
    }

    pub(super) fn open_left(&self, now_ms: u64) -> Duration {
        Duration::from_millis(self.open_until_ms.load(Ordering::Acquire).saturating_sub(now_ms))
    }

    /// A call admitted in `epoch` came back.
    pub(super) fn record(&self, epoch: u64, failed: bool, elapsed: Duration) {
        let now_ms = self.clock.mono_ms();
        let mark = Mark { failed, slow: self.live.is_slow(elapsed) };
        let sign = self.sign();
        if sign.epoch() != epoch {
            return;
        }
        let Some(calls) = self.ring.record(now_ms, epoch, mark) else { return };
        if !failed {
            self.live.learn(elapsed, calls == 1, false);
        }
        if (mark.failed || mark.slow) && sign.state() == State::Closed {
            self.judge(now_ms, epoch);
        }
    }

    /// Opens if the window says so. Only a bad result asks: a good one cannot be what makes a window too bad.
    fn judge(&self, now_ms: u64, epoch: u64) {
        if let Some(reason) = self.live.reason_to_open(self.ring.totals(now_ms, epoch)) {
            let _ = self.change(|core, now| core.trip_by_rate(epoch, reason, now));
        }
    }

    /// A trial call came back.
    pub(super) fn settle(&self, lease: u64, failed: bool, elapsed: Duration) {
        let trial = Trial { failed, slow: self.live.is_slow(elapsed) };
        if !failed {
            self.live.learn(elapsed, false, trial.slow);
        }
        let _ = self.change(|core, now| core.settle(lease, trial, now));
    }

    /// A trial call came back without a verdict.
    pub(super) fn give_back(&self, lease: u64) {
        self.with_core(|core| (core.give_back(lease), None));
    }

    /// A call admitted in `epoch` brought proof.
    pub(super) fn trip(&self, epoch: u64, evidence: Evidence) {
        let _ = self.change(|core, now| core.trip(Some(epoch), Reason::Evidence(evidence), now));
    }

    pub(super) fn reconfigure(&self, config: BreakerConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        let _ = self.change(|core, now| {
            let mut epoch = core.epoch();
            if Shape::of(&config) != self.ring.shape() {
                epoch = self.ring.reshape(Shape::of(&config), now.ms, epoch);
            }
            self.live.reconfigure(&config);
            core.reconfigure(config, epoch, now.ms);
            None
        });
        Ok(())
    }

    /// Looks at the rules without changing them.
    pub(super) fn look<T>(&self, looking: impl FnOnce(&Core) -> T) -> T {
        looking(&self.core.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.mono_ms()
    }

    pub(super) fn change(&self, changing: impl FnOnce(&mut Core, Now) -> Option<Change>) -> Option<Change> {
        // Clock and chance come from outside: they are asked before the lock is taken.
        let now = Now { ms: self.clock.mono_ms(), drawn: unit(&*self.jitter) };
        self.with_core(|core| {
            let change = changing(core, now);
            (change, change)
        })
    }

    /// Applies the rules, publishes what follows, and tells of a change once the lock is free again.
    fn with_core<T>(&self, applying: impl FnOnce(&mut Core) -> (T, Option<Change>)) -> T {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let (result, change) = applying(&mut core);
        self.open_until_ms.store(core.open_until_ms(), Ordering::Release);
        self.gate.write(core.sign());
        if let Some(change) = change {
            self.notifier.push(change.told_by(&self.name));
        }
        drop(core);
        if change.is_some() {
            self.notifier.tell();
        }
        result
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the gate says, for those who look without asking.
    pub(super) fn sign(&self) -> Sign {
        self.gate.read()
    }
}

impl Change {
    fn told_by(self, name: &Arc<str>) -> StateChange {
        let Self { from, to, reason, epoch, episode, alert, trips, open_for, at_ms } = self;
        StateChange {
            breaker: Arc::clone(name),
            from,
            to,
            reason,
            epoch,
            episode,
            alert,
            trips,
            open_for,
            at_ms,
        }
    }
}
