//! `/queues`: what they hold, and pausing, resuming and scaling them.

use super::{Budget, Done, check_queue, done, in_order, scan};
use crate::Monitor;
use crate::error::ApiError;
use crate::hooks::{ScaleError, WorkerView};
use crate::input::{Body64k, Segment, limit, query};
use crate::time_text::iso8601;
use crate::view::{Counts, FailureGroup, Failures, JobView, QueueView};
use axum::Json;
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use steadfast_core::queues as names;
use steadfast_queue::backend::{Control, Filter, QueueStats, Stats};
use steadfast_queue::{QueueSettings, State};

const RECENT_DEFAULT: usize = 5;
const RECENT_MAX: usize = 50;
/// Failed jobs looked at to group them.
const FAILURES_MAX: usize = 500;

fn view(monitor: &Monitor, name: &str, stats: &QueueStats, workers: &[WorkerView]) -> QueueView {
    let workers = workers.iter().find(|workers| workers.queue == name).cloned();
    QueueView::of(name, stats, monitor.rates_of(name), workers, monitor.clock().now_ms())
}

fn workers(monitor: &Monitor) -> Vec<WorkerView> {
    monitor.deps().workers.as_ref().map(|hook| hook.workers()).unwrap_or_default()
}

/// Dead letters by queue, those without left out.
pub(crate) fn dead_by_queue(stats: &Stats) -> BTreeMap<String, u64> {
    let dead = stats.queues.iter().filter(|(_, stats)| stats.dead > 0);
    dead.map(|(name, stats)| (name.clone(), stats.dead)).collect()
}

#[derive(Debug, Serialize)]
pub(crate) struct DeadView {
    name: &'static str,
    size: u64,
    by_queue: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct AllView {
    timestamp: String,
    dead_letters: u64,
    /// Of all queues together.
    counts: Counts,
    queues: Vec<QueueView>,
    dead_letter_queue: DeadView,
    /// Share of failures over five minutes, by component.
    error_rates: BTreeMap<String, f64>,
    messages_per_second: f64,
    store_bytes: u64,
}

/// `GET /queues`.
pub(crate) async fn list(Shared(monitor): Shared<Arc<Monitor>>) -> Result<Json<AllView>, ApiError> {
    let stats = monitor.stats().await?;
    monitor.sample(&stats);
    let workers = workers(&monitor);
    let counts = Counts::sum(stats.queues.values());
    let (error_rates, messages_per_second) = monitor.rates();
    Ok(Json(AllView {
        timestamp: iso8601(monitor.clock().now_ms()),
        dead_letters: counts.dead,
        queues: in_order(&stats).iter().map(|(name, queue)| view(&monitor, name, queue, &workers)).collect(),
        dead_letter_queue: DeadView {
            name: names::DEAD_LETTERS,
            size: counts.dead,
            by_queue: dead_by_queue(&stats),
        },
        counts,
        error_rates: error_rates.into_iter().collect(),
        messages_per_second,
        store_bytes: stats.store_bytes,
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneQuery {
    limit: Option<usize>,
}

#[derive(Debug, Serialize)]
struct OneView {
    timestamp: String,
    #[serde(flatten)]
    queue: QueueView,
    /// Settings that are not as by default.
    settings: QueueSettings,
    failures: Vec<FailureGroup>,
    /// How many failed jobs were looked at; with more than these, the groups' counts are of the newest.
    failures_of: usize,
    failures_complete: bool,
    recent: BTreeMap<&'static str, Vec<JobView>>,
}

/// `GET /queues/{name}`; under `dead-letter-queue`, the dead of all queues.
pub(crate) async fn one(
    Shared(monitor): Shared<Arc<Monitor>>,
    Segment(name): Segment,
    caller: axum::Extension<crate::guard::Caller>,
    uri: Uri,
) -> Result<Response, ApiError> {
    if name == names::DEAD_LETTERS {
        return super::dlq::list(Shared(monitor), caller, uri).await.map(IntoResponse::into_response);
    }
    let asked: OneQuery = query(&uri)?;
    let per_state = limit(asked.limit, RECENT_DEFAULT, RECENT_MAX)?;
    let stats = monitor.stats().await?;
    check_queue(&stats, &name)?;
    monitor.sample(&stats);
    let mut failures = Failures::default();
    let filter = filter(&name, vec![State::Dead, State::Retryable]);
    let budget = Budget::of(&monitor);
    let walked = scan::walk(&monitor, &filter, FAILURES_MAX, budget, |job| failures.add(job)).await?;
    let queue = stats.queues.get(&name).cloned().unwrap_or_default();
    let body = OneView {
        timestamp: iso8601(monitor.clock().now_ms()),
        queue: view(&monitor, &name, &queue, &workers(&monitor)),
        settings: stats.settings.get(&name).cloned().unwrap_or_default(),
        failures: failures.largest_first(),
        failures_of: walked.seen,
        failures_complete: walked.complete,
        recent: recent(&monitor, &name, per_state).await?,
    };
    Ok(Json(body).into_response())
}

fn filter(queue: &str, states: Vec<State>) -> Filter {
    Filter { queue: Some(queue.to_owned()), states, ..Filter::default() }
}

/// The newest jobs in each state.
async fn recent(
    monitor: &Monitor,
    queue: &str,
    per_state: usize,
) -> Result<BTreeMap<&'static str, Vec<JobView>>, ApiError> {
    let mut recent = BTreeMap::new();
    // One after the other: a store may have few readers, and others want to look too.
    for state in State::ALL {
        let page = monitor.deps().backend.list(filter(queue, vec![state]), None, per_state).await?;
        recent.insert(state.as_str(), page.jobs.iter().map(|job| JobView::of(job, false)).collect());
    }
    Ok(recent)
}

/// Refuses the dead letters' name where a queue with workers is meant.
fn no_dead_letters(name: &str, verb: &str) -> Result<(), ApiError> {
    if name != names::DEAD_LETTERS {
        return Ok(());
    }
    Err(ApiError::conflict(
        format!("The dead letter queue cannot be {verb}."),
        "It has no workers: it lists the dead jobs of all queues.",
        "Name the queue whose jobs die, or use /dlq/retry and /dlq/discard.",
    ))
}

/// `POST /queues/{name}/pause`.
pub(crate) async fn pause(Shared(monitor): Shared<Arc<Monitor>>, Segment(name): Segment) -> Done<Value> {
    no_dead_letters(&name, "paused")?;
    let note = "Nothing more is handed out; jobs that run finish, and new ones are taken and wait.";
    set_mode(&monitor, &name, Control::Pause(name.clone()), note).await
}

/// `POST /queues/{name}/drain`.
pub(crate) async fn drain(Shared(monitor): Shared<Arc<Monitor>>, Segment(name): Segment) -> Done<Value> {
    no_dead_letters(&name, "drained")?;
    let note = "What is there is worked off; nothing new is taken but what follows its own jobs. On the queue of \
        webhooks that means that messages are refused with 503.";
    set_mode(&monitor, &name, Control::Drain(name.clone()), note).await
}

/// `POST /queues/{name}/resume`.
pub(crate) async fn resume(Shared(monitor): Shared<Arc<Monitor>>, Segment(name): Segment) -> Done<Value> {
    no_dead_letters(&name, "resumed")?;
    set_mode(&monitor, &name, Control::Resume(name.clone()), "It goes on as usual.").await
}

/// Does it, and says how many jobs it concerns.
async fn set_mode(monitor: &Monitor, name: &str, command: Control, note: &str) -> Done<Value> {
    check_queue(&monitor.stats().await?, name)?;
    let changed = monitor.deps().backend.control(command).await?.affected;
    let stats = monitor.stats().await?.queues.remove(name).unwrap_or_default();
    let waiting = stats.available + stats.scheduled + stats.retryable;
    let body = json!({
        "queue": name, "waiting": waiting, "running": stats.running, "changed": changed > 0, "mode": stats.mode,
        "paused": stats.mode.is_paused(), "note": note
    });
    done(0, changed, body)
}

/// The body of a scale call: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScaleCall {
    concurrency: Option<usize>,
    adaptive: Option<bool>,
}

/// `POST /queues/{name}/scale`.
pub(crate) async fn scale(
    Shared(monitor): Shared<Arc<Monitor>>,
    Segment(name): Segment,
    Body64k(call): Body64k<ScaleCall>,
) -> Done<Value> {
    no_dead_letters(&name, "scaled")?;
    check_queue(&monitor.stats().await?, &name)?;
    let hook = monitor.deps().workers.as_ref();
    let concurrency = match (call.concurrency, call.adaptive) {
        (Some(concurrency), None) => concurrency,
        (None, Some(true)) => {
            let now = hook
                .map_or(Err(ScaleError::NoWorkers), |hook| hook.adapt(&name))
                .map_err(|error| unscaled(&error))?;
            let note = "It follows again what gets jobs done; GET /queues/{name} says why it is what it is.";
            return done(0, 1, json!({ "queue": name, "concurrency": now, "adaptive": true, "note": note }));
        }
        _ => {
            return Err(ApiError::bad(
                "The call does not say what to do.",
                "It takes either concurrency, a number, or adaptive, which can only be true.".to_owned(),
                "Send {\"concurrency\": 6} or {\"adaptive\": true}.",
            ));
        }
    };
    let max = monitor.config().concurrency_max;
    if !(1..=max).contains(&concurrency) {
        return Err(ApiError::bad(
            "The concurrency is out of bounds.",
            format!("{concurrency} was asked for, 1 to {max} can be."),
            "To stop a queue's work, pause it.",
        ));
    }
    let scaled = hook.map_or(Err(ScaleError::NoWorkers), |hook| hook.scale(&name, concurrency));
    let before = scaled.map_err(|error| unscaled(&error))?;
    let note = "It counts in this process until its next start; to keep it, set it in the configuration.";
    done(0, 1, json!({ "queue": name, "concurrency": concurrency, "before": before, "note": note }))
}

fn unscaled(error: &ScaleError) -> ApiError {
    match error {
        ScaleError::NoWorkers => ApiError::conflict(
            "There is nothing to scale.",
            "This process runs no workers for that queue.",
            "Ask the monitor of a node with the worker role.",
        ),
        ScaleError::NotAdaptive => ApiError::conflict(
            "The concurrency does not adapt.",
            "This node runs with a fixed number.",
            "Set a number, or start the node with workers.adaptive = true.",
        ),
        ScaleError::OutOfBounds { .. } => {
            ApiError::bad("The concurrency is out of bounds.", error.to_string(), "Ask for one within them.")
        }
    }
}
