//! `/schedules`: jobs that come by the clock.

use super::{Done, done};
use crate::Monitor;
use crate::error::ApiError;
use crate::input::{Body64k, Segment};
use crate::time_text::iso8601;
use axum::Json;
use axum::extract::State as Shared;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use steadfast_queue::backend::{Control, Controlled};
use steadfast_queue::schedule::{Missed, SCHEDULES_MAX, Schedule, ScheduleStats};

#[derive(Debug, Serialize)]
struct ScheduleView {
    name: String,
    cron: String,
    zone: String,
    queue: String,
    kind: String,
    missed: Missed,
    next_at: Option<String>,
    last_at: Option<String>,
}

impl ScheduleView {
    fn of(name: &str, stats: &ScheduleStats) -> Self {
        Self {
            name: name.to_owned(),
            cron: stats.cron.clone(),
            zone: stats.zone.clone(),
            queue: stats.queue.clone(),
            kind: stats.kind.clone(),
            missed: stats.missed,
            next_at: stats.next_ms.map(iso8601),
            last_at: stats.last_ms.map(iso8601),
        }
    }
}

/// `GET /schedules`.
pub(crate) async fn list(Shared(monitor): Shared<Arc<Monitor>>) -> Result<Json<Value>, ApiError> {
    let stats = monitor.stats().await?;
    let schedules: Vec<_> = stats.schedules.iter().map(|(name, one)| ScheduleView::of(name, one)).collect();
    let timestamp = iso8601(monitor.clock().now_ms());
    Ok(Json(json!({ "timestamp": timestamp, "total": schedules.len(), "schedules": schedules })))
}

/// The body of a call that puts a schedule in place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PutCall {
    cron: String,
    zone: Option<String>,
    #[serde(default)]
    missed: Missed,
    queue: String,
    kind: String,
    /// JSON.
    #[serde(default)]
    payload: Value,
}

/// `POST /schedules/{name}`: puts one in place, instead of the one of that name.
pub(crate) async fn put(
    Shared(monitor): Shared<Arc<Monitor>>,
    Segment(name): Segment,
    Body64k(call): Body64k<PutCall>,
) -> Done<Value> {
    let payload = call.payload.to_string();
    let mut schedule = Schedule::new(name.clone(), call.cron, call.queue, call.kind, payload);
    schedule.missed = call.missed;
    schedule.zone = call.zone.unwrap_or(schedule.zone);
    let command = Control::PutSchedule(Box::new(schedule));
    let Controlled { affected, skipped } = monitor.deps().backend.control(command).await?;
    if skipped > 0 {
        return Err(ApiError::conflict(
            "There is no room for another schedule.",
            format!("There are {SCHEDULES_MAX} already."),
            "Remove one: POST /schedules/{name}/remove.",
        ));
    }
    let stats = monitor.stats().await?;
    let view = stats.schedules.get(&name).map(|one| ScheduleView::of(&name, one));
    done(0, affected, json!({ "changed": affected > 0, "schedule": view }))
}

/// `POST /schedules/{name}/remove`. The jobs it has brought stay.
pub(crate) async fn remove(Shared(monitor): Shared<Arc<Monitor>>, Segment(name): Segment) -> Done<Value> {
    let removed = monitor.deps().backend.control(Control::RemoveSchedule(name.clone())).await?.affected;
    if removed == 0 {
        return Err(ApiError::missing(
            "There is no such schedule.",
            "None has that name.",
            "GET /schedules lists those there are.",
        ));
    }
    done(0, removed, json!({ "removed": name, "note": "Jobs that it has brought stay." }))
}
