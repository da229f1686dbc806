//! Concurrency that follows what gets jobs done, within bounds.
//!
//! Off unless asked for: a fixed number is easier to reason about, and right where the jobs' dependency has a
//! known limit. [`Worker::adaptive`](crate::worker::Worker::adaptive) turns it on for one worker. A number set
//! by hand ([`WorkerHandle::set_concurrency`](crate::worker::WorkerHandle::set_concurrency)) stays until it is
//! handed back ([`WorkerHandle::adapt`](crate::worker::WorkerHandle::adapt)).

mod control;
mod memory;
mod meter;

pub use control::{Advice, Controller, Reason, Sample, Window};
pub(crate) use meter::Meter;

use crate::worker::lane::Shared;
use meter::Span;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How long a look at the store's counts may take.
const STATS_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads the share of memory in use, 0.0 to 1.0.
pub type MemorySource = Arc<dyn Fn() -> Option<f64> + Send + Sync>;

/// How a worker's concurrency adapts.
#[derive(Clone)]
pub struct AdaptiveConfig {
    /// The fewest jobs at a time, at least 1.
    pub min: usize,
    /// The most, at most [`CONCURRENCY_MAX`](crate::worker::CONCURRENCY_MAX).
    pub max: usize,
    /// How often it looks.
    pub every: Duration,
    /// Above this share of memory it takes nothing more while jobs run, and halves the number. 0.0 to 1.0.
    pub memory_max: f64,
    /// Where it reads that share: the process' control groups and machine, unless a test says otherwise.
    pub memory: MemorySource,
}

impl AdaptiveConfig {
    /// Between `min` and `max` jobs at a time; looks once a second; takes nothing more above 90 % of memory.
    pub fn between(min: usize, max: usize) -> Self {
        Self { min, max, every: Duration::from_secs(1), memory_max: 0.9, memory: Arc::new(memory::share) }
    }
}

impl fmt::Debug for AdaptiveConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveConfig")
            .field("min", &self.min)
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// What adaptive concurrency does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptiveStatus {
    /// The fewest jobs at a time.
    pub min: usize,
    /// The most.
    pub max: usize,
    /// Whether the number was set by hand and stays.
    pub pinned: bool,
    /// Why the number is what it is, in words.
    pub reason: String,
}

/// What a worker's pilot and its handles share.
#[derive(Debug)]
pub(crate) struct Adaptive {
    pub(crate) config: AdaptiveConfig,
    pub(crate) meter: Meter,
    pinned: AtomicBool,
    reason: Mutex<Reason>,
}

impl Adaptive {
    pub(crate) fn new(config: AdaptiveConfig) -> Arc<Self> {
        let (pinned, reason) = (AtomicBool::new(false), Mutex::new(Reason::Learning));
        Arc::new(Self { config, meter: Meter::default(), pinned, reason })
    }

    pub(crate) fn pin(&self, pinned: bool) {
        self.pinned.store(pinned, Ordering::SeqCst);
        self.tell(if pinned { Reason::Pinned } else { Reason::Learning });
    }

    pub(crate) fn status(&self) -> AdaptiveStatus {
        AdaptiveStatus {
            min: self.config.min,
            max: self.config.max,
            pinned: self.pinned.load(Ordering::SeqCst),
            reason: self.reason.lock().unwrap_or_else(PoisonError::into_inner).to_string(),
        }
    }

    fn tell(&self, reason: Reason) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// Looks and adapts until `done` fires.
pub(crate) async fn run(shared: Arc<Shared>, adaptive: Arc<Adaptive>, done: CancellationToken) {
    let config = &adaptive.config;
    let mut pilot = Pilot {
        controller: Controller::new(shared.slots.places(), config.min..=config.max, config.memory_max),
        span: Span::begin(Instant::now()),
        shared: &shared,
        adaptive: &adaptive,
    };
    shared.slots.set_places(pilot.controller.places());
    let mut beat = tokio::time::interval(config.every.max(Duration::from_millis(10)));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = done.cancelled() => break,
            _ = beat.tick() => {}
        }
        tokio::select! {
            () = done.cancelled() => break,
            () = pilot.look() => {}
        }
    }
    shared.slots.set_short(false);
}

struct Pilot<'a> {
    controller: Controller,
    span: Span,
    shared: &'a Shared,
    adaptive: &'a Adaptive,
}

impl Pilot<'_> {
    async fn look(&mut self) {
        let (slots, places) = (&self.shared.slots, self.shared.slots.places());
        let running = slots.taken();
        // Unknown counts as nobody waiting: it never grows on a guess.
        let waiting = self.waiting().await.unwrap_or(0);
        self.span.note(waiting > 0 && running * 2 >= places);
        let window = self.span.close(&self.adaptive.meter, places, Instant::now());
        let sample = Sample {
            running,
            held: slots.is_held_by_caller(),
            memory: (self.adaptive.config.memory)(),
            window,
        };
        let pinned = self.adaptive.pinned.load(Ordering::SeqCst);
        if pinned {
            self.controller.set(places);
        }
        let before = self.controller.places();
        let advice = self.controller.step(&sample);
        slots.set_short(advice.hold);
        let memory_short = matches!(advice.reason, Reason::Memory(_));
        if pinned && !memory_short {
            return self.adaptive.tell(Reason::Pinned);
        }
        self.adaptive.tell(advice.reason);
        // A number set by hand stays; only taking more is stopped while memory is short.
        if !pinned && advice.places != places {
            slots.set_places(advice.places);
            self.log(before, &advice);
        }
    }

    fn log(&self, before: usize, advice: &Advice) {
        let queue = &*self.shared.queue;
        if matches!(advice.reason, Reason::Memory(_)) {
            tracing::warn!(queue.name = queue, before, concurrency = advice.places, reason = %advice.reason, "fewer jobs run at a time");
        } else {
            tracing::debug!(queue.name = queue, before, concurrency = advice.places, reason = %advice.reason, "another number of jobs runs at a time");
        }
    }

    async fn waiting(&self) -> Option<u64> {
        let stats = tokio::time::timeout(STATS_TIMEOUT, self.shared.backend.stats()).await.ok()?.ok()?;
        stats
            .queues
            .get(&*self.shared.queue)
            .map(|queue| if queue.mode.is_paused() { 0 } else { queue.available })
    }
}
