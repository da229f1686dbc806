//! Those who connect to a simulated server, and how they are met.

use super::clients::{BACKLOG_MAX, Client};
use super::dispatch::default_user;
use super::errors;
use super::fault::End;
use super::link::{Link, Wire};
use super::node::{Dial, Node};
use super::session::Session;
use crate::redis::Protocol;
use socket2::SockRef;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a client that is turned away may take to close its side.
const FAREWELL: Duration = Duration::from_secs(1);
/// How often a port that is taken is tried again.
const REBIND_EVERY: Duration = Duration::from_millis(10);

/// What accepts connections.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) node: Arc<Node>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Which way of meeting is in force, for those who wait until it is.
    pub(super) in_force: watch::Sender<Dial>,
}

impl Listener {
    /// Accepts until stopped.
    pub(super) async fn run(self, listener: TcpListener) {
        let stop = self.stop.clone();
        let _ = stop.run_until_cancelled(self.accept(listener)).await;
    }

    async fn accept(&self, listener: TcpListener) {
        let mut dial = self.node.dial.subscribe();
        let mut listener = Some(listener);
        loop {
            let policy = *dial.borrow_and_update();
            if policy == Dial::Refuse {
                listener = None;
                self.in_force.send_replace(policy);
                let _ = dial.changed().await;
                continue;
            }
            let open = match listener.take() {
                Some(open) => open,
                None => bind(self.node.addr).await,
            };
            self.in_force.send_replace(policy);
            tokio::select! {
                biased;
                _ = dial.changed() => {}
                // One that fails has gone already.
                Ok((stream, peer)) = open.accept() => self.meet(stream, peer, policy),
            }
            listener = Some(open);
        }
    }

    fn meet(&self, stream: TcpStream, peer: SocketAddr, policy: Dial) {
        let _ = stream.set_nodelay(true);
        match policy {
            Dial::Reset => {
                self.node.observed.dialled(Instant::now());
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            Dial::AcceptAndClose | Dial::Refuse => {
                self.node.observed.dialled(Instant::now());
            }
            Dial::MaxClients => {
                self.node.observed.dialled(Instant::now());
                self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(turn_away(stream)));
            }
            Dial::Accept | Dial::WrongPass | Dial::Hang => self.serve(stream, peer.to_string(), policy),
        }
    }

    /// Serves a connection of any kind.
    pub(super) fn serve<W: Wire + 'static>(&self, wire: W, addr: String, policy: Dial) {
        let link = link(&self.node, wire, addr, policy);
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(link.serve()));
    }
}

fn link<W: Wire>(node: &Arc<Node>, wire: W, addr: String, policy: Dial) -> Link<W> {
    let id = node.observed.dialled(Instant::now());
    let user = default_user(node);
    let (pusher, pushes) = mpsc::channel(BACKLOG_MAX);
    let (control_sender, control) = watch::channel(if policy == Dial::Hang { End::Stall } else { End::Open });
    let client = Client {
        addr,
        name: String::new(),
        user: user.clone().unwrap_or_default(),
        db: 0,
        protocol: Protocol::Resp2,
        multi: None,
        last_command: String::new(),
        channels: BTreeSet::new(),
        patterns: BTreeSet::new(),
        pushes: pusher,
        control: control_sender,
        unblock: None,
    };
    node.clients.lock().insert(id, client);
    node.observed.notify();
    let session = Session { id, user, ..Session::default() };
    Link { node: Arc::clone(node), wire, session, control, pushes, input: Vec::new(), output: Vec::new() }
}

/// Says that there is no room, and waits until the client has read it: a close with unread bytes would be a reset,
/// which may overtake the words.
pub(super) async fn turn_away<W: Wire>(mut wire: W) {
    let words = format!("-{}\r\n", errors::MAXCLIENTS);
    let farewell = async {
        wire.write_all(words.as_bytes()).await?;
        wire.shutdown().await?;
        let mut rest = [0; 1_024];
        while wire.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // Whoever does not wait for the words does not hear them.
    let _ = timeout(FAREWELL, farewell).await;
}

/// The same port again, as soon as it is to be had.
async fn bind(addr: SocketAddr) -> TcpListener {
    loop {
        if let Ok(listener) = TcpListener::bind(addr).await {
            return listener;
        }
        sleep(REBIND_EVERY).await;
    }
}
