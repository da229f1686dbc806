//! Whether the node works, dependency by dependency, and what that means for it as a whole.

use crate::Monitor;
use crate::error::chain;
use crate::hooks::{Finding, Weight};
use crate::time_text::iso8601;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// The node as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Overall {
    /// All works.
    Healthy,
    /// Messages are taken; something else does not work, and they may wait.
    Degraded,
    /// Messages cannot be taken.
    Unhealthy,
}

impl Overall {
    fn of(found: impl IntoIterator<Item = (Weight, bool)>) -> Self {
        found.into_iter().fold(Self::Healthy, |overall, (weight, healthy)| match (healthy, weight) {
            (true, _) => overall,
            (false, Weight::Vital) => Self::Unhealthy,
            (false, Weight::Helpful) if overall == Self::Healthy => Self::Degraded,
            (false, Weight::Helpful) => overall,
        })
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Healthy | Self::Degraded => StatusCode::OK,
            Self::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// One dependency.
#[derive(Debug, Serialize)]
struct Dependency {
    healthy: bool,
    status: &'static str,
    weight: Weight,
    response_time_ms: f64,
    error: Option<String>,
    worker_count: Option<usize>,
    timestamp: String,
}

type Check<'a> = (String, Weight, BoxFuture<'a, Finding>);

fn vital_checks(monitor: &Monitor) -> Vec<Check<'_>> {
    let queue = async {
        match monitor.deps().backend.stats().await {
            Ok(_) => Finding::connected(),
            Err(error) => Finding::disconnected(chain(&error)),
        }
    };
    let mut checks: Vec<Check<'_>> = vec![("queue".to_owned(), Weight::Vital, Box::pin(queue))];
    checks.extend(probes(monitor, Weight::Vital));
    checks
}

fn helpful_checks(monitor: &Monitor) -> Vec<Check<'_>> {
    let records = async {
        match monitor.deps().records.ping().await {
            Ok(()) => Finding::connected(),
            Err(error) => Finding::disconnected(chain(&error)),
        }
    };
    let mut checks: Vec<Check<'_>> = vec![("records".to_owned(), Weight::Helpful, Box::pin(records))];
    if let Some(hook) = &monitor.deps().workers {
        let workers = async {
            let slots = hook.workers().iter().map(|workers| workers.concurrency).sum();
            Finding::workers(slots)
        };
        checks.push(("workers".to_owned(), Weight::Helpful, Box::pin(workers)));
    }
    checks.extend(probes(monitor, Weight::Helpful));
    checks
}

fn probes(monitor: &Monitor, weight: Weight) -> impl Iterator<Item = Check<'_>> {
    let probes = monitor.deps().probes.iter().filter(move |probe| probe.weight() == weight);
    probes.map(move |probe| (probe.name().to_owned(), weight, probe.check()))
}

/// Runs `checks` side by side, each within the check timeout.
async fn run(monitor: &Monitor, checks: Vec<Check<'_>>) -> BTreeMap<String, Dependency> {
    let limit = monitor.config().check_timeout;
    let running = checks.into_iter().map(|(name, weight, check)| async move {
        let began = Instant::now();
        let found = timeout(limit, check)
            .await
            .unwrap_or_else(|_| Finding::disconnected(format!("no answer within {} ms", limit.as_millis())));
        let dependency = Dependency {
            healthy: found.healthy,
            status: found.status,
            weight,
            response_time_ms: (began.elapsed().as_secs_f64() * 1_000_000.0).round() / 1_000.0,
            error: found.error,
            worker_count: found.worker_count,
            timestamp: iso8601(monitor.clock().now_ms()),
        };
        (name, dependency)
    });
    join_all(running).await.into_iter().collect()
}

fn overall_of(dependencies: &BTreeMap<String, Dependency>) -> Overall {
    Overall::of(dependencies.values().map(|dependency| (dependency.weight, dependency.healthy)))
}

/// The answer of `/health`.
#[derive(Debug, Serialize)]
struct HealthView {
    status: Overall,
    timestamp: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// What is told to those who may look.
#[derive(Debug, Serialize)]
struct Details {
    version: String,
    uptime_ms: u64,
    dependencies: BTreeMap<String, Dependency>,
}

/// `GET /health`: all dependencies; without a token, where one is needed, the overall word alone.
pub(crate) async fn overall(State(monitor): State<Arc<Monitor>>, headers: HeaderMap) -> Response {
    let mut checks = vital_checks(&monitor);
    checks.extend(helpful_checks(&monitor));
    let dependencies = run(&monitor, checks).await;
    let status = overall_of(&dependencies);
    let may_look = monitor.guard().identify(&headers).is_ok();
    let details = may_look.then(|| Details {
        version: monitor.config().version.clone(),
        uptime_ms: monitor.uptime_ms(),
        dependencies,
    });
    let view = HealthView { status, timestamp: iso8601(monitor.clock().now_ms()), details };
    (status.status(), Json(view)).into_response()
}

/// `GET /livez`: the process runs and answers. Nothing else is asked, so that an outage of something else
/// restarts nothing.
pub(crate) async fn alive() -> Response {
    Json(json!({ "alive": true })).into_response()
}

/// `GET /readyz`: messages can be taken.
pub(crate) async fn ready(State(monitor): State<Arc<Monitor>>) -> Response {
    let ready = overall_of(&run(&monitor, vital_checks(&monitor)).await) != Overall::Unhealthy;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_vital_decides() {
        use Weight::{Helpful, Vital};
        let of = |found: &[(Weight, bool)]| Overall::of(found.iter().copied());
        assert_eq!(of(&[]), Overall::Healthy);
        assert_eq!(of(&[(Vital, true), (Helpful, true)]), Overall::Healthy);
        assert_eq!(of(&[(Vital, true), (Helpful, false)]), Overall::Degraded);
        assert_eq!(of(&[(Vital, false), (Helpful, false)]), Overall::Unhealthy);
        assert_eq!(of(&[(Helpful, false), (Vital, false), (Helpful, true)]), Overall::Unhealthy);
    }
}
