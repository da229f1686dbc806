//! Jobs that wait for others.

use super::note::said;
use super::{Fail, Stage};
use crate::backend::local::live::Effect;
use crate::backend::local::ticket::{Batch, EXTRA_GATE, EXTRA_NOTE, Table, Ticket};
use crate::backend::local::write::Prepared;
use crate::backend::{Controlled, Rejection, rules};
use crate::batch::{Awaited, BatchEnd, OnDead, Sealed, has_circle};
use crate::job::{Job, JobId};
use crate::state::State;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::{HashMap, HashSet};

/// Ended batches that a prune looks at, at most.
const ENDED_MAX: i64 = 64;

/// The batch of a callback that lies here: its number, and how far it is.
pub(in crate::backend::local) fn gate(
    conn: &Connection,
    callback: &JobId,
) -> rusqlite::Result<Option<(i64, Awaited)>> {
    let sql = "SELECT no, jobs, block, waiting, completed, dead, cancelled FROM gate WHERE id = ?1";
    conn.prepare_cached(sql)?.query_row([&callback.0], read_gate).optional()
}

fn read_gate(row: &Row<'_>) -> rusqlite::Result<(i64, Awaited)> {
    let awaited = Awaited {
        jobs: row.get(1)?,
        on_dead: if row.get(2)? { OnDead::Block } else { OnDead::Continue },
        waiting: row.get(3)?,
        completed: row.get(4)?,
        dead: row.get(5)?,
        cancelled: row.get(6)?,
    };
    Ok((row.get(0)?, awaited))
}

/// Fills in what lies beside a job: how far its batch is, what it has said.
pub(in crate::backend::local) fn fill(
    conn: &Connection,
    ticket: &Ticket,
    job: &mut Job,
) -> rusqlite::Result<()> {
    if ticket.extra & EXTRA_GATE != 0 {
        job.waits_for = gate(conn, &ticket.id)?.map(|(_, awaited)| awaited);
    }
    if ticket.extra & EXTRA_NOTE != 0 {
        let said = said(conn, &ticket.id)?;
        (job.progress, job.log) = (said.progress, said.log);
    }
    Ok(())
}

impl Stage<'_> {
    /// Whether the batch that `new` names takes it.
    pub(super) fn check_batch(&self, new: &Prepared) -> Result<Result<(), Rejection>, Fail> {
        let Some(callback) = new.job.batch else { return Ok(Ok(())) };
        Ok(match gate(self.conn, &callback)? {
            None => Err(Rejection::BatchUnknown),
            Some((_, batch)) if batch.is_open() => Ok(()),
            Some(_) => Err(Rejection::BatchOver),
        })
    }

    /// The callbacks among the new jobs of one call.
    pub(super) fn callbacks(
        &self,
        jobs: &[Prepared],
        leaving: Option<JobId>,
    ) -> Result<Result<HashSet<JobId>, Rejection>, Fail> {
        let mut callbacks = HashMap::new();
        for new in jobs.iter().filter(|new| new.job.waits_for.is_some()) {
            if !self.is_known(new, leaving)? {
                callbacks.insert(new.job.id, new.job.batch);
            }
        }
        let sound = !has_circle(&callbacks);
        Ok(if sound { Ok(callbacks.into_keys().collect()) } else { Err(Rejection::BadBatch) })
    }

    /// The batch that a new job is in; `beside` are the callbacks of its call.
    pub(super) fn batch_of(&self, job: &Job, beside: &HashMap<JobId, i64>) -> Result<Option<Batch>, Fail> {
        let Some(callback) = job.batch else { return Ok(None) };
        let no = match beside.get(&callback) {
            Some(&no) => Some(no),
            None => gate(self.conn, &callback)?.map(|(no, _)| no),
        };
        Ok(no.map(|no| Batch { callback, no }))
    }

    pub(super) fn open_gate(&self, no: i64, seq: i64, id: &JobId, batch: &Awaited) -> Result<(), Fail> {
        let sql = "INSERT INTO gate(id, no, seq, jobs, block, waiting, completed, dead, cancelled)
            VALUES(?1, ?2, ?3, ?4, ?5, 1, 0, 0, 0)";
        let block = batch.on_dead == OnDead::Block;
        self.conn.prepare_cached(sql)?.execute(params![&id.0, no, seq, batch.jobs, block])?;
        Ok(())
    }

    /// Notes that a job of a batch is over, and lets the callback go if it was the last.
    pub(super) fn count_in(&mut self, job: &Ticket, end: BatchEnd) -> Result<(), Fail> {
        let Some(Batch { callback, no }) = job.batch else { return Ok(()) };
        let found = gate(self.conn, &callback)?;
        let Some((_, mut batch)) = found.filter(|(known, batch)| *known == no && batch.heeds(end)) else {
            return Ok(());
        };
        let sql = "INSERT OR IGNORE INTO counted(no, id) VALUES(?1, ?2)";
        if self.conn.prepare_cached(sql)?.execute(params![no, &job.id.0])? == 0 {
            return Ok(());
        }
        batch.count(end);
        let sql = "UPDATE gate SET completed = ?2, dead = ?3, cancelled = ?4 WHERE id = ?1";
        let counts = params![&callback.0, batch.completed, batch.dead, batch.cancelled];
        self.conn.prepare_cached(sql)?.execute(counts)?;
        self.let_go(&callback, &batch)
    }

    /// Lets a callback go whose time has come.
    fn let_go(&mut self, callback: &JobId, batch: &Awaited) -> Result<(), Fail> {
        if !batch.is_met() {
            return Ok(());
        }
        let Some(seq) = self.shut_gate(callback)? else { return Ok(()) };
        let missing = || Fail::Broken(format!("callback number {seq} waits and is not in the store"));
        let mut job = self.ticket(Table::Job, seq)?.ok_or_else(missing)?;
        if job.run_at_ms > self.now_ms {
            self.conn.prepare_cached("UPDATE job SET state = 1 WHERE seq = ?1")?.execute([seq])?;
            self.effects.push(Effect::Due { queue: job.queue, at_ms: job.run_at_ms });
            return Ok(());
        }
        let sql = "UPDATE job SET state = 0, run_at = ?2 WHERE seq = ?1";
        self.conn.prepare_cached(sql)?.execute([seq, self.now_ms])?;
        self.moved(job.queue, Some(State::Scheduled), Some(State::Available), job.bytes);
        (job.state, job.run_at_ms) = (State::Available, self.now_ms);
        self.line_up(job)
    }

    /// The callback waits no more; returns its row, if it did until now.
    fn shut_gate(&self, callback: &JobId) -> Result<Option<i64>, Fail> {
        let sql = "UPDATE gate SET waiting = 0 WHERE id = ?1 AND waiting = 1 RETURNING seq, no";
        let mut shut = self.conn.prepare_cached(sql)?;
        let found = shut.query_row([&callback.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((seq, no)) = found else { return Ok(None) };
        // What was counted is forgotten later, in steps: there may be very much of it.
        self.conn.prepare_cached("INSERT INTO ended(no) VALUES(?1)")?.execute::<[i64; 1]>([no])?;
        Ok(Some(seq))
    }

    /// If `job` is a callback, it waits no more.
    pub(super) fn stop_waiting(&self, job: &Ticket) -> Result<(), Fail> {
        if job.extra & EXTRA_GATE != 0 {
            self.shut_gate(&job.id)?;
        }
        Ok(())
    }

    /// A job leaves the store for good, and with it what lay beside it.
    pub(super) fn drop_extras(&self, id: &JobId, extra: i64) -> Result<(), Fail> {
        if extra & EXTRA_GATE != 0 {
            self.shut_gate(id)?;
            self.conn.prepare_cached("DELETE FROM gate WHERE id = ?1")?.execute([&id.0])?;
        }
        if extra & EXTRA_NOTE != 0 {
            self.conn.prepare_cached("DELETE FROM note WHERE id = ?1")?.execute([&id.0])?;
        }
        Ok(())
    }

    pub(super) fn seal(&mut self, id: &JobId, jobs: u32) -> Result<Controlled, Fail> {
        let Some((_, mut batch)) = gate(self.conn, id)? else {
            return Ok(Controlled { affected: 0, skipped: 1 });
        };
        let sealed = batch.seal(jobs);
        if sealed == Sealed::Now {
            self.conn
                .prepare_cached("UPDATE gate SET jobs = ?2 WHERE id = ?1")?
                .execute(params![&id.0, jobs])?;
            self.let_go(id, &batch)?;
        }
        Ok(rules::sealed(sealed))
    }

    /// Forgets which jobs the ended batches counted, at most `limit` of them.
    pub(super) fn prune_counted(&mut self, limit: usize) -> Result<usize, Fail> {
        let mut ended = self.conn.prepare_cached("SELECT no FROM ended LIMIT ?1")?;
        let ended: Vec<i64> = ended.query_map([ENDED_MAX], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let sql = "DELETE FROM counted WHERE no = ?1 AND id IN
            (SELECT id FROM counted WHERE no = ?1 ORDER BY id LIMIT ?2)";
        let mut forget = self.conn.prepare_cached(sql)?;
        let mut moved = 0;
        for no in ended {
            let left = limit - moved;
            let gone = forget.execute(params![no, i64::try_from(left).unwrap_or(i64::MAX)])?;
            moved += gone;
            if gone == left {
                return Ok(moved);
            }
            self.conn.prepare_cached("DELETE FROM ended WHERE no = ?1")?.execute([no])?;
        }
        Ok(moved)
    }
}
