//! What running jobs say, on its way to the store: gathered without waiting, stored a second later at most, or
//! with the verdict.

use crate::backend::BATCH_MAX;
use crate::metrics;
use crate::note::{Note, Progress};
use crate::worker::call::Trouble;
use crate::worker::lane::Shared;
use crate::worker::renew::extend;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long what is said may wait for more.
const GATHER: Duration = Duration::from_secs(1);

/// What one job has said and the store has not taken yet. At most as much as a job keeps.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pending: Mutex<Note>,
    /// Tells the worker that there is something; nobody, for a job without one.
    news: Option<Arc<Notify>>,
}

impl Notes {
    pub(crate) fn new(news: Option<Arc<Notify>>) -> Arc<Self> {
        Arc::new(Self { pending: Mutex::default(), news })
    }

    // What is guarded is valid after every statement.
    fn pending(&self) -> MutexGuard<'_, Note> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self, progress: Progress) {
        self.pending().progress = Some(progress);
        self.tell();
    }

    pub(crate) fn log(&self, text: &str) {
        self.pending().add_line(text);
        self.tell();
    }

    fn tell(&self) {
        if let Some(news) = &self.news {
            news.notify_one();
        }
    }

    pub(crate) fn has_some(&self) -> bool {
        !self.pending().is_empty()
    }

    /// What there is, to be stored.
    pub(crate) fn take(&self) -> Option<Note> {
        let note = std::mem::take(&mut *self.pending());
        (!note.is_empty()).then_some(note)
    }

    /// It could not be stored.
    pub(crate) fn give_back(&self, note: Note) {
        self.pending().after(note);
    }
}

/// Stores what running jobs say, until `done` fires. While nobody says anything, nothing is done.
pub(crate) async fn run(shared: Arc<Shared>, done: CancellationToken) {
    let mut trouble = Trouble::new("note", GATHER, shared.config.retry_wait_max);
    let mut pause = GATHER;
    loop {
        tokio::select! {
            () = done.cancelled() => return,
            () = shared.news.notified() => {}
        }
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let mut held = shared.table.all();
        held.retain(|held| held.notes.has_some() && !held.is_lost() && !held.has_ended());
        pause = GATHER;
        for chunk in held.chunks(BATCH_MAX) {
            let stored = tokio::select! {
                () = done.cancelled() => return,
                stored = extend(&shared, chunk) => stored,
            };
            match stored {
                Ok(()) => trouble.over(&shared.queue),
                Err(error) => {
                    metrics::store_error(&shared.queue, "note");
                    pause = trouble.failed(&shared.queue, &error);
                    shared.news.notify_one();
                }
            }
        }
    }
}
