//! New jobs.

use super::{Fail, Stage};
use crate::backend::local::ids::{Found, slot_for};
use crate::backend::local::live::{Effect, Tally};
use crate::backend::local::sql;
use crate::backend::local::ticket::{EXTRA_GATE, PACED, Table, Ticket, WAITING, priority_code, state_code};
use crate::backend::local::window::Entry;
use crate::backend::local::write::Prepared;
use crate::backend::{Enqueued, Rejection, rules};
use crate::event::EventKind;
use crate::job::JobId;
use crate::settings::Mode;
use crate::state::State;
use rusqlite::params;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Whether an id is taken.
enum Known {
    No,
    /// It was, by a job whose window is over.
    Stale(Found),
    Yes,
}

impl Stage<'_> {
    pub(super) fn enqueue_all(
        &mut self,
        jobs: &[Result<Prepared, Rejection>],
    ) -> Result<Vec<Enqueued>, Fail> {
        let one = |new: &Result<Prepared, Rejection>| match new {
            Err(rejection) => Ok(Enqueued::Rejected(*rejection)),
            Ok(new) => self.enqueue(new, None),
        };
        jobs.iter().map(one).collect()
    }

    /// Enqueues a job, maybe one that a job of the queue `from` brings.
    pub(super) fn enqueue(&mut self, new: &Prepared, from: Option<i64>) -> Result<Enqueued, Fail> {
        let id = new.job.id;
        let queue = self.queue_of(new)?;
        let known = self.look_up(new, None)?;
        if matches!(known, Known::Yes) {
            self.tally(queue, Tally::Duplicate);
            return Ok(Enqueued::Duplicate(id));
        }
        if let Err(rejection) = self.check_room(queue, new.job.payload.len() as u64, (0, 0), from) {
            return Ok(Enqueued::Rejected(rejection));
        }
        if let Err(rejection) = self.check_batch(new)? {
            return Ok(Enqueued::Rejected(rejection));
        }
        self.add(queue, new, &known, &HashMap::new())?;
        Ok(Enqueued::New(id))
    }

    fn add(
        &mut self,
        queue: i64,
        new: &Prepared,
        known: &Known,
        beside: &HashMap<JobId, i64>,
    ) -> Result<(), Fail> {
        if let Known::Stale(stale) = known {
            self.clear_stale(&new.job.id, *stale)?;
        }
        self.insert(queue, new, beside)
    }

    /// Stores follow-ups that were checked together; `callbacks` are the new ones among them.
    pub(super) fn follow_all(&mut self, jobs: &[Prepared], callbacks: HashSet<JobId>) -> Result<(), Fail> {
        // Numbered beforehand: the jobs of a batch may come before its callback.
        let beside = callbacks.into_iter().map(|id| (id, self.next_number())).collect();
        for new in jobs {
            let (queue, known) = (self.queue_of(new)?, self.look_up(new, None)?);
            if matches!(known, Known::Yes) {
                self.tally(queue, Tally::Duplicate);
            } else {
                self.add(queue, new, &known, &beside)?;
            }
        }
        Ok(())
    }

    pub(super) fn is_known(&self, new: &Prepared, leaving: Option<JobId>) -> Result<bool, Fail> {
        Ok(matches!(self.look_up(new, leaving)?, Known::Yes))
    }

    fn queue_of(&self, new: &Prepared) -> Result<i64, Fail> {
        let missing = || Fail::Broken("a queue was not entered before its jobs".to_owned());
        self.live.queue_no(&new.job.queue).ok_or_else(missing)
    }

    /// Whether a job with this id is or was here within its window. Unfinished and dead jobs hold their id
    /// for as long as they lie here, which the one that is `leaving` does no longer.
    fn look_up(&self, new: &Prepared, leaving: Option<JobId>) -> Result<Known, Fail> {
        if new.fresh {
            return Ok(Known::No);
        }
        let Some(found) = self.find_id(&new.job.id)? else { return Ok(Known::No) };
        if found.until_ms > self.now_ms {
            return Ok(Known::Yes);
        }
        if leaving == Some(new.job.id) {
            return Ok(Known::Stale(found));
        }
        let sql =
            "SELECT EXISTS(SELECT 1 FROM job WHERE seq = ?1) OR EXISTS(SELECT 1 FROM dead WHERE seq = ?1)";
        let holds: bool = self.conn.prepare_cached(sql)?.query_row([found.seq], |row| row.get(0))?;
        Ok(if holds { Known::Yes } else { Known::Stale(found) })
    }

    /// An id that stopped counting makes room for its new owner, and so does the finished job that had it.
    fn clear_stale(&mut self, id: &JobId, stale: Found) -> Result<(), Fail> {
        self.delete_id(id, stale)?;
        if let Some(old) = self.ticket(Table::Done, stale.seq)? {
            self.conn.prepare_cached("DELETE FROM done WHERE seq = ?1")?.execute([old.seq])?;
            self.strike(&old);
            self.moved(old.queue, Some(old.state), None, old.bytes);
            self.drop_extras(&old.id, old.extra)?;
        }
        Ok(())
    }

    /// Whether there is room for `bytes` more, besides `others` (jobs and bytes) not yet stored.
    fn check_room(
        &self,
        queue: i64,
        bytes: u64,
        others: (u64, u64),
        from: Option<i64>,
    ) -> Result<(), Rejection> {
        let Some(known) = self.live.queues.get(&queue) else { return Ok(()) };
        if known.stats.mode == Mode::Draining && from != Some(queue) {
            return Err(Rejection::Draining);
        }
        let (waiting, stored) = self.room.get(&queue).copied().unwrap_or_default();
        let waiting = known.waiting().saturating_add_signed(waiting) + others.0;
        let stored = known.stats.bytes.saturating_add_signed(stored) + others.1;
        rules::check_room(&known.flow.resolved.limits, waiting, stored, bytes)
    }

    /// Whether all of them can be stored, those that are here already left out. The job that brings them may be `leaving`:
    /// one with its key, whose window is over, is a new one. Returns the new callbacks.
    pub(super) fn check_follow_ups(
        &self,
        follow_ups: &[Prepared],
        from: i64,
        leaving: Option<JobId>,
    ) -> Result<Result<HashSet<JobId>, Rejection>, Fail> {
        let callbacks = match self.callbacks(follow_ups, leaving)? {
            Ok(callbacks) => callbacks,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let mut seen: HashSet<JobId> = HashSet::new();
        let mut added: HashMap<i64, (u64, u64)> = HashMap::new();
        for new in follow_ups {
            if self.is_known(new, leaving)? || !seen.insert(new.job.id) {
                continue;
            }
            let queue = self.queue_of(new)?;
            let bytes = new.job.payload.len() as u64;
            let others = added.entry(queue).or_default();
            if let Err(rejection) = self.check_room(queue, bytes, *others, Some(from)) {
                return Ok(Err(rejection));
            }
            *others = (others.0 + 1, others.1 + bytes);
            let beside = new.job.batch.is_some_and(|callback| callbacks.contains(&callback));
            if let (false, Err(rejection)) = (beside, self.check_batch(new)?) {
                return Ok(Err(rejection));
            }
        }
        Ok(Ok(callbacks))
    }

    fn insert(&mut self, queue: i64, new: &Prepared, beside: &HashMap<JobId, i64>) -> Result<(), Fail> {
        let job = &new.job;
        let seq = self.next_number();
        let mut ticket = Ticket {
            seq,
            id: job.id,
            queue,
            priority: job.priority,
            state: job.state,
            ready: None,
            run_at_ms: job.run_at_ms,
            expires_ms: job.expires_ms,
            group: job.group,
            attempt: 0,
            crash: 0,
            slot: slot_for(new.until_ms, self.now_ms),
            until_ms: new.until_ms,
            enqueued_ms: job.enqueued_ms,
            bytes: job.payload.len() as u64,
            batch: self.batch_of(job, beside)?,
            extra: if job.waits_for.is_some() { EXTRA_GATE } else { 0 },
        };
        let mut code = state_code(ticket.state);
        if ticket.state == State::Available && self.is_its_turn(&ticket)? {
            match self.group_wait_ms(&ticket) {
                None => ticket.ready = Some(seq),
                Some(wait_ms) => {
                    (ticket.state, code) = (State::Scheduled, PACED);
                    ticket.run_at_ms = rules::later(self.now_ms, wait_ms);
                }
            }
        }
        self.conn.prepare_cached(sql::INSERT_JOB)?.execute(params![
            seq,
            &ticket.id.0,
            queue,
            priority_code(ticket.priority),
            if job.waits_for.is_some() { WAITING } else { code },
            ticket.ready,
            ticket.run_at_ms,
            ticket.expires_ms,
            ticket.group.as_ref().map(|group| &group.0),
            ticket.slot,
            ticket.until_ms,
            ticket.enqueued_ms,
            i64::try_from(ticket.bytes).unwrap_or(i64::MAX),
            &new.head,
            &job.payload[..],
            ticket.batch.map(|batch| batch.encode()),
            ticket.extra,
        ])?;
        self.add_id(ticket.id, ticket.found());
        self.join_group(queue, ticket.group, seq)?;
        self.moved(queue, None, Some(ticket.state), ticket.bytes);
        self.tally(queue, Tally::Enqueued);
        self.tell(EventKind::Enqueued, &ticket, 0, None);
        if let Some(batch) = &job.waits_for {
            let no = beside.get(&job.id).copied().unwrap_or(seq);
            self.open_gate(no, seq, &job.id, batch)?;
        } else if ticket.state == State::Scheduled {
            self.effects.push(Effect::Due { queue, at_ms: ticket.run_at_ms });
        }
        self.effects.extend(ticket.expires_ms.map(Effect::Expiry));
        if ticket.ready.is_some() {
            self.effects.push(Effect::Ready(Box::new(Entry { ticket, cached: Some(Arc::clone(job)) })));
        }
        Ok(())
    }
}
