//! The handlers, one file per subject.

pub(crate) mod deaths;
pub(crate) mod dlq;
pub(crate) mod events;
pub(crate) mod jobs;
pub(crate) mod messages;
pub(crate) mod purge;
pub(crate) mod queues;
pub(crate) mod redrive;
pub(crate) mod scan;
pub(crate) mod schedules;
pub(crate) mod scrape;
pub(crate) mod search;
pub(crate) mod webhooks;

use crate::Monitor;
use crate::audit::Affected;
use crate::config::Role;
use crate::error::ApiError;
use crate::guard::Caller;
use axum::{Extension, Json};
use serde::Serialize;
use steadfast_core::queues as names;
use steadfast_queue::JobId;
use steadfast_queue::backend::{QueueStats, Stats};
use tokio::time::Instant;
use tracing::info;

/// What a changing call answers: how much, for the audit log, and the body.
pub(crate) type Done<T> = Result<(Extension<Affected>, Json<T>), ApiError>;

/// The answer of a changing call.
pub(crate) fn done<T: Serialize>(asked: usize, changed: u64, body: T) -> Done<T> {
    Ok((Extension(Affected { asked, changed }), Json(body)))
}

/// The queues in the order in which a message meets them, then any others by name.
pub(crate) fn in_order(stats: &Stats) -> Vec<(&str, QueueStats)> {
    let of = |name: &str| stats.queues.get(name).cloned().unwrap_or_default();
    let others = stats.queues.iter().filter(|(name, _)| !names::ALL.contains(&name.as_str()));
    let ours = names::ALL.into_iter().map(|name| (name, of(name)));
    ours.chain(others.map(|(name, stats)| (name.as_str(), stats.clone()))).collect()
}

/// Refuses names of queues that do not exist: a typing error must not pause nothing in silence.
pub(crate) fn check_queue(stats: &Stats, name: &str) -> Result<(), ApiError> {
    if names::ALL.contains(&name) || stats.queues.contains_key(name) {
        return Ok(());
    }
    let known: Vec<_> = in_order(stats).into_iter().map(|(name, _)| name).collect();
    Err(ApiError::missing(
        "There is no such queue.",
        "No job was ever enqueued under that name.",
        format!("Queues here: {}; {} lists the dead of all.", known.join(", "), names::DEAD_LETTERS),
    ))
}

/// A filter's queue: `dead-letter-queue` and nothing mean all.
pub(crate) fn queue_filter(stats: &Stats, asked: Option<&str>) -> Result<Option<String>, ApiError> {
    match asked {
        None | Some(names::DEAD_LETTERS) => Ok(None),
        Some(name) => check_queue(stats, name).map(|()| Some(name.to_owned())),
    }
}

/// Reads a job's id.
pub(crate) fn job_id(text: &str) -> Result<JobId, ApiError> {
    JobId::parse(text).ok_or_else(|| {
        ApiError::bad(
            "This is no job id.",
            "A job id is 32 hex digits.",
            "Take it from /dlq or /queues/{name}.",
        )
    })
}

/// Whether to show what jobs carry. People's words are in there: it takes an operator, and is logged.
pub(crate) fn may_show_payload(caller: &Caller, asked: Option<&str>, of: &str) -> Result<bool, ApiError> {
    let wants = match asked {
        None | Some("0" | "false") => false,
        Some("1" | "true") => true,
        Some(_) => {
            return Err(ApiError::bad("payload must be 1 or 0.", "It is a switch.", "Use ?payload=1."));
        }
    };
    if wants {
        caller.needs(Role::Operator)?;
        let role = caller.role.as_str();
        info!(target: "audit", role, caller = %caller.name, action = "payload.read", on = ?of, "operator call");
    }
    Ok(wants)
}

/// How long a call that works in chunks may go on: it must answer well within the request's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget(Instant);

impl Budget {
    pub(crate) fn of(monitor: &Monitor) -> Self {
        Self(Instant::now() + monitor.config().request_timeout / 2)
    }

    pub(crate) fn is_spent(self) -> bool {
        Instant::now() >= self.0
    }
}

/// A cursor as a caller gave it, within reason.
pub(crate) fn cursor(asked: Option<String>) -> Result<Option<String>, ApiError> {
    match asked {
        Some(text) if text.len() > 256 => Err(ApiError::bad(
            "The cursor is too long.",
            "None of ours is.",
            "Take next_cursor of the page before.",
        )),
        other => Ok(other.filter(|text| !text.is_empty())),
    }
}
