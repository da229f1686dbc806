//! The cache's durable core: what is written while the server is away, and how it is sent back.
//!
//! Nothing here talks to a server or reads a clock. The parts, from below:
//!
//! * [`Version`], [`HybridClock`]: which of two writes is the later one.
//! * the journal: an append-only log in a folder ([`JournalFolder`]), which outlives crashes.
//! * the ledger: what is to be sent back, in memory.
//! * [`Outbox`]: both together; takes writes, plans what is sent, takes answers.
//! * [`Remote`], [`Op`], [`Answer`], [`Script`]: the server, as far as sending back needs it, and the scripts that
//!   do each operation atomically.
//!
//! # What holds
//!
//! | data | while the server is away | when it is sent back |
//! |---|---|---|
//! | value | the latest write here is read | applied only if the server knows no later version; keeps what is left of its lifetime; if it has ended, what it replaced is removed |
//! | deletion | remembered until it is sent | remembered on the server until every older value has ended, so none comes back |
//! | counter | what is added, never the total | added once, however often it is sent, while its window lasts |
//! | dedup key | seen once here | seen once by all; who saw it second is told (`conflicted`) |
//! | field of a set or hash | put and removed here | replaces the versions that were known here; adding wins |
//! | lock | refused | |
//!
//! With a journal and [`SyncPolicy::Always`], what was acknowledged is sent back whatever crashes and whenever. It
//! is forgotten only when the server has answered for it.
//!
//! # What does not hold
//!
//! This is no consensus. Two nodes that set the same value while apart have both been told it is set; the later
//! one stays. Two nodes that see the same dedup key while apart have both seen it first. A value's lifetime is
//! exact within one run; if the machine's clock is set between two runs, what is left may be shorter by that step,
//! and is never longer than the whole. A batch of additions whose answer was lost and that is sent again more than
//! [`TOKEN_KEEP_MS`] later may count twice. A server that loses its own data (a flush, a failover without its last
//! second) loses what was answered for.

mod entry;
mod front;
mod journal;
mod keys;
mod ledger;
mod outbox;
mod sync;
#[cfg(test)]
mod tests;
mod version;

pub use entry::{Expiry, Key, Kind};
pub use front::{
    Cache, CacheOptions, CacheReport, Cleared, Closed, Counted, CounterValue, Dedup, Found, LoadError, Seen,
    Source, Written,
};
pub use journal::{Damage, DiskFile, DiskFolder, JournalError, JournalFile, JournalFolder};
pub use keys::{floor_key, prefixed};
pub use outbox::{
    Batch, Change, Limits, Local, Outbox, OutboxSettings, Outcome, Recorded, Recovered, Refused, Settled,
    SyncPolicy,
};
pub use sync::{
    Answer, BadReply, Example, FieldOp, FieldVersions, NoAnswer, Op, Remote, Report, Script, StoredError,
    TOKEN_KEEP_MS, counter_sum, field_versions, stored_value,
};
pub use version::{AHEAD_MAX_MS, EvenTime, FarAhead, HybridClock, NoVersion, NodeId, Version};
