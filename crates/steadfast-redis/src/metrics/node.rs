//! What is counted of one node.

use super::cell::{Called, Cell, Counts};
use super::export::NodeExport;
use crate::command::Operation;
use crate::histogram::{Histogram, Latencies};
use crate::node::Node;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// Counters of one node since the client's start; a node that goes and comes back goes on counting.
#[derive(Debug)]
pub(crate) struct NodeMeter {
    pub(super) name: Arc<str>,
    cells: Box<[OnceLock<Box<Cell>>]>,
    pub(crate) dials: AtomicU64,
    pub(crate) dials_failed: AtomicU64,
    /// How long dials took that succeeded.
    pub(crate) dial_time: Histogram,
    /// How long answers took, from the lane's queue to the reply.
    pub(crate) latency: Histogram,
    /// Lanes closed because they were proved dead.
    pub(crate) dead: AtomicU64,
    pub(crate) probes: AtomicU64,
    pub(crate) closed: Closed,
    pub(crate) opened: AtomicU64,
    /// Bytes of connections that have ended.
    pub(crate) traffic: Traffic,
    /// How long calls waited that found no connection ready.
    waits: Histogram,
    waits_timed_out: AtomicU64,
    /// How long blocking calls and transactions stood in line for a connection of their own.
    line: Histogram,
    line_timed_out: AtomicU64,
    /// Retries that the budget did not grant.
    pub(crate) retries_refused: AtomicU64,
    connected_at_ms: AtomicI64,
    disconnected_at_ms: AtomicI64,
    node: Mutex<Weak<Node>>,
    export: NodeExport,
}

/// Connections that ended, by what ended them; those proved dead are [`NodeMeter::dead`].
#[derive(Debug, Default)]
pub(crate) struct Closed {
    /// By the server, or they broke.
    pub(crate) lost: AtomicU64,
    /// Not used, and more than were needed.
    pub(crate) idle: AtomicU64,
    /// Old, and replaced.
    pub(crate) aged: AtomicU64,
}

/// Bytes each way.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
}

impl Traffic {
    /// Adds what a connection had.
    pub(crate) fn add(&self, (bytes_in, bytes_out): (u64, u64)) {
        self.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
    }
}

impl NodeMeter {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            cells: (0..Operation::count()).map(|_| OnceLock::new()).collect(),
            dials: AtomicU64::new(0),
            dials_failed: AtomicU64::new(0),
            dial_time: Histogram::default(),
            latency: Histogram::default(),
            dead: AtomicU64::new(0),
            probes: AtomicU64::new(0),
            closed: Closed::default(),
            opened: AtomicU64::new(0),
            traffic: Traffic::default(),
            waits: Histogram::default(),
            waits_timed_out: AtomicU64::new(0),
            line: Histogram::default(),
            line_timed_out: AtomicU64::new(0),
            retries_refused: AtomicU64::new(0),
            connected_at_ms: AtomicI64::new(0),
            disconnected_at_ms: AtomicI64::new(0),
            node: Mutex::default(),
            export: NodeExport::new(&name),
            name,
        }
    }

    /// Counters of a node that is no part of the client's figures: a sentinel.
    pub(crate) fn apart(name: &Arc<str>) -> Arc<Self> {
        Arc::new(Self::new(Arc::clone(name)))
    }

    /// Counts a call. Lock-free but for the first of each operation.
    pub(crate) fn called(&self, call: &Called) {
        let Some(cell) = self.cells.get(call.operation.index()) else { return };
        cell.get_or_init(|| Box::new(Cell::new(call.operation, &self.name))).record(call);
    }

    /// A dial is over.
    pub(crate) fn dialled(&self, elapsed: Duration, succeeded: bool) {
        if succeeded {
            self.dial_time.record(elapsed);
        } else {
            self.dials_failed.fetch_add(1, Ordering::Relaxed);
        }
        self.export.dialled(elapsed, succeeded);
    }

    /// A call that found no connection ready has one, or has waited until its deadline.
    pub(crate) fn waited(&self, elapsed: Duration, succeeded: bool) {
        self.waits.record(elapsed);
        if !succeeded {
            self.waits_timed_out.fetch_add(1, Ordering::Relaxed);
        }
        self.export.waited(elapsed, succeeded);
    }

    /// A blocking call or transaction has stood in line for a connection of its own.
    pub(crate) fn stood_in_line(&self, elapsed: Duration, succeeded: bool) {
        self.line.record(elapsed);
        if !succeeded {
            self.line_timed_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It can be used from `now_ms` on, or not any more.
    pub(crate) fn connected(&self, is_connected: bool, now_ms: i64) {
        let at = if is_connected { &self.connected_at_ms } else { &self.disconnected_at_ms };
        at.store(now_ms, Ordering::Relaxed);
    }

    /// When it was last connected and disconnected; wall time in milliseconds since 1970.
    pub(crate) fn connected_at_ms(&self) -> (Option<i64>, Option<i64>) {
        let at = |time: &AtomicI64| Some(time.load(Ordering::Relaxed)).filter(|ms| *ms != 0);
        (at(&self.connected_at_ms), at(&self.disconnected_at_ms))
    }

    /// Which node it is that is counted, from now on.
    pub(crate) fn attach(&self, node: &Arc<Node>) {
        *self.node.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(node);
    }

    /// The node, while it is part of the topology.
    pub(crate) fn node(&self) -> Option<Arc<Node>> {
        let node = self.node.lock().unwrap_or_else(PoisonError::into_inner).upgrade()?;
        (!node.is_closed()).then_some(node)
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().filter_map(|cell| cell.get().map(|cell| &**cell))
    }

    /// All operations together.
    pub(super) fn counts(&self) -> Counts {
        let mut all = Counts::default();
        self.cells().for_each(|cell| all.add(&cell.counts()));
        all
    }

    /// Waits that ended at the deadline, and how long all took.
    pub(super) fn waits(&self) -> (u64, Latencies) {
        (self.waits_timed_out.load(Ordering::Relaxed), self.waits.sum_up())
    }

    /// The waits, for sums over nodes.
    pub(super) fn wait_histogram(&self) -> &Histogram {
        &self.waits
    }

    /// The stays in line, for sums over nodes, and those that were for nothing.
    pub(super) fn line_histogram(&self) -> (&Histogram, u64) {
        (&self.line, self.line_timed_out.load(Ordering::Relaxed))
    }
}
