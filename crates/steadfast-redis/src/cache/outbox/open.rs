//! Opens an outbox: empty, or as its journal says.

use super::queue::Queue;
use super::{Outbox, OutboxSettings};
use crate::cache::entry::{Key, Kind};
use crate::cache::journal::{Damage, Journal, JournalError, JournalFolder};
use crate::cache::ledger::Ledger;
use crate::cache::sync::Report;
use crate::cache::version::{HybridClock, NodeId, Version};

/// What was found in a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// How many keys have something to be sent back.
    pub keys: usize,
    /// Bytes that are no entries. A torn end is what a crash leaves; anything else is worth an alarm.
    pub damages: Vec<Damage>,
}

impl<F: JournalFolder> Outbox<F> {
    /// An empty outbox, which ends with the process. `node` is to be drawn anew for each.
    pub fn in_memory(settings: OutboxSettings, node: NodeId) -> Self {
        Self::new(settings, HybridClock::resume(node, Version::ZERO), Ledger::default(), None)
    }

    /// The outbox whose journal lies in `folder`. `node` is to be drawn anew at each opening, also for the same
    /// folder: so it does no harm if the folder was copied or restored from a backup. Blocks on the disk.
    ///
    /// What is in the journal and has not ended is taken whole, even if that is more than the memory allowed; new
    /// writes are refused then until there is room.
    ///
    /// # Errors
    ///
    /// When the disk refuses; what is in the journal is then untouched.
    pub fn open(
        folder: F,
        settings: OutboxSettings,
        node: NodeId,
        now_ms: u64,
        rng: &mut fastrand::Rng,
    ) -> Result<(Self, Recovered), JournalError> {
        let mut ledger = Ledger::default();
        let mut last = Version::ZERO;
        let (journal, damages) = Journal::open(folder, settings.bounds(), rng.fork(), &mut |entry| {
            last = last.max(entry.version());
            ledger.apply(&entry);
        })?;
        ledger.trim(now_ms, settings.forgotten_ms(now_ms));
        let recovered = Recovered { keys: ledger.len(), damages };
        let outbox = Self::new(settings, HybridClock::resume(node, last), ledger, Some(journal));
        Ok((outbox, recovered))
    }

    fn new(
        settings: OutboxSettings,
        clock: HybridClock,
        ledger: Ledger,
        journal: Option<Journal<F>>,
    ) -> Self {
        let mut queue = Queue::default();
        let mut keys: Vec<(Kind, &Key)> = ledger.keys().collect();
        keys.sort_unstable();
        for (kind, key) in keys {
            queue.push(kind, key);
        }
        Self {
            settings,
            clock,
            ledger,
            journal,
            queue,
            report: Report::default(),
            position: 0,
            durable: 0,
            synced_at_ms: 0,
            trimmed_at_ms: 0,
        }
    }
}
