//! Moves the write-ahead log into the database, beside the writer and not in its way.

use super::log::Data;
use super::{schema, sql};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The log is looked at every so many batches,
const TURNS: u32 = 8;
/// or when so many bytes were written.
const BYTES: usize = 4 << 20;
/// Under constant load the log never ends, so it can never begin anew. When it is so many times as long as it
/// should be, the writer itself moves what is left,
const OVERLONG: i64 = 4;
/// once the thread has left no more than so many pages: what the writer does, everybody waits for.
const LITTLE: i64 = 64;
/// A thread that cannot keep up is waited for no longer when the log is so many times too long. Still below what
/// the log's file may keep, so that it is never cut and grown again.
const ENDLESS: i64 = 6;
/// The thread moves what came meanwhile too, so many times in a row at most: each time there is less.
const PASSES_MAX: u32 = 8;

/// What the log holds besides each page.
const FRAME_BYTES: u64 = 24;

/// The thread that checkpoints, and when to wake it.
#[derive(Debug)]
pub(super) struct Checkpointer {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    pages_max: i64,
    turns: u32,
    bytes: usize,
    /// How long the log was at the last look.
    pages: i64,
    page_bytes: u64,
    /// A checkpoint failed in a way that leaves doubt about what is on the disk.
    doubt: Arc<AtomicBool>,
}

impl Checkpointer {
    pub(super) fn start(path: &Path, pages_max: u32, data: Arc<Data>) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let path = path.to_owned();
        let doubt = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&doubt);
        let thread = std::thread::Builder::new()
            .name("queue-checkpoint".to_owned())
            .spawn(move || run(&path, &woken, i64::from(pages_max), &data, &told))?;
        let (wake, thread) = (Some(wake), Some(thread));
        let pages_max = i64::from(pages_max);
        Ok(Self { wake, thread, pages_max, turns: 0, bytes: 0, pages: 0, page_bytes: 0, doubt })
    }

    /// Whether a sync of the log failed here: only this thread was told, but the writer's commits may be what it
    /// lost. Nothing more is checkpointed then.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.doubt.load(Ordering::SeqCst)
    }

    /// Called by the writer between batches.
    pub(super) fn consider(&mut self, conn: &Connection, bytes: usize) {
        self.turns += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.turns < TURNS && self.bytes < BYTES {
            return;
        }
        (self.turns, self.bytes) = (0, 0);
        let Ok((pages, moved)) = checkpoint(conn, "PRAGMA wal_checkpoint(NOOP)") else { return };
        self.count(conn, pages);
        let left = pages - moved;
        let overlong = pages > self.pages_max.saturating_mul(OVERLONG);
        let endless = pages > self.pages_max.saturating_mul(ENDLESS);
        // Only one at a time can move pages, so a thread that is to make way is not woken again.
        if !endless
            && left > if overlong { LITTLE } else { self.pages_max }
            && let Some(wake) = &self.wake
        {
            // Full means that it is about to look anyway.
            let _ = wake.try_send(());
        }
        if (endless || (overlong && left <= LITTLE))
            && !self.is_in_doubt()
            && let Err(error) = checkpoint(conn, "PRAGMA wal_checkpoint(PASSIVE)")
        {
            failed(&error, &self.doubt);
        }
    }

    /// Counts what the log grew by. One that is shorter than before has begun anew.
    fn count(&mut self, conn: &Connection, pages: i64) {
        if self.page_bytes == 0 {
            let size = conn.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0));
            self.page_bytes = size.map_or(0, |bytes| u64::from(bytes) + FRAME_BYTES);
        }
        let grown = if pages >= self.pages { pages - self.pages } else { pages };
        self.pages = pages;
        crate::metrics::local_log_bytes(u64::try_from(grown).unwrap_or(0) * self.page_bytes);
    }

    /// Ends the thread, and waits for it: the file has one connection less.
    pub(super) fn stop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpointer panicked");
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(path: &Path, woken: &Receiver<()>, pages_max: i64, data: &Data, doubt: &AtomicBool) {
    while woken.recv().is_ok() {
        if doubt.load(Ordering::SeqCst) {
            continue;
        }
        let done = schema::open_checkpointer(path).and_then(|conn| move_along(&conn, pages_max, data, doubt));
        if let Err(error) = done {
            failed(&error, doubt);
        }
    }
}

/// Checkpoints until little is left. A log that is too long is followed to its very end: if the writer pauses just
/// then, it begins anew without the writer having to do anything.
fn move_along(conn: &Connection, pages_max: i64, data: &Data, doubt: &AtomicBool) -> rusqlite::Result<()> {
    for _ in 0..PASSES_MAX {
        checkpoint(conn, "PRAGMA wal_checkpoint(PASSIVE)")?;
        if let Err(error) = data.sync() {
            tracing::warn!(%error, "the database could not be synced");
            doubt.store(true, Ordering::SeqCst);
            break;
        }
        // What a checkpoint tells of the log's length is from when it began.
        let (pages, moved) = checkpoint(conn, "PRAGMA wal_checkpoint(NOOP)")?;
        let left = pages - moved;
        let overlong = pages > pages_max.saturating_mul(OVERLONG);
        if left == 0 || (left <= LITTLE && !overlong) {
            break;
        }
    }
    Ok(())
}

fn failed(error: &rusqlite::Error, doubt: &AtomicBool) {
    tracing::warn!(%error, "the log could not be moved into the database");
    if sql::leaves_doubt(error) {
        doubt.store(true, Ordering::SeqCst);
    }
}

/// Runs a checkpoint; how many pages the log holds, and how many of them are in the database.
fn checkpoint(conn: &Connection, sql: &str) -> rusqlite::Result<(i64, i64)> {
    conn.prepare_cached(sql)?.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_at_the_log_tells_its_length_and_moves_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("q.db");
        let _lock = schema::lock(&path).expect("lock");
        let conn = schema::open_writer(&path).expect("open");
        conn.execute("INSERT INTO queue(name, paused) VALUES('q', 0)", []).expect("insert");
        let (pages, moved) = checkpoint(&conn, "PRAGMA wal_checkpoint(NOOP)").expect("look");
        assert!(pages > 0 && moved == 0, "{pages} {moved}");
        let (pages, moved) = checkpoint(&conn, "PRAGMA wal_checkpoint(PASSIVE)").expect("move");
        assert_eq!(pages, moved);
    }

    #[test]
    fn the_thread_moves_what_the_writer_leaves() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("q.db");
        let _lock = schema::lock(&path).expect("lock");
        let conn = schema::open_writer(&path).expect("open");
        let data = Arc::new(Data::open(&path).expect("it is there"));
        let mut checkpointer = Checkpointer::start(&path, 4, data).expect("starts");
        let text = "x".repeat(64 << 10);
        conn.execute("INSERT INTO queue(name, paused) VALUES(?1, 0)", [&text]).expect("insert");
        checkpointer.consider(&conn, BYTES);
        checkpointer.stop();
        let (pages, moved) = checkpoint(&conn, "PRAGMA wal_checkpoint(NOOP)").expect("look");
        assert!(pages > 16 && pages == moved, "{pages} {moved}");
    }

    #[test]
    fn a_log_that_never_ends_is_ended_by_the_writer() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("q.db");
        let _lock = schema::lock(&path).expect("lock");
        let conn = schema::open_writer(&path).expect("open");
        let data = Arc::new(Data::open(&path).expect("it is there"));
        let mut checkpointer = Checkpointer::start(&path, 1, data).expect("starts");
        // Without its thread: all is left to the writer.
        checkpointer.stop();
        let mut longest = 0;
        for number in 0..200 {
            conn.execute("INSERT INTO queue(name, paused) VALUES(?1, 0)", [number.to_string()])
                .expect("insert");
            checkpointer.consider(&conn, BYTES);
            longest = longest.max(checkpoint(&conn, "PRAGMA wal_checkpoint(NOOP)").expect("look").0);
        }
        assert!((4..60).contains(&longest), "{longest}");
    }
}
