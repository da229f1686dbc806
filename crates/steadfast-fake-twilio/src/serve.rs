//! The listener: our own accept loop, because a pretend Twilio must be able to hang up without an answer.

use crate::error::{ApiError, HangUp};
use crate::page::CONTENT_SECURITY_POLICY;
use crate::routes::router;
use crate::twilio::FakeTwilio;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use axum::response::{IntoResponse, Response};
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 1_024;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// For requests and callbacks at hand when the stop comes.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// For tasks to notice that even that is over.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

impl FakeTwilio {
    /// Serves API, chat page and introspection on `listener`, and moves messages on, until `stop`. Then takes no more
    /// connections, lets what is at hand finish for up to 5 s, and returns; callbacks not yet due are dropped. To be
    /// called once.
    ///
    /// There is no protection here against anybody who can reach the listener: bind it to loopback.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener; connections and callbacks under way then run on by themselves.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        if let Ok(address) = listener.local_addr() {
            // Set once; a second call of serve keeps the first address.
            let _ = self.base_url.set(format!("http://{address}"));
        }
        let (calls, waiting) = mpsc::channel(self.config.callbacks_waiting_max.max(1));
        self.tracker.spawn(Arc::clone(&self).drive(calls));
        self.tracker.spawn(Arc::clone(&self).dispatch(waiting));
        self.accept_until(&listener, &stop).await;
        drop(listener);
        self.soft.cancel();
        self.tracker.close();
        if tokio::time::timeout(DRAIN_TIMEOUT, self.tracker.wait()).await.is_err() {
            tracing::warn!(tasks = self.tracker.len(), "the pretend Twilio cuts off what is still at work");
            self.hard.cancel();
            // Whatever is left now holds nothing that anybody waits for.
            let _ = tokio::time::timeout(ABORT_TIMEOUT, self.tracker.wait()).await;
        }
    }

    async fn accept_until(self: &Arc<Self>, listener: &TcpListener, stop: &CancellationToken) {
        let router = router(Arc::clone(self));
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = accept(listener, &places) => accepted,
            };
            match accepted {
                Ok((stream, place)) => {
                    let connection = Arc::clone(self).converse(stream, router.clone());
                    self.tracker.spawn(async move {
                        connection.await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Out of file handles, most likely: they come back as connections end.
                    tracing::warn!(%error, "the pretend Twilio cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn converse(self: Arc<Self>, stream: TcpStream, router: Router) {
        // Without it small answers wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let inner = TowerToHyperService::new(router);
        let service = hyper::service::service_fn(move |request| answer(inner.clone(), request));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.soft.cancelled() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection => ended,
                    () = self.hard.cancelled() => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "a connection ended early");
        }
    }

    /// Where this process is reached, without a slash at the end.
    pub(crate) fn base_url(&self) -> String {
        match (&self.config.public_base_url, self.base_url.get()) {
            (Some(configured), _) => configured.trim_end_matches('/').to_owned(),
            (None, Some(own)) => own.clone(),
            (None, None) => "http://127.0.0.1".to_owned(),
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn answer(
    inner: TowerToHyperService<Router>,
    request: Request<hyper::body::Incoming>,
) -> io::Result<Response> {
    let mut response = if from_another_site(request.method(), request.headers()) {
        let why = "This was sent by a page of another site: open the chat page of this address instead";
        ApiError::new(403, 20403, why).into_response()
    } else {
        match inner.call(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    };
    if response.extensions().get::<HangUp>().is_some() {
        return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "hung up on request of a script"));
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

/// Whether a browser sent this on behalf of somebody else's page. A page on the internet can reach loopback, and
/// must not make customers write.
fn from_another_site(method: &Method, headers: &HeaderMap) -> bool {
    if method == Method::GET || method == Method::HEAD {
        return false;
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, named)| named != host),
        _ => false,
    }
}
