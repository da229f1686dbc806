//! What comes due, what expires, what is no longer kept.

use super::{End, Fail, Stage};
use crate::backend::local::ids;
use crate::backend::local::live::{Effect, KeptRow};
use crate::backend::local::ticket::{Table, Ticket};
use crate::backend::local::{serve, sql};
use crate::backend::{Controlled, Swept, rules};
use crate::batch::BatchEnd;
use crate::event::EventKind;
use crate::policy::Failure;
use crate::state::{self, State};
use rusqlite::{OptionalExtension, params};

impl Stage<'_> {
    /// Buries what expired, then makes available what is due.
    pub(super) fn sweep(&mut self, limit: usize) -> Result<Swept, Fail> {
        let mut moved = 0;
        for expired in self.expiring(self.now_ms, limit)? {
            // Read again: the end of one before it may have given it its turn.
            let Some(job) = self.ticket(Table::Job, expired.seq)? else { continue };
            let (attempt, crash, failure) = (job.attempt, job.crash, Some(rules::expiry()));
            self.finish(&job, job.state, End { state: State::Dead, attempt, crash, failure })?;
            moved += 1;
        }
        for job in self.due(limit - moved)? {
            self.promote(job)?;
            moved += 1;
        }
        moved += self.fire(limit.saturating_sub(moved))?;
        let due: Option<i64> =
            self.conn.prepare_cached(sql::NEXT_DUE)?.query_row([], |row| row.get(0)).optional()?;
        let expiry = self.expiring(i64::MAX, 1)?.first().and_then(|job| job.expires_ms);
        self.effects.push(Effect::DueIs(due));
        self.effects.push(Effect::ExpiryIs(expiry));
        let next = due.into_iter().chain(expiry).min().map(|at_ms| rules::ahead(at_ms, self.now_ms));
        let next_in_ms = next.into_iter().chain(self.next_fire_in_ms()).min();
        Ok(Swept { moved: moved as u64, next_in_ms })
    }

    /// The next jobs to expire by `to_ms`. Running ones do not: their attempt has begun.
    fn expiring(&self, to_ms: i64, limit: usize) -> Result<Vec<Ticket>, Fail> {
        let mut select = self.conn.prepare_cached(&sql::expiring())?;
        let rows = select.query_map([to_ms], Ticket::read)?;
        let waiting = rows.filter(|job| !job.as_ref().is_ok_and(|job| self.is_held(&job.id)));
        Ok(waiting.take(limit).collect::<Result<_, _>>()?)
    }

    fn due(&self, limit: usize) -> Result<Vec<Ticket>, Fail> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut select = self.conn.prepare_cached(&sql::due())?;
        Ok(select.query_map([self.now_ms, limit], Ticket::read)?.collect::<Result<_, _>>()?)
    }

    /// Makes a waiting job available.
    fn promote(&mut self, mut job: Ticket) -> Result<(), Fail> {
        self.conn.prepare_cached("UPDATE job SET state = 0 WHERE seq = ?1")?.execute([job.seq])?;
        self.moved(job.queue, Some(job.state), Some(State::Available), job.bytes);
        job.state = State::Available;
        if self.is_its_turn(&job)? { self.line_up(job) } else { Ok(()) }
    }

    /// The wall clock stepped back: shifts along what waits for a time, so that nobody waits for as long as the
    /// step.
    pub(in crate::backend::local) fn shift_back(&mut self, step_ms: i64) -> Result<Controlled, Fail> {
        let affected = self.conn.execute(sql::SHIFT_DUE, [step_ms])?;
        self.conn.execute(sql::SHIFT_WAITING, [step_ms])?;
        self.conn.execute(sql::SHIFT_EXPIRY, [step_ms])?;
        self.effects.push(Effect::ShiftedBack(step_ms));
        Ok(Controlled { affected: affected as u64, skipped: 0 })
    }

    /// Sends a job that cannot be run to the dead. If it can be read by now, it lines up again; if not even its row
    /// can be moved, it stays where it is, out of everybody's way.
    pub(super) fn bury(&mut self, seq: i64, failure: &Failure) -> Result<Controlled, Fail> {
        let ticket = self.ticket(Table::Job, seq)?.filter(|job| !self.is_held(&job.id));
        let skipped = Controlled { affected: 0, skipped: 1 };
        let Some(job) = ticket else { return Ok(skipped) };
        match serve::read(self.conn, seq, "") {
            Ok(Err(_)) => {}
            Ok(Ok(_)) if job.ready.is_none() => return Ok(skipped),
            Ok(Ok(_)) => {
                self.effects.extend(job.ready.map(|ready| Effect::Unready {
                    queue: job.queue,
                    priority: job.priority,
                    ready,
                }));
                self.line_up(job)?;
                return Ok(skipped);
            }
            Err(error) => {
                tracing::error!(%error, job = %job.id, "a job cannot be read and is left where it is");
                return Ok(skipped);
            }
        }
        let (attempt, crash, failure) = (job.attempt, job.crash, Some(failure.clone()));
        self.finish(&job, job.state, End { state: State::Dead, attempt, crash, failure })?;
        Ok(Controlled { affected: 1, skipped: 0 })
    }

    /// After a start: jobs called off while they ran are cancelled, and those that ran when the process died
    /// have crashed.
    pub(in crate::backend::local) fn settle_marks(
        &mut self,
        marks: &[(i64, bool)],
        clean: bool,
    ) -> Result<(), Fail> {
        for &(seq, cancel) in marks {
            let Some(job) = self.ticket(Table::Job, seq)? else { continue };
            let crash = job.crash.saturating_add(u32::from(!clean));
            let next = if clean { None } else { Some(state::reclaim(crash)) };
            let dead = next.filter(|next| next.state == State::Dead && !cancel);
            let attempt = job.attempt;
            if cancel {
                self.finish(&job, job.state, End { state: State::Cancelled, attempt, crash, failure: None })?;
            } else if let Some(dead) = dead {
                let (attempt, failure) = (attempt.saturating_add(1), dead.failure);
                self.finish(&job, job.state, End { state: State::Dead, attempt, crash, failure })?;
            } else {
                if !clean {
                    self.tell(EventKind::Reclaimed, &job, attempt.saturating_add(1), None);
                }
                self.conn
                    .prepare_cached("UPDATE job SET crash = ?2 WHERE seq = ?1")?
                    .execute(params![seq, crash])?;
            }
        }
        self.conn.execute("DELETE FROM mark", [])?;
        Ok(())
    }

    /// Retention by age, then by count and bytes where less is kept than before, then ids whose window is over.
    pub(super) fn prune(&mut self, limit: usize) -> Result<Swept, Fail> {
        let mut moved = 0;
        for (queue, state, row) in self.outdated(limit) {
            self.drop_kept(queue, state, &row)?;
            moved += 1;
        }
        let live = self.live;
        for &queue in live.queues.keys() {
            for state in [State::Completed, State::Cancelled] {
                moved += self.trim(queue, state, limit.saturating_sub(moved))?;
            }
        }
        moved += self.prune_counted(limit.saturating_sub(moved))?;
        let left = limit.saturating_sub(moved);
        if left > 0
            && let Some(slot) = self.live.buckets.expired(self.now_ms)
        {
            let (ids, gone) = ids::sweep(self.conn, slot, left)?;
            moved += usize::try_from(ids).unwrap_or(usize::MAX);
            if gone {
                self.effects.push(Effect::BucketGone(slot));
            }
        }
        Ok(Swept { moved: moved as u64, next_in_ms: None })
    }

    fn outdated(&self, limit: usize) -> Vec<(i64, State, KeptRow)> {
        let mut old = Vec::new();
        for (&queue, known) in &self.live.queues {
            let Some(age_ms) = known.flow.resolved.retention.age_max_ms else { continue };
            for state in [State::Completed, State::Cancelled] {
                let staged = self.kept.get(&(queue, state));
                let rows = known.kept(state).rows.iter();
                // All are looked at: one that finished after the clock was set back may be over before its elders.
                let rows = rows.filter(|row| rules::later(row.finished_ms, age_ms) <= self.now_ms);
                let rows = rows.filter(|row| !staged.is_some_and(|staged| staged.is_removed(row.seq)));
                old.extend(rows.take(limit - old.len()).map(|row| (queue, state, row.clone())));
            }
        }
        old
    }

    /// Takes an unfinished job out of the store for good.
    pub(super) fn remove_waiting(&mut self, job: &Ticket) -> Result<(), Fail> {
        self.delete_row(job)?;
        self.delete_id(&job.id, job.found())?;
        if let Some(ready) = job.ready {
            self.effects.push(Effect::Unready { queue: job.queue, priority: job.priority, ready });
        }
        self.moved(job.queue, Some(job.state), None, job.bytes);
        self.drop_extras(&job.id, job.extra)?;
        self.go_on(job.queue, job.group)?;
        self.count_in(job, BatchEnd::removed(job.state))
    }

    /// Takes a finished job out of the store for good, its id with it.
    pub(super) fn remove_final(&mut self, table: Table, job: &Ticket) -> Result<(), Fail> {
        let sql = format!("DELETE FROM {} WHERE seq = ?1", table.name());
        self.conn.prepare_cached(&sql)?.execute(params![job.seq])?;
        self.delete_id(&job.id, job.found())?;
        if table == Table::Done {
            self.strike(job);
        }
        self.moved(job.queue, Some(job.state), None, job.bytes);
        if table == Table::Dead && self.unblock(job)? {
            self.go_on(job.queue, job.group)?;
        }
        self.drop_extras(&job.id, job.extra)?;
        self.count_in(job, BatchEnd::removed(job.state))
    }
}
