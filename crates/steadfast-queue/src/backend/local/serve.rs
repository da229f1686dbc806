//! Handing out leases, from memory. Nothing is written here: the mark of a begun attempt rides the next
//! commit.

use super::live::{Live, cached_bytes};
use super::load;
use super::options::{Faults, injected, take_one};
use super::stage::fill;
use super::ticket::TICKET;
use super::turn::{Turn, turn};
use super::window::Entry;
use super::write::PutOff;
use crate::backend::flow::Gate;
use crate::backend::{BATCH_MAX, Extended, Fence, Lease, Reservation, Reserve, rules};
use crate::job::Job;
use crate::policy::Failure;
use crate::state::{CRASHES_SUSPECT, State};
use rusqlite::ffi::SQLITE_IOERR_READ;
use rusqlite::{Connection, ErrorCode, OptionalExtension};
use std::sync::{Arc, PoisonError, RwLock};

/// A lease just given out.
struct Taken {
    entry: Entry,
    fence: Fence,
}

/// A job that cannot be handed out, for good.
#[derive(Debug)]
pub(super) struct Unfit {
    pub(super) seq: i64,
    pub(super) failure: Failure,
}

/// Why a job could not be read.
enum Unread {
    /// There is something wrong with the job itself. Nothing to bury if its lease is gone already.
    Unfit(Option<Unfit>),
    /// There is something wrong with the store, and nothing known of the job.
    Away(rusqlite::Error),
}

/// What came of a look for jobs.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) reservations: Vec<Reservation>,
    pub(super) unfit: Vec<Unfit>,
    /// Jobs that were next and may not begin yet: out of ready order in memory, and not yet on disk.
    pub(super) put_off: Vec<PutOff>,
    /// When to look again, if that is known.
    pub(super) wait_ms: Option<u64>,
}

/// Takes jobs for `request`. What turns out to be unreadable is left out and named.
pub(super) fn reserve(
    conn: &Connection,
    live: &RwLock<Live>,
    request: &Reserve,
    mono_ms: u64,
    faults: &Faults,
) -> rusqlite::Result<Found> {
    let max = request.max.min(BATCH_MAX);
    let mut found = Found::default();
    while found.reservations.len() < max {
        let taken = {
            let mut live = live.write().unwrap_or_else(PoisonError::into_inner);
            match take(conn, &mut live, request, max, mono_ms, &mut found) {
                Ok(taken) => taken,
                // What was found is seen to; the fault shows again at the next call.
                Err(_) if !found.reservations.is_empty() || !found.put_off.is_empty() => break,
                Err(error) => return Err(error),
            }
        };
        if taken.is_empty() {
            break;
        }
        let mut alone = false;
        let mut taken = taken.into_iter();
        while let Some(Taken { entry, fence }) = taken.next() {
            alone |= entry.ticket.crash >= CRASHES_SUSPECT;
            let lease = Lease { id: entry.ticket.id, fence, worker: request.worker };
            match fetch(conn, live, entry, lease, faults, request) {
                Ok(reservation) => found.reservations.push(reservation),
                Err(Unread::Unfit(reason)) => found.unfit.extend(reason),
                Err(Unread::Away(error)) => {
                    give_back(live, request, lease, taken);
                    // What could be read is handed out; the fault shows again at the next call.
                    let none = found.reservations.is_empty() && found.put_off.is_empty();
                    return if none { Err(error) } else { Ok(found) };
                }
            }
        }
        if alone {
            break;
        }
    }
    Ok(found)
}

/// Takes back leases whose jobs nobody has seen: they are ready as before.
fn give_back(live: &RwLock<Live>, request: &Reserve, first: Lease, others: impl Iterator<Item = Taken>) {
    let mut live = live.write().unwrap_or_else(PoisonError::into_inner);
    live.take_back(&first);
    for Taken { entry, fence } in others {
        live.take_back(&Lease { id: entry.ticket.id, fence, worker: request.worker });
    }
}

/// Takes entries from ready order and gives out leases on them, until there are `max`.
fn take(
    conn: &Connection,
    live: &mut Live,
    request: &Reserve,
    max: usize,
    mono_ms: u64,
    found: &mut Found,
) -> rusqlite::Result<Vec<Taken>> {
    let mut taken: Vec<Taken> = Vec::new();
    let Some(no) = live.queue_no(&request.queue) else { return Ok(taken) };
    let first = found.reservations.is_empty();
    let lease_ms = (mono_ms, mono_ms.saturating_add(request.lease_ms));
    while found.reservations.len() + taken.len() < max {
        match gate(live, no, mono_ms) {
            Gate::Open => {}
            Gate::Closed => break,
            Gate::In(wait_ms) => {
                found.wait_ms = Some(wait_ms);
                break;
            }
        }
        if found.put_off.len() >= rules::PUT_OFF_AT_RESERVE {
            // There may be others behind those: the caller comes back at once.
            found.wait_ms = Some(0);
            break;
        }
        match look(conn, live, no) {
            Ok(()) => {}
            // What was taken before is handed out; the fault shows again at the next call.
            Err(_) if !taken.is_empty() => break,
            Err(error) => return Err(error),
        }
        let suspects = !request.no_suspects && first && taken.is_empty();
        let Some(entry) = pick(live, no, suspects) else { break };
        let entry = match turn(conn, live, entry, mono_ms) {
            Ok(Turn::Begin(entry)) => entry,
            Ok(Turn::Not(put_off)) => {
                found.put_off.push(put_off);
                continue;
            }
            Err(_) if !taken.is_empty() => break,
            Err(error) => return Err(error),
        };
        if let Some(queue) = live.queues.get_mut(&no) {
            queue.picks += 1;
        }
        let alone = entry.ticket.crash >= CRASHES_SUSPECT;
        let place = Entry { ticket: entry.ticket.clone(), cached: None };
        let fence = live.hold(place, request.worker, lease_ms);
        live.unmarked.push(entry.ticket.id);
        taken.push(Taken { entry, fence });
        if alone {
            break;
        }
    }
    Ok(taken)
}

/// Loads from disk until it is known what comes first in each priority.
fn look(conn: &Connection, live: &mut Live, no: i64) -> rusqlite::Result<()> {
    while live.queues.get(&no).is_some_and(|queue| queue.windows.iter().any(super::window::Window::is_blind))
    {
        load::refill(conn, live, no)?;
    }
    Ok(())
}

fn gate(live: &Live, no: i64, mono_ms: u64) -> Gate {
    let Some(queue) = live.queues.get(&no) else { return Gate::Closed };
    queue.flow.gate(queue.stats.mode, queue.stats.running, mono_ms)
}

/// Takes the first out of ready order.
fn pick(live: &mut Live, no: i64, suspects: bool) -> Option<Entry> {
    let queue = live.queues.get_mut(&no)?;
    let mut order = [0, 1, 2];
    if rules::is_low_turn(queue.picks) {
        order.reverse();
    }
    for priority in order {
        let fresh = queue.windows[priority].first().map(|(ready, _)| ready);
        let suspect = queue.suspects.range((priority, i64::MIN)..=(priority, i64::MAX)).next();
        let suspect = suspect.map(|(&place, _)| place).filter(|_| suspects);
        let entry = match (fresh, suspect) {
            (None, None) => continue,
            (Some(ready), Some(place)) if ready < place.1 => queue.windows[priority].pop_first(),
            (_, Some(place)) => queue.suspects.remove(&place),
            (Some(_), None) => queue.windows[priority].pop_first(),
        };
        let entry = entry?;
        live.cache_bytes = live.cache_bytes.saturating_sub(cached_bytes(&entry));
        return Some(entry);
    }
    None
}

/// Makes a reservation of a lease: from the cache, or from the row. A row that cannot be used costs its own
/// job alone; a store that cannot be read costs nobody anything.
fn fetch(
    conn: &Connection,
    live: &RwLock<Live>,
    entry: Entry,
    lease: Lease,
    faults: &Faults,
    request: &Reserve,
) -> Result<Reservation, Unread> {
    let Entry { ticket, cached } = entry;
    let job = match cached {
        Some(job) => Ok(Arc::unwrap_or_clone(job)),
        None if take_one(&faults.rows_lost) => return Err(Unread::Away(injected(SQLITE_IOERR_READ))),
        None => look_twice(conn, live, ticket.seq, &request.queue)?,
    };
    let mut live = live.write().unwrap_or_else(PoisonError::into_inner);
    let mut job = match job {
        Ok(job) => job,
        Err(reason) => {
            tracing::error!(job = %ticket.id, queue = request.queue, reason, "a job cannot be read");
            let seq = live.drop_unreadable(&ticket.id);
            let unfit = seq.map(|seq| Unfit { seq, failure: Failure::new("unreadable", reason) });
            return Err(Unread::Unfit(unfit));
        }
    };
    if let Some(held) = live.held.get_mut(&ticket.id) {
        held.retry.clone_from(&job.retry);
    }
    let queue = live.queues.get(&ticket.queue);
    let retry = job.retry.as_ref().or_else(|| Some(&queue?.flow.resolved.retry));
    let attempt = ticket.attempt.saturating_add(1);
    let last_attempt = retry.is_some_and(|retry| retry.delay_ms(attempt, 0.0).is_none());
    job.state = State::Running;
    job.attempt = attempt;
    job.crash_count = ticket.crash;
    job.run_at_ms = ticket.run_at_ms;
    let alone = ticket.crash >= CRASHES_SUSPECT;
    Ok(Reservation { job, lease, lease_ms: request.lease_ms, last_attempt, alone })
}

/// A row that SQLite calls corrupt may be one that the disk could not read just now. The store is reopened then, and
/// what the row is at the second look, it is.
fn look_twice(
    conn: &Connection,
    live: &RwLock<Live>,
    seq: i64,
    queue: &str,
) -> Result<Result<Job, String>, Unread> {
    let read = read(conn, seq, queue);
    let mut live = live.write().unwrap_or_else(PoisonError::into_inner);
    match read {
        Ok(job) => {
            live.doubtful.remove(&seq);
            Ok(job)
        }
        Err(error) if is_corrupt(&error) && !live.doubtful.insert(seq) => {
            Ok(Err(format!("its row cannot be read: {error}")))
        }
        Err(error) => Err(Unread::Away(error)),
    }
}

/// Reads a job from its row, or tells what is wrong with the row. An error is the store's, not the row's.
pub(super) fn read(conn: &Connection, seq: i64, queue: &str) -> rusqlite::Result<Result<Job, String>> {
    let sql = format!("SELECT {TICKET}, {} FROM job WHERE seq = ?1", load::CONTENTS);
    let row = conn.prepare_cached(&sql).and_then(|mut select| {
        select.query_row([seq], |row| load::whole(row, |_| queue.to_owned())).optional()
    });
    match row {
        Ok(Some((ticket, mut job, None))) => {
            fill(conn, &ticket, &mut job)?;
            Ok(Ok(job))
        }
        Ok(Some((.., Some(damage)))) => Ok(Err(format!("its stored form cannot be read: {damage}"))),
        Ok(None) => Ok(Err("its row is gone from the store".to_owned())),
        // Values of the wrong kind.
        Err(error) if error.sqlite_error_code().is_none() => {
            Ok(Err(format!("its row cannot be read: {error}")))
        }
        Err(error) => Err(error),
    }
}

/// Whether `error` is a damaged page, or a read that failed.
fn is_corrupt(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt)
}

/// Extends leases.
pub(super) fn extend(live: &mut Live, leases: &[Lease], lease_ms: u64, mono_ms: u64) -> Vec<Extended> {
    let expires_mono_ms = mono_ms.saturating_add(lease_ms);
    let one = |lease: &Lease| {
        let held = live.held.get_mut(&lease.id);
        let Some(held) = held.filter(|held| held.fence == lease.fence && held.worker == lease.worker) else {
            return Extended::Lost;
        };
        live.lapses.remove(&(held.expires_mono_ms, held.fence.counter, lease.id));
        live.lapses.insert((expires_mono_ms, held.fence.counter, lease.id));
        held.expires_mono_ms = expires_mono_ms;
        Extended::Held { cancel: held.cancel }
    };
    leases.iter().map(one).collect()
}
