//! Those who connect to the proxy, and how they are met.

use super::connection;
use super::handle::Shared;
use socket2::{Domain, SockRef, Socket, Type};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a port that is taken is tried again.
const REBIND_EVERY: Duration = Duration::from_millis(10);

/// How long the system takes at most to put a dial into a queue that has room.
const QUEUED_WITHIN: Duration = Duration::from_millis(200);
/// More than any system keeps in a queue of length 0.
const QUEUE_MAX: usize = 64;

/// How the proxy meets those who connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accept {
    /// They are connected to the server.
    #[default]
    Forward,
    /// The listener is closed: the system refuses. Such dials are not seen and not counted.
    Refuse,
    /// Accepted and closed at once.
    Close,
    /// Accepted and torn down at once (RST).
    Reset,
    /// The system itself does not answer: dials get no further than their first packet until they give up. Such dials
    /// are not seen and not counted. Linux sends that packet again after a second, so that a dial that waits comes
    /// through up to a second or more after another way of meeting is in force.
    Silence,
}

#[derive(Debug)]
pub(super) struct Listener {
    pub(super) shared: Arc<Shared>,
    pub(super) tasks: TaskTracker,
    pub(super) stop: CancellationToken,
    /// Which way of meeting is in force, for those who wait until it is.
    pub(super) in_force: watch::Sender<Accept>,
}

impl Listener {
    /// Accepts until stopped.
    pub(super) async fn run(self, listener: TcpListener) {
        let stop = self.stop.clone();
        let _ = stop.run_until_cancelled(self.accept(listener)).await;
    }

    async fn accept(&self, listener: TcpListener) {
        let mut accept = self.shared.accept.subscribe();
        let mut listener = Some(listener);
        loop {
            let policy = *accept.borrow_and_update();
            if policy == Accept::Refuse || policy == Accept::Silence {
                drop(listener.take());
                let silence = if policy == Accept::Silence { silence(self.shared.addr).await } else { None };
                self.in_force.send_replace(policy);
                let _ = accept.changed().await;
                drop(silence);
                continue;
            }
            let open = match listener.take() {
                Some(open) => open,
                None => bind(self.shared.addr).await,
            };
            self.in_force.send_replace(policy);
            tokio::select! {
                biased;
                _ = accept.changed() => {}
                // One that fails has gone already.
                Ok((stream, _)) = open.accept() => self.meet(stream, policy),
            }
            listener = Some(open);
        }
    }

    fn meet(&self, stream: TcpStream, policy: Accept) {
        match policy {
            Accept::Forward => {
                let (number, target, orders) = self.shared.admit();
                let serve = connection::serve(Arc::clone(&self.shared), number, stream, target, orders);
                self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(serve));
            }
            Accept::Reset => {
                self.shared.dialled();
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            Accept::Close | Accept::Refuse | Accept::Silence => {
                self.shared.dialled();
            }
        }
    }
}

/// A listener that nobody accepts from, with so many in its queue that the system drops the packets of others.
#[derive(Debug)]
struct Silence {
    _listener: Socket,
    _queue: Vec<TcpStream>,
}

async fn silence(addr: SocketAddr) -> Option<Silence> {
    let listener = loop {
        match unaccepting(addr) {
            Ok(listener) => break listener,
            Err(_) => sleep(REBIND_EVERY).await,
        }
    };
    let mut queue = Vec::new();
    while queue.len() < QUEUE_MAX {
        match timeout(QUEUED_WITHIN, TcpStream::connect(addr)).await {
            Ok(stream) => queue.push(stream.ok()?),
            // Now the queue is full.
            Err(_) => return Some(Silence { _listener: listener, _queue: queue }),
        }
    }
    None
}

fn unaccepting(addr: SocketAddr) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(0)?;
    Ok(socket)
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
