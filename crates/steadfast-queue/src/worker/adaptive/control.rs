//! Decides how many jobs may run at a time. Pure: what was measured in, a number and a reason out.
//!
//! It climbs the hill of throughput, as thread pools do (J. L. Hellerstein et al., "Optimizing concurrency levels
//! in the .NET ThreadPool", 2008): while jobs wait and all places are taken it tries more places, and keeps
//! them only if more jobs get done; from time to time it tries fewer, and keeps to that if no fewer get done.
//! Like gradient limiters (Netflix' concurrency-limits) it watches how long a job takes against how long it
//! used to; a job that takes twice as long is a reason to try fewer at once, not by itself a reason to stay
//! there, since a slow dependency needs more places rather than fewer. Between tries it rests, ever longer
//! while they bring nothing, so that it does not flap. Memory outweighs all: above the bound it halves.

use std::fmt;
use std::ops::RangeInclusive;

/// A change must bring this share of what it could, to be kept.
const WORTH: f64 = 0.35;
/// A job that takes so many times as long as it used to is a reason to try fewer places now.
const SLOW: f64 = 2.0;
/// Windows between tries, at first and at most.
const REST: (u32, u32) = (8, 64);
/// Below the bound by so much, memory is no longer short.
const MEMORY_RELIEF: f64 = 0.05;

/// What was measured since the last look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Jobs running now.
    pub running: usize,
    /// Whether a dependency holds the worker: nothing can be learned meanwhile.
    pub held: bool,
    /// The share of its memory that the process or its machine uses, 0.0 to 1.0; `None`: unknown.
    pub memory: Option<f64>,
    /// What a window of enough jobs showed, if one has closed.
    pub window: Option<Window>,
}

/// A span in which enough jobs ended to tell something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Whether jobs waited and places were taken all the while.
    pub saturated: bool,
    /// Jobs ended per second.
    pub per_second: f64,
    /// How long the median job ran, in milliseconds.
    pub p50_ms: f64,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Advice {
    /// So many places.
    pub places: usize,
    /// Take nothing more for now.
    pub hold: bool,
    /// Why.
    pub reason: Reason,
}

/// Why there are as many places as there are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Too few jobs have ended to tell anything.
    Learning,
    /// Somebody set the number by hand.
    Pinned,
    /// Memory is short: this share of it is used.
    Memory(f64),
    /// What the jobs depend on is down.
    Held,
    /// Fewer jobs wait than could run.
    NoDemand,
    /// Trying more than this many.
    TryingMore(usize),
    /// Trying fewer than this many.
    TryingFewer(usize),
    /// More brought nothing, fewer would cost something.
    Best,
    /// At the highest allowed number, and it pays.
    Highest,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Learning => f.write_str("too few jobs have ended to tell"),
            Self::Pinned => f.write_str("set by hand"),
            Self::Memory(share) => write!(f, "memory is short: {:.0} % is used", share * 100.0),
            Self::Held => f.write_str("what the jobs depend on is down"),
            Self::NoDemand => f.write_str("no more jobs wait than can run"),
            Self::TryingMore(from) => write!(f, "jobs wait: trying more than {from}"),
            Self::TryingFewer(from) => write!(f, "trying whether fewer than {from} get as much done"),
            Self::Best => f.write_str("more got no more done, fewer got less done"),
            Self::Highest => f.write_str("jobs wait, and this is the most allowed"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Try {
    from: usize,
    per_second: f64,
}

/// The decider for one worker.
#[derive(Clone, Debug)]
pub struct Controller {
    bounds: RangeInclusive<usize>,
    memory_max: f64,
    places: usize,
    reason: Reason,
    /// A change under examination.
    trial: Option<Try>,
    /// The window after a change shows a mixture, and is skipped.
    skip: bool,
    rest: u32,
    rest_next: u32,
    /// Whether the next try is of fewer.
    down: bool,
    /// Until the first try that brings nothing, more means twice as many.
    first_climb: bool,
    /// How long a job used to take.
    usual_ms: Option<f64>,
    memory_short: bool,
}

impl Controller {
    /// Starts with `places` (moved into `bounds`). `memory_max` is the share of memory above which nothing more
    /// is taken.
    pub fn new(places: usize, bounds: RangeInclusive<usize>, memory_max: f64) -> Self {
        let min = (*bounds.start()).max(1);
        let bounds = min..=(*bounds.end()).max(min);
        Self {
            places: places.clamp(min, *bounds.end()),
            bounds,
            memory_max,
            reason: Reason::Learning,
            trial: None,
            skip: false,
            rest: 0,
            rest_next: REST.0,
            down: false,
            first_climb: true,
            usual_ms: None,
            memory_short: false,
        }
    }

    /// The number as it is.
    pub const fn places(&self) -> usize {
        self.places
    }

    /// Somebody set the number by hand: what was learned is about other numbers.
    pub fn set(&mut self, places: usize) {
        self.places = places.clamp(*self.bounds.start(), *self.bounds.end());
        (self.trial, self.skip) = (None, true);
    }

    /// Looks at a sample.
    pub fn step(&mut self, sample: &Sample) -> Advice {
        if let Some(hold) = self.heed_memory(sample) {
            return Advice { places: self.places, hold, reason: self.reason };
        }
        if sample.held {
            self.trial = None;
            self.reason = Reason::Held;
        } else if let Some(window) = sample.window {
            self.heed_window(&window);
        } else if matches!(self.reason, Reason::Held | Reason::Memory(_)) {
            self.reason = Reason::Learning;
        }
        Advice { places: self.places, hold: false, reason: self.reason }
    }

    /// While memory is short: whether to take nothing. Once nothing of ours runs, somebody else uses it, and
    /// standing still for ever would help nobody: the fewest places go on.
    fn heed_memory(&mut self, sample: &Sample) -> Option<bool> {
        let share = sample.memory.filter(|share| share.is_finite())?;
        let bound = if self.memory_short { self.memory_max - MEMORY_RELIEF } else { self.memory_max };
        self.memory_short = share > bound;
        if !self.memory_short {
            return None;
        }
        self.places = (self.places / 2).max(*self.bounds.start());
        self.reason = Reason::Memory(share);
        (self.trial, self.skip, self.rest) = (None, true, REST.0);
        Some(sample.running > 0)
    }

    fn heed_window(&mut self, window: &Window) {
        if std::mem::take(&mut self.skip) {
            return;
        }
        if !window.saturated || !window.per_second.is_finite() || window.per_second <= 0.0 {
            // The number of places was not what limited this window: it says nothing about it.
            if let Some(Try { from, .. }) = self.trial.take() {
                self.go(self.places.min(from));
            }
            self.reason = Reason::NoDemand;
            return;
        }
        let slow = self.is_slow(window.p50_ms);
        match self.trial.take() {
            Some(last) if self.paid(&last, window) => self.go_on(&last, window),
            Some(last) => self.go_back(&last, window),
            None if slow && self.places > *self.bounds.start() => self.try_fewer(window),
            None if self.rest > 0 => self.rest -= 1,
            None => self.try_next(window),
        }
    }

    /// Whether jobs take much longer than they used to. What they used to take follows down fast and up
    /// slowly.
    fn is_slow(&mut self, p50_ms: f64) -> bool {
        let p50_ms = p50_ms.max(0.001);
        let usual_ms = self.usual_ms.unwrap_or(p50_ms);
        let share = if p50_ms < usual_ms { 0.3 } else { 0.02 };
        self.usual_ms = Some(usual_ms + (p50_ms - usual_ms) * share);
        p50_ms > usual_ms * SLOW
    }

    /// Whether a change did what it was for: more got more done, fewer got hardly less done.
    fn paid(&self, last: &Try, window: &Window) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "numbers of places are small")]
        let possible = self.places as f64 / last.from as f64 - 1.0;
        let got = window.per_second / last.per_second - 1.0;
        // For fewer places both are negative: losing less than a share of what could be lost is fine.
        if possible > 0.0 { got >= possible * WORTH } else { got > possible * WORTH }
    }

    fn go_on(&mut self, last: &Try, window: &Window) {
        self.rest_next = REST.0;
        if self.places > last.from { self.try_more(window) } else { self.try_fewer(window) }
    }

    fn go_back(&mut self, last: &Try, window: &Window) {
        if self.places > last.from {
            self.first_climb = false;
        } else {
            // Not for being too many do they take this long.
            self.usual_ms = Some(self.usual_ms.map_or(window.p50_ms, |usual_ms| usual_ms.max(window.p50_ms)));
        }
        // The other way is tried next: at once if it was not tried yet, else after a rest.
        self.down = self.places > last.from;
        self.rest = self.rest_next;
        self.rest_next = (self.rest_next * 2).min(REST.1);
        self.go(last.from);
        self.reason = Reason::Best;
    }

    fn try_next(&mut self, window: &Window) {
        if self.down {
            self.down = false;
            self.try_fewer(window);
        } else {
            self.try_more(window);
        }
    }

    fn try_more(&mut self, window: &Window) {
        let step = if self.first_climb { self.places } else { (self.places / 4).max(1) };
        let more = (self.places + step).min(*self.bounds.end());
        if more == self.places {
            self.reason = Reason::Highest;
            // From here only fewer can be tried.
            (self.down, self.first_climb) = (true, false);
            self.rest = self.rest_next;
            self.rest_next = (self.rest_next * 2).min(REST.1);
            return;
        }
        self.begin(more, window, Reason::TryingMore(self.places));
    }

    fn try_fewer(&mut self, window: &Window) {
        let fewer = (self.places - (self.places / 5).max(1).min(self.places)).max(*self.bounds.start());
        if fewer == self.places {
            (self.down, self.rest, self.reason) = (false, self.rest_next, Reason::Best);
            return;
        }
        self.first_climb = false;
        self.begin(fewer, window, Reason::TryingFewer(self.places));
    }

    fn begin(&mut self, places: usize, window: &Window, reason: Reason) {
        self.trial = Some(Try { from: self.places, per_second: window.per_second });
        self.go(places);
        self.reason = reason;
    }

    fn go(&mut self, places: usize) {
        self.skip |= self.places != places;
        self.places = places;
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
