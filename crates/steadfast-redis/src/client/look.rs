//! What the client knows of its nodes, to be looked at.

use super::Client;
use crate::breaker::Snapshot;
use crate::command::Access;
use crate::histogram::Latencies;
use crate::role::Role;
use std::sync::atomic::Ordering;

/// One node at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NodeView {
    /// Where it is.
    pub address: String,
    /// What it was last seen to be.
    pub role: Role,
    /// What it says it is: name and version.
    pub server: String,
    /// Connections that take commands.
    pub connections: usize,
    /// Commands offered and not answered.
    pub in_flight: usize,
    /// It reads its data from disk.
    pub is_loading: bool,
    /// A new connection is not answered in time either.
    pub is_slow: bool,
    /// Why the last dial failed, if none has succeeded since.
    pub dial_error: Option<String>,
    /// Dials since the start.
    pub dials: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// Connections closed because they were proved dead.
    pub connections_dead: u64,
    /// Probes sent to tell a dead connection from a slow server.
    pub probes: u64,
    /// How long answers took.
    pub latency: Latencies,
    /// How long dials took.
    pub dial_time: Latencies,
    /// The circuit breaker of commands that read.
    pub reads: Snapshot,
    /// The circuit breaker of commands that write.
    pub writes: Snapshot,
    /// The circuit breaker of scripts.
    pub scripts: Snapshot,
}

impl Client {
    /// All nodes that are known.
    pub fn nodes(&self) -> Vec<NodeView> {
        let nodes = self.inner.router.nodes();
        let view = |node: &std::sync::Arc<crate::node::Node>| {
            let (state, load, counters) = (node.state().borrow().clone(), node.load(), &node.counters);
            NodeView {
                address: node.name.to_string(),
                role: state.role,
                server: state.server.to_string(),
                connections: load.lanes,
                in_flight: load.in_flight,
                is_loading: state.is_loading,
                is_slow: state.is_slow,
                dial_error: state.failed.map(|error| error.to_string()),
                dials: counters.dials.load(Ordering::Relaxed),
                dials_failed: counters.dials_failed.load(Ordering::Relaxed),
                connections_dead: counters.dead.load(Ordering::Relaxed),
                probes: counters.probes.load(Ordering::Relaxed),
                latency: counters.latency.sum_up(),
                dial_time: counters.dial_time.sum_up(),
                reads: node.guard.breaker(Access::Read).snapshot(),
                writes: node.guard.breaker(Access::Write).snapshot(),
                scripts: node.guard.breaker(Access::Script).snapshot(),
            }
        };
        nodes.iter().map(view).collect()
    }
}
