//! How the client does, for a person: figures, where they go, and what should be done.
//!
//! ```no_run
//! # async fn shown() -> steadfast_redis::Result<()> {
//! let redis = steadfast_redis::Client::open("redis://127.0.0.1:6379")?;
//! let report = redis.report();
//! for finding in &report.findings {
//!     // warning: p99 wait 12.0 ms at 1 lane: 40 calls waited for a connection to be made again: raise pool.lanes_min 1 -> 2
//!     tracing::info!(%finding, "redis");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Figures are of the last `metrics.retention_ms`, or since the start. A sample is taken every
//! `metrics.collection_interval_ms`; trends are those of the samples. Findings come from rules that look at the figures
//! alone: nothing is advised without evidence, which stands beside it, and where a setting of this client helps, it is
//! named with its value now and the one to try.

mod figures;
mod finding;
mod history;
mod put_together;
mod rules;
mod trend;

pub use finding::{Evidence, Finding, SettingChange};
pub(crate) use history::History;
pub use history::Sample;
pub use trend::{Direction, Trend};

use crate::health::Capabilities;
use crate::metrics::PerformanceMetrics;
use serde::Serialize;
use std::fmt;

/// How the client does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PerformanceReport {
    /// When it was made, in milliseconds since 1970.
    pub at_ms: i64,
    /// The figures in short.
    pub summary: Summary,
    /// Where they go.
    pub trends: Trends,
    /// What should be known or done, the gravest first.
    pub findings: Vec<Finding>,
    /// The figures since the client's start.
    pub metrics: PerformanceMetrics,
    /// The samples that the trends are of, the oldest first.
    pub samples: Vec<Sample>,
}

/// The figures of the last `metrics.retention_ms`, or since the start, in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// How long that was, in milliseconds.
    pub span_ms: u64,
    /// Calls.
    pub calls: u64,
    /// Calls per second.
    pub rate_per_s: f64,
    /// Failed calls over all, 0 to 1.
    pub error_rate: f64,
    /// Half of the calls took no longer, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// 999 of 1,000 took no longer.
    pub p999_us: u64,
    /// Nodes that serve data.
    pub nodes: usize,
    /// The share of room in use now, 0 to 1.
    pub utilisation: f64,
    /// What works now.
    pub capabilities: Capabilities,
}

/// Where the figures go.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trends {
    /// Calls per second.
    pub rate_per_s: Trend,
    /// The duration that 99 of 100 calls stay within, in microseconds.
    pub p99_us: Trend,
    /// Failed calls over all, 0 to 1.
    pub error_rate: Trend,
    /// The share of room in use, 0 to 1.
    pub utilisation: Trend,
}

impl fmt::Display for PerformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary {
            span_ms,
            calls,
            rate_per_s,
            error_rate,
            p50_us,
            p99_us,
            p999_us,
            nodes,
            utilisation,
            ..
        } = &self.summary;
        writeln!(
            f,
            "the last {} s: {calls} calls, {rate_per_s:.1} per second, over {nodes} nodes",
            span_ms / 1_000
        )?;
        let of = |us: &u64| figures::ms(*us);
        writeln!(f, "time: p50 {}, p99 {}, p99.9 {}", of(p50_us), of(p99_us), of(p999_us))?;
        writeln!(f, "failed: {:.2} %, room in use: {:.0} %", error_rate * 100.0, utilisation * 100.0)?;
        for (capability, state) in self.summary.capabilities.iter() {
            if state.reason().is_some() {
                writeln!(f, "{capability}: {state}")?;
            }
        }
        let Trends { rate_per_s, p99_us, error_rate, utilisation } = &self.trends;
        writeln!(
            f,
            "trend: load {}, p99 {}, errors {}, room {}",
            rate_per_s.direction.as_str(),
            p99_us.direction.as_str(),
            error_rate.direction.as_str(),
            utilisation.direction.as_str()
        )?;
        if self.findings.is_empty() {
            return writeln!(f, "nothing to do");
        }
        self.findings.iter().try_for_each(|finding| writeln!(f, "- {finding}"))
    }
}
