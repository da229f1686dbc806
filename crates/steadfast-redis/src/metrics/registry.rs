//! All that is counted of one client.

use super::cell::{Called, Ending};
use super::export;
use super::node::NodeMeter;
use super::view::ErrorView;
use crate::error::Error;
use crate::throttle::Throttle;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::time::Instant;

/// Nodes that are counted apart; whatever comes beyond them is counted together as `other`. A deployment whose
/// addresses change for ever would else grow the tables, and the labels, for ever.
const NODES_MAX: usize = 256;
/// Lines about single slow operations, in a second.
const SLOW_LINES: u32 = 5;

/// All counters of one client.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(super) clock: SharedClock,
    started_ms: u64,
    enabled: AtomicBool,
    /// From which duration on a call is worth a line of its own.
    slow_us: AtomicU64,
    slow_lines: Throttle,
    nodes: Mutex<BTreeMap<Arc<str>, Arc<NodeMeter>>>,
    /// Calls for which no node was found.
    nowhere: Arc<NodeMeter>,
    last_error: Mutex<Option<ErrorView>>,
}

impl Registry {
    pub(crate) fn new(enabled: bool, slow: Duration, clock: SharedClock) -> Self {
        export::describe();
        Self {
            started_ms: clock.mono_ms(),
            enabled: AtomicBool::new(enabled),
            slow_us: AtomicU64::new(us(slow)),
            slow_lines: Throttle::new(SLOW_LINES, Duration::from_secs(1)),
            nodes: Mutex::default(),
            nowhere: Arc::new(NodeMeter::new("none".into())),
            last_error: Mutex::default(),
            clock,
        }
    }

    /// Goes on under other settings.
    pub(crate) fn reconfigure(&self, enabled: bool, slow: Duration) {
        self.enabled.store(enabled, Ordering::Relaxed);
        self.slow_us.store(us(slow), Ordering::Relaxed);
    }

    /// Whether anything is measured.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// When a call begins; nothing if nothing is measured.
    pub(crate) fn begin(&self) -> Option<Instant> {
        self.is_enabled().then(Instant::now)
    }

    /// A call that began at `since` is over; `meter` is that of the last node it was sent to, if there was one.
    pub(crate) fn called(&self, meter: Option<&NodeMeter>, call: &Called) {
        let meter = meter.unwrap_or(&self.nowhere);
        meter.called(call);
        if let Some(elapsed) =
            call.elapsed.filter(|elapsed| us(*elapsed) >= self.slow_us.load(Ordering::Relaxed))
            && let Some(suppressed) = self.slow_lines.pass(self.clock.mono_ms())
        {
            tracing::warn!(
                node = &*meter.name,
                operation = call.operation.name(),
                elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                succeeded = call.ending == Ending::Succeeded,
                suppressed,
                "slow operation"
            );
        }
    }

    /// Keeps an error as the last one. Among many at once, one of them.
    pub(crate) fn keep_error(&self, error: impl FnOnce() -> Error, operation: &'static str) {
        if let Ok(mut last) = self.last_error.try_lock() {
            *last = Some(ErrorView::of(&error(), operation, self.clock.now_ms()));
        }
    }

    pub(super) fn last_error(&self) -> Option<ErrorView> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The counters of the node of this name; those it had before, if it was there before.
    pub(crate) fn meter(&self, name: &Arc<str>) -> Arc<NodeMeter> {
        let mut nodes = self.nodes();
        if let Some(meter) = nodes.get(name) {
            return Arc::clone(meter);
        }
        let name: Arc<str> = if nodes.len() < NODES_MAX { Arc::clone(name) } else { "other".into() };
        let make = || Arc::new(NodeMeter::new(Arc::clone(&name)));
        Arc::clone(nodes.entry(Arc::clone(&name)).or_insert_with(make))
    }

    /// All nodes there were.
    pub(crate) fn meters(&self) -> Vec<Arc<NodeMeter>> {
        self.nodes().values().cloned().collect()
    }

    /// The same, with what reached no node.
    pub(super) fn all(&self) -> Vec<Arc<NodeMeter>> {
        let mut all = self.meters();
        all.push(Arc::clone(&self.nowhere));
        all
    }

    /// For how long there has been a client.
    pub(crate) fn uptime_ms(&self) -> u64 {
        self.clock.mono_ms().saturating_sub(self.started_ms)
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<NodeMeter>>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn us(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
