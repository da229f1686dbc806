//! What stands before a node: a limit of commands in flight, a breaker for each kind of command, and the budget of
//! retries.

use super::Node;
use crate::breaker::{BreakerConfig, CircuitBreaker, Evidence, Permit, State};
use crate::command::Access;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::limiter::{Class, Limiter, LimiterConfig, Overloaded, Ticket as Slot};
use crate::retry::{InvalidConfig, RetryBudget, RetryBudgetConfig, SystemJitter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::time::Instant;

/// A caller that gave a call less time than this and did not get it done says more of itself than of the server.
const TIMEOUT_TELLS_FROM: Duration = Duration::from_millis(50);
/// How often a caller that waits for a breaker looks again, at least.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a new call waits for the verdict of trial calls. They are made when the server has just answered a probe, and
/// come back at once or not at all.
const VERDICT_WITHIN: Duration = Duration::from_millis(250);

/// How long a command waits for its breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all: another node may do.
    None,
    /// For the verdict of trial calls, a moment; not while the circuit is open.
    Verdict,
    /// Until its deadline: it has been tried before.
    Deadline,
}

/// A breaker for each kind of command: a server that refuses writes still answers reads.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    read: CircuitBreaker,
    write: CircuitBreaker,
    script: CircuitBreaker,
    pub(crate) retries: RetryBudget,
    limiter: Limiter,
    switches: Arc<Switches>,
}

/// What is looked at for each command, and may change at any time.
#[derive(Debug)]
struct Switches {
    /// Without the limiter everything may be in flight at once, as far as the queue's bytes allow.
    limits: AtomicBool,
    /// The longest that a command waits for a place, in milliseconds.
    acquire_ms: AtomicU64,
}

/// The numbers of a [`Guard`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct GuardConfig {
    /// Without breakers everything is let through, and counted.
    pub(crate) breaker_enabled: bool,
    pub(crate) breaker: BreakerConfig,
    pub(crate) retries: RetryBudgetConfig,
    pub(crate) limiter_enabled: bool,
    pub(crate) limiter: LimiterConfig,
    /// The longest that a command waits for a place among those in flight.
    pub(crate) acquire: Duration,
}

impl GuardConfig {
    fn acquire_ms(&self) -> u64 {
        u64::try_from(self.acquire.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Guard {
    pub(crate) fn new(name: &str, config: &GuardConfig, clock: &SharedClock) -> Result<Self, InvalidConfig> {
        let breaker = |kind: &str| {
            let clock = Arc::clone(clock);
            let breaker =
                CircuitBreaker::new(format!("{name} {kind}"), config.breaker, clock, SystemJitter::shared())?;
            if !config.breaker_enabled {
                breaker.metrics_only();
            }
            Ok(breaker)
        };
        Ok(Self {
            read: breaker("read")?,
            write: breaker("write")?,
            script: breaker("script")?,
            retries: RetryBudget::new(config.retries, Arc::clone(clock))?,
            limiter: Limiter::new(config.limiter, Arc::clone(clock))?,
            switches: Arc::new(Switches {
                limits: AtomicBool::new(config.limiter_enabled),
                acquire_ms: AtomicU64::new(config.acquire_ms()),
            }),
        })
    }

    /// The limiter, if it is switched on.
    pub(crate) fn limiter(&self) -> Option<&Limiter> {
        self.switches.limits.load(Ordering::Relaxed).then_some(&self.limiter)
    }

    /// Goes on under other numbers.
    pub(crate) fn reconfigure(&self, config: &GuardConfig) -> Result<(), InvalidConfig> {
        for breaker in self.all() {
            breaker.reconfigure(config.breaker)?;
            match (config.breaker_enabled, breaker.state()) {
                (false, _) => breaker.metrics_only(),
                (true, State::MetricsOnly) => breaker.reset(),
                _ => {}
            }
        }
        self.retries.reconfigure(config.retries)?;
        self.limiter.reconfigure(config.limiter)?;
        self.switches.acquire_ms.store(config.acquire_ms(), Ordering::Relaxed);
        self.switches.limits.store(config.limiter_enabled, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) const fn breaker(&self, access: Access) -> &CircuitBreaker {
        match access {
            Access::Read | Access::Admin => &self.read,
            Access::Write => &self.write,
            Access::Script => &self.script,
        }
    }

    /// All of them, with the word for each.
    pub(crate) const fn by_kind(&self) -> [(&'static str, &CircuitBreaker); 3] {
        [("read", &self.read), ("write", &self.write), ("script", &self.script)]
    }

    const fn all(&self) -> [&CircuitBreaker; 3] {
        [&self.read, &self.write, &self.script]
    }

    /// True if one of them holds calls back by itself.
    pub(crate) fn is_open(&self) -> bool {
        self.all().iter().any(|breaker| matches!(breaker.state(), State::Open | State::HalfOpen))
    }

    /// True if the breaker for this kind of command lets nothing through.
    pub(crate) fn is_shut(&self, access: Access) -> bool {
        matches!(self.breaker(access).state(), State::Open | State::ForcedOpen)
    }

    pub(crate) fn trip(&self, evidence: Evidence) {
        for breaker in self.all() {
            breaker.trip(evidence);
        }
    }

    pub(crate) fn probe_passed(&self) {
        self.all().into_iter().for_each(CircuitBreaker::probe_passed);
    }

    pub(crate) fn probe_failed(&self) {
        self.all().into_iter().for_each(CircuitBreaker::probe_failed);
    }
}

/// Leave to send one command to a node.
pub(crate) struct Leave<'a> {
    permit: Permit<'a>,
    slot: Option<Slot>,
}

impl Node {
    /// Leave to send one command: a place among those in flight, then the breaker's word.
    ///
    /// # Errors
    /// There is no place, or the circuit is open: nothing was sent.
    pub(crate) async fn leave(
        &self,
        access: Access,
        class: Class,
        patience: Patience,
        deadline: Instant,
    ) -> Result<Leave<'_>> {
        self.fit(deadline).await?;
        // A server that reads its data from disk is waited for: it says itself that it will be well.
        let circuit = self.guard.breaker(access).state();
        let waits = circuit != State::Closed && patience != Patience::None && self.state.borrow().is_loading;
        // Open at the start is told at once, however many wait for a place.
        if circuit == State::Open && !waits && patience != Patience::Deadline {
            drop(self.admitted(access, Patience::None, deadline).await?);
        }
        let slot = match self.guard.limiter() {
            None => None,
            Some(limiter) => {
                let longest = Duration::from_millis(self.guard.switches.acquire_ms.load(Ordering::Relaxed));
                let slot = limiter.acquire_within(class, deadline, longest).await;
                Some(slot.map_err(|error| self.shed(error))?)
            }
        };
        if waits {
            self.ready(false, deadline).await?;
        }
        let permit = self.admitted(access, patience, deadline).await?;
        Ok(Leave { permit, slot })
    }

    fn shed(&self, overloaded: Overloaded) -> Error {
        Error::new(ErrorKind::PoolExhausted, "OVERLOADED", Outcome::NotSent, overloaded.to_string())
            .advise("send less at a time, give calls that matter a higher priority, or raise limiter.in_flight_max; pool.acquire_timeout_ms is how long a call waits at most")
            .because(overloaded)
            .on(&self.name)
    }

    /// The breaker's word.
    async fn admitted(&self, access: Access, patience: Patience, deadline: Instant) -> Result<Permit<'_>> {
        let breaker = self.guard.breaker(access);
        let mut verdict_by = None;
        loop {
            let rejected = match breaker.try_acquire() {
                Ok(permit) => return Ok(permit),
                Err(rejected) => rejected,
            };
            let now = Instant::now();
            let until = match patience {
                Patience::Deadline => deadline,
                Patience::Verdict if breaker.state() == State::HalfOpen => {
                    *verdict_by.get_or_insert(deadline.min(now + VERDICT_WITHIN))
                }
                Patience::Verdict | Patience::None => return Err(self.held_back(access, &rejected)),
            };
            if now >= until {
                return Err(self.held_back(access, &rejected));
            }
            let mut changes = breaker.subscribe();
            let look = match patience {
                Patience::Deadline => breaker.retry_after().unwrap_or(LOOK_EVERY).max(LOOK_EVERY),
                _ => LOOK_EVERY,
            };
            let _ = tokio::time::timeout_at((now + look).min(until), changes.changed()).await;
        }
    }
}

impl Leave<'_> {
    /// Tells how the call went; `is_ill`: it was answered, by a server that is not well.
    pub(crate) fn report<T>(self, result: &Result<T>, is_ill: bool, elapsed: Duration) {
        let Self { permit, slot } = self;
        let is_late = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Timeout);
        match slot {
            Some(slot) if result.is_ok() && !is_ill => slot.done(elapsed),
            Some(slot) if is_late && elapsed >= TIMEOUT_TELLS_FROM => slot.dropped(),
            _ => {}
        }
        match result {
            Ok(_) if is_ill => permit.failure(elapsed),
            Ok(_) => permit.success(elapsed),
            Err(error) => match error.kind() {
                ErrorKind::Timeout if elapsed >= TIMEOUT_TELLS_FROM => permit.failure(elapsed),
                // Not: closed by us, or replaced by another node.
                ErrorKind::Connection
                    if matches!(error.code(), "CLOSED" | "DEAD" | "PROTOCOL" | "REFUSED") =>
                {
                    permit.failure(elapsed);
                }
                _ => permit.ignore(),
            },
        }
    }
}
