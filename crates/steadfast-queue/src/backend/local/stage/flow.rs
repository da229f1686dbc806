//! What may begin, and what must wait: groups, rates, settings.

use super::{Fail, Stage};
use crate::backend::Controlled;
use crate::backend::local::live::{Effect, Held};
use crate::backend::local::sql;
use crate::backend::local::ticket::{PACED, Table, Ticket};
use crate::backend::local::window::Entry;
use crate::backend::local::write::PutOff;
use crate::backend::rules;
use crate::event::EventKind;
use crate::job::GroupKey;
use crate::settings::{QueueSettings, Resolved};
use crate::state::State;
use rusqlite::{OptionalExtension, params};

impl<'a> Stage<'a> {
    /// The settings of a queue, as they were before the transaction.
    pub(super) fn resolved(&self, queue: i64) -> Option<&'a Resolved> {
        Some(&self.live.queues.get(&queue)?.flow.resolved)
    }

    fn group_concurrency(&self, queue: i64) -> u32 {
        self.resolved(queue).map_or(1, |resolved| resolved.group_concurrency)
    }

    /// Gives a queue other settings. Raising its group concurrency, or ending that dead letters hold their
    /// groups, costs a pass over its groups.
    pub(super) fn configure(&mut self, name: &str, settings: &QueueSettings) -> Result<Controlled, Fail> {
        let known = self.live.queue_no(name).and_then(|no| Some((no, self.live.queues.get(&no)?)));
        let Some((no, queue)) = known else { return Ok(Controlled { affected: 0, skipped: 1 }) };
        if queue.flow.settings == *settings {
            return Ok(Controlled { affected: 0, skipped: 1 });
        }
        let text = serde_json::to_string(settings)
            .map_err(|error| Fail::Broken(format!("settings cannot be written down: {error}")))?;
        let mut flow = queue.flow.clone();
        flow.configure(settings.clone(), self.mono_ms);
        let (old, new) = (&queue.flow.resolved, &flow.resolved);
        let unblocks = !new.block_on_dead && queue.stats.blocking > 0;
        let lines_up = unblocks || new.group_concurrency > old.group_concurrency;
        // Those in ready order stay there when less may run; they are looked at when their turn comes.
        let none = queue.stats.available + queue.stats.running == 0;
        let spread = if none { 1 } else { queue.spread }.max(new.group_concurrency);
        self.conn
            .prepare_cached("UPDATE queue SET settings = ?2, spread = ?3 WHERE no = ?1")?
            .execute(params![no, text, spread])?;
        if unblocks {
            self.conn.prepare_cached("DELETE FROM block WHERE queue = ?1")?.execute([no])?;
            let by = i64::try_from(queue.stats.blocking).unwrap_or(i64::MAX);
            self.effects.push(Effect::Blocks { queue: no, by: -by });
        }
        if flow.settings.group_rate != queue.flow.settings.group_rate {
            self.conn.prepare_cached(sql::PACE_ANEW)?.execute([no, self.now_ms])?;
            self.effects.push(Effect::Due { queue: no, at_ms: self.now_ms });
        }
        if lines_up {
            self.line_up_groups(no, &flow)?;
        }
        let settings = Box::new(settings.clone());
        self.tell_queue(EventKind::Configured, no);
        self.effects.push(Effect::Configured { queue: no, settings, spread, mono_ms: self.mono_ms });
        Ok(Controlled { affected: 1, skipped: 0 })
    }

    fn line_up_groups(&mut self, queue: i64, flow: &crate::backend::flow::Flow) -> Result<(), Fail> {
        let mut after = None;
        while let Some(group) = self.members().next_group(queue, after)? {
            let wait_ms = flow.group_wait_ms(Some(group), self.mono_ms);
            for job in self.first_of_group(queue, group, flow.resolved.group_concurrency)? {
                match wait_ms {
                    None => self.enter_line(job)?,
                    Some(wait_ms) => self.pace(&job, wait_ms)?,
                }
            }
            after = Some(group);
        }
        Ok(())
    }

    /// After something changed in a group: its first have their turn.
    pub(super) fn go_on(&mut self, queue: i64, group: Option<GroupKey>) -> Result<(), Fail> {
        let Some(group) = group else { return Ok(()) };
        for job in self.first_of_group(queue, group, self.group_concurrency(queue))? {
            self.line_up(job)?;
        }
        Ok(())
    }

    /// Those among the first `count` unfinished jobs of a group that wait for their turn alone.
    fn first_of_group(&self, queue: i64, group: GroupKey, count: u32) -> Result<Vec<Ticket>, Fail> {
        let mut first = Vec::new();
        for seq in self.members().first(queue, group, i64::MAX, count)? {
            let missing = || Fail::Broken(format!("job number {seq} is in a group and not in the store"));
            first.push(self.ticket(Table::Job, seq)?.ok_or_else(missing)?);
        }
        if let Some(block) = self.first_block(queue, group)? {
            first.retain(|job| job.seq < block);
        }
        first.retain(|job| job.state == State::Available && job.ready.is_none());
        Ok(first)
    }

    fn first_block(&self, queue: i64, group: GroupKey) -> Result<Option<i64>, Fail> {
        let Some(known) = self.live.queues.get(&queue) else { return Ok(None) };
        if known.stats.blocking == 0 && !known.flow.resolved.block_on_dead {
            return Ok(None);
        }
        let mut select = self.conn.prepare_cached(sql::FIRST_BLOCK)?;
        Ok(select.query_row(params![queue, &group.0], |row| row.get(0)).optional()?)
    }

    /// Whether `job` is among the first unfinished ones of its group, and no dead one before it holds the group.
    pub(super) fn is_its_turn(&self, job: &Ticket) -> Result<bool, Fail> {
        let Some(group) = job.group else { return Ok(true) };
        if self.first_block(job.queue, group)?.is_some_and(|block| block < job.seq) {
            return Ok(false);
        }
        let count = self.group_concurrency(job.queue);
        let ahead = self.members().first(job.queue, group, job.seq, count)?;
        Ok(ahead.len() < count as usize)
    }

    /// How long the group of `job` may not begin one, if at all.
    pub(super) fn group_wait_ms(&self, job: &Ticket) -> Option<u64> {
        let flow = &self.live.queues.get(&job.queue)?.flow;
        match self.arrivals.get(&(job.queue, job.group?)) {
            Some(&arrival) => flow.wait_from_ms(arrival, self.mono_ms),
            None => flow.group_wait_ms(job.group, self.mono_ms),
        }
    }

    /// Gives an available job whose turn it is a place behind all others, or lets it wait until its group may
    /// begin one.
    pub(super) fn line_up(&mut self, job: Ticket) -> Result<(), Fail> {
        match self.group_wait_ms(&job) {
            None => self.enter_line(job),
            Some(wait_ms) => self.pace(&job, wait_ms),
        }
    }

    fn enter_line(&mut self, mut job: Ticket) -> Result<(), Fail> {
        let ready = self.next_number();
        self.conn.prepare_cached("UPDATE job SET ready = ?2 WHERE seq = ?1")?.execute([job.seq, ready])?;
        job.ready = Some(ready);
        self.effects.push(Effect::Ready(Box::new(Entry { ticket: job, cached: None })));
        Ok(())
    }

    /// Lets an available job wait until its group may begin one.
    fn pace(&mut self, job: &Ticket, wait_ms: u64) -> Result<(), Fail> {
        let at_ms = rules::later(self.now_ms, wait_ms);
        let sql = "UPDATE job SET state = ?2, ready = NULL, run_at = ?3 WHERE seq = ?1";
        self.conn.prepare_cached(sql)?.execute([job.seq, PACED, at_ms])?;
        self.moved(job.queue, Some(State::Available), Some(State::Scheduled), job.bytes);
        self.effects.push(Effect::Due { queue: job.queue, at_ms });
        Ok(())
    }

    /// Jobs taken from ready order, in memory, because they may not begin yet.
    pub(super) fn put_off_all(&mut self, put_off: &[PutOff]) -> Result<Controlled, Fail> {
        for PutOff { ticket, wait_ms } in put_off {
            match wait_ms {
                Some(wait_ms) => self.pace(ticket, *wait_ms)?,
                None => {
                    let mut update =
                        self.conn.prepare_cached("UPDATE job SET ready = NULL WHERE seq = ?1")?;
                    update.execute([ticket.seq])?;
                }
            }
        }
        Ok(Controlled { affected: put_off.len() as u64, skipped: 0 })
    }

    /// A job that was handed out did not run.
    pub(super) fn give_back(&mut self, held: &Held) {
        let ticket = &held.entry.ticket;
        self.effects.push(Effect::GaveBack(ticket.id));
        let (Some(queue), Some(group)) = (self.live.queues.get(&ticket.queue), ticket.group) else { return };
        let before = self.arrivals.get(&(ticket.queue, group)).copied();
        if let Some(arrival) = queue.flow.arrival_without(group, before, held.charges) {
            self.arrivals.insert((ticket.queue, group), arrival);
        }
    }

    /// A job died: it may hold its group.
    pub(super) fn block(&mut self, job: &Ticket) -> Result<(), Fail> {
        let blocks = self.resolved(job.queue).is_some_and(|resolved| resolved.block_on_dead);
        let Some(group) = job.group.filter(|_| blocks) else { return Ok(()) };
        let mut insert = self.conn.prepare_cached("INSERT INTO block(queue, grp, seq) VALUES(?1, ?2, ?3)")?;
        insert.execute(params![job.queue, &group.0, job.seq])?;
        self.effects.push(Effect::Blocks { queue: job.queue, by: 1 });
        Ok(())
    }

    /// A dead letter ceases to hold its group, if it did.
    pub(super) fn unblock(&mut self, job: &Ticket) -> Result<bool, Fail> {
        let Some(group) = job.group else { return Ok(false) };
        let Some(known) = self.live.queues.get(&job.queue) else { return Ok(false) };
        if known.stats.blocking == 0 && !known.flow.resolved.block_on_dead {
            return Ok(false);
        }
        let mut delete =
            self.conn.prepare_cached("DELETE FROM block WHERE queue = ?1 AND grp = ?2 AND seq = ?3")?;
        let held = delete.execute(params![job.queue, &group.0, job.seq])? > 0;
        if held {
            self.effects.push(Effect::Blocks { queue: job.queue, by: -1 });
        }
        Ok(held)
    }
}
