//! The client's health: all nodes together, and who is told when it changes.

use super::machine::Probe;
use super::overall::{Member, overall};
use super::status::{ConnectionState, Health, HealthStatus, NodeHealthView, PoolStatus, RedisConnectionInfo};
use crate::config::{Address, Checked, Hosts, LoginWith, ReadPreference};
use crate::metrics::{NodeMeter, Registry, share};
use crate::node::Node;
use crate::notify::Notifier;
use crate::role::Role;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The client's health.
#[derive(Debug)]
pub(crate) struct Board {
    hosts: Hosts,
    last: Mutex<Health>,
    pub(super) notifier: Arc<Notifier<Health>>,
    pub(super) is_fallback_active: AtomicBool,
}

/// A node with its health.
struct Seen {
    node: Arc<Node>,
    meter: Arc<NodeMeter>,
    role: Role,
    is_primary: bool,
    reading: super::node::Reading,
}

impl Board {
    pub(crate) fn new(config: &Checked, now_ms: i64) -> Self {
        let first = put_together(&config.hosts, config.connection.read_preference, &[], now_ms);
        Self {
            hosts: config.hosts.clone(),
            last: Mutex::new(first.clone()),
            notifier: Arc::new(Notifier::new("health".into(), first)),
            is_fallback_active: AtomicBool::new(false),
        }
    }

    /// How it is now.
    pub(crate) fn read(&self, registry: &Registry, config: &Checked, now_ms: i64) -> Health {
        put_together(&self.hosts, config.connection.read_preference, &look(registry), now_ms)
    }

    /// Looks, and tells those who want to know if what works has changed.
    pub(crate) fn publish(&self, registry: &Registry, config: &Checked, now_ms: i64) {
        {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.read(registry, config, now_ms);
            let told = now.capabilities == last.capabilities && now.is_connected == last.is_connected;
            if !told {
                self.notifier.push(now.clone());
            }
            *last = now;
        }
        self.notifier.tell();
    }

    /// The connections now.
    pub(crate) fn connections(&self, registry: &Registry) -> ConnectionState {
        let seen = look(registry);
        let mut state = ConnectionState {
            is_fallback_active: self.is_fallback_active.load(Ordering::Relaxed),
            ..ConnectionState::default()
        };
        for seen in &seen {
            let load = seen.node.load();
            let (connected, disconnected) = seen.meter.connected_at_ms();
            state.is_connected |= seen.is_primary && load.lanes > 0;
            state.last_connected_ms = state.last_connected_ms.max(connected);
            state.last_disconnected_ms = state.last_disconnected_ms.max(disconnected);
            state.active_connections += load.busy;
            state.idle_connections += load.lanes - load.busy;
        }
        let opened = registry.meters().iter().map(|meter| meter.opened.load(Ordering::Relaxed)).sum();
        state.total_connections = opened;
        state.is_connecting = !state.is_connected && state.last_connected_ms.is_none();
        state.is_reconnecting = !state.is_connected && state.last_connected_ms.is_some();
        state
    }
}

/// Where the connections lead and how many there are.
pub(crate) fn connection_info(registry: &Registry, config: &Checked) -> Vec<RedisConnectionInfo> {
    let password_set = !matches!(config.login_with(), LoginWith::Nothing);
    let info = |seen: &Seen| {
        let load = seen.node.load();
        let (host, port) = match &seen.node.address {
            Address::Tcp { host, port } => (host.clone(), *port),
            Address::Unix { path } => (path.display().to_string(), 0),
        };
        RedisConnectionInfo {
            host,
            port,
            password_set,
            pool_size: load.lanes,
            active_connections: load.busy,
            max_connections: config.pool.connections_max as usize,
        }
    };
    look(registry).iter().map(info).collect()
}

/// How much room there is.
pub(crate) fn pool(registry: &Registry, config: &Checked) -> PoolStatus {
    let mut pool = PoolStatus {
        lanes_max: config.pool.lanes_max as usize,
        connections_max: config.pool.connections_max as usize,
        ..PoolStatus::default()
    };
    for seen in look(registry) {
        let load = seen.node.load();
        pool.size += load.lanes;
        pool.active += load.busy;
        pool.idle += load.lanes - load.busy;
        pool.in_flight += load.in_flight;
        let own = seen.node.exclusives.load();
        pool.exclusive_held += own.held;
        pool.exclusive_idle += own.idle;
        pool.waiting += seen.node.waiting() + own.waiting;
        pool.utilisation = pool.utilisation.max(seen.node.utilisation());
    }
    pool.is_crowded = pool.utilisation * 100.0 >= f64::from(config.pool.utilisation_warn_percent);
    pool
}

fn look(registry: &Registry) -> Vec<Seen> {
    let seen = |meter: Arc<NodeMeter>| {
        let node = meter.node()?;
        let (role, is_demoted) = {
            let state = node.state();
            let state = state.borrow();
            (state.role, state.is_demoted)
        };
        let is_primary = role != Role::Replica && !is_demoted;
        let reading = node.vitals.health.read();
        Some(Seen { node, meter, role, is_primary, reading })
    };
    registry.meters().into_iter().filter_map(seen).collect()
}

fn put_together(hosts: &Hosts, read_from: ReadPreference, seen: &[Seen], now_ms: i64) -> Health {
    let member = |seen: &Seen| Member {
        name: seen.node.name.to_string(),
        is_primary: seen.is_primary,
        capabilities: seen.reading.capabilities.clone(),
    };
    let members: Vec<Member> = seen.iter().map(member).collect();
    let capabilities = overall(hosts.kind, read_from, &members);
    let down = capabilities.iter().find(|(_, state)| state.is_down());
    let error = down.map(|(capability, state)| format!("{capability} are {state}"));
    let checks = || seen.iter().map(|seen| &seen.reading.checks);
    let (failed, all) = checks()
        .map(super::checks::Checks::failed_of)
        .fold((0, 0), |(failed, all), (more, of)| (failed + u64::from(more), all + u64::from(of)));
    let check_error = || checks().find_map(|checks| checks.error.as_deref().map(str::to_owned));
    let status = HealthStatus {
        is_healthy: capabilities.is_healthy(),
        response_time_ms: checks().filter_map(|checks| checks.response).max().map(ms),
        timestamp_ms: now_ms,
        error: error.or_else(check_error),
        failure_rate: share(failed, all),
        success_rate: share(all - failed, all),
        consecutive_failures: checks().map(|checks| checks.failures_in_a_row).max().unwrap_or(0),
        consecutive_successes: checks().map(|checks| checks.successes_in_a_row).min().unwrap_or(0),
    };
    let is_connected = seen.iter().any(|seen| seen.is_primary && seen.node.load().lanes > 0);
    Health { status, capabilities, is_connected, nodes: seen.iter().map(view).collect() }
}

fn view(seen: &Seen) -> NodeHealthView {
    let reading = &seen.reading;
    let was_checked = reading.checks.at_ms != 0;
    let probes = if was_checked { reading.probes } else { [Probe::NotYet; 5] };
    NodeHealthView {
        node: seen.node.name.to_string(),
        role: seen.role.as_str(),
        capabilities: reading.capabilities.clone(),
        probes: probes.into(),
        response_time_ms: reading.checks.response.map(ms),
        checked_at_ms: was_checked.then_some(reading.checks.at_ms),
    }
}

fn ms(span: std::time::Duration) -> f64 {
    span.as_secs_f64() * 1_000.0
}
