//! What is watched of a node, and what it tells of itself.

use super::Node;
use super::sizing::CROWDED;
use crate::error::Result;
use crate::role::Role;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

impl Node {
    /// True if it is no part of the topology any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Cancelled when it is closed.
    pub(crate) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Bytes read and written on the connections that are open.
    pub(crate) fn live_traffic(&self) -> (u64, u64) {
        self.lanes.traffic()
    }

    /// Calls that wait for the limiter's leave.
    pub(crate) fn waiting(&self) -> usize {
        let snapshot = self.guard.limiter().map(crate::limiter::Limiter::snapshot);
        snapshot.map_or(0, |limiter| limiter.classes.iter().map(|class| class.waiting as usize).sum())
    }

    /// Connections of all kinds but those for messages.
    pub(crate) fn connections(&self) -> usize {
        let own = self.exclusives.load();
        self.load().lanes + own.held + own.idle
    }

    /// The share of room in use, 0 to 1: of commands in flight or of connections, whichever is more.
    pub(crate) fn utilisation(&self) -> f64 {
        let (load, pool) = (self.load(), self.vitals.client.config().pool.clone());
        let commands = load.in_flight as f64 / (pool.lanes_max as usize * CROWDED) as f64;
        let connections = self.connections() as f64 / f64::from(pool.connections_max);
        commands.max(connections).min(1.0)
    }

    /// The server said what it is, unasked for by any call.
    pub(crate) fn said_role(&self, role: Role) {
        let known = self.state.borrow().role;
        match role {
            Role::Replica if known != Role::Replica => self.is_read_only(),
            // Of a group, the route decides who is the primary.
            Role::Primary if known != Role::Primary && !self.is_demoted() => self.set_primary(),
            _ => {}
        }
    }

    /// Returns when commands may be sent, as far as the server's settings go.
    ///
    /// # Errors
    /// They may not, or it could not be looked at in time.
    pub(crate) async fn fit(&self, deadline: Instant) -> Result<()> {
        if self.vitals.fitness.is_fit() {
            return Ok(());
        }
        // Says why there is no connection, if there is none.
        self.ready(false, deadline).await?;
        if self.vitals.fitness.wait(deadline).await? { Ok(()) } else { Err(self.unchecked()) }
    }
}
