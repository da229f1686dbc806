//! What is rebuilt from the file: at every start, and after an I/O error.

use super::codec::{decode_head, decode_history, decode_schedule};
use super::fresh::Fresh;
use super::ids::{Buckets, Found};
use super::live::{Effect, Held, KeptRow, Live, Queue, cached_bytes};
use super::options::{Bounds, LocalOptions};
use super::sql;
use super::ticket::{TICKET, TICKET_COLUMNS, Ticket, priority_code};
use super::window::{Entry, Window};
use crate::backend::flow::Flow;
use crate::backend::rules::{Limits, Retention};
use crate::job::{Job, JobId, Priority};
use crate::schedule::Planned;
use crate::settings::{Mode, QueueSettings};
use crate::state::{CRASHES_SUSPECT, State};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// The one row that every commit moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    pub(super) epoch: i64,
    pub(super) commits: i64,
    pub(super) number: i64,
    pub(super) clean: bool,
    /// Up to this number, ids and groups are in their tables.
    pub(super) sorted: i64,
    /// The wall time that stored times were meant in when it was last moved.
    pub(super) seen_ms: i64,
}

pub(super) fn pulse(conn: &Connection) -> rusqlite::Result<Pulse> {
    conn.query_row("SELECT epoch, commits, number, clean, seen, sorted FROM pulse", [], |row| {
        Ok(Pulse {
            epoch: row.get(0)?,
            commits: row.get(1)?,
            number: row.get(2)?,
            clean: row.get(3)?,
            seen_ms: row.get(4)?,
            sorted: row.get(5)?,
        })
    })
}

/// Sizes of what is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) window_max: usize,
    pub(super) cache_bytes_max: usize,
    pub(super) fresh_max: usize,
    /// What queues hold and remember unless their settings say otherwise.
    pub(super) defaults: (Limits, Retention),
}

impl Sizes {
    pub(super) fn of(options: &LocalOptions) -> Self {
        let LocalOptions { bounds, limits, retention, .. } = options;
        let Bounds { window_max, cache_bytes_max, fresh_max, .. } = *bounds;
        Self { window_max, cache_bytes_max, fresh_max, defaults: (*limits, *retention) }
    }

    /// A queue that was not there before.
    pub(super) fn new_queue(&self, name: String, mono_ms: u64) -> Queue {
        let flow = Flow::new(QueueSettings::default(), self.defaults, mono_ms);
        Queue::new(name, flow, || Window::empty(self.window_max))
    }
}

/// Counts, retention and paused queues as the file has them; ready order is loaded when it is looked at.
/// Costs one pass over the rows: about a second per million unfinished jobs.
///
/// What was charged to rates before is not known: it counts as all that may be, as of `mono_ms`.
pub(super) fn live(conn: &Connection, sizes: Sizes, mono_ms: u64) -> rusqlite::Result<Live> {
    let pulse = pulse(conn)?;
    let mut live = Live {
        queues: BTreeMap::new(),
        names: HashMap::new(),
        buckets: Buckets::load(conn)?,
        fresh: Fresh::new((pulse.sorted, pulse.number), is_listed(conn, pulse.sorted)?, sizes.fresh_max),
        schedules: schedules(conn)?,
        held: HashMap::new(),
        lapses: BTreeSet::new(),
        unmarked: Vec::new(),
        doubtful: HashSet::new(),
        epoch: u64::try_from(pulse.epoch).unwrap_or(0),
        last_fence: 0,
        number: pulse.number,
        commits: pulse.commits,
        // Unknown: whoever looks first finds out.
        next_due_ms: Some(i64::MIN),
        next_expiry_ms: Some(i64::MIN),
        cache_bytes: 0,
        cache_bytes_max: sizes.cache_bytes_max,
        woken: BTreeSet::new(),
    };
    let mut select = conn.prepare("SELECT no, name, paused, settings, spread FROM queue")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (no, name): (i64, String) = (row.get(0)?, row.get(1)?);
        live.names.insert(name.clone(), no);
        let flow = Flow::new(read_settings(row, 3)?, sizes.defaults, mono_ms);
        let mut queue = Queue::new(name, flow, || Window::unknown(sizes.window_max));
        (queue.stats.mode, queue.spread) = (read_mode(row, 2)?, row.get(4)?);
        live.queues.insert(no, queue);
    }
    let mut select = conn.prepare("SELECT queue, count(*) FROM block GROUP BY queue")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        live.apply(Effect::Blocks { queue: row.get(0)?, by: row.get(1)? });
    }
    count(conn, &mut live)?;
    retained(conn, &mut live)?;
    listed(conn, &mut live.fresh)?;
    Ok(live)
}

/// The stored form of `mode`.
pub(super) const fn mode_code(mode: Mode) -> i64 {
    match mode {
        Mode::Running => 0,
        Mode::Paused => 1,
        Mode::Draining => 2,
    }
}

fn read_mode(row: &Row<'_>, column: usize) -> rusqlite::Result<Mode> {
    let code: i64 = row.get(column)?;
    let known = [Mode::Running, Mode::Paused, Mode::Draining].into_iter().find(|&m| mode_code(m) == code);
    known.ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code))
}

/// A queue whose settings cannot be read must not run without them.
fn read_settings(row: &Row<'_>, column: usize) -> rusqlite::Result<QueueSettings> {
    let Some(text) = row.get::<_, Option<String>>(column)? else { return Ok(QueueSettings::default()) };
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// Schedules and their places. One that cannot be read, or names a time zone that is no longer known, is left alone.
fn schedules(conn: &Connection) -> rusqlite::Result<BTreeMap<String, Planned>> {
    let mut select = conn.prepare("SELECT name, spec, place, last FROM schedule")?;
    let rows = select.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?, row.get(3)?))
    })?;
    let mut schedules = BTreeMap::new();
    for row in rows {
        let (name, spec, place_ms, last_ms) = row?;
        let planned = decode_schedule(&spec).map_err(|error| error.to_string()).and_then(|schedule| {
            Planned::new(schedule, place_ms, last_ms).map_err(|error| error.to_string())
        });
        match planned {
            Ok(planned) => _ = schedules.insert(name, planned),
            Err(error) => {
                tracing::error!(%error, schedule = name, "a schedule cannot be used and will not fire")
            }
        }
    }
    Ok(schedules)
}

fn count(conn: &Connection, live: &mut Live) -> rusqlite::Result<()> {
    for table in ["job", "dead"] {
        let mut select = conn.prepare(&format!("SELECT {TICKET} FROM {table}"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            match Ticket::read(row) {
                Ok(job) => {
                    if let Some(queue) = live.queues.get_mut(&job.queue) {
                        queue.moved(None, Some(job.state), job.bytes);
                    }
                    let member = job.group.filter(|_| table == "job").map(|group| (job.queue, group));
                    live.fresh.load(job.id, job.found(), member);
                }
                Err(error) => leave_alone(row, table, &error, &mut live.fresh),
            }
        }
    }
    Ok(())
}

/// A row that cannot be read stays as it is. Its key still counts, if that much can be made out: whoever sends the same
/// job again is not taken for new.
fn leave_alone(row: &Row<'_>, table: &str, error: &rusqlite::Error, fresh: &mut Fresh) {
    tracing::error!(%error, table, "a job's row cannot be read and is left alone");
    if let Some((id, found)) = Ticket::key(row) {
        fresh.load(id, found, None);
    }
}

fn retained(conn: &Connection, live: &mut Live) -> rusqlite::Result<()> {
    let mut select = conn.prepare(&format!("SELECT {TICKET}, finished FROM done ORDER BY ready"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let read = Ticket::read(row).and_then(|job| Ok((job, row.get::<_, Option<i64>>(TICKET_COLUMNS)?)));
        let (job, finished_ms) = match read {
            Ok((job, finished_ms)) => (job, finished_ms.unwrap_or(0)),
            Err(error) => {
                leave_alone(row, "done", &error, &mut live.fresh);
                continue;
            }
        };
        live.fresh.load(job.id, job.found(), None);
        let Some(queue) = live.queues.get_mut(&job.queue) else { continue };
        queue.moved(None, Some(job.state), job.bytes);
        let Ticket { seq, id, slot, until_ms, bytes, extra, .. } = job;
        let row = KeptRow { seq, id, slot, until_ms, finished_ms, bytes, extra };
        live.apply(Effect::Kept { queue: job.queue, state: job.state, row });
    }
    Ok(())
}

/// Whether the list has ids that are in the tables.
fn is_listed(conn: &Connection, sorted: i64) -> rusqlite::Result<bool> {
    conn.query_row("SELECT EXISTS(SELECT 1 FROM fresh WHERE seq <= ?1)", [sorted], |row| row.get(0))
}

/// Ids whose rows are gone and which are not in the tables yet, and how many are in groups on disk.
fn listed(conn: &Connection, fresh: &mut Fresh) -> rusqlite::Result<()> {
    let mut select = conn.prepare("SELECT id, slot, seq, until FROM fresh WHERE seq > ?1")?;
    let mut rows = select.query([fresh.sorted()])?;
    while let Some(row) = rows.next()? {
        let found = Found { slot: row.get(1)?, seq: row.get(2)?, until_ms: row.get(3)? };
        fresh.load(JobId(row.get(0)?), found, None);
    }
    let grouped: i64 = conn.query_row("SELECT count(*) FROM member", [], |row| row.get(0))?;
    fresh.load_grouped(grouped.unsigned_abs());
    Ok(())
}

/// Loads the suspects that are ready. They are few.
pub(super) fn suspects(conn: &Connection, live: &mut Live) -> rusqlite::Result<()> {
    let mut select = conn.prepare(&sql::suspects())?;
    for ticket in select.query_map([], Ticket::read)? {
        let ticket = ticket?;
        let (Some(ready), false) = (ticket.ready, live.held.contains_key(&ticket.id)) else { continue };
        if let Some(queue) = live.queues.get_mut(&ticket.queue) {
            let place = (ticket.priority.index(), ready);
            queue.suspects.insert(place, Entry { ticket, cached: None });
        }
    }
    Ok(())
}

/// Loads more of ready order, where a window of this queue runs low.
pub(super) fn refill(conn: &Connection, live: &mut Live, queue: i64) -> rusqlite::Result<()> {
    let Some(known) = live.queues.get_mut(&queue) else { return Ok(()) };
    for priority in Priority::ALL {
        let window = &mut known.windows[priority.index()];
        let Some((after, count)) = window.wants() else { continue };
        let mut select = conn.prepare_cached(&sql::ready())?;
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        let mut rows = select.query(params![queue, priority_code(priority), after, limit])?;
        let (mut entries, mut seen, mut last) = (Vec::new(), 0, None);
        while let Some(row) = rows.next()? {
            seen += 1;
            last = row.get::<_, Option<i64>>(5)?.or(last);
            match Ticket::read(row) {
                Ok(ticket) => {
                    let elsewhere = live.held.contains_key(&ticket.id) || ticket.crash >= CRASHES_SUSPECT;
                    if let (Some(ready), false) = (ticket.ready, elsewhere) {
                        let mut entry = Entry { ticket, cached: None };
                        if live.cache_bytes < live.cache_bytes_max {
                            entry.cached = small(row, &entry.ticket, &known.name);
                            live.cache_bytes += cached_bytes(&entry);
                        }
                        entries.push((ready, entry));
                    }
                }
                Err(error) => tracing::error!(%error, "a job's row cannot be read and is left alone"),
            }
        }
        window.load(entries, last, seen == count);
    }
    Ok(())
}

/// The whole job, if it came with the row. What is wrong with it shows when it is handed out.
fn small(row: &Row<'_>, ticket: &Ticket, queue: &str) -> Option<Arc<Job>> {
    if matches!(row.get_ref(TICKET_COLUMNS + 3), Ok(ValueRef::Null) | Err(_)) {
        return None;
    }
    let whole = contents(row, ticket, queue.to_owned()).ok().filter(|(_, damage)| damage.is_none());
    whole.map(|(job, _)| Arc::new(job))
}

/// Takes leases, counts since the start, and what schedules owe, over from before an I/O error. A lease whose job is no longer
/// where it was is lost. `before` stays whole: if anything here or after it fails, it is still what counts.
pub(super) fn take_over(conn: &Connection, live: &mut Live, before: &Live) -> rusqlite::Result<()> {
    live.epoch = before.epoch;
    live.last_fence = before.last_fence;
    live.number = live.number.max(before.number);
    live.unmarked.clone_from(&before.unmarked);
    live.doubtful.clone_from(&before.doubtful);
    for (no, queue) in &mut live.queues {
        let Some(old) = before.queues.get(no) else { continue };
        queue.picks = old.picks;
        queue.flow.take_over(&old.flow);
        queue.stats.enqueued_total = old.stats.enqueued_total;
        queue.stats.duplicates_total = old.stats.duplicates_total;
        queue.stats.completed_total = old.stats.completed_total;
        queue.stats.failed_total = old.stats.failed_total;
        queue.stats.dead_total = old.stats.dead_total;
        queue.stats.reclaimed_total = old.stats.reclaimed_total;
    }
    for (name, planned) in &mut live.schedules {
        before.schedules.get(name).into_iter().for_each(|old| planned.take_over(old));
    }
    let mut select = conn.prepare(&format!("SELECT {TICKET} FROM job WHERE seq = ?1"))?;
    for (&id, held) in &before.held {
        let ticket = select.query_row([held.entry.ticket.seq], Ticket::read).optional()?;
        let Some(ticket) = ticket.filter(|job| job.id == id && job.state == State::Available) else {
            continue;
        };
        if let Some(queue) = live.queues.get_mut(&ticket.queue) {
            queue.moved(Some(State::Available), Some(State::Running), 0);
        }
        live.lapses.insert((held.expires_mono_ms, held.fence.counter, id));
        live.held.insert(id, Held { entry: Entry { ticket, cached: None }, ..held.clone() });
    }
    Ok(())
}

/// The columns that [`whole`] wants after those of a ticket.
pub(super) const CONTENTS: &str = "finished, head, history, payload";

/// The same of a job that has not begun, with nothing beside it, and small enough not to reach beyond its page. Of others
/// the payload is missing.
pub(super) const CONTENTS_IF_SMALL: &str =
    "finished, head, history, CASE WHEN attempt = 0 AND extra = 0 AND bytes <= 2048 THEN payload END";

/// A whole job, but for what lies beside it (see [`fill`]). One whose contents cannot be read is shown as far as it
/// can be, with the reason.
pub(super) fn whole(
    row: &Row<'_>,
    queue: impl Fn(i64) -> String,
) -> rusqlite::Result<(Ticket, Job, Option<String>)> {
    let ticket = Ticket::read(row)?;
    let (job, damage) = contents(row, &ticket, queue(ticket.queue))?;
    Ok((ticket, job, damage))
}

fn contents(row: &Row<'_>, ticket: &Ticket, queue: String) -> rusqlite::Result<(Job, Option<String>)> {
    let head: Vec<u8> = row.get(TICKET_COLUMNS + 1)?;
    let history: Option<Vec<u8>> = row.get(TICKET_COLUMNS + 2)?;
    let payload: Vec<u8> = row.get(TICKET_COLUMNS + 3)?;
    let (head, mut damage) = match decode_head(&head) {
        Ok(head) => (head, None),
        Err(error) => (unreadable(), Some(error.to_string())),
    };
    let history = decode_history(history.as_deref()).unwrap_or_else(|error| {
        damage.get_or_insert(error.to_string());
        Vec::new()
    });
    let job = Job {
        id: ticket.id,
        queue,
        kind: head.kind,
        payload: payload.into(),
        codec: head.codec,
        priority: ticket.priority,
        state: ticket.state,
        enqueued_ms: ticket.enqueued_ms,
        run_at_ms: ticket.run_at_ms,
        finished_ms: row.get(TICKET_COLUMNS)?,
        group: ticket.group,
        attempt: ticket.attempt,
        crash_count: ticket.crash,
        retry: head.retry,
        timeout_ms: head.timeout_ms,
        expires_ms: ticket.expires_ms,
        parent: head.parent,
        batch: ticket.batch.map(|batch| batch.callback),
        waits_for: None,
        correlation_id: head.correlation_id,
        metadata: head.metadata,
        history,
        progress: None,
        log: Vec::new(),
    };
    Ok((job, damage))
}

fn unreadable() -> super::codec::Head {
    super::codec::Head {
        kind: "(unreadable)".to_owned(),
        codec: 0,
        timeout_ms: 0,
        parent: None,
        retry: None,
        correlation_id: String::new(),
        metadata: BTreeMap::new(),
    }
}

/// Attempts begun before the last end of the process, and jobs called off while they ran.
pub(super) fn marks(conn: &Connection) -> rusqlite::Result<Vec<(i64, bool)>> {
    let mut select = conn.prepare("SELECT seq, cancel FROM mark ORDER BY seq")?;
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
