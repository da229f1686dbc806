//! What is known of the client's work and of its servers, to be looked at.

use super::Client;
use crate::error::Result;
use crate::health::{self, HealthMonitor, PoolStatus, RedisConnectionInfo, ServerReport};
use crate::metrics::{PerformanceMetrics, RedisMetrics};
use crate::report::PerformanceReport;
use tokio::time::Instant;

impl Client {
    /// Everything that was counted since the client's start. Costs some tens of microseconds for each node.
    pub fn metrics(&self) -> RedisMetrics {
        self.inner.vitals.metrics.look()
    }

    /// The same, summed up over all nodes and operations.
    pub fn performance(&self) -> PerformanceMetrics {
        self.inner.vitals.metrics.performance(&self.pool())
    }

    /// What is known of the servers' health, and who is told when it changes.
    pub fn health(&self) -> HealthMonitor {
        HealthMonitor::new(&self.inner.vitals)
    }

    /// True if reads and writes are not down, as far as is known. Asks nobody; a call may fail all the same.
    pub fn is_available(&self) -> bool {
        self.inner.vitals.read_health().capabilities.is_available()
    }

    /// How much room there is for calls.
    pub fn pool(&self) -> PoolStatus {
        health::pool(&self.inner.vitals.metrics, &self.inner.vitals.config())
    }

    /// Where the connections lead, and how many there are, for each node that serves data.
    pub fn connections(&self) -> Vec<RedisConnectionInfo> {
        health::connection_info(&self.inner.vitals.metrics, &self.inner.vitals.config())
    }

    /// How the client does: figures, where they go, what should be done. Costs a millisecond at most.
    pub fn report(&self) -> PerformanceReport {
        self.inner.vitals.report()
    }

    /// Asks every server that serves data what it is and how it is set, by `deadline`: version, role, persistence, what
    /// it does when its memory is full, room for clients. What our user may not ask is said to be so.
    ///
    /// The client looks at the same by itself when it connects, and every minute, and logs what it finds. With
    /// `server.eviction` at `refuse` it sends nothing to a server until that has been looked at, and then fails every
    /// call with the code `EVICTION` while the server's `maxmemory-policy` deletes data, or is not told. Once found to be
    /// good, a server is not refused any more: changed later, it is warned of.
    ///
    /// # Errors
    /// None of them could be asked: why the first could not. A server that is refused is no error here:
    /// [`ServerReport::require_fit`].
    ///
    /// Cancel safe.
    pub async fn check_server(&self, deadline: Instant) -> Result<ServerReport> {
        let vitals = &self.inner.vitals;
        // Where the nodes are found by asking, there is none at first.
        let need = crate::route::Need { slot: None, writes: true, read_from: self.options.read_from };
        let routed = self.inner.router.route(need, None, deadline).await;
        let nodes: Vec<_> = vitals.metrics.meters().iter().filter_map(|meter| meter.node()).collect();
        if nodes.is_empty() {
            routed?;
        }
        health::check(&nodes, &vitals.config(), deadline).await
    }
}
