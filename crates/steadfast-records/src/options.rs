//! How the store is opened, and why it may refuse.

use std::path::PathBuf;

/// How to open a [`SqliteRecords`](crate::SqliteRecords).
#[derive(Debug, Clone)]
pub struct RecordsOptions {
    /// The database file. Its folder is made if it is missing; `<path>.lock` beside it keeps other
    /// processes out.
    pub path: PathBuf,
    /// Whether an empty catalogue is filled with the demonstration's at the start.
    pub seed_demo: bool,
    /// Connections for reads, 1-64. A read beyond them waits.
    pub readers: usize,
    /// Writes that may wait for the writer, at least 1. One beyond them waits `enqueue_timeout_ms` for
    /// its place and is then refused.
    pub waiting_max: usize,
    /// How long a write waits for its place, in milliseconds.
    pub enqueue_timeout_ms: u64,
    /// How long a write waits for its commit, in milliseconds. After it the caller is told that the store
    /// is unavailable; the write may still happen, and asking again finds out.
    pub answer_timeout_ms: u64,
    /// How long a read may take, waiting for a connection included, in milliseconds.
    pub read_timeout_ms: u64,
    /// A quota for the file in pages of 4 KiB: beyond it, writes fail as on a full disk. `None` for none.
    pub pages_max: Option<u32>,
}

impl RecordsOptions {
    /// The usual options for the file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            seed_demo: false,
            readers: 4,
            waiting_max: 4_096,
            enqueue_timeout_ms: 500,
            answer_timeout_ms: 10_000,
            read_timeout_ms: 5_000,
            pages_max: None,
        }
    }
}

/// Why the records could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder or a file in it cannot be made or read.
    #[error("cannot prepare {path} for the records: check that the folder exists and is writable", path = path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// Another process has these records open.
    #[error(
        "the records at {path} are in use by another process; stop it first, or give this one its own data folder",
        path = path.display()
    )]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// The file was written by a later version of this program.
    #[error(
        "the records at {path} have schema version {found}, this program knows versions up to {known}; \
         start the newer program again, or restore a backup taken before the update",
        path = path.display()
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// The file is somebody else's database.
    #[error(
        "{path} is a database, but not one of records; name another file and leave this one alone",
        path = path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system offers no shared memory, which a write-ahead log needs.
    #[error(
        "the file system of {path} cannot hold a write-ahead log; put the data folder on a local disk",
        path = path.display()
    )]
    NoLog {
        /// The database file.
        path: PathBuf,
    },
    /// SQLite cannot open, read or write the file.
    #[error("cannot open the records: {what}")]
    Database {
        /// What was being done.
        what: String,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the records' writer thread; the machine may be out of memory or threads")]
    Thread(#[source] std::io::Error),
}
