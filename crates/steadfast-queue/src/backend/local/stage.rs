//! One transaction being put together. It reads memory as it was before, writes to the database, and lists
//! what must change in memory once the commit has succeeded. If it does not, dropping the stage is enough.

mod batch;
mod control;
mod enqueue;
mod events;
mod flow;
mod housekeep;
mod kept;
mod note;
mod schedules;
mod settle;
mod sort;

use super::codec::{decode_history, encode_history};
use super::deaths;
use super::fresh::Changes;
use super::live::{Effect, Live, Tally};
use super::schema::MOVED;
use super::ticket::{TICKET, Table, Ticket, state_code};
use super::write::{Answer, Write};
use crate::backend::Controlled;
use crate::backend::rules::{self, Dice};
use crate::batch::BatchEnd;
use crate::event::Event;
use crate::job::{GroupKey, JobId};
use crate::policy::Failure;
use crate::rate::Arrival;
use crate::schedule::Planned;
use crate::state::State;
pub(super) use batch::fill;
use kept::StagedKept;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Why an operation could not be staged.
#[derive(Debug)]
pub(super) enum Fail {
    Sql(rusqlite::Error),
    Broken(String),
}

impl From<rusqlite::Error> for Fail {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Stage<'a> {
    conn: &'a Connection,
    live: &'a Live,
    dice: &'a mut Dice,
    now_ms: i64,
    mono_ms: u64,
    pub(super) number: i64,
    pub(super) effects: Vec<Effect>,
    /// Leases over by this transaction.
    gone: HashSet<JobId>,
    cancel_asked: HashSet<JobId>,
    /// Jobs that say something in this transaction.
    noted: HashSet<JobId>,
    /// Per queue: waiting jobs and bytes more than in memory.
    room: HashMap<i64, (i64, i64)>,
    kept: HashMap<(i64, State), StagedKept>,
    fresh: Changes,
    /// Schedules that this transaction changes, or takes away.
    schedules: BTreeMap<String, Option<Planned>>,
    /// Completions still to come in this transaction, per queue: what they push out need not be stored.
    completions_ahead: HashMap<i64, u64>,
    /// Arrivals of groups to which something was given back.
    arrivals: HashMap<(i64, GroupKey), Arrival>,
    /// What is to be told once it is on disk.
    pub(super) happened: Vec<Event>,
}

/// What a stage needs besides the connection and memory.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) now_ms: i64,
    pub(super) mono_ms: u64,
}

impl<'a> Stage<'a> {
    pub(super) fn new(conn: &'a Connection, live: &'a Live, setting: Setting<'a>, writes: &[&Write]) -> Self {
        let Setting { dice, now_ms, mono_ms } = setting;
        let mut stage = Self {
            conn,
            live,
            dice,
            now_ms,
            mono_ms,
            number: live.number,
            effects: Vec::new(),
            gone: HashSet::new(),
            cancel_asked: HashSet::new(),
            noted: HashSet::new(),
            room: HashMap::new(),
            kept: HashMap::new(),
            fresh: Changes::default(),
            schedules: BTreeMap::new(),
            completions_ahead: HashMap::new(),
            arrivals: HashMap::new(),
            happened: Vec::new(),
        };
        stage.look_ahead(writes);
        stage
    }

    pub(super) fn run(&mut self, write: &Write) -> Result<Answer, Fail> {
        Ok(match write {
            Write::Enqueue(jobs) => Answer::Enqueued(self.enqueue_all(jobs)?),
            Write::Settle(settles) => Answer::Settled(self.settle_all(settles)?),
            Write::Promote(limit) => Answer::Swept(self.sweep(*limit)?),
            Write::Reclaim(limit) => Answer::Swept(self.reclaim(*limit)?),
            Write::Prune(limit) => Answer::Swept(self.prune(*limit)?),
            Write::SetMode { queue, mode } => Answer::Controlled(self.set_mode(queue, *mode)?),
            Write::Configure { queue, settings } => Answer::Controlled(self.configure(queue, settings)?),
            Write::Retry(ids) => Answer::Controlled(self.each(ids, Self::retry)?),
            Write::Cancel(ids) => Answer::Controlled(self.each(ids, Self::cancel)?),
            Write::Note(notes) => {
                Answer::Controlled(Controlled { affected: self.note_all(notes)?, skipped: 0 })
            }
            Write::PutSchedule(planned) => Answer::Controlled(self.put_schedule(planned)?),
            Write::RemoveSchedule(name) => Answer::Controlled(self.remove_schedule(name)?),
            Write::Seal { id, jobs } => Answer::Controlled(self.seal(id, *jobs)?),
            Write::Discard(ids) => Answer::Controlled(self.each(ids, Self::discard)?),
            Write::ReleaseKeys(ids) => Answer::Controlled(self.release_keys(ids)?),
            Write::Purge(targets) => Answer::Controlled(self.purge(targets)?),
            Write::ShiftBack(step_ms) => Answer::Controlled(self.shift_back(*step_ms)?),
            Write::PutOff(put_off) => Answer::Controlled(self.put_off_all(put_off)?),
            Write::Count(write) => self.run(write)?,
            Write::Sort(limit) => Answer::Controlled(self.sort(*limit)?),
            Write::Bury { seq, failure } => Answer::Controlled(self.bury(*seq, failure)?),
        })
    }

    /// What belongs to the transaction as a whole: the marks of attempts begun, and what is new.
    pub(super) fn close(&mut self) -> Result<Vec<JobId>, Fail> {
        let mut insert = self.conn.prepare_cached("INSERT OR IGNORE INTO mark(seq, cancel) VALUES(?1, 0)")?;
        self.effects.push(Effect::Fresh(Box::new(std::mem::take(&mut self.fresh))));
        let mut marked = Vec::new();
        for id in &self.live.unmarked {
            let held = self.live.held.get(id).filter(|held| !held.marked && !self.gone.contains(id));
            if let Some(held) = held {
                insert.execute([held.entry.ticket.seq])?;
                marked.push(*id);
            }
        }
        Ok(marked)
    }

    /// The next number in arrival and ready order.
    fn next_number(&mut self) -> i64 {
        self.number += 1;
        self.number
    }

    /// Whether a worker holds it, as of this point of the transaction.
    fn is_held(&self, id: &JobId) -> bool {
        self.live.held.contains_key(id) && !self.gone.contains(id)
    }

    /// Counts a job that left `from` for `to`.
    fn moved(&mut self, queue: i64, from: Option<State>, to: Option<State>, bytes: u64) {
        let waits = |state: Option<State>| {
            i64::from(state.is_some_and(|state| !state.is_final() && state != State::Running))
        };
        let unfinished = |state: Option<State>| i64::from(state.is_some_and(|state| !state.is_final()));
        let (waiting, stored) = self.room.entry(queue).or_default();
        *waiting += waits(to) - waits(from);
        *stored += (unfinished(to) - unfinished(from)) * i64::try_from(bytes).unwrap_or(i64::MAX);
        self.effects.push(Effect::Moved { queue, from, to, bytes });
    }

    fn tally(&mut self, queue: i64, tally: Tally) {
        self.effects.push(Effect::Count { queue, tally });
    }

    fn ticket(&self, table: Table, seq: i64) -> Result<Option<Ticket>, Fail> {
        let sql = format!("SELECT {TICKET} FROM {} WHERE seq = ?1", table.name());
        Ok(self.conn.prepare_cached(&sql)?.query_row([seq], Ticket::read).optional()?)
    }

    /// The history with one more failure, encoded. Damage costs the history, not the job.
    fn history_with(&self, seq: i64, attempt: u32, failure: Failure) -> Result<Option<Vec<u8>>, Fail> {
        let mut select = self.conn.prepare_cached("SELECT history FROM job WHERE seq = ?1")?;
        let blob: Option<Vec<u8>> = select.query_row([seq], |row| row.get(0)).optional()?.flatten();
        let mut history = decode_history(blob.as_deref()).unwrap_or_default();
        rules::remember(&mut history, attempt, self.now_ms, failure);
        Ok(encode_history(&history))
    }

    /// Moves an unfinished job to a final state; `attempt` and `crash` are its last. `from` is its state as
    /// counted.
    fn finish(&mut self, job: &Ticket, from: State, end: End) -> Result<(), Fail> {
        self.tell_end(job, from, &end);
        let End { state, attempt, crash, failure } = end;
        let word = failure.as_ref().filter(|_| state == State::Dead).map(|failure| failure.error.clone());
        self.stop_waiting(job)?;
        let keeps = state == State::Dead || self.keeps(job.queue, state);
        if keeps {
            let history = match failure {
                Some(failure) => Some(self.history_with(job.seq, attempt, failure)?),
                None => None,
            };
            self.move_row(job, state, attempt, crash, history)?;
            if let Some(word) = word {
                deaths::name(self.conn, job.seq, &word)?;
            }
        }
        self.delete_row(job)?;
        if from == State::Available
            && let Some(ready) = job.ready
        {
            self.effects.push(Effect::Unready { queue: job.queue, priority: job.priority, ready });
        }
        self.moved(job.queue, Some(from), keeps.then_some(state), job.bytes);
        match state {
            State::Dead => {
                self.tally(job.queue, Tally::Dead);
                self.block(job)?;
            }
            State::Completed => self.tally(job.queue, Tally::Completed),
            _ => {}
        }
        if !keeps {
            self.release_id(&job.id, job.found())?;
            self.drop_extras(&job.id, job.extra)?;
        } else if state != State::Dead {
            self.keep(job, state);
        }
        if state != State::Dead {
            self.trim(job.queue, state, rules::TRIM_AT_FINISH)?;
        }
        self.go_on(job.queue, job.group)?;
        match BatchEnd::of(state) {
            Some(end) => self.count_in(job, end),
            None => Ok(()),
        }
    }

    /// Copies a row to where finished jobs lie.
    fn move_row(
        &mut self,
        job: &Ticket,
        state: State,
        attempt: u32,
        crash: u32,
        history: Option<Option<Vec<u8>>>,
    ) -> Result<(), Fail> {
        let sql = format!(
            "INSERT INTO {}(seq, {MOVED}) SELECT seq, id, queue, prio, ?2, ?8, run_at, expires, grp, ?3, ?4, slot,
                until, enqueued, ?5, bytes, batch, extra, head, CASE WHEN ?6 THEN ?7 ELSE history END, payload
                FROM job WHERE seq = ?1",
            Table::of(state).name()
        );
        let (replace, history) = (history.is_some(), history.flatten());
        // A finished row keeps the order in which it finished where its place in ready order was.
        let order = self.next_number();
        let values =
            params![job.seq, state_code(state), attempt, crash, self.now_ms, replace, history, order];
        self.conn.prepare_cached(&sql)?.execute(values)?;
        Ok(())
    }

    /// An unfinished job is one no more.
    fn delete_row(&mut self, job: &Ticket) -> Result<(), Fail> {
        let seq = job.seq;
        match self.conn.prepare_cached("DELETE FROM job WHERE seq = ?1")?.execute([seq])? {
            1 => self.leave_group(job),
            _ => Err(Fail::Broken(format!("job number {seq} is in memory but not in the store"))),
        }
    }
}

/// How a job ends.
#[derive(Debug)]
struct End {
    state: State,
    attempt: u32,
    crash: u32,
    failure: Option<Failure>,
}
