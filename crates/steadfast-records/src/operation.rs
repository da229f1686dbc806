//! One write on its way to the writer and back.

use crate::failure::{Failure, unavailable};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use steadfast_core::ports::RecordsError;
use tokio::sync::oneshot;

/// What running an operation inside its savepoint came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ran {
    /// Keep what it did.
    Keep,
    /// Undo what it did.
    Undo,
    /// Undo it: the disk or the memory has no room for it.
    Starved,
    /// Undo it, and trust the connection no more.
    Spoiled,
}

/// What became of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It is on disk.
    Committed,
    /// Nothing of it happened.
    Lost(Arc<rusqlite::Error>),
}

/// A write, whatever it answers.
pub(crate) trait Operation: Send {
    /// Whether nobody waits for the answer any more: it is then not begun.
    fn is_abandoned(&self) -> bool;
    /// Does it, inside a savepoint that the caller made. Called once at most.
    fn run(&mut self, tx: &Connection) -> Ran;
    /// Answers whoever waits.
    fn answer(self: Box<Self>, fate: &Fate);
}

/// A write that answers a `T`.
pub(crate) struct Write<T, W> {
    doing: &'static str,
    work: Option<W>,
    outcome: Option<Result<T, RecordsError>>,
    reply: oneshot::Sender<Result<T, RecordsError>>,
}

impl<T, W> Write<T, W>
where
    T: Send + 'static,
    W: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
{
    /// The write `work`, described by `doing`, and where its answer will arrive.
    pub(crate) fn new(
        doing: &'static str,
        work: W,
    ) -> (Box<Self>, oneshot::Receiver<Result<T, RecordsError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { doing, work: Some(work), outcome: None, reply }), answer)
    }
}

impl<T, W> Operation for Write<T, W>
where
    T: Send + 'static,
    W: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, tx: &Connection) -> Ran {
        let Some(work) = self.work.take() else {
            return Ran::Keep;
        };
        // A defect in one operation must not take the writer, and with it every other, down.
        let result = catch_unwind(AssertUnwindSafe(|| work(tx))).unwrap_or_else(|_| {
            let what = format!("{} panicked; it was undone", self.doing);
            Err(Failure::Refused(RecordsError::Inconsistent { what, source: None }))
        });
        let ran = match &result {
            Ok(_) => Ran::Keep,
            Err(failure) if failure.spoils_connection() => {
                tracing::error!(?failure, doing = self.doing, "a write met a failing disk or file");
                Ran::Spoiled
            }
            Err(failure) if failure.is_passing() => Ran::Starved,
            Err(_) => Ran::Undo,
        };
        self.outcome = Some(result.map_err(|failure| failure.into_error(self.doing)));
        ran
    }

    fn answer(self: Box<Self>, fate: &Fate) {
        let answer = match fate {
            Fate::Committed => self.outcome.unwrap_or_else(|| Err(unavailable(self.doing))),
            // Even a conflict counts no more: what it conflicted with did not happen either.
            Fate::Lost(cause) => Err(RecordsError::Unavailable {
                what: self.doing.to_owned(),
                source: Some(Box::new(Arc::clone(cause))),
            }),
        };
        // Whoever asked may have gone: the write stands, and asking again finds it.
        let _ = self.reply.send(answer);
    }
}
