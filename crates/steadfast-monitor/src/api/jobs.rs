//! `/jobs/{id}`: one job, and what an operator may do to it.

use super::{Done, done, job_id, may_show_payload};
use crate::Monitor;
use crate::error::ApiError;
use crate::guard::Caller;
use crate::input::{Segment, query};
use crate::view::JobView;
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use steadfast_queue::backend::Control;
use steadfast_queue::{JobId, State};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct OneQuery {
    payload: Option<String>,
}

fn unknown() -> ApiError {
    ApiError::missing(
        "There is no such job.",
        "It never was here, or it finished and is no longer kept.",
        "Look at /dlq and /queues/{name}; what it did to a message is under /messages/{sid}.",
    )
}

/// `GET /jobs/{id}`.
pub(crate) async fn one(
    Shared(monitor): Shared<Arc<Monitor>>,
    Segment(text): Segment,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Result<Json<JobView>, ApiError> {
    let asked: OneQuery = query(&uri)?;
    let id = job_id(&text)?;
    let with_payload = may_show_payload(&caller, asked.payload.as_deref(), &id.to_string())?;
    let found = monitor.deps().backend.get(vec![id]).await?;
    found.into_iter().flatten().next().map(|job| Json(JobView::whole(&job, with_payload))).ok_or_else(unknown)
}

#[derive(Debug, Serialize)]
pub(crate) struct Acted {
    id: String,
    action: &'static str,
    before: State,
    /// `None`: it is no longer kept.
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// `POST /jobs/{id}/retry`.
pub(crate) async fn retry(Shared(monitor): Shared<Arc<Monitor>>, Segment(text): Segment) -> Done<Acted> {
    let id = job_id(&text)?;
    act(
        &monitor,
        id,
        "retry",
        Control::Retry(vec![id]),
        "Dead, cancelled, scheduled and retryable jobs can be retried.",
    )
    .await
}

/// `POST /jobs/{id}/cancel`.
pub(crate) async fn cancel(Shared(monitor): Shared<Arc<Monitor>>, Segment(text): Segment) -> Done<Acted> {
    let id = job_id(&text)?;
    act(&monitor, id, "cancel", Control::Cancel(vec![id]), "Jobs that wait or run can be cancelled.").await
}

/// `POST /jobs/{id}/discard`.
pub(crate) async fn discard(Shared(monitor): Shared<Arc<Monitor>>, Segment(text): Segment) -> Done<Acted> {
    let id = job_id(&text)?;
    act(
        &monitor,
        id,
        "discard",
        Control::Discard(vec![id]),
        "Dead, cancelled and completed jobs can be discarded.",
    )
    .await
}

async fn act(
    monitor: &Monitor,
    id: JobId,
    action: &'static str,
    command: Control,
    rule: &'static str,
) -> Done<Acted> {
    let before = state(monitor, id).await?.ok_or_else(unknown)?;
    let controlled = monitor.deps().backend.control(command).await?;
    if controlled.affected == 0 {
        return Err(ApiError::conflict(
            format!("This job cannot take a {action} now."),
            format!("It is {}. {rule}", before.as_str()),
            "Look at it again: GET /jobs/{id}.",
        ));
    }
    let after = state(monitor, id).await?;
    let note = (action == "cancel" && after == Some(State::Running))
        .then_some("It runs: its worker is told at its next heartbeat and stops it.");
    done(1, controlled.affected, Acted { id: id.to_string(), action, before, state: after, note })
}

async fn state(monitor: &Monitor, id: JobId) -> Result<Option<State>, ApiError> {
    let states = monitor.deps().backend.status(vec![id]).await?;
    Ok(states.first().and_then(|status| status.state))
}
