//! The gateway: what it holds, and where a request goes.

use crate::answer::{self, Answer, Bearing};
use crate::config::{GatewayConfig, Mode};
use crate::health::HealthSource;
use crate::inspector::Inspector;
use crate::limiter::{LogLimiter, PeerLimiter};
use crate::origin;
use crate::room::Room;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use hyper::body::Body;
use serde_json::json;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use steadfast_clock::SharedClock;
use steadfast_queue::Backend;

/// The public HTTP edge.
pub struct Gateway {
    pub(crate) config: GatewayConfig,
    pub(crate) queue: Arc<dyn Backend>,
    pub(crate) clock: SharedClock,
    pub(crate) health: Arc<dyn HealthSource>,
    pub(crate) refused: PeerLimiter,
    pub(crate) refusal_logs: LogLimiter,
    pub(crate) trouble_logs: LogLimiter,
    pub(crate) inspector: Inspector,
    pub(crate) room: Room,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    Webhook { to_status: bool },
    Health,
    Live,
    Ready,
    Nowhere,
}

impl fmt::Debug for Gateway {
    /// The configuration alone: a queue may show what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Gateway {
    /// The paths of inbound messages, the first the one to configure. Status callbacks go to the same
    /// with `/status` behind; either is understood at the other.
    pub const WEBHOOK_PATHS: [&'static str; 3] = ["/webhook/twilio", "/webhooks/twilio", "/webhook/whatsapp"];

    /// A gateway that enqueues into `queue`. It does nothing until it is [served](Self::serve).
    pub fn new(
        config: GatewayConfig,
        queue: Arc<dyn Backend>,
        clock: SharedClock,
        health: Arc<dyn HealthSource>,
    ) -> Arc<Self> {
        let limits = &config.limits;
        let refused =
            PeerLimiter::new(limits.refused_burst, limits.refused_per_second, limits.refused_peers_max);
        if config.mode == Mode::Observe {
            tracing::warn!("signatures are observed, not enforced: anybody can send messages");
        }
        if config.group_secret.is_empty() {
            tracing::warn!("no group secret is set: group keys are guessable hashes of addresses");
        }
        Arc::new(Self {
            refused,
            refusal_logs: LogLimiter::new(limits.refusal_logs_per_second),
            trouble_logs: LogLimiter::new(limits.refusal_logs_per_second),
            inspector: Inspector::new(limits.inspector_entries_max),
            room: Room::new(limits.arriving_bytes_max),
            config,
            queue,
            clock,
            health,
        })
    }

    /// The last webhooks and what became of them.
    pub fn inspector(&self) -> Inspector {
        self.inspector.clone()
    }

    /// Answers one request from `peer`: within the body's timeout and the request's.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the webhook either stored or not; it was not acknowledged, and sending
    /// it again is safe.
    pub async fn handle<B>(&self, request: Request<B>, peer: SocketAddr) -> Answer
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Send,
    {
        let route = self.route(request.uri().path());
        match (route, request.method()) {
            (Route::Webhook { to_status }, &Method::POST) => {
                self.webhook(request, to_status, peer.ip()).await
            }
            (Route::Webhook { .. }, _) => self.strange(answer::wrong_method("POST"), &request, peer),
            (Route::Nowhere, _) => self.strange(answer::not_found(), &request, peer),
            (_, &Method::GET | &Method::HEAD) => self.answer_health(route),
            _ => self.strange(answer::wrong_method("GET, HEAD"), &request, peer),
        }
    }

    /// An answer to something that nobody who means us sends often.
    fn strange<B>(&self, mut answer: Answer, request: &Request<B>, peer: SocketAddr) -> Answer {
        if self.is_flood(origin::client(&self.config, request.headers(), peer.ip())) {
            answer.extensions_mut().insert(Bearing::Flood);
        }
        answer
    }

    /// Counts a request of `client` that was refused without being believed: whether there are too many.
    pub(crate) fn is_flood(&self, client: IpAddr) -> bool {
        !self.refused.allow(client, self.clock.mono_ms())
    }

    fn route(&self, path: &str) -> Route {
        let path = match &self.config.public_base_url {
            Some(public) => public.without_prefix(path),
            None => path,
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        if Self::WEBHOOK_PATHS.contains(&path) {
            return Route::Webhook { to_status: false };
        }
        match path {
            "/health" => Route::Health,
            "/livez" => Route::Live,
            "/readyz" => Route::Ready,
            _ => match path.strip_suffix("/status") {
                Some(path) if Self::WEBHOOK_PATHS.contains(&path) => Route::Webhook { to_status: true },
                _ => Route::Nowhere,
            },
        }
    }

    fn answer_health(&self, route: Route) -> Answer {
        if route == Route::Live {
            return answer::json(StatusCode::OK, &json!({"status": "alive"}));
        }
        let report = self.health.report();
        let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        match route {
            Route::Health => answer::json(status, &report.body),
            _ => answer::json(status, &json!({"ready": report.ready})),
        }
    }
}
