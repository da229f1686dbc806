//! Gauges, and counters that are read rather than counted: told to the facade at each collection.

use super::node::NodeMeter;
use super::registry::Registry;
use crate::breaker::State;
use crate::node::Node;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The states that a breaker's flag is set for.
const STATES: [State; 6] =
    [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];

impl Registry {
    /// Tells the facade what is not counted call by call.
    pub(crate) fn export(&self) {
        for meter in self.meters() {
            let node = meter.node();
            connections(&meter, node.as_deref());
            if let Some(node) = node {
                load(&meter.name, &node);
                breakers(&meter.name, &node);
            }
        }
    }
}

fn connections(meter: &NodeMeter, node: Option<&Node>) {
    let name = || meter.name.to_string();
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let opened = metrics::counter!("steadfast_redis_connections_opened_total", "node" => name());
    opened.absolute(get(&meter.opened));
    let closed = [
        ("lost", &meter.closed.lost),
        ("dead", &meter.dead),
        ("idle", &meter.closed.idle),
        ("aged", &meter.closed.aged),
    ];
    for (state, count) in closed {
        metrics::counter!("steadfast_redis_connections_closed_total", "node" => name(), "state" => state)
            .absolute(get(count));
    }
    let (live_in, live_out) = node.map(Node::live_traffic).unwrap_or_default();
    let bytes =
        [("in", get(&meter.traffic.bytes_in) + live_in), ("out", get(&meter.traffic.bytes_out) + live_out)];
    for (kind, bytes) in bytes {
        metrics::counter!("steadfast_redis_traffic_bytes_total", "node" => name(), "kind" => kind)
            .absolute(bytes);
    }
    let load = node.map(Node::load).unwrap_or_default();
    for (state, count) in [("open", load.lanes), ("busy", load.busy)] {
        metrics::gauge!("steadfast_redis_connections_count", "node" => name(), "state" => state)
            .set(count as f64);
    }
    metrics::gauge!("steadfast_redis_in_flight_count", "node" => name()).set(load.in_flight as f64);
}

fn load(name: &Arc<str>, node: &Node) {
    let name = || name.to_string();
    metrics::gauge!("steadfast_redis_utilisation_ratio", "node" => name()).set(node.utilisation());
    let Some(limiter) = node.guard.limiter() else { return };
    let snapshot = limiter.snapshot();
    metrics::gauge!("steadfast_redis_limit_count", "node" => name()).set(f64::from(snapshot.limit));
    for class in snapshot.classes {
        let kind = class.class.to_string();
        metrics::counter!("steadfast_redis_shed_total", "node" => name(), "kind" => kind)
            .absolute(class.shed);
    }
}

fn breakers(name: &Arc<str>, node: &Node) {
    for (kind, breaker) in node.guard.by_kind() {
        let snapshot = breaker.snapshot();
        let name = || name.to_string();
        metrics::counter!("steadfast_redis_breaker_trips_total", "node" => name(), "kind" => kind)
            .absolute(snapshot.trips);
        for state in STATES {
            let flag = metrics::gauge!(
                "steadfast_redis_breaker_state_flag",
                "node" => name(), "kind" => kind, "state" => state.label(),
            );
            flag.set(f64::from(u8::from(snapshot.state == state)));
        }
    }
}
