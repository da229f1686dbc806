//! What is watched of a client and its nodes: figures and health.

use crate::config::{Checked, Eviction, Health as HealthConfig};
use crate::health::{Board, Fitness, Health, NodeHealth, ServerFinding, Thresholds};
use crate::metrics::{NodeMeter, Registry};
use crate::report::History;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio_util::sync::CancellationToken;

/// What is watched of one client.
#[derive(Debug)]
pub(crate) struct Vitals {
    pub(crate) clock: SharedClock,
    config: RwLock<Checked>,
    pub(crate) metrics: Registry,
    pub(crate) health: Board,
    pub(crate) history: Mutex<History>,
}

/// What is watched of one node.
#[derive(Debug)]
pub(crate) struct NodeVitals {
    pub(crate) client: Arc<Vitals>,
    pub(crate) health: NodeHealth,
    pub(crate) fitness: Fitness,
    /// A sentinel does not: it is no part of the client's health.
    pub(crate) serves_data: bool,
    /// What was last said of its settings.
    findings: Mutex<Vec<ServerFinding>>,
}

impl NodeVitals {
    /// What was last said of its settings.
    pub(crate) fn findings(&self) -> Vec<ServerFinding> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what is said of its settings now; what was not said before.
    pub(crate) fn found(&self, findings: Vec<ServerFinding>) -> Vec<ServerFinding> {
        let mut last = self.findings.lock().unwrap_or_else(PoisonError::into_inner);
        let new = findings.iter().filter(|finding| !last.contains(finding)).cloned().collect();
        *last = findings;
        new
    }
}

impl Vitals {
    pub(crate) fn new(config: &Checked, clock: SharedClock) -> Arc<Self> {
        let slow = Duration::from_millis(config.metrics.reporting_threshold_ms);
        let metrics = Registry::new(config.metrics.enabled, slow, Arc::clone(&clock));
        Arc::new(Self {
            history: Mutex::new(History::new(metrics.totals())),
            metrics,
            health: Board::new(config, clock.now_ms()),
            config: RwLock::new(config.clone()),
            clock,
        })
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Checked {
        self.config.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on under another configuration: what is looked at each time, and what is counted.
    pub(crate) fn reconfigure(&self, config: &Checked) {
        *self.config.write().unwrap_or_else(PoisonError::into_inner) = config.clone();
        let slow = Duration::from_millis(config.metrics.reporting_threshold_ms);
        self.metrics.reconfigure(config.metrics.enabled, slow);
        for node in self.metrics.meters().iter().filter_map(|meter| meter.node()) {
            node.vitals.health.reconfigure(thresholds(&config.health));
        }
    }

    /// How the servers are now.
    pub(crate) fn read_health(&self) -> Health {
        self.health.read(&self.metrics, &self.config(), self.clock.now_ms())
    }

    /// Tells those who want to know how the servers are, if that has changed.
    pub(crate) fn publish_health(&self) {
        self.health.publish(&self.metrics, &self.config(), self.clock.now_ms());
    }

    /// What is watched of the node of this name.
    pub(crate) fn of_node(
        self: &Arc<Self>,
        name: &Arc<str>,
        serves_data: bool,
    ) -> (NodeVitals, Arc<NodeMeter>) {
        let config = self.config();
        let must_be_checked = serves_data && config.server.eviction == Eviction::Refuse;
        let vitals = NodeVitals {
            health: NodeHealth::new(thresholds(&config.health), Arc::clone(&self.clock)),
            fitness: Fitness::new(must_be_checked),
            client: Arc::clone(self),
            serves_data,
            findings: Mutex::default(),
        };
        let meter = if serves_data { self.metrics.meter(name) } else { NodeMeter::apart(name) };
        (vitals, meter)
    }
}

/// Tells the facade what is read rather than counted, every `metrics.collection_interval_ms`, until the client ends.
pub(crate) async fn collect(vitals: Arc<Vitals>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let config = vitals.config();
        if config.metrics.enabled {
            vitals.metrics.export();
            vitals.sample();
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(config.metrics.collection_interval_ms)) => {}
        }
    }
}

const fn thresholds(health: &HealthConfig) -> Thresholds {
    Thresholds { failures: health.failure_threshold, successes: health.success_threshold }
}
