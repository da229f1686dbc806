//! A running proxy and what a test may do with it.

use super::listener::{Accept, Listener};
use super::shape::{End, Orders, Shape};
use crate::lab::changes::Changes;
use crate::redis::free_port;
use anyhow::bail;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many ports are tried, should each be taken between the choice and the start.
const PORTS_MAX: usize = 8;
/// How long a change may take to come into force.
const CHANGE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Counts {
    dials: AtomicU64,
    pub(super) to_server: AtomicU64,
    pub(super) to_client: AtomicU64,
}

/// What has passed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted, in whatever way.
    pub dials: u64,
    /// Connections that stand.
    pub open: usize,
    /// Bytes delivered to the server.
    pub to_server_bytes: u64,
    /// Bytes delivered to the client.
    pub to_client_bytes: u64,
}

/// Where the next connection goes, and how; and the orders of those that stand.
#[derive(Debug)]
struct Routes {
    target: SocketAddr,
    new: Shape,
    standing: BTreeMap<u64, watch::Sender<Orders>>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) addr: SocketAddr,
    pub(super) accept: watch::Sender<Accept>,
    pub(super) counters: Counts,
    pub(super) changes: Changes,
    routes: Mutex<Routes>,
}

impl Shared {
    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a dial and says which it is.
    pub(super) fn dialled(&self) -> u64 {
        let number = self.counters.dials.fetch_add(1, Ordering::AcqRel) + 1;
        self.changes.notify();
        number
    }

    /// Takes a connection in: its number, where it goes, and the orders it will have.
    pub(super) fn admit(&self) -> (u64, SocketAddr, watch::Receiver<Orders>) {
        let number = self.counters.dials.fetch_add(1, Ordering::AcqRel) + 1;
        let mut routes = self.routes();
        let (sender, orders) = watch::channel(Orders { shape: routes.new, number: 0, end: None });
        routes.standing.insert(number, sender);
        let target = routes.target;
        drop(routes);
        self.changes.notify();
        (number, target, orders)
    }

    pub(super) fn forget(&self, number: u64) {
        self.routes().standing.remove(&number);
        self.changes.notify();
    }
}

#[derive(Debug)]
struct Running {
    tasks: TaskTracker,
    stop: CancellationToken,
    in_force: watch::Sender<Accept>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A running proxy. Clones are handles of the same one; it ends with the last, and its connections with it.
#[derive(Debug, Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

impl Proxy {
    /// A proxy to this server, through which everything passes.
    ///
    /// # Errors
    /// If no port can be listened on.
    pub async fn start(target: SocketAddr) -> anyhow::Result<Self> {
        let listener = listen().await?;
        let routes = Routes { target, new: Shape::pass(), standing: BTreeMap::new() };
        let shared = Arc::new(Shared {
            addr: listener.local_addr()?,
            accept: watch::Sender::new(Accept::Forward),
            counters: Counts::default(),
            changes: Changes::new(),
            routes: Mutex::new(routes),
        });
        let running = Running {
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            in_force: watch::Sender::new(Accept::Forward),
        };
        let acceptor = Listener {
            shared: Arc::clone(&shared),
            tasks: running.tasks.clone(),
            stop: running.stop.clone(),
            in_force: running.in_force.clone(),
        };
        running.tasks.spawn(acceptor.run(listener));
        Ok(Self { shared, running: Arc::new(running) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.shared.addr
    }

    /// The same as a port.
    pub fn port(&self) -> u16 {
        self.shared.addr.port()
    }

    /// The same as a URL, without a password and without TLS.
    pub fn url(&self) -> String {
        format!("redis://{}", self.shared.addr)
    }

    /// Leads those who connect from now on to another server, as a changed name does.
    pub fn retarget(&self, target: SocketAddr) {
        self.shared.routes().target = target;
    }

    /// What is done to the bytes of connections that do not stand yet.
    pub fn shape_new(&self, shape: Shape) {
        self.shared.routes().new = shape;
    }

    /// What is done from now on to the bytes of all connections that stand; says how many they are.
    pub fn shape_existing(&self, shape: Shape) -> usize {
        self.order(|_| true, |orders| orders.shape = shape)
    }

    /// Both.
    pub fn shape_all(&self, shape: Shape) {
        // New ones first: a connection that comes in between gets it twice, not never.
        self.shape_new(shape);
        self.shape_existing(shape);
    }

    /// What is done to the bytes of one connection, the first being 1; says whether it stands.
    pub fn shape_connection(&self, connection: u64, shape: Shape) -> bool {
        self.order(|number| number == connection, |orders| orders.shape = shape) > 0
    }

    /// Tears down all connections that stand (RST to both sides); says how many they were.
    pub fn reset_existing(&self) -> usize {
        self.order(|_| true, |orders| orders.end = Some(End::Reset))
    }

    /// Closes all connections that stand (FIN to both sides); says how many they were.
    pub fn close_existing(&self) -> usize {
        self.order(|_| true, |orders| orders.end = Some(End::Close))
    }

    fn order(&self, which: impl Fn(u64) -> bool, change: impl Fn(&mut Orders)) -> usize {
        let routes = self.shared.routes();
        let concerned: Vec<_> = routes.standing.iter().filter(|(number, _)| which(**number)).collect();
        for (_, sender) in &concerned {
            sender.send_modify(|orders| {
                orders.number += 1;
                change(orders);
            });
        }
        concerned.len()
    }

    /// Changes how those are met who connect from now on, and returns when the change is in force.
    pub async fn accept(&self, policy: Accept) {
        self.shared.accept.send_replace(policy);
        let mut in_force = self.running.in_force.subscribe();
        let deadline = Instant::now() + CHANGE_WITHIN;
        // It is not in force if meanwhile it was changed again.
        let _ = timeout_at(deadline, in_force.wait_for(|now| *now == policy)).await;
    }

    /// What has passed so far.
    pub fn counters(&self) -> Counters {
        let counts = &self.shared.counters;
        Counters {
            dials: counts.dials.load(Ordering::Acquire),
            open: self.shared.routes().standing.len(),
            to_server_bytes: counts.to_server.load(Ordering::Acquire),
            to_client_bytes: counts.to_client.load(Ordering::Acquire),
        }
    }

    /// Waits until something holds of what has passed; says whether it did within the time. It is asked whenever
    /// something happens.
    pub async fn wait_until(&self, within: Duration, holds: impl Fn(Counters) -> bool + Send) -> bool {
        self.shared.changes.wait_until(within, move || holds(self.counters())).await
    }

    /// Ends it and all its connections, and waits until they are gone.
    pub async fn stop(&self) {
        self.running.stop.cancel();
        self.running.tasks.close();
        self.running.tasks.wait().await;
    }
}

async fn listen() -> anyhow::Result<TcpListener> {
    for _ in 0..PORTS_MAX {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        if let Ok(listener) = TcpListener::bind(addr).await {
            return Ok(listener);
        }
    }
    bail!("{PORTS_MAX} ports were taken, one after the other")
}
