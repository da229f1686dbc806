//! Latencies, and how they are told.

use anyhow::Context;
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::time::Duration;

/// Longer ones count as this.
const LONGEST_US: u64 = 600_000_000;

/// Latencies of one run, to a thousandth of their value.
#[derive(Clone)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LONGEST_US, 3).context("cannot make a histogram")?))
    }

    pub(super) fn note(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(micros.clamp(1, LONGEST_US));
    }

    pub(super) fn merge(&mut self, other: &Self) -> anyhow::Result<()> {
        self.0.add(&other.0).context("cannot add histograms")
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    fn ms(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1_000.0
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "p50_ms": self.ms(0.5),
            "p99_ms": self.ms(0.99),
            "p999_ms": self.ms(0.999),
            "max_ms": self.0.max() as f64 / 1_000.0,
        })
    }

    pub(super) fn line(&self) -> String {
        format!(
            "p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms  max {:.1} ms",
            self.ms(0.5),
            self.ms(0.99),
            self.ms(0.999),
            self.0.max() as f64 / 1_000.0
        )
    }
}
