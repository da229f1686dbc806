//! The one thread that writes: group commit without a timer.

use crate::failure::{self, unavailable};
use crate::open;
use crate::operation::{Fate, Operation, Ran};
use crate::options::RecordsOptions;
use rusqlite::{Connection, TransactionBehavior};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use steadfast_core::ports::RecordsError;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Operations in one commit at most: bounds how long the first of them waits for the last.
const BATCH_MAX: usize = 256;

/// Where operations wait for the writer.
pub(crate) type Queue = mpsc::Sender<Box<dyn Operation>>;

/// The writer's thread and what it shares.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The thread; ends when every [`Queue`] is gone and all that waited is answered.
    pub(crate) thread: JoinHandle<()>,
    /// Whether the last batch failed.
    pub(crate) failing: Arc<AtomicBool>,
}

/// Starts the thread. It owns `lock` and frees it when it ends.
pub(crate) fn start(
    options: RecordsOptions,
    conn: Connection,
    lock: File,
) -> std::io::Result<(Queue, Writer)> {
    let (queue, mut waiting) = mpsc::channel(options.waiting_max.max(1));
    let failing = Arc::new(AtomicBool::new(false));
    let mut state = State { options, conn: Some(conn), failing: Arc::clone(&failing), _lock: lock };
    let thread = Builder::new().name("records-writer".to_owned()).spawn(move || {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        // An idle writer commits the first operation at once; what arrives meanwhile is the next batch.
        while waiting.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            let fate = state.write(&mut batch);
            for operation in batch.drain(..) {
                operation.answer(&fate);
            }
        }
    })?;
    Ok((queue, Writer { thread, failing }))
}

struct State {
    options: RecordsOptions,
    conn: Option<Connection>,
    failing: Arc<AtomicBool>,
    _lock: File,
}

impl State {
    fn write(&mut self, batch: &mut [Box<dyn Operation>]) -> Fate {
        let started = Instant::now();
        let result = self.try_write(batch);
        metrics::histogram!("steadfast_records_commit_seconds").record(started.elapsed().as_secs_f64());
        metrics::histogram!("steadfast_records_batch_operations").record(batch.len() as f64);
        let fails = !matches!(result, Ok(Ran::Keep));
        let was_failing = self.failing.swap(fails, Ordering::Relaxed);
        match result {
            Ok(_) => {
                match (was_failing, fails) {
                    (true, false) => tracing::info!("the records can be written again"),
                    (false, true) => tracing::error!("the records have no room for a write"),
                    _ => {}
                }
                Fate::Committed
            }
            Err(error) => {
                metrics::counter!("steadfast_records_commit_failures_total").increment(1);
                if !was_failing {
                    tracing::error!(%error, operations = batch.len(), "the records cannot be written");
                }
                if failure::spoils_connection(&error) {
                    self.conn = None;
                }
                Fate::Lost(Arc::new(error))
            }
        }
    }

    /// Runs every operation in one transaction. An error means that nothing of the batch happened;
    /// otherwise it says whether any was starved.
    fn try_write(&mut self, batch: &mut [Box<dyn Operation>]) -> rusqlite::Result<Ran> {
        let mut worst = Ran::Keep;
        let conn = match &mut self.conn {
            Some(conn) => conn,
            empty => empty.insert(open::next_connection(&self.options)?),
        };
        // Dropped on an error, it rolls back.
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for operation in batch {
            if operation.is_abandoned() {
                continue;
            }
            tx.prepare_cached("SAVEPOINT operation")?.execute([])?;
            let ran = operation.run(&tx);
            if ran == Ran::Spoiled || tx.is_autocommit() {
                // SQLite answers some errors by rolling back the whole transaction, or cannot be relied
                // upon to keep it: then none of it happened.
                return Err(aborted());
            }
            if ran == Ran::Starved {
                worst = ran;
            }
            if ran != Ran::Keep {
                tx.prepare_cached("ROLLBACK TO operation")?.execute([])?;
            }
            tx.prepare_cached("RELEASE operation")?.execute([])?;
        }
        tx.commit()?;
        Ok(worst)
    }
}

/// The transaction was given up because of an error inside it.
fn aborted() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    let what = "the transaction was given up after a failed read or write".to_owned();
    rusqlite::Error::SqliteFailure(code, Some(what))
}

/// What a caller is told when too much waits.
pub(crate) fn overloaded(doing: &str) -> RecordsError {
    metrics::counter!("steadfast_records_overloaded_total").increment(1);
    unavailable(format!("{doing}: too many writes are waiting"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::operation::Write;

    async fn ask<T: Send + 'static>(
        queue: &Queue,
        work: impl FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, RecordsError> {
        let (operation, answer) = Write::new("testing", work);
        queue.send(operation).await.expect("the writer lives");
        answer.await.expect("the writer answers")
    }

    #[tokio::test]
    async fn a_panic_undoes_its_own_operation_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = RecordsOptions::at(folder.path().join("records.db"));
        let lock = open::prepare_files(&options.path).expect("prepared");
        let conn = open::first_connection(&options).expect("opens");
        let (queue, writer) = start(options, conn, lock).expect("starts");
        let insert = |tx: &Connection, key: &str| {
            tx.execute("INSERT INTO settings (key, value) VALUES (?1, '')", [key])
        };
        let panicking = ask(&queue, move |tx| -> Result<(), Failure> {
            insert(tx, "undone")?;
            panic!("a defect");
        });
        let (panicked, kept) = tokio::join!(panicking, ask(&queue, move |tx| Ok(insert(tx, "kept")?)));
        assert!(matches!(panicked, Err(RecordsError::Inconsistent { .. })), "{panicked:?}");
        assert_eq!(kept.expect("stored"), 1);
        let count = |tx: &Connection| {
            Ok(tx.query_row("SELECT group_concat(key) FROM settings", [], |row| row.get::<_, String>(0))?)
        };
        assert_eq!(ask(&queue, count).await.expect("reads"), "kept");
        drop(queue);
        writer.thread.join().expect("ends");
    }
}
