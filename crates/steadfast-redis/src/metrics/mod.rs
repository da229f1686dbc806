//! What every call and every connection does, counted as it happens and shown at any time.
//!
//! Calls are counted by operation and node in tables of atomics: a call costs a few uncontended additions, and with
//! `metrics.enabled` off one relaxed load. Durations go into histograms, so that what is shown are quantiles and
//! not only means. [`Client::metrics`](crate::Client::metrics) shows all of it,
//! [`Client::performance`](crate::Client::performance) sums it up.
//!
//! The same figures go to the recorder of the `metrics` facade, under names that begin with `steadfast_redis_`. Install
//! the recorder before the client is made. Labels are bounded: operations are those of the command table, nodes at most
//! 257 (whatever comes beyond is `other`), caches are named by their prefix.

mod cache;
mod cell;
mod collect;
#[cfg(test)]
mod cost_tests;
mod export;
mod node;
mod performance;
mod registry;
mod totals;
mod view;

pub use crate::histogram::Latencies;
pub(crate) use cache::{CacheMeter, Reading};
pub(crate) use cell::{Called, Ending};
pub(crate) use node::NodeMeter;
pub use performance::{
    ConnectionPerformance, ErrorPerformance, OperationPerformance, PerformanceMetrics, PoolPerformance,
};
pub(crate) use registry::Registry;
pub(crate) use totals::Totals;
pub(crate) use view::share;
pub use view::{BreakerMetrics, ConnectionCounts, ErrorView, NodeMetrics, OperationMetrics, RedisMetrics};
