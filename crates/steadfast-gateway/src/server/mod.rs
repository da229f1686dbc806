//! The accept loop and the life of a connection.

mod activity;
mod connections;
mod stream;
mod watched;

use crate::answer::{Answer, Bearing};
use crate::gateway::Gateway;
use crate::metrics as names;
use activity::Activity;
use connections::{Connections, Slot};
use http::Request;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stream::TimedStream;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use watched::Watched;

/// What a connection hears that cannot be had.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
/// hyper's own lower bound for a connection's buffer.
const BUFFER_BYTES_MIN: usize = 8 * 1024;
/// Pauses of the accept loop while the process is out of file descriptors or memory.
const ACCEPT_PAUSE_MS: std::ops::RangeInclusive<u64> = 10..=1_000;

impl Gateway {
    /// Serves `listener` until `stop` is cancelled, then finishes what is in flight, at most for the drain
    /// timeout. Returns when every connection is closed.
    ///
    /// # Cancel safety
    /// Dropping the future stops accepting but leaves open connections to their timeouts: cancel `stop`.
    pub async fn serve(self: &Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let limits = &self.config.limits;
        let connections = Connections::new(limits.connections_max, limits.connections_per_peer_max);
        let tracker = TaskTracker::new();
        let kill = CancellationToken::new();
        let mut pause_ms = *ACCEPT_PAUSE_MS.start();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause_ms = *ACCEPT_PAUSE_MS.start();
                    let trusted =
                        self.config.trusted_proxies.iter().any(|network| network.contains(peer.ip()));
                    match connections.admit(peer.ip(), trusted) {
                        Ok(slot) => {
                            let task =
                                Arc::clone(self).connection(stream, peer, slot, stop.clone(), kill.clone());
                            tracker.spawn(task);
                        }
                        Err(reason) => turn_away(stream, reason),
                    }
                }
                // The peer gave up between connecting and being accepted: nothing of ours.
                Err(error) if is_the_peers(error.kind()) => {}
                Err(error) => {
                    let closed = connections.shed_idle();
                    if let Some(unsaid) = self.trouble_logs.allow(self.clock.mono_ms()) {
                        tracing::error!(%error, closed, pause_ms, unsaid, "cannot accept connections; pausing");
                    }
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(Duration::from_millis(pause_ms)) => {}
                    }
                    pause_ms = (pause_ms * 2).min(*ACCEPT_PAUSE_MS.end());
                }
            }
        }
        drop(listener);
        tracker.close();
        if tokio::time::timeout(limits.drain_timeout, tracker.wait()).await.is_err() {
            tracing::warn!(
                connections = tracker.len(),
                "requests did not finish in time; closing their connections"
            );
            kill.cancel();
            tracker.wait().await;
        }
    }

    /// Handles one request and notes what the connection is doing meanwhile.
    async fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
        activity: &Arc<Activity>,
    ) -> Answer {
        activity.begin();
        let request = request.map(|body| Watched::new(body, Arc::clone(activity)));
        let answer = self.handle(request, peer).await;
        if answer.headers().contains_key(CONNECTION) {
            activity.leave_unread();
        }
        let bearing = answer.extensions().get::<Bearing>();
        if bearing == Some(&Bearing::Believed) {
            activity.prove();
        }
        activity.end();
        if bearing == Some(&Bearing::Flood) {
            // Whoever sends rubbish without end gets one refused per connection and pause. Nothing is held for
            // it meanwhile but the connection, which any other may have.
            tokio::time::sleep(self.config.limits.refused_pause).await;
        }
        answer
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        slot: Slot,
        stop: CancellationToken,
        kill: CancellationToken,
    ) {
        // Without it small answers may wait for the peer's delayed acknowledgement; failing costs only that.
        let _ = stream.set_nodelay(true);
        let limits = &self.config.limits;
        let activity = Arc::clone(slot.activity());
        let service = service_fn(|request: Request<Incoming>| {
            let (gateway, activity) = (&self, &activity);
            async move { Ok::<_, Infallible>(gateway.answer(request, peer, activity).await) }
        });
        let stream = TokioIo::new(TimedStream::new(stream, Arc::clone(&activity), limits));
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                // hyper counts the idle time before a head into this; the finer bounds are in TimedStream.
                .header_read_timeout(limits.idle_timeout + limits.head_timeout)
                .max_buf_size(limits.head_bytes_max.max(BUFFER_BYTES_MIN))
                .max_header_size(limits.head_bytes_max)
                .max_headers(limits.headers_max)
                // A peer that closes its side early may still read; and what came whole is worth storing.
                .half_close(true)
                .serve_connection(stream, service)
        );
        tokio::select! {
            ended = connection.as_mut() => return log_end(ended),
            () = slot.shed() => return,
            () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            ended = connection => log_end(ended),
            () = kill.cancelled() => {}
        }
    }
}

fn is_the_peers(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused)
}

/// Answers without a task: the few bytes fit into the socket's buffer, or are not sent.
fn turn_away(stream: TcpStream, reason: &'static str) {
    metrics::counter!(names::CONNECTIONS_DROPPED, "reason" => reason).increment(1);
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(FULL);
    }
}

fn log_end(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}
