//! The report, out of what the client knows.

use super::figures::{Figures, Operation, Tripped};
use super::history::Gauges;
use super::trend::trend;
use super::{PerformanceReport, Sample, Summary, Trends, rules};
use crate::health::pool;
use crate::limiter::Limiter;
use crate::metrics::RedisMetrics;
use crate::node::Node;
use crate::vitals::Vitals;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// A change of the 99th percentile that is less than this is none.
const P99_FLOOR_US: f64 = 500.0;
/// The same for the share of failed calls.
const ERROR_FLOOR: f64 = 0.005;
/// The same for calls per second.
const RATE_FLOOR: f64 = 1.0;
/// The same for the share of room in use.
const UTILISATION_FLOOR: f64 = 0.05;

impl Vitals {
    /// Takes a sample, if it is time for one.
    pub(crate) fn sample(&self) {
        let config = self.config();
        let pool = pool(&self.metrics, &config);
        let gauges = Gauges { in_flight: pool.in_flight, utilisation: pool.utilisation };
        let now = self.metrics.totals();
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.collect(now, gauges, config.metrics.retention_ms);
    }

    /// How the client does.
    pub(crate) fn report(&self) -> PerformanceReport {
        let (config, pool) = (self.config(), pool(&self.metrics, &self.config()));
        let now = self.metrics.totals();
        let (window, span_ms, samples) = {
            let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            let (window, span_ms) = history.window(&now);
            (window, span_ms, history.samples().copied().collect::<Vec<Sample>>())
        };
        let trends = trends(&samples);
        let nodes: Vec<Arc<Node>> = self.metrics.meters().iter().filter_map(|meter| meter.node()).collect();
        let looked = self.metrics.look();
        let capabilities = self.read_health().capabilities;
        let performance = self.metrics.performance(&pool);
        let figures = Figures {
            config: &config,
            window,
            span_ms,
            pool,
            nodes: nodes.len(),
            limit: limit(&nodes),
            capabilities,
            tripped: tripped(&looked),
            operations: operations(&looked),
            servers: servers(&nodes),
            p99_trend: trends.p99_us,
            error_trend: trends.error_rate,
            utilisation_trend: trends.utilisation,
        };
        PerformanceReport {
            at_ms: self.clock.now_ms(),
            summary: summary(&figures),
            findings: rules::findings(&figures),
            trends,
            metrics: performance,
            samples,
        }
    }
}

fn summary(figures: &Figures<'_>) -> Summary {
    let (window, span_ms) = (&figures.window, figures.span_ms);
    Summary {
        span_ms,
        calls: window.calls,
        rate_per_s: window.calls as f64 * 1_000.0 / span_ms.max(1) as f64,
        error_rate: figures.error_rate(),
        p50_us: window.elapsed.quantile_us(0.5),
        p99_us: window.elapsed.quantile_us(0.99),
        p999_us: figures.p999_us(),
        nodes: figures.nodes,
        utilisation: figures.pool.utilisation,
        capabilities: figures.capabilities.clone(),
    }
}

fn trends(samples: &[Sample]) -> Trends {
    let of = |figure: fn(&Sample) -> f64, floor| {
        let values: Vec<f64> = samples.iter().map(figure).collect();
        trend(&values, floor)
    };
    // Without calls there is no duration: such samples would look like a fall to nothing.
    let busy: Vec<f64> =
        samples.iter().filter(|sample| sample.p99_us > 0).map(|sample| sample.p99_us as f64).collect();
    Trends {
        rate_per_s: of(|sample| sample.rate_per_s, RATE_FLOOR),
        p99_us: trend(&busy, P99_FLOOR_US),
        error_rate: of(|sample| sample.error_rate, ERROR_FLOOR),
        utilisation: of(|sample| sample.utilisation, UTILISATION_FLOOR),
    }
}

fn limit(nodes: &[Arc<Node>]) -> Option<u32> {
    nodes.iter().filter_map(|node| node.guard.limiter()).map(Limiter::snapshot).map(|seen| seen.limit).min()
}

fn tripped(metrics: &RedisMetrics) -> Vec<Tripped> {
    let of_node = |node: &crate::metrics::NodeMetrics| {
        let name = node.node.clone();
        let opened = node.breakers.iter().filter(|breaker| breaker.trips > 0);
        opened
            .map(|breaker| Tripped { node: name.clone(), kind: breaker.kind, cause: breaker.cause })
            .collect::<Vec<_>>()
    };
    metrics.nodes.iter().flat_map(of_node).collect()
}

/// Each operation where it is slowest.
fn operations(metrics: &RedisMetrics) -> Vec<Operation> {
    let mut slowest: BTreeMap<&'static str, Operation> = BTreeMap::new();
    for operation in metrics.nodes.iter().flat_map(|node| &node.operations) {
        let seen = Operation { name: operation.operation, latency: operation.latency };
        let kept = slowest.entry(operation.operation).or_insert_with(|| seen.clone());
        if seen.latency.p99_us > kept.latency.p99_us {
            *kept = seen;
        }
    }
    let mut operations: Vec<Operation> = slowest.into_values().collect();
    operations.sort_by_key(|operation| Reverse(operation.latency.p99_us));
    operations
}

fn servers(nodes: &[Arc<Node>]) -> Vec<(String, crate::health::ServerFinding)> {
    let of_node = |node: &Arc<Node>| {
        let name = node.name.to_string();
        let findings = node.vitals.findings();
        findings.into_iter().map(|finding| (name.clone(), finding)).collect::<Vec<_>>()
    };
    nodes.iter().flat_map(of_node).collect()
}
