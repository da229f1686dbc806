//! The accept loop, with the timers that an HTTP server needs and frameworks leave out.

use crate::Monitor;
use crate::error::MonitorError;
use crate::http::Reach;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// A request's header may have so many bytes, and a connection buffers no more.
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// A request may have so many header lines.
const HEADERS_MAX: usize = 64;
/// How long to wait after a failed accept: out of files, nothing helps but time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on `listener` until `stop` fires, then drains.
pub(crate) async fn run(
    monitor: Arc<Monitor>,
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
) -> Result<(), MonitorError> {
    let local = listener.local_addr().map_err(MonitorError::Listener)?;
    monitor.config().check(local)?;
    let tracker = TaskTracker::new();
    let patience = CancellationToken::new();
    tracker.spawn(Arc::clone(&monitor).keep_sampling(stop.clone()));
    let places = Arc::new(Semaphore::new(monitor.config().connections_max.min(Semaphore::MAX_PERMITS)));
    let header_timeout = monitor.config().header_timeout;
    loop {
        // A place first, then the connection: what finds no place waits in the system's backlog.
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (stop, patience) = (stop.clone(), patience.clone());
                let cut = CancellationToken::new();
                let reach = Reach { stop: stop.clone(), cut: cut.clone(), tasks: tracker.clone() };
                let router = router.clone().layer(Extension(reach));
                tracker.spawn(async move {
                    let served = connection(stream, router, header_timeout, stop, patience);
                    let _: Option<()> = cut.run_until_cancelled(served).await;
                    // Whoever still writes to it learns that it is gone.
                    cut.cancel();
                    drop(place);
                });
            }
            Err(error) => {
                warn!(error = %error, "the monitor could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    tracker.close();
    if tokio::time::timeout(monitor.config().drain_timeout, tracker.wait()).await.is_err() {
        warn!(connections = tracker.len(), "the monitor closes connections that did not finish in time");
        patience.cancel();
        tracker.wait().await;
    }
    Ok(())
}

/// Serves one connection until it ends, `stop` has let it finish its request, or `patience` is over.
async fn connection(
    stream: TcpStream,
    router: Router,
    header_timeout: Duration,
    stop: CancellationToken,
    patience: CancellationToken,
) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut serving = pin!(serving);
    let mut asked_to_end = false;
    loop {
        tokio::select! {
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    debug!(error = %error, "a connection to the monitor ended early");
                }
                return;
            }
            () = stop.cancelled(), if !asked_to_end => {
                asked_to_end = true;
                serving.as_mut().graceful_shutdown();
            }
            () = patience.cancelled() => return,
        }
    }
}
