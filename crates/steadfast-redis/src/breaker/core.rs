//! The breaker's states: what follows upon what. No locks, no clock, no chance, no callbacks.

use super::config::BreakerConfig;
use super::event::{Cause, Reason, State};
use super::gate::Sign;
use super::half_open::{HalfOpen, Outcome, Trial};
use crate::retry::{between_ms, doubled};
use std::time::Duration;

/// Everything about a breaker but its window.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: BreakerConfig,
    state: State,
    /// Goes up with every change of state and with every clean slate.
    epoch: u64,
    since_ms: u64,
    reason: Reason,
    /// Of the last opening.
    cause: Option<Cause>,
    open_until_ms: u64,
    /// Doublings of the open time, plus one; 0 after a long time of health.
    growth: u32,
    trips: u64,
    episode: u64,
    in_episode: bool,
    half_open: HalfOpen,
}

/// A moment and the draw made for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub ms: u64,
    /// From `[0, 1]`.
    pub drawn: f64,
}

/// A change of state that has happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Change {
    pub from: State,
    pub to: State,
    pub reason: Reason,
    pub epoch: u64,
    pub episode: u64,
    pub alert: bool,
    pub trips: u64,
    pub open_for: Option<Duration>,
    pub at_ms: u64,
}

/// What a caller gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Nothing is counted.
    Unmetered,
    /// The result goes to the window.
    Counted,
    /// A trial call, with its lease.
    Leased(u64),
    /// Not now; when to ask again, if that is known.
    Rejected { retry_at_ms: Option<u64> },
}

impl Core {
    pub(super) const fn new(config: BreakerConfig, now_ms: u64) -> Self {
        Self {
            config,
            state: State::Closed,
            epoch: 1,
            since_ms: now_ms,
            reason: Reason::Start,
            cause: None,
            open_until_ms: 0,
            growth: 0,
            trips: 0,
            episode: 0,
            in_episode: false,
            half_open: HalfOpen::new(config.half_open_full),
        }
    }

    pub(super) fn sign(&self) -> Sign {
        Sign::new(self.state, self.cause, self.epoch)
    }

    #[cfg(test)]
    const fn state(&self) -> State {
        self.state
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(super) const fn open_until_ms(&self) -> u64 {
        self.open_until_ms
    }

    /// The state since when and why, and trips and episodes so far.
    pub(super) const fn history(&self) -> (u64, Reason, u64, u64) {
        (self.since_ms, self.reason, self.trips, self.episode)
    }

    /// The round's width and the calls under way, if half-open.
    pub(super) fn trial(&self, now_ms: u64) -> Option<(u32, u32)> {
        (self.state == State::HalfOpen).then(|| self.half_open.view(now_ms))
    }

    /// One caller asks.
    pub(super) fn admit(&mut self, now_ms: u64) -> (Admission, Option<Change>) {
        let mut change = None;
        if self.state == State::Open {
            if now_ms < self.open_until_ms {
                return (Admission::Rejected { retry_at_ms: Some(self.open_until_ms) }, None);
            }
            change = self.try_out(Reason::OpenTimeOver, now_ms);
        }
        let admission = match self.state {
            State::Closed | State::MetricsOnly => Admission::Counted,
            State::Disabled => Admission::Unmetered,
            State::HalfOpen => match self.half_open.admit(now_ms, ms(self.config.lease)) {
                Ok(lease) => Admission::Leased(lease),
                // A verdict will mostly come before a lease runs out.
                Err(run_out_ms) => {
                    let soon_ms = now_ms + ms(self.config.open_base);
                    Admission::Rejected { retry_at_ms: Some(soon_ms.min(run_out_ms)) }
                }
            },
            State::Open | State::ForcedOpen => Admission::Rejected { retry_at_ms: None },
        };
        (admission, change)
    }

    /// The window of `epoch` says it is time.
    pub(super) fn trip_by_rate(&mut self, epoch: u64, reason: Reason, now: Now) -> Option<Change> {
        (self.state == State::Closed && self.epoch == epoch).then(|| self.open(reason, now))
    }

    /// Somebody has proof; from a call admitted in `epoch`, if told.
    pub(super) fn trip(&mut self, epoch: Option<u64>, reason: Reason, now: Now) -> Option<Change> {
        let timely = epoch.is_none_or(|epoch| epoch == self.epoch);
        (timely && matches!(self.state, State::Closed | State::HalfOpen)).then(|| self.open(reason, now))
    }

    /// A trial call came back.
    pub(super) fn settle(&mut self, lease: u64, trial: Trial, now: Now) -> Option<Change> {
        if self.state != State::HalfOpen {
            return None;
        }
        let BreakerConfig { failure_rate, slow_rate, .. } = self.config;
        let outcome = self.half_open.settle(lease, trial, now.ms, failure_rate, slow_rate);
        self.follow(outcome, now)
    }

    /// A trial call came back without a verdict.
    pub(super) fn give_back(&mut self, lease: u64) {
        self.half_open.give_back(lease);
    }

    /// The owner's probe passed.
    pub(super) fn probe_passed(&mut self, now: Now) -> Option<Change> {
        match self.state {
            State::Open => self.try_out(Reason::ProbePassed, now.ms),
            State::HalfOpen => {
                let outcome = self.half_open.probe_passed(now.ms);
                self.follow(outcome, now)
            }
            State::Closed | State::ForcedOpen | State::Disabled | State::MetricsOnly => None,
        }
    }

    /// The owner's probe failed: an open breaker stays so for another open time from now, without growth (the prober
    /// says when it passes); a half-open one reopens.
    pub(super) fn probe_failed(&mut self, now: Now) -> Option<Change> {
        match self.state {
            State::Open => {
                self.open_until_ms = self.open_until_ms.max(now.ms + self.open_ms(now.drawn));
                None
            }
            State::HalfOpen => Some(self.open(Reason::ProbeFailed, now)),
            State::Closed | State::ForcedOpen | State::Disabled | State::MetricsOnly => None,
        }
    }

    /// An operator's word. Every result under way becomes late.
    pub(super) fn force(&mut self, state: State, reason: Reason, now_ms: u64) -> Option<Change> {
        self.growth = 0;
        self.in_episode = false;
        self.cause = reason.cause();
        let from = self.state;
        let change = self.enter(state, reason, now_ms);
        (from != state).then_some(change)
    }

    /// Other numbers; `epoch` is that from which the window may be used. An open time longer than the new cap is cut.
    pub(super) fn reconfigure(&mut self, config: BreakerConfig, epoch: u64, now_ms: u64) {
        self.config = config;
        self.epoch = epoch;
        self.half_open.set_full(config.half_open_full);
        self.open_until_ms = self.open_until_ms.min(now_ms.saturating_add(ms(config.open_cap)));
    }

    fn follow(&mut self, outcome: Outcome, now: Now) -> Option<Change> {
        match outcome {
            Outcome::Undecided => None,
            Outcome::Passed => Some(self.enter(State::Closed, Reason::Recovered, now.ms)),
            Outcome::Failed => Some(self.open(Reason::TrialFailed, now)),
            Outcome::Slow => Some(self.open(Reason::TrialSlow, now)),
        }
    }

    fn try_out(&mut self, reason: Reason, now_ms: u64) -> Option<Change> {
        self.half_open.begin(self.config.half_open_full);
        Some(self.enter(State::HalfOpen, reason, now_ms))
    }

    fn open(&mut self, reason: Reason, now: Now) -> Change {
        let alert = self.state == State::Closed && self.account_for_health(now.ms);
        // Growth stops where it no longer lengthens the open time, so that it is forgotten as fast as it was earned.
        if self.growth == 0 || self.ceiling_ms() < ms(self.config.open_cap) {
            self.growth += 1;
        }
        let open_ms = self.open_ms(now.drawn);
        self.open_until_ms = now.ms + open_ms;
        self.trips += 1;
        self.cause = reason.cause();
        let change = self.enter(State::Open, reason, now.ms);
        Change { alert, open_for: Some(Duration::from_millis(open_ms)), ..change }
    }

    /// Forgets growth for the time spent closed, and says whether a new episode begins.
    fn account_for_health(&mut self, now_ms: u64) -> bool {
        let healthy =
            now_ms.saturating_sub(self.since_ms).checked_div(ms(self.config.decay_after)).unwrap_or(0);
        self.growth = self.growth.saturating_sub(u32::try_from(healthy).unwrap_or(u32::MAX));
        let begins = !self.in_episode || healthy > 0;
        self.episode += u64::from(begins);
        self.in_episode = true;
        begins
    }

    fn ceiling_ms(&self) -> u64 {
        doubled(ms(self.config.open_base), self.growth.saturating_sub(1), ms(self.config.open_cap))
    }

    /// Half of the ceiling is sure, half is drawn.
    fn open_ms(&self, drawn: f64) -> u64 {
        let ceiling_ms = self.ceiling_ms();
        between_ms(drawn, ceiling_ms.div_ceil(2), ceiling_ms)
    }

    fn enter(&mut self, to: State, reason: Reason, now_ms: u64) -> Change {
        let from = std::mem::replace(&mut self.state, to);
        self.epoch += 1;
        self.since_ms = now_ms;
        self.reason = reason;
        let Self { epoch, episode, trips, .. } = *self;
        Change { from, to, reason, epoch, episode, alert: false, trips, open_for: None, at_ms: now_ms }
    }
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
