//! What is to be told once the transaction is on disk.

use super::{End, Stage};
use crate::backend::local::ticket::Ticket;
use crate::event::{Event, EventKind};
use crate::note::Progress;
use crate::state::State;
use std::sync::Arc;

impl Stage<'_> {
    fn event(&self, kind: EventKind, queue: i64) -> Event {
        let queue =
            self.live.queues.get(&queue).map_or_else(|| Arc::from(""), |queue| Arc::clone(&queue.tag));
        Event::of_queue(kind, self.now_ms, queue)
    }

    /// Something happened to a job.
    pub(super) fn tell(&mut self, kind: EventKind, job: &Ticket, attempt: u32, error: Option<&str>) {
        let event = self.event(kind, job.queue).of_job(job.id, job.group, attempt);
        self.happened.push(event.failing(error));
    }

    /// Something happened to a queue.
    pub(super) fn tell_queue(&mut self, kind: EventKind, queue: i64) {
        self.happened.push(self.event(kind, queue));
    }

    /// A job has said how far it is.
    pub(super) fn tell_progress(&mut self, job: &Ticket, attempt: u32, progress: &Progress) {
        let event = self.event(EventKind::Progress, job.queue).of_job(job.id, job.group, attempt);
        self.happened.push(event.reaching(progress));
    }

    /// A job, in the state `from` until now, has come to its end.
    pub(super) fn tell_end(&mut self, job: &Ticket, from: State, end: &End) {
        let error = end.failure.as_ref().map(|failure| failure.error.as_str());
        let kind = EventKind::of_end(from, end.state, error.unwrap_or_default());
        self.tell(kind, job, end.attempt, error.filter(|_| end.state == State::Dead));
    }
}
