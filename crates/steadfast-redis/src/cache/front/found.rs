//! What callers are given.

use crate::cache::Report;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// This process kept it.
    Near,
    /// The server.
    Redis,
    /// It was written by this process and waits to be sent back.
    Fallback,
    /// The loader.
    Loader,
}

/// A value that was found. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found<T = Bytes> {
    /// The value.
    pub value: T,
    /// It may be outdated: it was served because the server or the loader was slow or away.
    pub stale: bool,
    /// Where it comes from.
    pub source: Source,
}

impl<T> fmt::Debug for Found<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found")
            .field("stale", &self.stale)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

/// What became of a write that was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Written {
    /// The server has it.
    Stored,
    /// The server cannot take it now. It is kept here, in the journal too if there is one, and is sent when the
    /// server is back; this process reads it until then.
    Fallback,
    /// The server has a write that is later by its clock and stays. That clock must be wrong: see the log.
    Superseded,
}

/// What became of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counted {
    /// The sum over all processes, if the server told it.
    pub sum: Option<i64>,
    /// What became of the addition.
    pub written: Written,
}

/// What became of a [`Cache::clear`](super::Cache::clear).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cleared {
    /// How many keys were deleted.
    pub deleted: u64,
    /// Whether those were all. If not, the server was away: only keys that this process knew of are deleted.
    pub complete: bool,
}

/// Why nothing was loaded. Cheap to clone: all who waited for a load are given the same.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The loader failed.
    #[error("the loader failed: {0}")]
    Failed(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The loader took longer than [`CacheOptions::load_hard`](super::CacheOptions::load_hard).
    #[error("the loader has not answered within {ms} ms; make it faster, or raise load_hard")]
    TimedOut {
        /// That long.
        ms: u64,
    },
    /// The loader panicked, or the cache was closed.
    #[error("the load ended without an answer: the loader panicked, or the cache was closed")]
    Ended,
    /// Too many loads run.
    #[error("{loads_max} loads run, which is the bound; try again, or raise loads_max")]
    Overloaded {
        /// The bound.
        loads_max: usize,
    },
    /// The key cannot be one, or the server holds something under it that is none of the cache's.
    #[error(transparent)]
    Cache(#[from] crate::Error),
}

/// What a cache is doing, and what came of sending back.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CacheReport {
    /// Whether reads or writes do without the server now.
    pub is_fallback: bool,
    /// How often that has begun.
    pub fallbacks: u64,
    /// How many keys have something to be sent back.
    pub waiting: usize,
    /// The memory that takes, in bytes.
    pub waiting_bytes: u64,
    /// The journal's size, in bytes.
    pub journal_bytes: u64,
    /// How many keys the journal held when the cache was opened.
    pub recovered: usize,
    /// Values kept in this process.
    pub near_entries: u64,
    /// The memory they take, reckoned, in bytes.
    pub near_bytes: u64,
    /// What came of everything that was sent back: applied, superseded, expired, merged, conflicted.
    pub sync: Report,
}

/// How a cache was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// How many keys had something that was not sent back.
    pub left: usize,
    /// Whether that is kept in the journal for the next start.
    pub kept: bool,
}
