//! `GET /fake/events`: what happens, as it happens, for open chat pages.

use crate::error::ApiError;
use crate::twilio::FakeTwilio;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Pages that may listen at once.
const LISTENERS_MAX: usize = 32;

/// Counts the streams that are open.
#[derive(Debug, Clone)]
pub(crate) struct Listeners(Arc<Semaphore>);

impl Default for Listeners {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(LISTENERS_MAX)))
    }
}

pub(crate) async fn events(
    State(twilio): State<Arc<FakeTwilio>>,
    axum::Extension(listeners): axum::Extension<Listeners>,
) -> Response {
    let Ok(place) = Arc::clone(&listeners.0).try_acquire_owned() else {
        let why = format!("{LISTENERS_MAX} pages listen already: close one, or ask again every few seconds");
        return ApiError::new(503, 20503, why).into_response();
    };
    let listener = Listener { events: twilio.events.subscribe(), twilio, greeted: false, _place: place };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(10));
    Sse::new(stream::unfold(listener, Listener::next)).keep_alive(keep_alive).into_response()
}

struct Listener {
    twilio: Arc<FakeTwilio>,
    events: tokio::sync::broadcast::Receiver<crate::events::Event>,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if !self.greeted {
            // Says at once that the stream stands, and how soon to come back when it does not.
            self.greeted = true;
            let hello = Event::default().event("hello").data("{}").retry(Duration::from_secs(1));
            return Some((Ok(hello), self));
        }
        let received = tokio::select! {
            () = self.twilio.soft.cancelled() => return None,
            received = self.events.recv() => received,
        };
        let event = match received {
            Ok(event) => Event::default().event(event.name).data(&*event.data),
            // Too slow for all of it: look again at the whole.
            Err(RecvError::Lagged(_)) => Event::default().event("resync").data("{}"),
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), self))
    }
}
