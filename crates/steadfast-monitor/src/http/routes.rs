//! The table of paths.

use super::gate::{self, Action};
use crate::Monitor;
use crate::api::{dlq, events, jobs, messages, purge, queues, schedules, scrape, search, webhooks};
use crate::config::Role;
use crate::error::ApiError;
use crate::health;
use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderValue, header};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use std::sync::Arc;

/// Where to look, for whoever took a wrong path.
const PATHS: &str = "GET /health, /livez, /readyz, /metrics, /queues, /queues/{name}, /dlq, /dlq/errors, /jobs, \
    /jobs/{id}, /events, /schedules, /messages/{sid}, /messages/{sid}/timeline, /webhooks/recent; \
    POST /queues/{name}/pause, /queues/{name}/drain, /queues/{name}/resume, /queues/{name}/purge, \
    /queues/{name}/scale, /dlq/retry, /dlq/discard, /jobs/{id}/retry, /jobs/{id}/cancel, /jobs/{id}/discard, \
    /schedules/{name}, /schedules/{name}/remove";

/// The same on the metrics' listener.
const METRICS_PATHS: &str = "GET /metrics, /health, /livez, /readyz; the API is on the monitor's own port";

/// Everything.
pub(crate) fn api(monitor: &Arc<Monitor>) -> Router {
    use Role::{Admin, Operator};
    let known = Router::new()
        .route("/queues", get(queues::list))
        .route("/queues/{name}", get(queues::one))
        .route("/queues/{name}/pause", act(Operator, "queue.pause", queues::pause))
        .route("/queues/{name}/drain", act(Operator, "queue.drain", queues::drain))
        .route("/queues/{name}/resume", act(Operator, "queue.resume", queues::resume))
        .route("/queues/{name}/scale", act(Operator, "queue.scale", queues::scale))
        .route("/queues/{name}/purge", act(Admin, "queue.purge", purge::purge))
        .route("/dlq", get(dlq::list))
        .route("/dlq/errors", get(dlq::errors))
        .route("/dlq/retry", act(Operator, "dlq.retry", dlq::retry))
        .route("/dlq/discard", act(Admin, "dlq.discard", dlq::discard))
        .route("/jobs", get(search::list))
        .route("/jobs/{id}", get(jobs::one))
        .route("/jobs/{id}/retry", act(Operator, "job.retry", jobs::retry))
        .route("/jobs/{id}/cancel", act(Operator, "job.cancel", jobs::cancel))
        .route("/jobs/{id}/discard", act(Admin, "job.discard", jobs::discard))
        .route("/events", get(events::get))
        .route("/schedules", get(schedules::list))
        .route("/schedules/{name}", act(Admin, "schedule.put", schedules::put))
        .route("/schedules/{name}/remove", act(Admin, "schedule.remove", schedules::remove))
        .route("/messages/{sid}", get(messages::one))
        .route("/messages/{sid}/timeline", get(messages::timeline))
        .route("/webhooks/recent", get(webhooks::recent))
        .route("/metrics", get(scrape::metrics))
        .route_layer(from_fn_with_state(Arc::clone(monitor), gate::known));
    finish(monitor, known.merge(open()), PATHS)
}

/// Metrics and the probes of supervisors. With `local`, metrics are given without a token.
pub(crate) fn metrics_alone(monitor: &Arc<Monitor>, local: bool) -> Router {
    let mut metrics = Router::new().route("/metrics", get(scrape::metrics));
    if !local {
        metrics = metrics.route_layer(from_fn_with_state(Arc::clone(monitor), gate::known));
    }
    finish(monitor, metrics.merge(open()), METRICS_PATHS)
}

/// What supervisors and load balancers ask without a token: words, no details.
fn open() -> Router<Arc<Monitor>> {
    Router::new()
        .route("/health", get(health::overall))
        .route("/livez", get(health::alive))
        .route("/readyz", get(health::ready))
}

fn act<H, T>(role: Role, name: &'static str, handler: H) -> MethodRouter<Arc<Monitor>>
where
    H: Handler<T, Arc<Monitor>>,
    T: 'static,
{
    post(handler).route_layer(from_fn_with_state(Action { role, name }, gate::audited))
}

fn finish(monitor: &Arc<Monitor>, router: Router<Arc<Monitor>>, paths: &'static str) -> Router {
    router
        .fallback(move || async move { unknown(paths) })
        .method_not_allowed_fallback(move |method, uri| async move { wrong_method(&method, &uri, paths) })
        .layer(from_fn_with_state(Arc::clone(monitor), gate::front))
        .layer(map_response(plain))
        .with_state(Arc::clone(monitor))
}

/// Answers are never cached, sniffed or framed: they are an operator's view of now.
async fn plain(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let policy = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

fn unknown(paths: &str) -> ApiError {
    ApiError::missing("There is nothing here.", "No such path is served.", format!("Look at: {paths}."))
}

fn wrong_method(method: &Method, uri: &Uri, paths: &str) -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "This path does not take that method.",
        format!("{method} was used on {}.", uri.path()),
        format!("The Allow header names those it takes. All paths: {paths}."),
    )
}
