//! Health as it is shown: to programs, dashboards and health endpoints.

use super::capability::Capabilities;
use super::machine::Probe;
use serde::Serialize;

/// How the server is, in numbers. Times are of the active checks; with several nodes the worst counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HealthStatus {
    /// True if no capability is down.
    pub is_healthy: bool,
    /// How long the last check took, until it failed if it did, in milliseconds; `None` if nothing could be asked yet, or
    /// not any more: there is no connection.
    pub response_time_ms: Option<f64>,
    /// When this was put together, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// What is wrong, if something is.
    pub error: Option<String>,
    /// Failed checks over the last hundred of each node, 0 to 1.
    pub failure_rate: f64,
    /// The others, 0 to 1; 0 before the first check.
    pub success_rate: f64,
    /// Failed checks in a row.
    pub consecutive_failures: u32,
    /// Good checks in a row.
    pub consecutive_successes: u32,
}

/// The same for a health endpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HealthSummary {
    /// True if no capability is down.
    pub healthy: bool,
    /// `connected` or `disconnected`.
    pub status: &'static str,
    /// What is wrong, if something is.
    pub error: Option<String>,
    /// As in [`HealthStatus`].
    pub response_time_ms: Option<f64>,
    /// When this was put together, in milliseconds since 1970.
    pub timestamp_ms: i64,
}

/// Everything about health at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The numbers.
    pub status: HealthStatus,
    /// What works, over all nodes that serve it.
    pub capabilities: Capabilities,
    /// True while there is a connection to a node that takes writes.
    pub is_connected: bool,
    /// Each node.
    pub nodes: Vec<NodeHealthView>,
}

/// One node's part of [`Health`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct NodeHealthView {
    /// `host:port`.
    pub node: String,
    /// `primary`, `replica` or `unknown`.
    pub role: &'static str,
    /// What works.
    pub capabilities: Capabilities,
    /// What the last active check could find out of each.
    pub probes: Probes,
    /// How long it took, in milliseconds; `None` before the first, and if there was nothing to ask on.
    pub response_time_ms: Option<f64>,
    /// When it was, in milliseconds since 1970; `None` before the first.
    pub checked_at_ms: Option<i64>,
}

/// What the last active check could find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Probes {
    /// Of reads.
    pub reads: Probe,
    /// Of writes.
    pub writes: Probe,
    /// Of scripts.
    pub scripts: Probe,
    /// Of blocking commands: there is no harmless way to try one.
    pub blocking: Probe,
    /// Of messages.
    pub pub_sub: Probe,
}

impl From<[Probe; 5]> for Probes {
    fn from([reads, writes, scripts, blocking, pub_sub]: [Probe; 5]) -> Self {
        Self { reads, writes, scripts, blocking, pub_sub }
    }
}

impl Health {
    /// The short form, for a health endpoint.
    pub fn summary(&self) -> HealthSummary {
        HealthSummary {
            healthy: self.status.is_healthy,
            status: if self.is_connected { "connected" } else { "disconnected" },
            error: self.status.error.clone(),
            response_time_ms: self.status.response_time_ms,
            timestamp_ms: self.status.timestamp_ms,
        }
    }
}

/// The connections, over all nodes that serve data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
#[non_exhaustive]
pub struct ConnectionState {
    /// There is a connection to a node that takes writes.
    pub is_connected: bool,
    /// There is none, and there has been none yet.
    pub is_connecting: bool,
    /// There is none, and there was one.
    pub is_reconnecting: bool,
    /// The fallback answers: see [`HealthMonitor::set_fallback_active`](super::HealthMonitor::set_fallback_active).
    pub is_fallback_active: bool,
    /// When one was last made where there was none, in milliseconds since 1970.
    pub last_connected_ms: Option<i64>,
    /// When the last one of a node was lost, in milliseconds since 1970.
    pub last_disconnected_ms: Option<i64>,
    /// Made since the start.
    pub total_connections: u64,
    /// Open, with something in flight.
    pub active_connections: usize,
    /// Open, with nothing in flight.
    pub idle_connections: usize,
}

/// One node's connections, with what they were made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RedisConnectionInfo {
    /// The host's name or number, or the path of a Unix socket.
    pub host: String,
    /// The port; 0 for a Unix socket.
    pub port: u16,
    /// Whether we log in with a password.
    pub password_set: bool,
    /// Shared connections that are open.
    pub pool_size: usize,
    /// Those of them with something in flight.
    pub active_connections: usize,
    /// How many there may be to this node, of all kinds.
    pub max_connections: usize,
}

/// Room for calls, over all nodes that serve data.
#[derive(Debug, Clone, PartialEq, Serialize, Default)]
#[non_exhaustive]
pub struct PoolStatus {
    /// Shared connections that are open.
    pub size: usize,
    /// Those with something in flight.
    pub active: usize,
    /// The others.
    pub idle: usize,
    /// Commands offered and not answered.
    pub in_flight: usize,
    /// Calls that wait for the limiter's leave, or for a connection of their own.
    pub waiting: usize,
    /// Connections that blocking calls and transactions hold.
    pub exclusive_held: usize,
    /// Such connections that nobody holds.
    pub exclusive_idle: usize,
    /// Shared connections that there may be to each node.
    pub lanes_max: usize,
    /// Connections of all kinds that there may be to each node.
    pub connections_max: usize,
    /// The share of room in use on the fullest node, 0 to 1: of commands in flight, or of connections, whichever is
    /// more. Room for commands is `lanes_max` times the number from which one more lane helps.
    pub utilisation: f64,
    /// True from `pool.utilisation_warn_percent` on.
    pub is_crowded: bool,
}
