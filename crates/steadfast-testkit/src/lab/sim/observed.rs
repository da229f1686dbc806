//! What a simulated server has seen and done.

use crate::lab::changes::Changes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// The most commands kept in the log; the oldest go first.
const LOG_MAX: usize = 10_000;
/// The most dials kept; later ones are only counted.
const DIALS_MAX: usize = 100_000;

/// A command as it came in.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// On which connection: the first is 1.
    pub connection: u64,
    /// Its name in capitals, with a bar and its subcommand where it has one: `CLIENT|SETNAME`.
    pub name: String,
    /// Its keys.
    pub keys: Vec<Vec<u8>>,
    /// Its words as sent, the name first.
    pub args: Arc<Vec<Vec<u8>>>,
}

impl Seen {
    /// A word as text; the name is at 0.
    pub fn arg(&self, place: usize) -> Option<&str> {
        std::str::from_utf8(self.args.get(place)?).ok()
    }

    /// Whether it is this command: `CLIENT` means all its subcommands.
    pub fn is(&self, name: &str) -> bool {
        let whole = self.name.split('|').next().unwrap_or_default();
        self.name.eq_ignore_ascii_case(name) || whole.eq_ignore_ascii_case(name)
    }
}

/// A connection that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct DialSeen {
    /// Which: the first is 1.
    pub connection: u64,
    /// When.
    pub at: Instant,
}

#[derive(Debug, Default)]
struct Counts {
    received: HashMap<String, u64>,
    executed: HashMap<String, u64>,
    executed_on: HashMap<(String, Vec<u8>), u64>,
    log: VecDeque<Seen>,
    dials: Vec<DialSeen>,
    dialled: u64,
}

#[derive(Debug)]
pub(super) struct Observed {
    counts: Mutex<Counts>,
    changes: Changes,
}

impl Observed {
    pub(super) fn new() -> Self {
        Self { counts: Mutex::default(), changes: Changes::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes whoever waits for something to change.
    pub(super) fn notify(&self) {
        self.changes.notify();
    }

    pub(super) fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Counts a connection and says which it is.
    pub(super) fn dialled(&self, at: Instant) -> u64 {
        let mut counts = self.lock();
        counts.dialled += 1;
        let connection = counts.dialled;
        if counts.dials.len() < DIALS_MAX {
            counts.dials.push(DialSeen { connection, at });
        }
        drop(counts);
        self.notify();
        connection
    }

    pub(super) fn received(&self, seen: &Seen) {
        let mut counts = self.lock();
        count(&mut counts.received, &seen.name);
        if counts.log.len() == LOG_MAX {
            counts.log.pop_front();
        }
        counts.log.push_back(seen.clone());
        drop(counts);
        self.notify();
    }

    pub(super) fn executed(&self, name: &str, keys: &[&[u8]]) {
        let mut counts = self.lock();
        count(&mut counts.executed, name);
        for key in keys {
            *counts.executed_on.entry((name.to_owned(), key.to_vec())).or_default() += 1;
        }
        drop(counts);
        self.notify();
    }

    pub(super) fn times_received(&self, name: &str) -> u64 {
        self.lock().received.get(&name.to_ascii_uppercase()).copied().unwrap_or(0)
    }

    pub(super) fn times_executed(&self, name: &str) -> u64 {
        self.lock().executed.get(&name.to_ascii_uppercase()).copied().unwrap_or(0)
    }

    pub(super) fn times_executed_on(&self, name: &str, key: &[u8]) -> u64 {
        let wanted = (name.to_ascii_uppercase(), key.to_vec());
        self.lock().executed_on.get(&wanted).copied().unwrap_or(0)
    }

    pub(super) fn dials(&self) -> Vec<DialSeen> {
        self.lock().dials.clone()
    }

    pub(super) fn times_dialled(&self) -> u64 {
        self.lock().dialled
    }

    pub(super) fn log(&self) -> Vec<Seen> {
        self.lock().log.iter().cloned().collect()
    }

    /// Forgets all but the number of the last connection.
    pub(super) fn forget(&self) {
        let mut counts = self.lock();
        *counts = Counts { dialled: counts.dialled, ..Counts::default() };
    }
}

/// Counts a command under its name, and under that of its container if it is a subcommand.
fn count(counts: &mut HashMap<String, u64>, name: &str) {
    *counts.entry(name.to_owned()).or_default() += 1;
    if let Some((container, _)) = name.split_once('|') {
        *counts.entry(container.to_owned()).or_default() += 1;
    }
}
