//! One connection through the proxy.

use super::handle::Shared;
use super::pump::{Direction, Ended, Passed, Pump};
use super::shape::{End, Orders};
use futures::future::pending;
use socket2::SockRef;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long the server may take to accept.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a peer may take to close its side after ours.
const FAREWELL: Duration = Duration::from_secs(1);

/// One end of the proxy: to the client, or to the server.
#[derive(Debug)]
struct Side {
    read: OwnedReadHalf,
    write: OwnedWriteHalf,
}

impl Side {
    fn new(stream: TcpStream) -> Self {
        let _ = stream.set_nodelay(true);
        let (read, write) = stream.into_split();
        Self { read, write }
    }

    fn reset(self) {
        // One that is gone already needs no reset.
        let _ = SockRef::from(self.read.as_ref()).set_linger(Some(Duration::ZERO));
        // Dropped, it would say farewell first.
        self.write.forget();
    }

    /// Closes in good order: dropped with unread bytes it would be a reset.
    async fn close(mut self) {
        let farewell = async {
            self.write.shutdown().await?;
            swallow(&mut self.read).await
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// Reads and forgets until the peer has closed.
async fn swallow(read: &mut OwnedReadHalf) -> std::io::Result<()> {
    let mut rest = vec![0; 16 * 1_024];
    while read.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Serves a connection to its end.
pub(super) async fn serve(
    shared: Arc<Shared>,
    number: u64,
    client: TcpStream,
    target: SocketAddr,
    orders: watch::Receiver<Orders>,
) {
    let mut client = Side::new(client);
    match timeout(CONNECT_WITHIN, TcpStream::connect(target)).await {
        Ok(Ok(server)) => {
            let mut server = Side::new(server);
            let end = pass(&shared, &mut client, &mut server, orders).await;
            // It stands no more, though its peers may take a moment to see that.
            shared.forget(number);
            finish(client, server, end).await;
        }
        // As if the server itself had not been there: the dial was accepted, so it can only be torn down.
        Ok(Err(_)) | Err(_) => {
            shared.forget(number);
            client.reset();
        }
    }
}

async fn finish(client: Side, server: Side, end: End) {
    if end == End::Reset {
        client.reset();
        server.reset();
    } else {
        tokio::join!(client.close(), server.close());
    }
}

/// Lets bytes pass until there is an end to it, and says which.
async fn pass(shared: &Shared, client: &mut Side, server: &mut Side, orders: watch::Receiver<Orders>) -> End {
    let up = Passed { bytes: &shared.counters.to_server, changes: &shared.changes };
    let down = Passed { bytes: &shared.counters.to_client, changes: &shared.changes };
    let ended = {
        let (from, to) = (&mut client.read, &mut server.write);
        let to_server = Pump::new(Direction::ToServer, from, to, orders.clone(), &up);
        let (from, to) = (&mut server.read, &mut client.write);
        let to_client = Pump::new(Direction::ToClient, from, to, orders.clone(), &down);
        both(to_server, to_client, orders.clone()).await
    };
    match ended {
        Ended::Over | Ended::Broken => End::Close,
        Ended::Cut(end) => end,
        Ended::Hole => hole(client, server, orders).await,
    }
}

/// Moves bytes both ways until one way, or an order, makes an end of both.
async fn both(to_server: Pump<'_>, to_client: Pump<'_>, orders: watch::Receiver<Orders>) -> Ended {
    let (to_server, to_client) = (to_server.run(), to_client.run());
    let ordered = ordered_end(orders);
    tokio::pin!(to_server, to_client, ordered);
    let (ended, forwards) = tokio::select! {
        ended = &mut to_server => (ended, true),
        ended = &mut to_client => (ended, false),
        end = &mut ordered => return Ended::Cut(end),
    };
    match (ended, forwards) {
        (Ended::Broken, true) => tokio::select! {
            ended = to_client => ended,
            end = ordered => Ended::Cut(end),
        },
        (Ended::Broken, false) => tokio::select! {
            ended = to_server => ended,
            end = ordered => Ended::Cut(end),
        },
        (ended, _) => ended,
    }
}

/// Swallows everything, ends included, until ordered to end or both peers are gone.
async fn hole(client: &mut Side, server: &mut Side, orders: watch::Receiver<Orders>) -> End {
    let both_gone = async { tokio::join!(swallow(&mut client.read), swallow(&mut server.read)) };
    tokio::select! {
        _ = both_gone => End::Close,
        end = ordered_end(orders) => end,
    }
}

/// Returns when the connection is ordered to close or to be reset.
async fn ordered_end(mut orders: watch::Receiver<Orders>) -> End {
    match orders.wait_for(|orders| orders.end.is_some()).await.map(|orders| orders.end) {
        Ok(Some(end)) => end,
        // Nobody is left to order anything.
        Ok(None) | Err(_) => pending().await,
    }
}
