//! All that is looked at for a report.

use super::trend::Trend;
use crate::config::Config;
use crate::health::{Capabilities, PoolStatus, ServerFinding};
use crate::histogram::Latencies;
use crate::metrics::Totals;

/// A breaker that has opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tripped {
    pub(super) node: String,
    pub(super) kind: &'static str,
    pub(super) cause: Option<&'static str>,
}

/// One operation, over all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) latency: Latencies,
}

/// All that is looked at.
#[derive(Debug)]
pub(super) struct Figures<'a> {
    pub(super) config: &'a Config,
    /// What was counted within the retention, or since the start.
    pub(super) window: Totals,
    pub(super) span_ms: u64,
    pub(super) pool: PoolStatus,
    /// Nodes that serve data.
    pub(super) nodes: usize,
    /// What the limiters let be in flight, the least of all nodes; `None` without limiters.
    pub(super) limit: Option<u32>,
    pub(super) capabilities: Capabilities,
    pub(super) tripped: Vec<Tripped>,
    /// Since the start, in the order of their 99th percentiles.
    pub(super) operations: Vec<Operation>,
    /// What was said of each server's settings.
    pub(super) servers: Vec<(String, ServerFinding)>,
    pub(super) p99_trend: Trend,
    pub(super) error_trend: Trend,
    pub(super) utilisation_trend: Trend,
}

impl Figures<'_> {
    /// Failed calls over all, 0 to 1.
    pub(super) fn error_rate(&self) -> f64 {
        crate::metrics::share(self.window.failures(), self.window.calls)
    }

    /// 999 of 1,000 calls took no longer, in microseconds.
    pub(super) fn p999_us(&self) -> u64 {
        self.window.elapsed.quantile_us(0.999)
    }
}

/// Milliseconds with as many places as tell something.
pub(super) fn ms(us: u64) -> String {
    match us {
        ..1_000 => format!("{:.2} ms", us as f64 / 1_000.0),
        1_000..100_000 => format!("{:.1} ms", us as f64 / 1_000.0),
        _ => format!("{} ms", us / 1_000),
    }
}
