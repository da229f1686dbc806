//! The same figures summed over all nodes, by what they are about.

use super::cell::Counts;
use super::registry::Registry;
use super::view::{ErrorView, share};
use crate::error::ErrorKind;
use crate::health::PoolStatus;
use crate::histogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// How the client does, in four parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PerformanceMetrics {
    /// Connections.
    pub connection: ConnectionPerformance,
    /// Calls.
    pub operations: OperationPerformance,
    /// Failures.
    pub errors: ErrorPerformance,
    /// Room.
    pub pool: PoolPerformance,
}

/// Connections, over all nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ConnectionPerformance {
    /// Made since the start.
    pub total_connections: u64,
    /// Open, with something in flight.
    pub active_connections: usize,
    /// Open, with nothing in flight.
    pub idle_connections: usize,
    /// Dials that succeeded over all that are over, 0 to 1; 1 if there was none.
    pub connection_success_rate: f64,
    /// The mean duration of dials that succeeded.
    pub average_connection_time_us: u64,
}

/// Calls, over all nodes and operations.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OperationPerformance {
    /// Calls that are over.
    pub total_operations: u64,
    /// Answered without an error.
    pub successful_operations: u64,
    /// The others.
    pub failed_operations: u64,
    /// The mean duration of calls that were sent.
    pub average_response_time_us: u64,
    /// Half took no longer.
    pub p50_response_time_us: u64,
    /// 95 of 100 took no longer.
    pub p95_response_time_us: u64,
    /// 99 of 100 took no longer.
    pub p99_response_time_us: u64,
    /// 999 of 1,000 took no longer.
    pub p999_response_time_us: u64,
}

/// Failures, over all nodes and operations.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ErrorPerformance {
    /// Failed calls.
    pub total_errors: u64,
    /// Failed calls over all, 0 to 1.
    pub error_rate: f64,
    /// By kind, all kinds.
    pub error_by_type: BTreeMap<&'static str, u64>,
    /// The last one.
    pub last_error: Option<ErrorView>,
}

/// Room for calls, over all nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolPerformance {
    /// The share of room in use, 0 to 1: see [`PoolStatus::utilisation`].
    pub utilisation_rate: f64,
    /// The mean wait of calls that found no connection ready.
    pub wait_time_us: u64,
    /// 99 of 100 such calls waited no longer.
    pub p99_wait_time_us: u64,
    /// Calls that waited for a connection until their deadline, over all calls, 0 to 1.
    pub timeout_rate: f64,
}

impl Registry {
    /// The same figures as [`Registry::look`], summed up.
    pub(crate) fn performance(&self, pool: &PoolStatus) -> PerformanceMetrics {
        let meters = self.all();
        let (mut counts, elapsed) = (Counts::default(), Histogram::default());
        let (waits, dial_time) = (Histogram::default(), Histogram::default());
        let (mut opened, mut dials_failed, mut timed_out) = (0, 0, 0);
        for meter in &meters {
            for cell in meter.cells() {
                counts.add(&cell.counts());
                elapsed.add(&cell.elapsed);
            }
            waits.add(meter.wait_histogram());
            dial_time.add(&meter.dial_time);
            opened += meter.opened.load(Ordering::Relaxed);
            dials_failed += meter.dials_failed.load(Ordering::Relaxed);
            timed_out += meter.waits().0;
        }
        let (elapsed, waits, dial_time) = (elapsed.sum_up(), waits.sum_up(), dial_time.sum_up());
        let (calls, failed) = (counts.calls(), counts.failures());
        let dials = dial_time.count + dials_failed;
        PerformanceMetrics {
            connection: ConnectionPerformance {
                total_connections: opened,
                active_connections: pool.active,
                idle_connections: pool.idle,
                connection_success_rate: if dials == 0 { 1.0 } else { share(dial_time.count, dials) },
                average_connection_time_us: dial_time.mean_us,
            },
            operations: OperationPerformance {
                total_operations: calls,
                successful_operations: counts.succeeded,
                failed_operations: failed,
                average_response_time_us: elapsed.mean_us,
                p50_response_time_us: elapsed.p50_us,
                p95_response_time_us: elapsed.p95_us,
                p99_response_time_us: elapsed.p99_us,
                p999_response_time_us: elapsed.p999_us,
            },
            errors: ErrorPerformance {
                total_errors: failed,
                error_rate: share(failed, calls),
                error_by_type: ErrorKind::ALL.map(|kind| (kind.as_str(), counts.of_kind(kind))).into(),
                last_error: self.last_error(),
            },
            pool: PoolPerformance {
                utilisation_rate: pool.utilisation,
                wait_time_us: waits.mean_us,
                p99_wait_time_us: waits.p99_us,
                timeout_rate: share(timed_out, calls),
            },
        }
    }
}
