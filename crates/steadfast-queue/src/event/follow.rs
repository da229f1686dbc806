//! Reading on and on.

use super::{EVENTS_PAGE_MAX, Event, EventCursor, EventKind, Events, EventsFrom, Gap};
use crate::backend::Backend;
use crate::error::QueueError;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a reader waits for the next event before it asks again.
const WAIT: Duration = Duration::from_secs(60);

/// What a [`Follower`] came upon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Followed {
    /// An event.
    Event(Event),
    /// Some are missing here.
    Missed(Gap),
}

/// Follows the events of a store. It holds up to [`EVENTS_PAGE_MAX`] of them, and a place.
pub struct Follower {
    store: Arc<dyn Backend>,
    /// Where to read on.
    from: EventsFrom,
    /// What was read and not handed out, each with the place behind it.
    ahead: VecDeque<(Followed, EventCursor)>,
    place: Option<EventCursor>,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Follower {
    /// Follows `store` from there on.
    pub fn new(store: Arc<dyn Backend>, from: EventsFrom) -> Self {
        let place = if let EventsFrom::After(cursor) = from { Some(cursor) } else { None };
        Self { store, from, ahead: VecDeque::new(), place }
    }

    /// The next event, or that some are missing; waits for it.
    ///
    /// # Cancel safety
    /// Dropping the returned future loses nothing: the next call goes on. "Now" is when the first call is made that
    /// gets so far as to ask the store, which takes no waiting.
    ///
    /// # Errors
    /// [`QueueError::Closed`] when the store is closed and all was read. After another error it may be asked again.
    pub async fn next(&mut self) -> Result<Followed, QueueError> {
        loop {
            if let Some((next, place)) = self.ahead.pop_front() {
                self.place = Some(place);
                return Ok(next);
            }
            // A first look that does not wait fixes the place.
            let wait = if self.place.is_some() { WAIT } else { Duration::ZERO };
            let page = self.store.events(self.from, EVENTS_PAGE_MAX, wait).await?;
            let first = EventCursor { number: page.next.number - page.events.len() as u64, ..page.next };
            if self.place.is_none() && page.gap == Gap::None {
                self.place = Some(first);
            }
            self.from = EventsFrom::After(page.next);
            self.ahead.extend((page.gap != Gap::None).then_some((Followed::Missed(page.gap), first)));
            let Events { events, next, .. } = page;
            self.ahead.extend(events.into_iter().map(|event| {
                let place = EventCursor { number: event.number + 1, ..next };
                (Followed::Event(event), place)
            }));
        }
    }

    /// The next event of one of these kinds. What is missing is passed over.
    ///
    /// # Errors
    /// As [`Follower::next`].
    pub async fn next_of(&mut self, kinds: &[EventKind]) -> Result<Event, QueueError> {
        loop {
            match self.next().await? {
                Followed::Event(event) if kinds.contains(&event.kind) => return Ok(event),
                _ => {}
            }
        }
    }

    /// Where to go on behind what was handed out, also with another follower; `None` before the first answer.
    pub const fn cursor(&self) -> Option<EventCursor> {
        self.place
    }
}
