//! The same figures through the `metrics` facade: names, labels, and handles that are made once.
//!
//! A handle belongs to the recorder that was installed when it was made: install the recorder before the client.

use super::cell::{Called, Ending, KINDS, OUTCOMES};
use crate::error::{ErrorKind, Outcome};
use metrics::{Counter, Histogram, SharedString, Unit};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// What is exported: name, unit, and what it is.
const COUNTERS: &[(&str, Unit, &str)] = &[
    ("steadfast_redis_operations_total", Unit::Count, "Calls by operation, node and outcome."),
    ("steadfast_redis_errors_total", Unit::Count, "Failed calls by operation, node, kind and outcome."),
    ("steadfast_redis_retries_total", Unit::Count, "Attempts beyond the first."),
    ("steadfast_redis_redirects_total", Unit::Count, "Attempts that a cluster sent elsewhere."),
    ("steadfast_redis_waits_total", Unit::Count, "Calls that had to wait for a connection, by outcome."),
    ("steadfast_redis_dials_total", Unit::Count, "Dials by outcome."),
    ("steadfast_redis_connections_opened_total", Unit::Count, "Connections made."),
    (
        "steadfast_redis_connections_closed_total",
        Unit::Count,
        "Connections that ended, by what ended them (state).",
    ),
    ("steadfast_redis_breaker_trips_total", Unit::Count, "Times that a breaker opened by itself."),
    ("steadfast_redis_shed_total", Unit::Count, "Calls that the limiter refused, by class (kind)."),
    ("steadfast_redis_traffic_bytes_total", Unit::Bytes, "Bytes on shared connections; kind is in or out."),
    (
        "steadfast_redis_cache_reads_total",
        Unit::Count,
        "Reads of a cache: answered by near, redis, fallback, loader, stale, nothing, or failed (outcome).",
    ),
    (
        "steadfast_redis_cache_synced_total",
        Unit::Count,
        "Entries that a cache sent back: applied, superseded, expired, merged, conflicted, unanswered (outcome).",
    ),
    (
        "steadfast_redis_cache_outages_total",
        Unit::Count,
        "Times that a cache's reads or writes (kind) began to do without the server.",
    ),
];

const GAUGES: &[(&str, Unit, &str)] = &[
    ("steadfast_redis_connections_count", Unit::Count, "Shared connections; state is open or busy."),
    ("steadfast_redis_in_flight_count", Unit::Count, "Commands offered and not answered."),
    ("steadfast_redis_utilisation_ratio", Unit::Count, "The share of lanes or connections in use, 0 to 1."),
    ("steadfast_redis_limit_count", Unit::Count, "Commands that the limiter lets be in flight."),
    ("steadfast_redis_breaker_state_flag", Unit::Count, "1 for the state that the breaker of a kind is in."),
    ("steadfast_redis_capability_state_flag", Unit::Count, "1 for the state that a capability (kind) is in."),
    (
        "steadfast_redis_cache_away_flag",
        Unit::Count,
        "1 while a cache's reads or writes (kind) do without the server.",
    ),
    ("steadfast_redis_cache_waiting_count", Unit::Count, "Keys of a cache that wait to be sent back."),
];

const HISTOGRAMS: &[(&str, Unit, &str)] = &[
    ("steadfast_redis_operation_seconds", Unit::Seconds, "How long calls took that were sent."),
    ("steadfast_redis_wait_seconds", Unit::Seconds, "How long calls waited for a connection."),
    ("steadfast_redis_dial_seconds", Unit::Seconds, "How long dials took that succeeded."),
];

/// Tells the recorder what there will be.
pub(super) fn describe() {
    let text = |text: &'static str| SharedString::const_str(text);
    metrics::with_recorder(|recorder| {
        for (name, unit, what) in COUNTERS {
            recorder.describe_counter((*name).into(), Some(*unit), text(what));
        }
        for (name, unit, what) in GAUGES {
            recorder.describe_gauge((*name).into(), Some(*unit), text(what));
        }
        for (name, unit, what) in HISTOGRAMS {
            recorder.describe_histogram((*name).into(), Some(*unit), text(what));
        }
    });
}

/// The handles of one operation on one node.
pub(super) struct CallExport {
    operation: &'static str,
    node: Arc<str>,
    succeeded: Counter,
    seconds: Histogram,
    /// Failures are rarer, and few of their kinds occur: made when they do. The total's and the error's.
    failed: [[OnceLock<(Counter, Counter)>; OUTCOMES.len()]; KINDS],
    retries: OnceLock<Counter>,
    redirects: OnceLock<Counter>,
}

impl CallExport {
    pub(super) fn new(operation: &'static str, node: &str) -> Self {
        let node: Arc<str> = node.into();
        let labels = [("operation", operation.to_owned()), ("node", node.to_string())];
        Self {
            operation,
            succeeded: operations(operation, &node, "success"),
            seconds: metrics::histogram!("steadfast_redis_operation_seconds", &labels),
            failed: Default::default(),
            retries: OnceLock::new(),
            redirects: OnceLock::new(),
            node,
        }
    }

    pub(super) fn called(&self, call: &Called, was_sent: bool) {
        match call.ending {
            Ending::Succeeded => self.succeeded.increment(1),
            Ending::Failed(kind, outcome) => {
                let handles = &self.failed[kind as usize][outcome as usize];
                let (total, errors) = handles.get_or_init(|| self.failures(kind, outcome));
                total.increment(1);
                errors.increment(1);
            }
        }
        if let Some(elapsed) = call.elapsed.filter(|_| was_sent) {
            self.seconds.record(elapsed);
        }
        self.count(&self.retries, "steadfast_redis_retries_total", call.retries);
        self.count(&self.redirects, "steadfast_redis_redirects_total", call.redirects);
    }

    fn failures(&self, kind: ErrorKind, outcome: Outcome) -> (Counter, Counter) {
        let labels = [
            ("operation", self.operation.to_owned()),
            ("node", self.node.to_string()),
            ("kind", kind.as_str().to_owned()),
            ("outcome", outcome.as_str().to_owned()),
        ];
        let errors = metrics::counter!("steadfast_redis_errors_total", &labels);
        (operations(self.operation, &self.node, outcome.as_str()), errors)
    }

    fn count(&self, handle: &OnceLock<Counter>, name: &'static str, count: u32) {
        if count > 0 {
            let make =
                || metrics::counter!(name, "operation" => self.operation, "node" => self.node.to_string());
            handle.get_or_init(make).increment(u64::from(count));
        }
    }
}

impl fmt::Debug for CallExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallExport")
            .field("operation", &self.operation)
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

fn operations(operation: &'static str, node: &str, outcome: &'static str) -> Counter {
    let labels =
        [("operation", operation.to_owned()), ("node", node.to_owned()), ("outcome", outcome.to_owned())];
    metrics::counter!("steadfast_redis_operations_total", &labels)
}

/// The handles of one node, for what happens to its connections.
pub(super) struct NodeExport {
    waits: [Counter; 2],
    wait_seconds: Histogram,
    dials: [Counter; 2],
    dial_seconds: Histogram,
}

impl NodeExport {
    pub(super) fn new(node: &str) -> Self {
        let counter = |name: &'static str, outcome: &'static str| metrics::counter!(name, "node" => node.to_owned(), "outcome" => outcome);
        Self {
            waits: ["timeout", "success"].map(|outcome| counter("steadfast_redis_waits_total", outcome)),
            wait_seconds: metrics::histogram!("steadfast_redis_wait_seconds", "node" => node.to_owned()),
            dials: ["failure", "success"].map(|outcome| counter("steadfast_redis_dials_total", outcome)),
            dial_seconds: metrics::histogram!("steadfast_redis_dial_seconds", "node" => node.to_owned()),
        }
    }

    pub(super) fn waited(&self, elapsed: Duration, succeeded: bool) {
        self.waits[usize::from(succeeded)].increment(1);
        self.wait_seconds.record(elapsed);
    }

    pub(super) fn dialled(&self, elapsed: Duration, succeeded: bool) {
        self.dials[usize::from(succeeded)].increment(1);
        if succeeded {
            self.dial_seconds.record(elapsed);
        }
    }
}

impl fmt::Debug for NodeExport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeExport").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_form_and_unique() {
        let all: Vec<&str> =
            COUNTERS.iter().chain(GAUGES).chain(HISTOGRAMS).map(|(name, ..)| *name).collect();
        let unique: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(unique.len(), all.len());
        for name in all {
            assert!(name.starts_with("steadfast_redis_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            let units = ["_total", "_count", "_ratio", "_flag", "_seconds"];
            assert!(units.iter().any(|unit| name.ends_with(unit)), "{name}");
        }
    }
}
