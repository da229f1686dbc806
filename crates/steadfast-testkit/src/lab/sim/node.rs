//! The state of one simulated server, settable while it runs.

use super::clients::Clients;
use super::cluster::ClusterFace;
use super::data::{Cx, Data};
use super::errors;
use super::fault::Faults;
use super::observed::Observed;
use super::scripts::Scripts;
use super::sentinel::SentinelFace;
use crate::redis::Protocol;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How a server meets those who connect. Connections that stand already are not concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dial {
    /// As it should.
    #[default]
    Accept,
    /// The listener is closed: the system refuses. Such dials are not seen and not counted.
    Refuse,
    /// Accepted and closed at once.
    AcceptAndClose,
    /// Accepted and torn down at once (RST).
    Reset,
    /// Accepted, told `-ERR max number of clients reached`, and closed.
    MaxClients,
    /// Accepted; every login fails with `-WRONGPASS`, whoever's it is, as long as this holds, and everything else with
    /// `-NOAUTH`.
    WrongPass,
    /// Accepted; nothing is ever answered.
    Hang,
}

/// What a server is in its replication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Takes writes; these are its replicas.
    Primary {
        /// Where they are.
        replicas: Vec<SocketAddr>,
    },
    /// Refuses writes with `-READONLY`.
    Replica {
        /// Its primary.
        of: SocketAddr,
        /// Whether it is connected to it.
        link_up: bool,
    },
}

impl Role {
    /// A primary without replicas.
    pub const fn primary() -> Self {
        Self::Primary { replicas: Vec::new() }
    }

    /// A replica that is connected to its primary.
    pub const fn replica_of(of: SocketAddr) -> Self {
        Self::Replica { of, link_up: true }
    }
}

/// A state in which a server refuses commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Reads its data set: refuses nearly everything, PING too.
    Loading,
    /// A replica without a primary that may not answer: refuses all that touches data.
    MasterDown,
    /// Too few replicas: refuses writes.
    NoReplicas,
    /// Cannot write its disk: refuses writes and PING.
    Misconf,
    /// Out of memory: refuses writes that need some.
    Oom,
    /// A script runs too long: refuses nearly everything, PING too.
    Busy,
    /// The cluster is down: refuses all that has keys.
    ClusterDown,
}

impl Condition {
    pub(super) const fn error(self) -> &'static str {
        match self {
            Self::Loading => errors::LOADING,
            Self::MasterDown => errors::MASTERDOWN,
            Self::NoReplicas => errors::NOREPLICAS,
            Self::Misconf => errors::MISCONF,
            Self::Oom => errors::OOM,
            Self::Busy => errors::BUSY,
            Self::ClusterDown => errors::CLUSTERDOWN,
        }
    }
}

/// What can be set from outside.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) role: Role,
    pub(super) conditions: Vec<Condition>,
    /// The passwords of each user. Without an entry for `default` everybody may come in as it.
    pub(super) users: BTreeMap<String, Vec<String>>,
    pub(super) info: BTreeMap<(String, String), String>,
    pub(super) config: BTreeMap<String, String>,
    pub(super) wait_replicas: i64,
}

/// Which kind of server it poses as.
#[derive(Debug)]
pub(super) enum Face {
    Standalone,
    Sentinel(SentinelFace),
    Cluster(ClusterFace),
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) addr: SocketAddr,
    pub(super) run_id: String,
    pub(super) face: Face,
    pub(super) data: Data,
    pub(super) started: Instant,
    pub(super) unix_start: Duration,
    pub(super) settings: Mutex<Settings>,
    pub(super) dial: watch::Sender<Dial>,
    pub(super) faults: Faults,
    pub(super) observed: Observed,
    pub(super) clients: Clients,
    pub(super) scripts: Scripts,
}

impl Node {
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds since 1970, by the server's own clock: it follows Tokio's.
    pub(super) fn unix_us(&self, now: Instant) -> u64 {
        let elapsed = self.unix_start + now.saturating_duration_since(self.started);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }

    /// Works on the data.
    pub(super) fn on_data<T>(&self, db: usize, protocol: Protocol, work: impl FnOnce(&mut Cx<'_>) -> T) -> T {
        let now = Instant::now();
        let unix_us = self.unix_us(now);
        let mut store = self.data.lock();
        work(&mut Cx { store: &mut store, db, now, protocol, unix_us })
    }

    /// Serves those who wait for what there is now.
    pub(super) fn serve_waiters(&self) {
        let now = Instant::now();
        self.data.lock().serve_waiters(now, self.unix_us(now));
    }
}
