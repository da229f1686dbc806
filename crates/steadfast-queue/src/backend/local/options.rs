//! How a local store is opened, and why it is not.

use crate::backend::rules::{Limits, Retention};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How to open a [`super::LocalBackend`].
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// The database file. Beside it lie `-wal`, `-shm` and `.lock`. Its folder is made if it is missing.
    pub path: PathBuf,
    /// How much a queue may hold.
    pub limits: Limits,
    /// How many finished jobs a queue remembers.
    pub retention: Retention,
    /// Queues that exist from the start, even while empty.
    pub queues: Vec<String>,
    /// Bounds of what is in flight and in memory.
    pub bounds: Bounds,
    #[doc(hidden)]
    pub faults: Faults,
}

impl LocalOptions {
    /// Defaults for a store at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            limits: Limits::default(),
            retention: Retention::default(),
            queues: Vec::new(),
            bounds: Bounds::default(),
            faults: Faults::default(),
        }
    }
}

/// Bounds of what is in flight and in memory, and how long a caller waits at them.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Calls that may wait for the writer. Further ones are turned away as overloaded.
    pub calls_max: usize,
    /// Payload bytes that may wait for the writer.
    pub in_flight_bytes_max: u32,
    /// How long a call waits for its turn to wait.
    pub admit_timeout: Duration,
    /// How long a call waits for its answer. A store that takes longer counts as unavailable.
    pub answer_timeout: Duration,
    /// Ready jobs in memory, per queue and priority; the rest stays on disk until its turn comes.
    pub window_max: usize,
    /// Bytes of fresh jobs kept in memory, so that their reservation need not read them.
    pub cache_bytes_max: usize,
    /// Jobs whose ids and groups are known in memory before they are sorted into their tables: some 100 bytes each.
    pub fresh_max: usize,
    /// When the write-ahead log holds so many pages, it is checkpointed.
    pub wal_pages_max: u32,
}

impl Default for Bounds {
    /// 1,024 calls, 64 MiB, 250 ms to get in line, 30 s for an answer, 2,048 ready jobs, 2 MiB, 16,384 new jobs,
    /// 1,024 pages.
    fn default() -> Self {
        Self {
            calls_max: 1_024,
            in_flight_bytes_max: 64 << 20,
            admit_timeout: Duration::from_millis(250),
            answer_timeout: Duration::from_secs(30),
            window_max: 2_048,
            cache_bytes_max: 2 << 20,
            fresh_max: 16_384,
            wal_pages_max: 1_024,
        }
    }
}

/// Failures for tests to provoke; each counts down or holds until it is lifted.
#[doc(hidden)]
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// The database may have at most so many pages; 0 means any number.
    pub pages_max: Arc<AtomicU32>,
    /// So many of the next commits fail with an I/O error before they are tried.
    pub commits_lost: Arc<AtomicU32>,
    /// So many of the next commits succeed but are reported as an I/O error.
    pub commits_unsure: Arc<AtomicU32>,
    /// So many of the next attempts to reopen fail.
    pub reopens_lost: Arc<AtomicU32>,
    /// So many of the next jobs cannot be read from their rows, by an I/O error.
    pub rows_lost: Arc<AtomicU32>,
    /// So many of the next attempts to put marks on disk, before their jobs are handed out, find it full.
    pub marks_lost: Arc<AtomicU32>,
}

/// Uses up one of `fault`, if any is left.
pub(super) fn take_one(fault: &AtomicU32) -> bool {
    fault.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// What SQLite would say.
pub(super) fn injected(code: std::ffi::c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

/// Why a local store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("the queue's store {} is in use by another process: stop that one, or give this one a path of its own", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is no queue store: give another path, or move that file away", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// A newer version made it.
    #[error("{} has layout {found}, this version knows {known}: use the version that made it, or a newer one", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its layout.
        found: i64,
        /// The newest layout known here.
        known: i64,
    },
    /// A declared queue has an impossible name.
    #[error("a queue's name has 1 to 64 bytes; {0:?} has not")]
    BadName(String),
    /// Its file or folder cannot be made or locked.
    #[error("the queue's store {} cannot be opened: check that its folder exists and may be written", path.display())]
    File {
        /// The database file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// It holds what must not be.
    #[error("the queue's store {} is inconsistent: {what}: restore it from a copy", path.display())]
    Inconsistent {
        /// The database file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The database refuses.
    #[error("the queue's store {} cannot be read: if its disk is sound, restore it from a copy", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
}
