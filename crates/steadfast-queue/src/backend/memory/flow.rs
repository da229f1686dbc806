//! What may begin, and what must wait: groups, rates, settings.

use super::model::Model;
use crate::backend::flow::Gate;
use crate::backend::rules::{self, PUT_OFF_AT_RESERVE, SWEEP_AT_RESERVE};
use crate::backend::{BATCH_MAX, Controlled, Reservation, Reserve};
use crate::event::EventKind;
use crate::job::GroupKey;
use crate::settings::QueueSettings;
use crate::state::State;

/// What becomes of the first in ready order.
enum Turn {
    /// This one begins: it, or one of its group that comes before it.
    Begin(u64),
    /// Its group may not begin one before so many milliseconds.
    Wait(u64),
    /// It is not among the first of its group any more.
    Behind,
}

impl Model {
    pub(super) fn configure(&mut self, name: &str, settings: QueueSettings) -> Controlled {
        if !rules::is_name(name) {
            return Controlled { affected: 0, skipped: 1 };
        }
        let (now_ms, mono_ms) = (self.now_ms, self.mono_ms);
        let queue = self.queue(name);
        if queue.flow.settings == settings {
            return Controlled { affected: 0, skipped: 1 };
        }
        let paced_anew = queue.flow.settings.group_rate != settings.group_rate;
        queue.flow.configure(settings, mono_ms);
        self.tell_queue(EventKind::Configured, name);
        let queue = self.queue(name);
        if !queue.flow.resolved.block_on_dead {
            queue.blocks.clear();
        }
        let groups: Vec<GroupKey> = queue.groups.keys().copied().collect();
        if paced_anew {
            let paced = self.rows.iter().filter(|(_, row)| row.paced && row.job.queue == name);
            let paced: Vec<u64> = paced.map(|(&seq, _)| seq).collect();
            for seq in paced {
                self.edit(seq, |row| row.job.run_at_ms = now_ms);
            }
        }
        for group in groups {
            self.go_on(name, Some(group));
        }
        Controlled { affected: 1, skipped: 0 }
    }

    /// Takes jobs under a lease; also when to look again, if that is known.
    pub(super) fn reserve(&mut self, request: &Reserve) -> (Vec<Reservation>, Option<u64>) {
        self.sweep(SWEEP_AT_RESERVE);
        let (mut taken, mut put_off) = (Vec::new(), 0);
        while taken.len() < request.max.min(BATCH_MAX) {
            match self.gate(&request.queue) {
                Gate::Open => {}
                Gate::Closed => break,
                Gate::In(wait_ms) => return (taken, Some(wait_ms)),
            }
            let suspects = !request.no_suspects && taken.is_empty();
            let Some(seq) = self.first(&request.queue, suspects) else { break };
            match self.turn(seq) {
                Turn::Begin(seq) => {
                    self.queue(&request.queue).picks += 1;
                    let alone = self.is_suspect(seq);
                    taken.extend(self.hold(seq, request, alone));
                    if alone {
                        break;
                    }
                    continue;
                }
                Turn::Wait(wait_ms) => self.pace(seq, wait_ms),
                Turn::Behind => self.edit(seq, |row| row.ready = None),
            }
            put_off += 1;
            if put_off >= PUT_OFF_AT_RESERVE {
                return (taken, Some(0));
            }
        }
        (taken, None)
    }

    fn gate(&self, name: &str) -> Gate {
        let Some(queue) = self.queues.get(name) else { return Gate::Closed };
        queue.flow.gate(queue.stats.mode, queue.stats.running, self.mono_ms)
    }

    /// The first in ready order.
    fn first(&self, name: &str, suspects: bool) -> Option<u64> {
        let queue = self.queues.get(name)?;
        let mut order = [0, 1, 2];
        if rules::is_low_turn(queue.picks) {
            order.reverse();
        }
        let mut ready = order.iter().flat_map(|&priority| queue.ready[priority].iter().map(|&(_, seq)| seq));
        ready.find(|&seq| suspects || !self.is_suspect(seq))
    }

    fn turn(&self, seq: u64) -> Turn {
        let Some(job) = self.rows.get(&seq).map(|row| &row.job) else { return Turn::Behind };
        let (Some(queue), Some(group)) = (self.queues.get(&job.queue), job.group) else {
            return Turn::Begin(seq);
        };
        if let Some(wait_ms) = queue.flow.group_wait_ms(Some(group), self.mono_ms) {
            return Turn::Wait(wait_ms);
        }
        // Those of one group begin in order, however urgent.
        let unbegun = |seq: &u64| {
            let waits = |row: &super::model::Row| {
                let job = &row.job;
                job.state == State::Available
                    && row.ready.is_some()
                    && job.attempt == 0
                    && job.crash_count == 0
            };
            self.rows.get(seq).is_some_and(waits)
        };
        let mut members = queue.groups.get(&group).into_iter().flatten();
        match members.find(|&member| *member == seq || unbegun(member)) {
            Some(&first) if self.has_turn(first) => Turn::Begin(first),
            _ => Turn::Behind,
        }
    }

    /// Whether an unfinished job is among the first of its group, and no dead one before it holds the group.
    fn has_turn(&self, seq: u64) -> bool {
        let Some(job) = self.rows.get(&seq).map(|row| &row.job) else { return false };
        let (Some(queue), Some(group)) = (self.queues.get(&job.queue), job.group) else { return true };
        let before = queue.groups.get(&group).map_or(0, |members| members.range(..seq).count());
        let blocked = queue.blocks.get(&group).is_some_and(|dead| dead.range(..seq).next().is_some());
        before < queue.flow.resolved.group_concurrency as usize && !blocked
    }

    /// Gives an available job its place in ready order if it is its turn in its group, or lets it wait for the
    /// time at which its group may begin one.
    pub(super) fn line_up(&mut self, seq: u64) {
        let Some(row) = self.rows.get(&seq) else { return };
        if row.job.state != State::Available || row.ready.is_some() || !self.has_turn(seq) {
            return;
        }
        let queue = self.queues.get(&row.job.queue);
        let wait_ms = queue.and_then(|queue| queue.flow.group_wait_ms(row.job.group, self.mono_ms));
        if let Some(wait_ms) = wait_ms {
            return self.pace(seq, wait_ms);
        }
        let number = self.next_number();
        self.edit(seq, |row| row.ready = Some(number));
    }

    fn pace(&mut self, seq: u64, wait_ms: u64) {
        let now_ms = self.now_ms;
        self.edit(seq, |row| {
            (row.job.state, row.job.run_at_ms) = (State::Scheduled, rules::later(now_ms, wait_ms));
            (row.ready, row.paced) = (None, true);
        });
    }

    /// After something changed in a group: its first have their turn.
    pub(super) fn go_on(&mut self, name: &str, group: Option<GroupKey>) {
        let Some((queue, group)) = self.queues.get(name).zip(group) else { return };
        let count = queue.flow.resolved.group_concurrency as usize;
        let members = queue.groups.get(&group).into_iter().flatten();
        let first: Vec<u64> = members.take(count).copied().collect();
        for seq in first {
            self.line_up(seq);
        }
    }

    /// A job died: it may hold its group.
    pub(super) fn block(&mut self, seq: u64) {
        let Some(job) = self.rows.get(&seq).map(|row| &row.job) else { return };
        let (name, group) = (job.queue.clone(), job.group);
        let queue = self.queue(&name);
        if let (true, Some(group)) = (queue.flow.resolved.block_on_dead, group) {
            queue.blocks.entry(group).or_default().insert(seq);
        }
    }

    pub(super) fn unblock(&mut self, name: &str, group: Option<GroupKey>, seq: u64) {
        let Some(group) = group else { return };
        let queue = self.queue(name);
        if let Some(dead) = queue.blocks.get_mut(&group) {
            dead.remove(&seq);
            if dead.is_empty() {
                queue.blocks.remove(&group);
            }
        }
    }

    pub(super) fn holds_its_group(&self, seq: u64) -> bool {
        let Some(job) = self.rows.get(&seq).map(|row| &row.job) else { return false };
        let blocks = self.queues.get(&job.queue).zip(job.group);
        blocks.is_some_and(|(queue, group)| queue.blocks.get(&group).is_some_and(|dead| dead.contains(&seq)))
    }
}
