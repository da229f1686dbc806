//! The client's health as its users see it.

use super::board::Board;
use super::status::{ConnectionState, Health, HealthStatus};
use crate::notify::Subscription;
use crate::vitals::Vitals;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::watch;

/// What is known of the servers' health. Cheap to clone.
///
/// It is kept by tasks of the client: each node is asked every `health.interval_ms`, and every second while something
/// is wrong; what calls meet (a refusal, silence) counts at once. Refusals and lost connections change a state at
/// once, silence after `health.failure_threshold` failures in a row; what is down is up again after
/// `health.success_threshold` successes in a row.
#[derive(Debug, Clone)]
pub struct HealthMonitor {
    vitals: Arc<Vitals>,
}

impl HealthMonitor {
    pub(crate) fn new(vitals: &Arc<Vitals>) -> Self {
        Self { vitals: Arc::clone(vitals) }
    }

    fn board(&self) -> &Board {
        &self.vitals.health
    }

    /// Everything, now. Asks nobody: it is what is known.
    pub fn now(&self) -> Health {
        self.vitals.read_health()
    }

    /// The numbers of [`HealthMonitor::now`].
    pub fn status(&self) -> HealthStatus {
        self.now().status
    }

    /// True if reads and writes are not down.
    pub fn is_available(&self) -> bool {
        self.now().capabilities.is_available()
    }

    /// The connections, now.
    pub fn connection_state(&self) -> ConnectionState {
        self.board().connections(&self.vitals.metrics)
    }

    /// The newest state, to be awaited: it changes when what works, or whether there is a connection, does. Changes in
    /// quick succession may be seen as one.
    pub fn subscribe(&self) -> watch::Receiver<Health> {
        self.board().notifier.watch()
    }

    /// Calls `callback` upon every such change, in order, until the subscription is dropped.
    ///
    /// It runs on a task of the client: it should be short, and hand work on. Should it panic, that is logged and nothing
    /// else happens. If it lags more than 64 changes behind, the oldest of them are not told.
    pub fn on_health_change(&self, callback: impl Fn(&Health) + Send + Sync + 'static) -> Subscription {
        self.board().notifier.listen(Arc::new(callback))
    }

    /// Says whether a fallback answers in the server's place, for [`ConnectionState::is_fallback_active`].
    pub fn set_fallback_active(&self, is_active: bool) {
        self.board().is_fallback_active.store(is_active, Ordering::Relaxed);
    }
}
