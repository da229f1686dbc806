//! Server-sent events. A reader that does not read is cut off; one that comes back goes on where it was.

use super::{EventView, Missed, Wanted};
use crate::Monitor;
use crate::error::ApiError;
use crate::http::Reach;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use steadfast_queue::Backend;
use steadfast_queue::event::{EVENTS_PAGE_MAX, EventCursor, Events, EventsFrom};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

/// Between two signs of life while nothing happens.
const BEAT: Duration = Duration::from_secs(15);
/// What happens within this time is sent together: readers are not woken by every commit.
const GATHER: Duration = Duration::from_millis(20);
/// A reader that takes nothing for so long is cut off.
const TAKE_WITHIN: Duration = Duration::from_secs(20);

/// Opens a stream, if there is room for one more.
pub(super) async fn open(
    monitor: &Arc<Monitor>,
    reach: Reach,
    from: EventsFrom,
    wanted: Wanted,
) -> Result<Response, ApiError> {
    let Ok(place) = Arc::clone(monitor.streams()).try_acquire_owned() else {
        Monitor::refused("overload");
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many follow the events already.",
            format!("{} can.", monitor.config().streams_max),
            "Close one, or read pages: GET /events?cursor=…",
        ));
    };
    let (sender, receiver) = mpsc::channel(1);
    let backend = Arc::clone(&monitor.deps().backend);
    // A first look that does not wait: "now" is before the answer, and the reader has a cursor from the beginning.
    let first = backend.events(from, EVENTS_PAGE_MAX, Duration::ZERO).await?;
    let tasks = reach.tasks.clone();
    tasks.spawn(feed(backend, first, wanted, sender, reach, place));
    let frames = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|frame: Bytes| (Ok::<_, Infallible>(frame), receiver))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Reads on and on and hands over what is read, until the reader or the node goes.
async fn feed(
    backend: Arc<dyn Backend>,
    first: Events,
    wanted: Wanted,
    sender: mpsc::Sender<Bytes>,
    reach: Reach,
    _place: OwnedSemaphorePermit,
) {
    let mut from = EventsFrom::After(first.next);
    let mut frame = format!("retry: 1000\n{}", written(&first, &wanted));
    loop {
        match tokio::time::timeout(TAKE_WITHIN, sender.send(frame.into())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            Err(_) => return reach.cut.cancel(),
        }
        let read = async {
            tokio::time::sleep(GATHER).await;
            backend.events(from, EVENTS_PAGE_MAX, BEAT).await
        };
        let page = tokio::select! {
            () = reach.stop.cancelled() => return,
            () = sender.closed() => return,
            page = read => page,
        };
        let page = match page {
            Ok(page) => page,
            // Whoever comes back with the last id finds out whether the store is there again.
            Err(error) => return tracing::debug!(%error, "a stream of events ends"),
        };
        from = EventsFrom::After(page.next);
        frame = written(&page, &wanted);
    }
}

fn written(page: &Events, wanted: &Wanted) -> String {
    let mut text = String::new();
    let mut add = |id: String, name: &str, data: Result<String, serde_json::Error>| {
        // Such a view is always JSON, on one line.
        if let Ok(data) = data {
            text.push_str(&format!("id: {id}\nevent: {name}\ndata: {data}\n\n"));
        }
    };
    if let Some(missed) = Missed::of(page.gap) {
        let first = EventCursor { number: page.next.number - page.events.len() as u64, ..page.next };
        add(first.to_string(), "missed", serde_json::to_string(&missed));
    }
    for event in page.events.iter().filter(|event| wanted.shows(event)) {
        let view = EventView::of(page, event);
        add(view.id.clone(), view.event, serde_json::to_string(&view));
    }
    // A sign of life too; and what was passed over is not asked for again.
    text.push_str(&format!("id: {}\n\n", page.next));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_queue::backend::MemoryBackend;
    use tokio::sync::Semaphore;
    use tokio::time::Instant;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    /// A stream that nobody reads, for as long as it lasts: how long that was, and whether its connection was cut.
    async fn unread(taken: usize) -> (Duration, bool) {
        let backend = MemoryBackend::new(steadfast_core::SystemClock::shared());
        let first = backend.events(EventsFrom::Now, 1, Duration::ZERO).await.expect("looks");
        let reach = Reach {
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let (sender, mut receiver) = mpsc::channel(1);
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("there is one");
        let begun = Instant::now();
        let feeding = reach.tasks.spawn(feed(
            backend,
            first,
            Wanted { queue: None, job: None, kinds: Vec::new() },
            sender,
            reach.clone(),
            place,
        ));
        for _ in 0..taken {
            assert!(receiver.recv().await.is_some(), "whoever reads is not cut off");
        }
        feeding.await.expect("ends");
        (begun.elapsed(), reach.cut.is_cancelled())
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_cut_off() {
        for taken in [0, 5] {
            let (lasted, cut) = unread(taken).await;
            assert!(cut, "{taken} taken");
            // One sign of life fits in between, the next finds no room.
            let silent = lasted - (BEAT + GATHER) * u32::try_from(taken).expect("small");
            assert!(silent >= TAKE_WITHIN && silent < TAKE_WITHIN + BEAT + GATHER * 2, "{silent:?}");
        }
    }
}
