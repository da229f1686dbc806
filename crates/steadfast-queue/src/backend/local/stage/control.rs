//! What operators ask for.

use super::{End, Fail, Stage};
use crate::backend::Controlled;
use crate::backend::local::ids::Found;
use crate::backend::local::live::Effect;
use crate::backend::local::load::mode_code;
use crate::backend::local::schema::MOVED;
use crate::backend::local::ticket::{Table, Ticket};
use crate::backend::local::write::Target;
use crate::event::EventKind;
use crate::job::JobId;
use crate::settings::Mode;
use crate::state::{State, may_be_cancelled, may_be_retried};
use rusqlite::params;

impl Stage<'_> {
    pub(super) fn set_mode(&mut self, name: &str, mode: Mode) -> Result<Controlled, Fail> {
        let known = self.live.queue_no(name).and_then(|no| Some((no, self.live.queues.get(&no)?)));
        let Some((no, queue)) = known else { return Ok(Controlled { affected: 0, skipped: 1 }) };
        // An earlier command of this transaction may have changed it.
        let staged = self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Mode { queue, mode } if *queue == no => Some(*mode),
            _ => None,
        });
        if staged.unwrap_or(queue.stats.mode) == mode {
            return Ok(Controlled { affected: 0, skipped: 1 });
        }
        self.conn
            .prepare_cached("UPDATE queue SET paused = ?2 WHERE no = ?1")?
            .execute(params![no, mode_code(mode)])?;
        self.effects.push(Effect::Mode { queue: no, mode });
        self.tell_queue(EventKind::of_mode(mode), no);
        Ok(Controlled { affected: 1, skipped: 0 })
    }

    pub(super) fn each(
        &mut self,
        ids: &[JobId],
        act: fn(&mut Self, &Found, Table, &Ticket) -> Result<bool, Fail>,
    ) -> Result<Controlled, Fail> {
        let mut done = Controlled::default();
        for id in ids {
            let acted = match self.locate(id)? {
                Some((found, table, ticket)) => act(self, &found, table, &ticket)?,
                None => false,
            };
            if acted {
                done.affected += 1;
            } else {
                done.skipped += 1;
            }
        }
        Ok(done)
    }

    fn locate(&self, id: &JobId) -> Result<Option<(Found, Table, Ticket)>, Fail> {
        let Some(found) = self.find_id(id)? else { return Ok(None) };
        for table in [Table::Job, Table::Dead, Table::Done] {
            if let Some(ticket) = self.ticket(table, found.seq)? {
                return Ok(Some((found, table, ticket)));
            }
        }
        Ok(None)
    }

    /// A finished job goes to the end of its queue and group, but for one that holds its group; a waiting one
    /// keeps its turn.
    pub(super) fn retry(&mut self, found: &Found, table: Table, job: &Ticket) -> Result<bool, Fail> {
        if !may_be_retried(job.state) {
            return Ok(false);
        }
        self.tell(EventKind::RetriedByHand, job, 0, None);
        if table == Table::Job {
            self.stop_waiting(job)?;
            let sql = "UPDATE job SET state = 0, run_at = ?2, expires = NULL, attempt = 0, crash = 0 WHERE seq = ?1";
            self.conn.prepare_cached(sql)?.execute([job.seq, self.now_ms])?;
            self.moved(job.queue, Some(job.state), Some(State::Available), job.bytes);
            self.line_up_again(self.renewed(job, job.seq))?;
            return Ok(true);
        }
        let holds = table == Table::Dead && self.unblock(job)?;
        // One that held its group has its old place.
        let seq = if holds { job.seq } else { self.next_number() };
        let sql = format!(
            "INSERT INTO job(seq, {MOVED}) SELECT ?2, id, queue, prio, 0, NULL, ?3, NULL, grp, 0, 0, slot, until,
                enqueued, NULL, bytes, batch, extra, head, history, payload FROM {} WHERE seq = ?1",
            table.name()
        );
        self.conn.prepare_cached(&sql)?.execute([job.seq, seq, self.now_ms])?;
        let sql = format!("DELETE FROM {} WHERE seq = ?1", table.name());
        self.conn.prepare_cached(&sql)?.execute([job.seq])?;
        self.move_id(job.id, Found { seq, ..*found })?;
        self.join_group(job.queue, job.group, seq)?;
        if table == Table::Done {
            self.strike(job);
        }
        self.moved(job.queue, Some(job.state), Some(State::Available), job.bytes);
        if holds {
            self.go_on(job.queue, job.group)?;
        } else {
            self.line_up_again(self.renewed(job, seq))?;
        }
        Ok(true)
    }

    /// What a job is once it was retried by hand.
    fn renewed(&self, job: &Ticket, seq: i64) -> Ticket {
        Ticket {
            seq,
            state: State::Available,
            ready: None,
            run_at_ms: self.now_ms,
            expires_ms: None,
            attempt: 0,
            crash: 0,
            ..job.clone()
        }
    }

    fn line_up_again(&mut self, job: Ticket) -> Result<(), Fail> {
        if self.is_its_turn(&job)? { self.line_up(job) } else { Ok(()) }
    }

    pub(super) fn cancel(&mut self, _: &Found, table: Table, job: &Ticket) -> Result<bool, Fail> {
        if table == Table::Dead && self.unblock(job)? {
            self.go_on(job.queue, job.group)?;
            return Ok(true);
        }
        if table != Table::Job {
            return Ok(false);
        }
        if self.is_held(&job.id) {
            let sql = "INSERT OR REPLACE INTO mark(seq, cancel) VALUES(?1, 1)";
            self.conn.prepare_cached(sql)?.execute([job.seq])?;
            self.cancel_asked.insert(job.id);
            self.effects.push(Effect::CancelAsked(job.id));
            return Ok(true);
        }
        if !may_be_cancelled(job.state) {
            return Ok(false);
        }
        let (attempt, crash) = (job.attempt, job.crash);
        self.finish(job, job.state, End { state: State::Cancelled, attempt, crash, failure: None })?;
        Ok(true)
    }

    pub(super) fn discard(&mut self, _: &Found, table: Table, job: &Ticket) -> Result<bool, Fail> {
        if table == Table::Job {
            return Ok(false);
        }
        self.tell(EventKind::Discarded, job, job.attempt, None);
        self.remove_final(table, job)?;
        Ok(true)
    }

    pub(super) fn release_keys(&mut self, ids: &[JobId]) -> Result<Controlled, Fail> {
        let mut done = Controlled::default();
        for id in ids {
            if self.release_key(id)? {
                done.affected += 1;
            } else {
                done.skipped += 1;
            }
        }
        Ok(done)
    }

    /// The id of a job that is over stops counting.
    fn release_key(&mut self, id: &JobId) -> Result<bool, Fail> {
        let Some(found) = self.find_id(id)? else { return Ok(false) };
        let over =
            self.ticket(Table::Job, found.seq)?.is_none() && self.ticket(Table::Dead, found.seq)?.is_none();
        if !over || found.until_ms <= self.now_ms {
            return Ok(false);
        }
        // Not removed: the job may still be kept, and be asked for.
        self.move_id(*id, Found { until_ms: self.now_ms, ..found })?;
        let sql = "UPDATE done SET until = ?2 WHERE seq = ?1";
        self.conn.prepare_cached(sql)?.execute([found.seq, self.now_ms])?;
        Ok(true)
    }

    /// Removes what a search found, unless it has moved since.
    pub(super) fn purge(&mut self, targets: &[Target]) -> Result<Controlled, Fail> {
        let mut meant = Vec::with_capacity(targets.len());
        for target in targets {
            let ticket = self.ticket(target.table, target.seq)?;
            if ticket.is_some_and(|job| job.state == target.state && !self.is_held(&job.id)) {
                meant.push(target);
            }
        }
        let mut done = Controlled { affected: 0, skipped: (targets.len() - meant.len()) as u64 };
        for target in meant {
            // Read again: the end of one before it may have given it its turn, or another time to wait for.
            let Some(job) = self.ticket(target.table, target.seq)? else {
                done.skipped += 1;
                continue;
            };
            self.tell(EventKind::Discarded, &job, job.attempt, None);
            match target.table {
                Table::Job => self.remove_waiting(&job)?,
                table => self.remove_final(table, &job)?,
            }
            done.affected += 1;
        }
        Ok(done)
    }
}
