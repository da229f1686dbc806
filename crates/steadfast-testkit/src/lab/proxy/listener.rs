//! Those who connect to the proxy, and how they are met.

use super::connection;
use super::handle::Shared;
use socket2::SockRef;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often a port that is taken is tried again.
const REBIND_EVERY: Duration = Duration::from_millis(10);

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
            if policy == Accept::Refuse {
                listener = None;
                self.in_force.send_replace(policy);
                let _ = accept.changed().await;
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
            Accept::Close | Accept::Refuse => {
                self.shared.dialled();
            }
        }
    }
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
