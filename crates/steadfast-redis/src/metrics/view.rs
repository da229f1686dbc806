//! The counters at one moment, as a program or a person reads them.

use super::cell::{Cell, Counts, OUTCOMES};
use super::node::NodeMeter;
use super::registry::Registry;
use crate::breaker::State;
use crate::error::{Error, ErrorKind};
use crate::histogram::{Histogram, Latencies};
use crate::node::Node;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Everything that was counted since the client's start. Durations in microseconds unless a name says otherwise.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RedisMetrics {
    /// Calls that are over, however they ended. A pipeline counts as one.
    pub total_operations: u64,
    /// Those that were answered without an error.
    pub successful_operations: u64,
    /// The others. A pipeline fails if one of its commands does.
    pub failed_operations: u64,
    /// The mean duration of calls that were sent.
    pub average_response_time_us: u64,
    /// The shortest.
    pub min_response_time_us: u64,
    /// The longest.
    pub max_response_time_us: u64,
    /// Shared connections that are open, over all nodes.
    pub connection_pool_size: usize,
    /// Those of them with something in flight.
    pub active_connections: usize,
    /// Failed calls over all, 0 to 1.
    pub error_rate: f64,
    /// For how long there has been a client, in milliseconds.
    pub uptime_ms: u64,
    /// The last failure.
    pub last_error: Option<ErrorView>,
    /// The nodes that there are or were; calls for which no node was found are under `none`.
    pub nodes: Vec<NodeMetrics>,
}

/// One node's part of [`RedisMetrics`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// `host:port`.
    pub node: String,
    /// True while it is part of the topology.
    pub is_present: bool,
    /// Calls, by operation: those that occurred.
    pub operations: Vec<OperationMetrics>,
    /// Calls that the circuit breaker rejected.
    pub rejected_by_breaker: u64,
    /// Calls refused for want of room: by the limiter, or because too many bytes waited.
    pub rejected_by_limiter: u64,
    /// Connections.
    pub connections: ConnectionCounts,
    /// Calls that found no connection ready, and how long they waited.
    pub waits: Latencies,
    /// Those of them that waited until their deadline.
    pub waits_timed_out: u64,
    /// Commands offered and not answered.
    pub in_flight: usize,
    /// The breakers, for reads, writes and scripts.
    pub breakers: Vec<BreakerMetrics>,
    /// Bytes read on shared connections.
    pub bytes_in: u64,
    /// Bytes written on them.
    pub bytes_out: u64,
}

/// One operation on one node.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OperationMetrics {
    /// The command's name; `PIPELINE` for several at once, `?` for one that is not in the table.
    pub operation: &'static str,
    /// Calls that are over.
    pub total: u64,
    /// Calls that were answered without an error.
    pub succeeded: u64,
    /// Failures by kind, those that occurred.
    pub failed_by_kind: BTreeMap<&'static str, u64>,
    /// Failures by what became of the command, those that occurred.
    pub failed_by_outcome: BTreeMap<&'static str, u64>,
    /// Failures at the deadline.
    pub timeouts: u64,
    /// Attempts beyond the first.
    pub retries: u64,
    /// Attempts that a cluster sent elsewhere.
    pub redirects: u64,
    /// How long calls took that were sent.
    pub latency: Latencies,
}

/// What happened to a node's shared connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[non_exhaustive]
pub struct ConnectionCounts {
    /// Open now.
    pub open: usize,
    /// Open, with something in flight.
    pub busy: usize,
    /// Dials begun.
    pub dials: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// How long those took that did not.
    pub dial_time: Latencies,
    /// Connections made.
    pub opened: u64,
    /// Closed by the server, or broken.
    pub lost: u64,
    /// Closed because they were proved dead.
    pub dead: u64,
    /// Closed because they were not used.
    pub idle: u64,
    /// Replaced because they were old.
    pub aged: u64,
}

/// A breaker at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BreakerMetrics {
    /// `read`, `write` or `script`.
    pub kind: &'static str,
    /// `closed`, `open`, `half_open`, `forced_open`, `disabled` or `metrics_only`.
    pub state: &'static str,
    /// Times that it opened by itself.
    pub trips: u64,
    /// What opened it last, if anything did.
    pub cause: Option<&'static str>,
}

/// A failure, to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ErrorView {
    /// Its kind.
    pub kind: &'static str,
    /// The server's code, or ours.
    pub code: String,
    /// What became of the command.
    pub outcome: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// `host:port`, if it happened on a node.
    pub node: Option<String>,
    /// What, why and what to do.
    pub message: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

impl ErrorView {
    pub(super) fn of(error: &Error, operation: &'static str, at_ms: i64) -> Self {
        Self {
            kind: error.kind().as_str(),
            code: error.code().to_owned(),
            outcome: error.outcome().as_str(),
            operation,
            node: error.node().map(str::to_owned),
            message: error.to_string(),
            at_ms,
        }
    }
}

impl Registry {
    /// What it shows now.
    pub(crate) fn look(&self) -> RedisMetrics {
        let meters = self.all();
        let (mut counts, elapsed) = (Counts::default(), Histogram::default());
        for cell in meters.iter().flat_map(|meter| meter.cells()) {
            counts.add(&cell.counts());
            elapsed.add(&cell.elapsed);
        }
        let (elapsed, calls, failed) = (elapsed.sum_up(), counts.calls(), counts.failures());
        let nodes: Vec<NodeMetrics> = meters.iter().map(|meter| NodeMetrics::of(meter)).collect();
        RedisMetrics {
            total_operations: calls,
            successful_operations: counts.succeeded,
            failed_operations: failed,
            average_response_time_us: elapsed.mean_us,
            min_response_time_us: elapsed.min_us,
            max_response_time_us: elapsed.max_us,
            connection_pool_size: nodes.iter().map(|node| node.connections.open).sum(),
            active_connections: nodes.iter().map(|node| node.connections.busy).sum(),
            error_rate: share(failed, calls),
            uptime_ms: self.uptime_ms(),
            last_error: self.last_error(),
            nodes,
        }
    }
}

/// `part` over `all`, 0 if there are none.
pub(crate) fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

impl NodeMetrics {
    fn of(meter: &NodeMeter) -> Self {
        let node = meter.node();
        let load = node.as_deref().map(Node::load).unwrap_or_default();
        let counts = meter.counts();
        let (waits_timed_out, waits) = meter.waits();
        let (live_in, live_out) = node.as_deref().map(Node::live_traffic).unwrap_or_default();
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Self {
            node: meter.name.to_string(),
            is_present: node.is_some(),
            operations: meter.cells().map(OperationMetrics::of).collect(),
            rejected_by_breaker: counts.of_kind(ErrorKind::CircuitOpen),
            rejected_by_limiter: counts.of_kind(ErrorKind::PoolExhausted),
            connections: ConnectionCounts {
                open: load.lanes,
                busy: load.busy,
                dials: get(&meter.dials),
                dials_failed: get(&meter.dials_failed),
                dial_time: meter.dial_time.sum_up(),
                opened: get(&meter.opened),
                lost: get(&meter.closed.lost),
                dead: get(&meter.dead),
                idle: get(&meter.closed.idle),
                aged: get(&meter.closed.aged),
            },
            waits,
            waits_timed_out,
            in_flight: load.in_flight,
            breakers: node.map(|node| breakers(&node)).unwrap_or_default(),
            bytes_in: get(&meter.traffic.bytes_in) + live_in,
            bytes_out: get(&meter.traffic.bytes_out) + live_out,
        }
    }
}

fn breakers(node: &Arc<Node>) -> Vec<BreakerMetrics> {
    let view = |(kind, breaker): (&'static str, &crate::breaker::CircuitBreaker)| {
        let snapshot = breaker.snapshot();
        let cause = snapshot.cause.filter(|_| snapshot.trips > 0 || snapshot.state == State::Open);
        let (state, trips) = (snapshot.state.label(), snapshot.trips);
        BreakerMetrics { kind, state, trips, cause: cause.map(|cause| cause.label()) }
    };
    node.guard.by_kind().map(view).to_vec()
}

impl OperationMetrics {
    fn of(cell: &Cell) -> Self {
        let counts = cell.counts();
        let kinds = ErrorKind::ALL.map(|kind| (kind.as_str(), counts.of_kind(kind)));
        let outcomes = OUTCOMES.map(|outcome| (outcome.as_str(), counts.with_outcome(outcome)));
        Self {
            operation: cell.operation.name(),
            total: counts.calls(),
            succeeded: counts.succeeded,
            failed_by_kind: kinds.into_iter().filter(|(_, count)| *count > 0).collect(),
            failed_by_outcome: outcomes.into_iter().filter(|(_, count)| *count > 0).collect(),
            timeouts: counts.of_kind(ErrorKind::Timeout),
            retries: counts.retries,
            redirects: counts.redirects,
            latency: cell.elapsed.sum_up(),
        }
    }
}
