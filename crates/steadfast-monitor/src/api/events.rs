//! `GET /events`: what happens to jobs and queues, as pages of JSON or as a stream of server-sent events.

mod stream;

use super::job_id;
use crate::Monitor;
use crate::error::ApiError;
use crate::http::Reach;
use crate::input::{limit, query};
use crate::time_text::iso8601;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use steadfast_queue::JobId;
use steadfast_queue::event::{EVENTS_PAGE_MAX, Event, EventCursor, EventKind, Events, EventsFrom, Gap};
use tokio::time::Instant;

const PAGE_DEFAULT: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventsQuery {
    cursor: Option<String>,
    from: Option<String>,
    limit: Option<usize>,
    wait_ms: Option<u64>,
    queue: Option<String>,
    job: Option<String>,
    kinds: Option<String>,
}

/// What of it all a reader wants to see.
#[derive(Debug)]
struct Wanted {
    queue: Option<String>,
    job: Option<JobId>,
    kinds: Vec<EventKind>,
}

impl Wanted {
    fn read(asked: &EventsQuery) -> Result<Self, ApiError> {
        let kind = |word: &str| {
            EventKind::parse(word).ok_or_else(|| {
                let words: Vec<_> = EventKind::ALL.iter().map(|kind| kind.as_str()).collect();
                let why = format!("The kinds are: {}.", words.join(", "));
                ApiError::bad("The kind of event is not known.", why, "Use these words, separated by commas.")
            })
        };
        let kinds = asked.kinds.as_deref().map(|kinds| kinds.split(',').take(64).map(kind).collect());
        Ok(Self {
            queue: asked.queue.clone(),
            job: asked.job.as_deref().map(job_id).transpose()?,
            kinds: kinds.transpose()?.unwrap_or_default(),
        })
    }

    fn shows(&self, event: &Event) -> bool {
        self.queue.as_ref().is_none_or(|queue| **queue == *event.queue)
            && (self.job.is_none() || self.job == event.job)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

/// An event as it is shown. There is nothing in it that people wrote.
#[derive(Debug, Serialize)]
struct EventView<'a> {
    /// The cursor behind it.
    id: String,
    at: String,
    event: &'static str,
    queue: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<u8>,
}

impl<'a> EventView<'a> {
    fn of(page: &Events, event: &'a Event) -> Self {
        Self {
            id: page.after(event).to_string(),
            at: iso8601(event.at_ms),
            event: event.kind.as_str(),
            queue: &event.queue,
            job: event.job,
            group: event.group.map(crate::view::group_text),
            attempt: event.job.map(|_| event.attempt),
            error: event.error.as_deref(),
            percent: event.percent,
        }
    }
}

/// What a reader missed: a number, or nobody knows how much.
#[derive(Debug, Clone, Copy, Serialize)]
struct Missed {
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<u64>,
    why: &'static str,
}

impl Missed {
    const fn of(gap: Gap) -> Option<Self> {
        match gap {
            Gap::None => None,
            Gap::Events(events) => Some(Self { events: Some(events), why: "no longer kept" }),
            Gap::Unknown => Some(Self {
                events: None,
                why: "the store was opened anew since, or the cursor is not of its making",
            }),
        }
    }
}

fn start(asked: &EventsQuery, headers: &HeaderMap) -> Result<Option<EventsFrom>, ApiError> {
    // A browser that reconnects asks by the header, under the address that it began with.
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
    if let Some(cursor) = last.or(asked.cursor.as_deref()) {
        let cursor: EventCursor = cursor.parse().map_err(|_| {
            ApiError::bad(
                "This is no cursor of events.",
                "It is next_cursor of a page, or the id of an event.",
                "Take one of these, or leave it out to begin with the oldest event kept.",
            )
        })?;
        return Ok(Some(EventsFrom::After(cursor)));
    }
    match asked.from.as_deref() {
        None => Ok(None),
        Some("oldest") => Ok(Some(EventsFrom::Oldest)),
        Some("now") => Ok(Some(EventsFrom::Now)),
        Some(_) => Err(ApiError::bad("from is oldest or now.", "It is neither.", "Use one of the two.")),
    }
}

/// `GET /events`: a stream for whoever accepts `text/event-stream`, else a page.
pub(crate) async fn get(
    Shared(monitor): Shared<Arc<Monitor>>,
    reach: Option<Extension<Reach>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, ApiError> {
    let asked: EventsQuery = query(&uri)?;
    let (from, wanted) = (start(&asked, &headers)?, Wanted::read(&asked)?);
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let streams =
        accepts.flat_map(|value| value.split(',')).any(|kind| kind.trim().starts_with("text/event-stream"));
    match reach {
        Some(Extension(reach)) if streams => {
            // A stream tells what happens; a page what happened.
            stream::open(&monitor, reach, from.unwrap_or(EventsFrom::Now), wanted).await
        }
        _ => page(&monitor, from.unwrap_or_default(), &asked, &wanted).await,
    }
}

/// A page, after waiting for it if there is nothing.
async fn page(
    monitor: &Monitor,
    from: EventsFrom,
    asked: &EventsQuery,
    wanted: &Wanted,
) -> Result<Response, ApiError> {
    let size = limit(asked.limit, PAGE_DEFAULT, EVENTS_PAGE_MAX)?;
    let wait_max = monitor.config().request_timeout / 2;
    let wait = Duration::from_millis(asked.wait_ms.unwrap_or(0));
    if wait > wait_max {
        let why = format!("It can wait for at most {} ms.", wait_max.as_millis());
        return Err(ApiError::bad(
            "The wait is too long.",
            why,
            "Ask again and again, or for text/event-stream.",
        ));
    }
    let deadline = Instant::now() + wait;
    let mut from = from;
    let page = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let page = monitor.deps().backend.events(from, size, left).await?;
        let some = page.gap != Gap::None || page.events.iter().any(|event| wanted.shows(event));
        if some || left.is_zero() {
            break page;
        }
        from = EventsFrom::After(page.next);
    };
    let shown = page.events.iter().filter(|event| wanted.shows(event));
    let body = serde_json::json!({
        "timestamp": iso8601(monitor.clock().now_ms()),
        "missed": Missed::of(page.gap),
        "events": shown.map(|event| EventView::of(&page, event)).collect::<Vec<_>>(),
        "next_cursor": page.next.to_string(),
    });
    Ok(Json(body).into_response())
}
