//! `/messages/{sid}`: what happened to one message.

use crate::Monitor;
use crate::error::ApiError;
use crate::input::Segment;
use crate::time_text::iso8601;
use crate::view::JobView;
use axum::Json;
use axum::extract::State as Shared;
use serde::Serialize;
use std::sync::Arc;
use steadfast_core::message::MessageSid;
use steadfast_core::timeline::Timeline;
use steadfast_queue::backend::Filter;

/// Jobs of one message shown at most.
const JOBS_MAX: usize = 20;

#[derive(Debug, Serialize)]
struct EventView {
    at: String,
    at_ms: i64,
    /// Since the first event.
    after_ms: i64,
    stage: String,
    detail: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct TimelineView {
    sid: String,
    direction: String,
    /// Redacted.
    address: String,
    correlation_id: String,
    events: Vec<EventView>,
}

impl From<Timeline> for TimelineView {
    fn from(timeline: Timeline) -> Self {
        let first_ms = timeline.events.first().map_or(0, |event| event.at_ms);
        let events = timeline.events.into_iter().map(|event| EventView {
            at: iso8601(event.at_ms),
            at_ms: event.at_ms,
            after_ms: event.at_ms.saturating_sub(first_ms),
            stage: event.stage,
            detail: event.detail,
        });
        Self {
            sid: timeline.sid,
            direction: timeline.direction,
            address: timeline.address,
            correlation_id: timeline.correlation_id,
            events: events.collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct MessageView {
    #[serde(flatten)]
    timeline: TimelineView,
    /// The jobs it caused that are still kept, newest first.
    jobs: Vec<JobView>,
}

async fn find(monitor: &Monitor, text: &str) -> Result<Timeline, ApiError> {
    let sid = MessageSid::parse(text).map_err(|error| {
        ApiError::bad(
            "This is no message id.",
            format!("{error}."),
            "Take it from Twilio's console or the log.",
        )
    })?;
    monitor.deps().records.timeline(&sid).await?.ok_or_else(|| {
        ApiError::missing(
            "There is no such message.",
            "It never came here, is not handled yet, or is no longer kept.",
            "Look at /webhooks/recent for what arrived, and at /queues for what waits.",
        )
    })
}

/// `GET /messages/{sid}/timeline`.
pub(crate) async fn timeline(
    Shared(monitor): Shared<Arc<Monitor>>,
    Segment(text): Segment,
) -> Result<Json<TimelineView>, ApiError> {
    Ok(Json(find(&monitor, &text).await?.into()))
}

/// `GET /messages/{sid}`: the timeline, and where its jobs are.
pub(crate) async fn one(
    Shared(monitor): Shared<Arc<Monitor>>,
    Segment(text): Segment,
) -> Result<Json<MessageView>, ApiError> {
    let timeline = find(&monitor, &text).await?;
    let jobs = if timeline.correlation_id.is_empty() {
        Vec::new()
    } else {
        let filter = Filter { correlation_id: Some(timeline.correlation_id.clone()), ..Filter::default() };
        monitor.deps().backend.list(filter, None, JOBS_MAX).await?.jobs
    };
    let jobs = jobs.iter().map(|job| JobView::of(job, false)).collect();
    Ok(Json(MessageView { timeline: timeline.into(), jobs }))
}
