//! A job's row without its contents.

use super::ids::Found;
use crate::job::{GroupKey, JobId, Priority};
use crate::state::State;
use rusqlite::{Error, Row};

/// What the writer must know of a job to move it.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) seq: i64,
    pub(super) id: JobId,
    pub(super) queue: i64,
    pub(super) priority: Priority,
    /// As on disk, where a running job is still available.
    pub(super) state: State,
    pub(super) ready: Option<i64>,
    pub(super) run_at_ms: i64,
    pub(super) expires_ms: Option<i64>,
    pub(super) group: Option<GroupKey>,
    /// As on disk, without the running attempt.
    pub(super) attempt: u32,
    pub(super) crash: u32,
    /// The id table that its id was put into.
    pub(super) slot: i64,
    /// When its id stops counting.
    pub(super) until_ms: i64,
    pub(super) enqueued_ms: i64,
    pub(super) bytes: u64,
    pub(super) batch: Option<Batch>,
    /// What lies beside it in other tables: bits of `EXTRA_*`.
    pub(super) extra: i64,
}

impl Ticket {
    /// Where its id leads.
    pub(super) const fn found(&self) -> Found {
        Found { slot: self.slot, seq: self.seq, until_ms: self.until_ms }
    }
}

/// The batch that a job is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) callback: JobId,
    /// Tells it from an earlier one of a callback with the same id.
    pub(super) no: i64,
}

impl Batch {
    /// As stored: the callback, then the number.
    pub(super) fn encode(&self) -> [u8; 24] {
        let mut blob = [0; 24];
        blob[..16].copy_from_slice(&self.callback.0);
        blob[16..].copy_from_slice(&self.no.to_be_bytes());
        blob
    }

    fn decode(blob: [u8; 24]) -> Self {
        let (mut callback, mut no) = ([0; 16], [0; 8]);
        callback.copy_from_slice(&blob[..16]);
        no.copy_from_slice(&blob[16..]);
        Self { callback: JobId(callback), no: i64::from_be_bytes(no) }
    }
}

/// It is a callback: how far its batch is stands in `gate`.
pub(super) const EXTRA_GATE: i64 = 1;
/// It has said something: that stands in `note`.
pub(super) const EXTRA_NOTE: i64 = 2;

/// The columns that [`Ticket::read`] wants, in its order.
pub(super) const TICKET: &str =
    "seq, id, queue, prio, state, ready, run_at, expires, grp, attempt, crash, slot, until, enqueued, bytes,
    batch, extra";
/// How many those are.
pub(super) const TICKET_COLUMNS: usize = 17;

impl Ticket {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let bytes: i64 = row.get(14)?;
        Ok(Self {
            seq: row.get(0)?,
            id: JobId(row.get(1)?),
            queue: row.get(2)?,
            priority: read_priority(row, 3)?,
            state: read_state(row, 4)?,
            ready: row.get(5)?,
            run_at_ms: row.get(6)?,
            expires_ms: row.get(7)?,
            group: row.get::<_, Option<[u8; 16]>>(8)?.map(GroupKey),
            attempt: row.get(9)?,
            crash: row.get(10)?,
            slot: row.get(11)?,
            until_ms: row.get(12)?,
            enqueued_ms: row.get(13)?,
            bytes: u64::try_from(bytes).map_err(|_| Error::IntegralValueOutOfRange(14, bytes))?,
            batch: row.get::<_, Option<[u8; 24]>>(15)?.map(Batch::decode),
            extra: row.get(16)?,
        })
    }

    /// The id of a row that [`Ticket::read`] refused, and where it leads, if that much can be made out. Its table is the
    /// one that is never dropped.
    pub(super) fn key(row: &Row<'_>) -> Option<(JobId, Found)> {
        let (seq, id) = (row.get(0).ok()?, row.get(1).ok()?);
        Some((JobId(id), Found { slot: 0, seq, until_ms: row.get(12).unwrap_or(i64::MAX) }))
    }

    /// When it expires, if it still can.
    pub(super) fn expiry(&self) -> Option<i64> {
        self.expires_ms.filter(|_| self.attempt == 0)
    }
}

fn read_priority(row: &Row<'_>, column: usize) -> rusqlite::Result<Priority> {
    let code: i64 = row.get(column)?;
    let known = usize::try_from(code).ok().and_then(|code| Priority::ALL.get(code).copied());
    known.ok_or(Error::IntegralValueOutOfRange(column, code))
}

fn read_state(row: &Row<'_>, column: usize) -> rusqlite::Result<State> {
    let code: i64 = row.get(column)?;
    STATES
        .iter()
        .find(|&&(_, known)| known == code)
        .map(|&(state, _)| state)
        .ok_or(Error::IntegralValueOutOfRange(column, code))
}

/// States as stored. A running job is stored as available: the lease is in memory alone.
const STATES: [(State, i64); 8] = [
    (State::Available, 0),
    (State::Scheduled, 1),
    // Only because its group may not begin a job before.
    (State::Scheduled, PACED),
    // Without a time: it waits for its batch.
    (State::Scheduled, WAITING),
    (State::Retryable, 3),
    (State::Completed, 4),
    (State::Dead, 5),
    (State::Cancelled, 6),
];

/// How a job is stored that waits until its group may begin one.
pub(super) const PACED: i64 = 2;
/// The stored form of a callback's state while it waits for its batch: kept out of the index by time.
pub(super) const WAITING: i64 = 7;

/// The stored form of `state`.
pub(super) const fn state_code(state: State) -> i64 {
    match state {
        State::Available | State::Running => 0,
        State::Scheduled => 1,
        State::Retryable => 3,
        State::Completed => 4,
        State::Dead => 5,
        State::Cancelled => 6,
    }
}

/// The stored form of `priority`.
pub(super) const fn priority_code(priority: Priority) -> i64 {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

/// Where a job's row is: unfinished, finished and kept, or dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Job,
    Done,
    Dead,
}

impl Table {
    /// The table for jobs in `state`.
    pub(super) const fn of(state: State) -> Self {
        match state {
            State::Completed | State::Cancelled => Self::Done,
            State::Dead => Self::Dead,
            _ => Self::Job,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Done => "done",
            Self::Dead => "dead",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_states_read_back() {
        for (state, code) in STATES {
            let also = code == PACED || code == WAITING;
            assert_eq!(state_code(state), if also { 1 } else { code });
        }
    }

    #[test]
    fn a_batch_reads_back() {
        let batch = Batch { callback: JobId([7; 16]), no: -3 };
        assert_eq!(Batch::decode(batch.encode()), batch);
    }
}
