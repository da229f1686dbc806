//! The outbox: everything written while the server is away, until the server has answered for it.
//!
//! It is used by one owner, who calls it from a thread that may block: with a journal, most calls write to the
//! disk. It reads no clock: `now_ms` is wall time that runs evenly, as [`EvenTime`](super::EvenTime) gives it.
//!
//! A round of sending back is [`Outbox::plan`], [`Remote::apply`](super::Remote::apply), [`Outbox::settle`]. While
//! the server works on a batch, writing goes on. An entry leaves only after its answer; a crash before that, or a
//! lost answer, means that it is sent again, which changes nothing.

mod add;
mod change;
mod open;
mod plan;
mod queue;
mod read;
mod record;
mod settings;
mod settle;

pub use change::{Change, Recorded, Refused};
pub use open::Recovered;
pub use plan::{Batch, Limits};
pub use read::Local;
pub use settings::{OutboxSettings, SyncPolicy};
pub use settle::{Outcome, Settled};

use super::entry::Entry;
use super::journal::{DiskFolder, Journal, JournalError, JournalFolder};
use super::ledger::Ledger;
use super::sync::Report;
use super::version::{FarAhead, HybridClock, Version};
use queue::Queue;

/// What is to be sent back, in memory and, if it has a journal, on disk.
pub struct Outbox<F: JournalFolder = DiskFolder> {
    settings: OutboxSettings,
    clock: HybridClock,
    ledger: Ledger,
    journal: Option<Journal<F>>,
    queue: Queue,
    report: Report,
    /// Counts what was appended to the journal; of it, what is on the disk.
    position: u64,
    durable: u64,
    synced_at_ms: u64,
    trimmed_at_ms: u64,
}

impl<F: JournalFolder> Outbox<F> {
    /// How many keys have something to be sent back.
    pub fn len(&self) -> usize {
        self.ledger.len()
    }

    /// Whether everything is sent back.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory it takes, reckoned, in bytes.
    pub fn bytes(&self) -> u64 {
        self.ledger.bytes()
    }

    /// The size of its journal, in bytes.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.as_ref().map_or(0, Journal::bytes)
    }

    /// Up to which [`Recorded::position`] everything is on the disk.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// What came of sending back so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The same, and begins a new report.
    pub fn take_report(&mut self) -> Report {
        std::mem::take(&mut self.report)
    }

    /// The version of a write that goes to the server at once. If its answer is lost, [`Outbox::record_sent`] it.
    pub fn stamp(&mut self, now_ms: u64) -> Version {
        self.clock.tick(now_ms)
    }

    /// Sees to it that versions given from now on are later than one that was met on the server.
    ///
    /// # Errors
    ///
    /// [`FarAhead`] if the clock of whoever wrote it must be wrong; it is not followed then.
    pub fn observe(&mut self, version: Version, now_ms: u64) -> Result<(), FarAhead> {
        self.clock.observe(version, now_ms)
    }

    /// Changes what can be changed while it is open: everything but where the journal lies.
    pub fn set_settings(&mut self, settings: OutboxSettings) {
        if let Some(journal) = &mut self.journal {
            journal.set_bounds(settings.bounds());
        }
        self.settings = settings;
    }

    /// To be called now and then: syncs the journal when that is due, rewrites it when it is broken or mostly of no
    /// account. Blocks on the disk.
    pub fn maintain(&mut self, now_ms: u64) -> Result<(), JournalError> {
        let Some(journal) = &self.journal else { return Ok(()) };
        if journal.is_broken() || journal.is_wasteful(self.ledger.bytes()) {
            return self.rewrite();
        }
        match self.settings.sync {
            SyncPolicy::Interval { ms } if now_ms.saturating_sub(self.synced_at_ms) >= ms => {
                self.sync(now_ms)
            }
            _ => Ok(()),
        }
    }

    /// Makes everything recorded reach the disk. Blocks on it.
    pub fn sync(&mut self, now_ms: u64) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if journal.is_broken() {
            return self.rewrite();
        }
        journal.sync()?;
        (self.durable, self.synced_at_ms) = (self.position, now_ms);
        Ok(())
    }

    /// Closes it. What is not sent back is kept in the journal for the next start, or discarded there. Blocks on
    /// the disk. Dropping it in place of this is a crash: everything acknowledged is kept as far as it was synced.
    pub fn close(mut self, keep: bool, now_ms: u64) -> Result<(), JournalError> {
        if !keep {
            self.ledger = Ledger::default();
            return self.rewrite();
        }
        self.sync(now_ms)
    }

    #[cfg(test)]
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Writes the journal anew from memory.
    fn rewrite(&mut self) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let floor = Entry::Clock { version: self.clock.last() };
        journal.rewrite(std::iter::once(floor).chain(self.ledger.entries()))?;
        self.durable = self.position;
        Ok(())
    }

    /// Appends to the journal, making room if need be. Nothing is appended on an error.
    fn append(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if journal.is_broken() {
            self.rewrite()?;
        }
        let Some(journal) = &mut self.journal else { return Ok(()) };
        match journal.append(entries) {
            Err(JournalError::Full { .. }) if journal.may_shrink() => {
                self.rewrite()?;
                if let Some(journal) = &mut self.journal {
                    journal.append(entries)?;
                }
            }
            appended => appended?,
        }
        self.position += u64::from(!entries.is_empty());
        Ok(())
    }
}

impl<F: JournalFolder> std::fmt::Debug for Outbox<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox")
            .field("keys", &self.len())
            .field("bytes", &self.bytes())
            .field("journal", &self.journal)
            .finish_non_exhaustive()
    }
}
