//! Who is let through, who waits, who is refused: no locks, no clock, no tasks.

use super::adaptive::Adaptive;
use super::class::{Class, Division};
use super::config::LimiterConfig;
use super::overloaded::Shed;
use crate::retry::Ramp;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// The limiter's state. `W` is how a waiter is told.
#[derive(Debug)]
pub(super) struct Core<W> {
    config: LimiterConfig,
    adaptive: Adaptive,
    slow_start: Option<SlowStart>,
    in_flight: [u32; 3],
    lines: [VecDeque<Waiter<W>>; 3],
    next_id: u64,
    admitted: [u64; 3],
    shed: [u64; 3],
}

#[derive(Debug)]
struct Waiter<W> {
    id: u64,
    deadline: Instant,
    tell: W,
}

#[derive(Debug, Clone, Copy)]
struct SlowStart {
    began_ms: u64,
    former: u32,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done(Duration),
    Dropped,
    Ignored,
}

/// Whom to tell once the lock is free.
#[derive(Debug)]
pub(super) struct Turn<W> {
    /// These got a slot.
    pub granted: Vec<(Class, W)>,
    /// These are past their deadline: dropping them is telling them.
    pub expired: Vec<W>,
}

/// The state of one class.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub in_flight: u32,
    pub waiting: u32,
    pub most: u32,
    pub admitted: u64,
    pub shed: u64,
}

impl<W> Core<W> {
    pub(super) fn new(config: LimiterConfig) -> Self {
        Self {
            adaptive: Adaptive::new(&config),
            config,
            slow_start: None,
            in_flight: [0; 3],
            lines: [VecDeque::new(), VecDeque::new(), VecDeque::new()],
            next_id: 0,
            admitted: [0; 3],
            shed: [0; 3],
        }
    }

    /// The limit now, a slow start included.
    pub(super) fn limit(&mut self, now_ms: u64) -> u32 {
        let limit = self.adaptive.limit();
        let Some(SlowStart { began_ms, former }) = self.slow_start else { return limit };
        let elapsed = Duration::from_millis(now_ms.saturating_sub(began_ms));
        let ramp = Ramp::after(former, elapsed, self.config.slow_start_step);
        if ramp.is_full() {
            self.slow_start = None;
            return limit;
        }
        limit.min(ramp.width())
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.iter().sum()
    }

    pub(super) fn waiting(&self, class: Class) -> u32 {
        self.lines[class.place()].len() as u32
    }

    pub(super) fn is_anyone_waiting(&self) -> bool {
        self.lines.iter().any(|line| !line.is_empty())
    }

    pub(super) const fn adaptive(&self) -> &Adaptive {
        &self.adaptive
    }

    pub(super) fn standing(&self, class: Class, now_limit: u32) -> Standing {
        let place = class.place();
        Standing {
            in_flight: self.in_flight[place],
            waiting: self.waiting(class),
            most: Division::of(now_limit, &self.config.shares).most(class),
            admitted: self.admitted[place],
            shed: self.shed[place],
        }
    }

    /// When a slow start's next step begins, if one is under way.
    pub(super) fn next_step_ms(&self, now_ms: u64) -> Option<u64> {
        let began_ms = self.slow_start?.began_ms;
        let step_ms = u64::try_from(self.config.slow_start_step.as_millis()).unwrap_or(u64::MAX);
        let steps = now_ms.saturating_sub(began_ms).checked_div(step_ms)?;
        Some(began_ms.saturating_add(step_ms.saturating_mul(steps + 1)))
    }

    /// A slot at once, if there is one that nobody in line might have.
    pub(super) fn enter(&mut self, class: Class, now_ms: u64) -> bool {
        let place = class.place();
        let division = self.division(now_ms);
        let enters = division.fits(class, &self.in_flight) && self.next_class(&division).is_none();
        if enters {
            self.in_flight[place] += 1;
            self.admitted[place] += 1;
        }
        enters
    }

    /// A place at the end of the line, or why not. `tell` is made only if there is one.
    pub(super) fn stand_in_line<R>(
        &mut self,
        class: Class,
        deadline: Instant,
        now: Instant,
        make: impl FnOnce() -> (W, R),
    ) -> Result<(u64, R), Shed> {
        let full = self.waiting(class) >= self.config.waiting_most[class.place()];
        if full || deadline <= now {
            self.shed[class.place()] += 1;
            return Err(if deadline <= now { Shed::DeadlinePassed } else { Shed::LineFull });
        }
        let (tell, rest) = make();
        let id = self.next_id;
        self.next_id += 1;
        self.lines[class.place()].push_back(Waiter { id, deadline, tell });
        Ok((id, rest))
    }

    /// Counts a refusal decided elsewhere.
    pub(super) const fn note_shed(&mut self, class: Class) {
        self.shed[class.place()] += 1;
    }

    /// A waiter gives up; what it would have been told with is handed back, if it was still in line.
    pub(super) fn leave_line(&mut self, class: Class, id: u64) -> Option<W> {
        let line = &mut self.lines[class.place()];
        // Ids grow along the line.
        let place = line.binary_search_by_key(&id, |waiter| waiter.id).ok()?;
        line.remove(place).map(|waiter| waiter.tell)
    }

    /// A call is over: its slot is free.
    pub(super) fn leave(&mut self, class: Class, outcome: Outcome, now_ms: u64) {
        let in_flight = self.in_flight();
        match outcome {
            Outcome::Done(elapsed) => self.adaptive.done(elapsed, in_flight, now_ms, &self.config),
            Outcome::Dropped => self.adaptive.dropped(now_ms, &self.config),
            Outcome::Ignored => {}
        }
        let held = &mut self.in_flight[class.place()];
        *held = held.saturating_sub(1);
    }

    /// Gives what is free to those who wait.
    pub(super) fn turn(&mut self, now_ms: u64, now: Instant) -> Turn<W> {
        let division = self.division(now_ms);
        let mut turn = Turn { granted: Vec::new(), expired: Vec::new() };
        while let Some(class) = self.next_class(&division) {
            let Some(waiter) = self.lines[class.place()].pop_front() else { break };
            if waiter.deadline <= now {
                self.shed[class.place()] += 1;
                turn.expired.push(waiter.tell);
            } else {
                self.in_flight[class.place()] += 1;
                self.admitted[class.place()] += 1;
                turn.granted.push((class, waiter.tell));
            }
        }
        turn
    }

    /// From now on 1, 2, 4, ... until the limit of now.
    pub(super) fn slow_start(&mut self, now_ms: u64) {
        // A second outage within the first slow start must not take its step for the former limit.
        self.slow_start = Some(SlowStart { began_ms: now_ms, former: self.adaptive.limit() });
    }

    pub(super) const fn is_slow_starting(&self) -> bool {
        self.slow_start.is_some()
    }

    pub(super) const fn config(&self) -> LimiterConfig {
        self.config
    }

    pub(super) fn reconfigure(&mut self, config: LimiterConfig) {
        self.config = config;
        self.adaptive.reconfigure(&config);
    }

    fn division(&mut self, now_ms: u64) -> Division {
        Division::of(self.limit(now_ms), &self.config.shares)
    }

    /// The highest class of those that wait and fit.
    fn next_class(&self, division: &Division) -> Option<Class> {
        let waits = |class: &Class| !self.lines[class.place()].is_empty();
        Class::ALL.into_iter().find(|class| waits(class) && division.fits(*class, &self.in_flight))
    }
}

#[cfg(test)]
#[path = "core_tests.rs"]
mod tests;
