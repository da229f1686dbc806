//! What workers say of their jobs.

use super::{End, Fail, Stage};
use crate::backend::local::live::{Effect, Held, Tally};
use crate::backend::local::ticket::{Ticket, state_code};
use crate::backend::local::write::{PreparedSettle, Write};
use crate::backend::{Lease, Settled, Swept, rules};
use crate::event::EventKind;
use crate::policy::RetryPolicy;
use crate::state::{self, State, Transition, Verdict};
use rusqlite::params;
use std::borrow::Cow;
use std::collections::HashSet;

impl<'a> Stage<'a> {
    /// Counts the completions that `writes` will bring, so that a completed job that later ones push out of
    /// retention at once is never written.
    pub(super) fn look_ahead(&mut self, writes: &[&Write]) {
        let mut seen = HashSet::new();
        for write in writes {
            let Write::Settle(settles) = write else { continue };
            for settle in settles.iter().filter(|settle| settle.follow_ups.is_ok()) {
                // Whoever comes second with a lease has lost it.
                let held = self.check_lease(&settle.lease).filter(|_| seen.insert(settle.lease.id));
                if let Some(held) = held.filter(|_| settle.verdict == Verdict::Complete) {
                    *self.completions_ahead.entry(held.entry.ticket.queue).or_default() += 1;
                }
            }
        }
    }

    /// The lease as held, if `lease` is it.
    pub(super) fn check_lease(&self, lease: &Lease) -> Option<&'a Held> {
        let held = self.live.held.get(&lease.id)?;
        let same = held.fence == lease.fence && held.worker == lease.worker;
        (same && !self.gone.contains(&lease.id)).then_some(held)
    }

    pub(super) fn settle_all(&mut self, settles: &[PreparedSettle]) -> Result<Vec<Settled>, Fail> {
        settles.iter().map(|settle| self.settle(settle)).collect()
    }

    fn settle(&mut self, settle: &PreparedSettle) -> Result<Settled, Fail> {
        let id = settle.lease.id;
        let draw = self.dice.roll();
        let Some(held) = self.check_lease(&settle.lease) else { return Ok(Settled::Lost) };
        let follow_ups = match &settle.follow_ups {
            Ok(follow_ups) => follow_ups,
            Err(rejection) => return Ok(Settled::FollowUpRejected(*rejection)),
        };
        let from = held.entry.ticket.queue;
        let (mut ticket, attempt, marked) = (held.entry.ticket.clone(), held.attempt(), held.marked);
        let cancel = held.cancel || self.cancel_asked.contains(&id);
        let retry = held.retry.as_ref().or_else(|| Some(&self.resolved(from)?.retry));
        let retry = retry.map_or_else(|| Cow::Owned(RetryPolicy::default()), Cow::Borrowed);
        let mut next = state::settle(settle.verdict.clone(), attempt, &retry, draw);
        if cancel {
            next = state::heed_cancel(next);
        }
        let leaving = next.state.frees_id().then_some(id);
        let callbacks = match self.check_follow_ups(follow_ups, from, leaving)? {
            Ok(callbacks) => callbacks,
            Err(rejection) => return Ok(Settled::FollowUpRejected(rejection)),
        };
        if settle.verdict.did_not_run() {
            self.give_back(held);
        }
        if next.failure.is_some() {
            self.tally(ticket.queue, Tally::Failed);
        }
        let state = next.state;
        let crash = if next.crashes_over { 0 } else { ticket.crash };
        if let Some(note) = &settle.note {
            self.note(&ticket, attempt, note)?;
        }
        ticket.extra = self.extra_of(&id, ticket.extra);
        if !state.is_final() {
            let error = next.failure.as_ref().map(|failure| failure.error.as_str());
            self.tell(EventKind::of_verdict(&settle.verdict), &ticket, attempt, error);
        }
        self.end_lease(&ticket, attempt, crash, marked, next)?;
        self.follow_all(follow_ups, callbacks)?;
        Ok(Settled::Now(state))
    }

    /// Moves a running job on.
    fn end_lease(
        &mut self,
        ticket: &Ticket,
        attempt: u32,
        crash: u32,
        marked: bool,
        next: Transition,
    ) -> Result<(), Fail> {
        self.gone.insert(ticket.id);
        if marked || self.cancel_asked.contains(&ticket.id) {
            self.conn.prepare_cached("DELETE FROM mark WHERE seq = ?1")?.execute([ticket.seq])?;
        }
        let spent = if next.attempt_back { attempt.saturating_sub(1) } else { attempt };
        match next.state {
            State::Available => {
                // The row says available all along, and has kept its place.
                if crash != ticket.crash {
                    let mut update = self.conn.prepare_cached("UPDATE job SET crash = ?2 WHERE seq = ?1")?;
                    update.execute(params![ticket.seq, crash])?;
                }
                self.room.entry(ticket.queue).or_default().0 += 1;
                self.effects.push(Effect::Back { id: ticket.id, crash });
                Ok(())
            }
            state if state.is_final() => {
                self.effects.push(Effect::Freed(ticket.id));
                self.finish(
                    ticket,
                    State::Running,
                    End { state, attempt: spent, crash, failure: next.failure },
                )
            }
            state => {
                self.effects.push(Effect::Freed(ticket.id));
                self.put_off(ticket, attempt, (spent, crash), Transition { state, ..next })
            }
        }
    }

    /// Makes a running job wait for later, with so many attempts spent and crashes counted.
    fn put_off(
        &mut self,
        ticket: &Ticket,
        attempt: u32,
        (spent, crash): (u32, u32),
        next: Transition,
    ) -> Result<(), Fail> {
        let run_at_ms = rules::later(self.now_ms, next.due_in_ms);
        let state = state_code(next.state);
        match next.failure {
            Some(failure) => {
                let history = self.history_with(ticket.seq, attempt, failure)?;
                let sql = "UPDATE job SET state = ?2, ready = NULL, run_at = ?3, attempt = ?4, crash = ?5,
                    history = ?6 WHERE seq = ?1";
                self.conn
                    .prepare_cached(sql)?
                    .execute(params![ticket.seq, state, run_at_ms, spent, crash, history])?;
            }
            None => {
                let sql = "UPDATE job SET state = ?2, ready = NULL, run_at = ?3, attempt = ?4, crash = ?5
                    WHERE seq = ?1";
                self.conn
                    .prepare_cached(sql)?
                    .execute(params![ticket.seq, state, run_at_ms, spent, crash])?;
            }
        }
        self.moved(ticket.queue, Some(State::Running), Some(next.state), ticket.bytes);
        self.effects.push(Effect::Due { queue: ticket.queue, at_ms: run_at_ms });
        if spent == 0 {
            self.effects.extend(ticket.expires_ms.map(Effect::Expiry));
        }
        Ok(())
    }

    /// Takes back jobs whose lease ran out.
    pub(super) fn reclaim(&mut self, limit: usize) -> Result<Swept, Fail> {
        let live = self.live;
        let lapsed = live.lapses.iter().take_while(|&&(at_ms, ..)| at_ms <= self.mono_ms);
        let lapsed: Vec<_> =
            lapsed.map(|&(.., id)| id).filter(|id| !self.gone.contains(id)).take(limit).collect();
        let mut moved = 0;
        for id in lapsed {
            let Some(held) = live.held.get(&id) else { continue };
            let mut ticket = held.entry.ticket.clone();
            ticket.extra = self.extra_of(&id, ticket.extra);
            let crash = ticket.crash.saturating_add(1);
            let mut next = state::reclaim(crash);
            if held.cancel || self.cancel_asked.contains(&id) {
                next = state::heed_cancel(next);
            }
            self.tally(ticket.queue, Tally::Reclaimed);
            if !next.state.is_final() {
                self.tell(EventKind::Reclaimed, &ticket, held.attempt(), None);
            }
            self.end_lease(&ticket, held.attempt(), crash, held.marked, next)?;
            moved += 1;
        }
        let left = live.lapses.iter().find(|(.., id)| !self.gone.contains(id));
        let next_in_ms = left.map(|&(at_ms, ..)| at_ms.saturating_sub(self.mono_ms));
        Ok(Swept { moved, next_in_ms })
    }
}
