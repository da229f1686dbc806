//! What a simulated server is started with.

use super::cluster::{ClusterFace, ClusterMap};
use super::data::Data;
use super::listener::Listener;
use super::node::{Dial, Face, Node, Role, Settings};
use super::observed::Observed;
use super::scripts::Scripts;
use super::sentinel::SentinelFace;
use super::{Sim, handle::Running};
use crate::redis::free_port;
use anyhow::{Context, bail};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many ports are tried, should each be taken between the choice and the start.
const PORTS_MAX: usize = 8;
/// When a simulated server is started by its own clock, in seconds since 1970: the first of January 2026.
const UNIX_START_S: u64 = 1_767_225_600;
/// What CONFIG GET knows at first.
const CONFIG: [(&str, &str); 9] = [
    ("appendonly", "no"),
    ("databases", "16"),
    ("maxclients", "10000"),
    ("maxmemory", "0"),
    ("maxmemory-policy", "noeviction"),
    ("min-replicas-to-write", "0"),
    ("notify-keyspace-events", ""),
    ("save", ""),
    ("timeout", "0"),
];

/// The settings of a [`Sim`].
#[derive(Debug, Default)]
pub struct Builder {
    data: Option<Data>,
    port: Option<u16>,
    unix_time: Option<Duration>,
    role: Option<Role>,
    users: BTreeMap<String, Vec<String>>,
    sentinel: bool,
    cluster: Option<(ClusterMap, String)>,
    dial: Dial,
}

impl Builder {
    /// Works on a data set that others work on too.
    #[must_use]
    pub fn data(mut self, data: &Data) -> Self {
        self.data = Some(data.clone());
        self
    }

    /// Always this port, instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// The time since 1970 at which its clock starts; the first of January 2026 otherwise. From then on it follows
    /// Tokio's clock, paused or not.
    #[must_use]
    pub fn unix_time(mut self, since_1970: Duration) -> Self {
        self.unix_time = Some(since_1970);
        self
    }

    /// What it is in its replication; a primary without replicas otherwise.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = Some(role);
        self
    }

    /// The password of the default user; everybody may come in otherwise.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        self.user("default", password)
    }

    /// A user who may do everything.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.entry(name.to_owned()).or_default().push(password.to_owned());
        self
    }

    /// How it meets those who connect from the first on.
    #[must_use]
    pub fn dial(mut self, dial: Dial) -> Self {
        self.dial = dial;
        self
    }

    /// Poses as a sentinel.
    #[must_use]
    pub fn sentinel(mut self) -> Self {
        self.sentinel = true;
        self
    }

    /// Poses as the node of this id in a cluster. See [`super::SimCluster`] for a whole one.
    #[must_use]
    pub fn cluster(mut self, map: &ClusterMap, id: &str) -> Self {
        self.cluster = Some((map.clone(), id.to_owned()));
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// If no port can be listened on.
    pub async fn start(self) -> anyhow::Result<Sim> {
        let listener = listen(self.port).await?;
        let addr = listener.local_addr().context("a listener without an address")?;
        let dial = self.dial;
        let node = Arc::new(self.node(addr));
        let running = Running {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            in_force: watch::Sender::new(dial),
        };
        let acceptor = Listener {
            node: Arc::clone(&node),
            tasks: running.tasks.clone(),
            stop: running.stop.clone(),
            in_force: running.in_force.clone(),
        };
        running.tasks.spawn(acceptor.run(listener));
        Ok(Sim { node, running: Arc::new(running) })
    }

    fn node(self, addr: SocketAddr) -> Node {
        let face = match (self.cluster, self.sentinel) {
            (Some((map, id)), _) => Face::Cluster(ClusterFace::new(id, map)),
            (None, true) => Face::Sentinel(SentinelFace::default()),
            (None, false) => Face::Standalone,
        };
        let config = CONFIG.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings {
            role: self.role.unwrap_or(Role::primary()),
            conditions: Vec::new(),
            users: self.users,
            info: BTreeMap::new(),
            config: BTreeMap::from(config),
            wait_replicas: 0,
        };
        Node {
            addr,
            run_id: run_id(),
            face,
            data: self.data.unwrap_or_default(),
            started: Instant::now(),
            unix_start: self.unix_time.unwrap_or(Duration::from_secs(UNIX_START_S)),
            settings: Mutex::new(settings),
            dial: watch::Sender::new(self.dial),
            faults: super::fault::Faults::default(),
            observed: Observed::new(),
            clients: super::clients::Clients::default(),
            scripts: Scripts::default(),
        }
    }
}

/// Forty hexadecimal digits.
pub(super) fn run_id() -> String {
    (0..40).map(|_| fastrand::digit(16)).collect()
}

async fn listen(port: Option<u16>) -> anyhow::Result<TcpListener> {
    for _ in 0..PORTS_MAX {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port.map_or_else(free_port, Ok)?));
        match TcpListener::bind(addr).await {
            Ok(listener) => return Ok(listener),
            Err(error) if port.is_some() => return Err(error).context(format!("cannot listen on {addr}")),
            Err(_) => {}
        }
    }
    bail!("{PORTS_MAX} ports were taken, one after the other")
}
