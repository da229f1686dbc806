//! Whether the first in ready order may begin: its group's rate, and its place in its group where several of a
//! group may be in ready order. Costs nothing where neither is limited.

use super::groups::Members;
use super::live::{Live, cached_bytes};
use super::sql;
use super::ticket::{TICKET, Ticket};
use super::window::Entry;
use super::write::PutOff;
use crate::job::GroupKey;
use crate::state::State;
use rusqlite::{Connection, OptionalExtension, params};

/// What becomes of an entry taken from ready order.
pub(super) enum Turn {
    /// This one begins: it, or one of its group that comes before it.
    Begin(Entry),
    /// It may not begin yet.
    Not(PutOff),
}

/// Decides on `entry`. After an error it is in its place again.
pub(super) fn turn(conn: &Connection, live: &mut Live, entry: Entry, mono_ms: u64) -> rusqlite::Result<Turn> {
    let (Some(queue), Some(group)) = (live.queues.get(&entry.ticket.queue), entry.ticket.group) else {
        return Ok(Turn::Begin(entry));
    };
    if let Some(wait_ms) = queue.flow.group_wait_ms(Some(group), mono_ms) {
        return Ok(Turn::Not(PutOff { ticket: entry.ticket, wait_ms: Some(wait_ms) }));
    }
    if queue.spread <= 1 {
        // Only the first of a group is in ready order.
        return Ok(Turn::Begin(entry));
    }
    let first = match first_to_begin(conn, live, &entry.ticket, group) {
        Ok(first) => first,
        Err(error) => {
            live.leave_in_line(entry);
            return Err(error);
        }
    };
    Ok(match first {
        None => Turn::Not(PutOff { ticket: entry.ticket, wait_ms: None }),
        Some(first) if first.seq == entry.ticket.seq => Turn::Begin(entry),
        Some(first) => {
            live.leave_in_line(entry);
            Turn::Begin(take_out(live, first))
        }
    })
}

/// Which job of the group of `job` comes first among those in ready order that never ran, or else `job` itself;
/// none if that one is not among the first of its group.
fn first_to_begin(
    conn: &Connection,
    live: &Live,
    job: &Ticket,
    group: GroupKey,
) -> rusqlite::Result<Option<Ticket>> {
    let Some(queue) = live.queues.get(&job.queue) else { return Ok(None) };
    let concurrency = queue.flow.resolved.group_concurrency;
    let mut select = conn.prepare_cached(sql::FIRST_BLOCK)?;
    let block: Option<i64> = select.query_row(params![job.queue, &group.0], |row| row.get(0)).optional()?;
    let members = Members { conn, fresh: &live.fresh, staged: None };
    let mut select = conn.prepare_cached(&format!("SELECT {TICKET} FROM job WHERE seq = ?1"))?;
    for seq in members.first(job.queue, group, i64::MAX, concurrency)? {
        let one = select.query_row([seq], Ticket::read)?;
        if block.is_some_and(|block| block < one.seq) {
            break;
        }
        let waits = one.state == State::Available && one.ready.is_some() && !live.held.contains_key(&one.id);
        if one.seq == job.seq || (waits && one.attempt == 0 && one.crash == 0) {
            return Ok(Some(one));
        }
    }
    Ok(None)
}

/// Takes a job out of ready order, wherever it is there.
fn take_out(live: &mut Live, job: Ticket) -> Entry {
    let window = live.queues.get_mut(&job.queue).map(|queue| &mut queue.windows[job.priority.index()]);
    let found = window.zip(job.ready).and_then(|(window, ready)| window.remove(ready));
    let entry = found.unwrap_or(Entry { ticket: job, cached: None });
    live.cache_bytes = live.cache_bytes.saturating_sub(cached_bytes(&entry));
    entry
}
