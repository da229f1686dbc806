//! What operators do, and what they see.

use super::model::{Model, Row};
use crate::backend::rules;
use crate::backend::{Control, Controlled, DeadGroup, DeadGroups, Filter, Page, Stats, Swept};
use crate::event::EventKind;
use crate::job::{Job, JobId};
use crate::schedule::Planned;
use crate::settings::{Mode, QueueSettings};
use crate::state::{State, may_be_cancelled, may_be_retried};
use std::collections::BTreeMap;

impl Model {
    pub(super) fn control(&mut self, command: Control) -> Controlled {
        match command {
            Control::Pause(name) => self.set_mode(&name, Mode::Paused),
            Control::Drain(name) => self.set_mode(&name, Mode::Draining),
            Control::Resume(name) => self.set_mode(&name, Mode::Running),
            Control::Configure { queue, settings } => self.configure(&queue, *settings),
            Control::Retry(ids) => self.each(&ids, Self::retry),
            Control::Cancel(ids) => self.each(&ids, Self::cancel),
            Control::Discard(ids) => self.each(&ids, Self::discard),
            Control::ReleaseKeys(ids) => self.release_keys(&ids),
            Control::Seal { id, jobs } => self.seal(id, jobs),
            Control::RemoveSchedule(name) => self.remove_schedule(&name),
            Control::PutSchedule(schedule) => match Planned::new(*schedule, self.now_ms, None) {
                Ok(planned) => self.put_schedule(planned),
                // Not one that passed the check.
                Err(_) => Controlled { affected: 0, skipped: 1 },
            },
            Control::Purge { filter, limit } => self.purge(&filter, limit),
            Control::Count(command) => self.count(*command),
        }
    }

    /// What the command does to a copy.
    pub(super) fn count(&self, command: Control) -> Controlled {
        let waiting = command.queue().map(|name| {
            let stats = self.queues.get(name).map(|queue| queue.stats.clone()).unwrap_or_default();
            stats.available + stats.scheduled + stats.retryable
        });
        let done = self.clone().control(command);
        match waiting {
            Some(waiting) if done.affected > 0 => Controlled { affected: waiting, ..done },
            _ => done,
        }
    }

    fn set_mode(&mut self, name: &str, mode: Mode) -> Controlled {
        if !rules::is_name(name) {
            return Controlled { affected: 0, skipped: 1 };
        }
        let was = std::mem::replace(&mut self.queue(name).stats.mode, mode);
        if was != mode {
            self.tell_queue(EventKind::of_mode(mode), name);
        }
        Controlled { affected: u64::from(was != mode), skipped: u64::from(was == mode) }
    }

    fn each(&mut self, ids: &[JobId], act: fn(&mut Self, u64, State) -> bool) -> Controlled {
        let mut done = Controlled::default();
        for id in ids {
            let found = self.seq_of(id).zip(self.find(id).map(|job| job.state));
            if found.is_some_and(|(seq, state)| act(self, seq, state)) {
                done.affected += 1;
            } else {
                done.skipped += 1;
            }
        }
        done
    }

    /// A finished job goes to the end of its queue and group, but for one that holds its group; a waiting one
    /// keeps its turn.
    fn retry(&mut self, seq: u64, state: State) -> bool {
        if !may_be_retried(state) {
            return false;
        }
        if let Some(job) = self.rows.get(&seq).map(|row| row.job.clone()) {
            self.tell(EventKind::RetriedByHand, &Job { attempt: 0, ..job.clone() }, None);
            self.shut_gate(&job.id);
        }
        let now_ms = self.now_ms;
        let fresh = |row: &mut Row| {
            let job = &mut row.job;
            (job.state, job.run_at_ms, job.finished_ms) = (State::Available, now_ms, None);
            (job.attempt, job.crash_count, job.expires_ms) = (0, 0, None);
            row.paced = false;
        };
        if self.holds_its_group(seq) {
            let Some(job) = self.rows.get(&seq).map(|row| row.job.clone()) else { return false };
            self.unblock(&job.queue, job.group, seq);
            self.edit(seq, fresh);
            self.go_on(&job.queue, job.group);
            return true;
        }
        if !state.is_final() {
            self.edit(seq, fresh);
            self.line_up(seq);
            return true;
        }
        let Some(mut row) = self.remove(seq) else {
            return false;
        };
        let queue = self.queue(&row.job.queue);
        queue.cancelled.retain(|&kept| kept != seq);
        fresh(&mut row);
        let again = self.next_number();
        if let Some(known) = self.ids.get_mut(&row.job.id) {
            known.seq = again;
        }
        self.move_gate(&row.job.id, again);
        self.insert(again, row);
        self.line_up(again);
        true
    }

    fn cancel(&mut self, seq: u64, state: State) -> bool {
        if may_be_cancelled(state) {
            self.finish(seq, State::Cancelled);
            return true;
        }
        if self.holds_its_group(seq) {
            let Some(job) = self.rows.get(&seq).map(|row| row.job.clone()) else { return false };
            self.unblock(&job.queue, job.group, seq);
            self.go_on(&job.queue, job.group);
            return true;
        }
        let id = self.rows.get(&seq).map(|row| row.job.id);
        let Some(held) = id.and_then(|id| self.held.get_mut(&id)) else {
            return false;
        };
        held.cancel = true;
        true
    }

    fn discard(&mut self, seq: u64, state: State) -> bool {
        if state.is_final() {
            self.remove_by_hand(seq);
        }
        state.is_final()
    }

    fn remove_by_hand(&mut self, seq: u64) {
        if let Some(job) = self.rows.get(&seq).map(|row| row.job.clone()) {
            self.tell(EventKind::Discarded, &job, None);
        }
        self.forget(seq, true);
    }

    fn release_keys(&mut self, ids: &[JobId]) -> Controlled {
        let mut done = Controlled::default();
        for id in ids {
            let state = self.find(id).map(|job| job.state);
            let over = state.is_none_or(|state| matches!(state, State::Completed | State::Cancelled));
            let now_ms = self.now_ms;
            match self.ids.get_mut(id).filter(|known| over && known.until_ms > now_ms) {
                Some(known) => {
                    known.until_ms = now_ms;
                    done.affected += 1;
                }
                None => done.skipped += 1,
            }
        }
        done
    }

    fn purge(&mut self, filter: &Filter, limit: u64) -> Controlled {
        let meant = |row: &Row| row.job.state != State::Running && rules::matches(filter, &row.job);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let seqs: Vec<u64> =
            self.rows.iter().filter(|(_, row)| meant(row)).map(|(&seq, _)| seq).take(limit).collect();
        for &seq in &seqs {
            self.remove_by_hand(seq);
        }
        Controlled { affected: seqs.len() as u64, skipped: 0 }
    }

    /// Retention by age, then by count and bytes where less is kept than before, then ids whose window is over.
    pub(super) fn prune(&mut self, limit: usize) -> Swept {
        let now_ms = self.now_ms;
        let old = |row: &Row| {
            let kept = matches!(row.job.state, State::Completed | State::Cancelled);
            let retention = self.queues.get(&row.job.queue).map(|queue| queue.flow.resolved.retention);
            let age_ms = retention.and_then(|retention| retention.age_max_ms);
            let over = |at_ms| age_ms.is_some_and(|age_ms| rules::later(at_ms, age_ms) <= now_ms);
            kept && row.job.finished_ms.is_some_and(over)
        };
        let seqs: Vec<u64> =
            self.rows.iter().filter(|(_, row)| old(row)).map(|(&seq, _)| seq).take(limit).collect();
        for &seq in &seqs {
            self.forget(seq, false);
        }
        let mut moved = seqs.len();
        let names: Vec<String> = self.queues.keys().cloned().collect();
        for name in names {
            for state in [State::Completed, State::Cancelled] {
                moved += self.trim(&name, state, limit - moved);
            }
        }
        let mut swept = self.prune_ids(limit - moved);
        swept.moved += moved as u64;
        swept
    }

    fn prune_ids(&mut self, limit: usize) -> Swept {
        let over = |known: &super::model::Known| {
            known.until_ms <= self.now_ms && !self.rows.contains_key(&known.seq)
        };
        let ids: Vec<JobId> =
            self.ids.iter().filter(|(_, known)| over(known)).map(|(&id, _)| id).take(limit).collect();
        for id in &ids {
            self.ids.remove(id);
        }
        Swept { moved: ids.len() as u64, next_in_ms: None }
    }

    pub(super) fn list(&self, filter: &Filter, cursor: Option<&str>, limit: usize) -> Page {
        let end = match cursor.map(str::parse::<u64>) {
            None => u64::MAX,
            Some(Ok(seq)) => seq,
            Some(Err(_)) => 0,
        };
        let mut found = self.rows.range(..end).rev().filter(|(_, row)| rules::matches(filter, &row.job));
        let page: Vec<_> = found.by_ref().take(limit).collect();
        let more = found.next().is_some();
        let next = page.last().filter(|_| more).map(|(seq, _)| seq.to_string());
        Page { jobs: page.into_iter().map(|(_, row)| row.job.clone()).collect(), next }
    }

    pub(super) fn dead_groups(&self, queue: Option<&str>, max: usize) -> DeadGroups {
        let mut counted: BTreeMap<(&str, &str), (u64, i64, i64)> = BTreeMap::new();
        for job in self.rows.values().map(|row| &row.job).filter(|job| job.state == State::Dead) {
            let word = job.history.last().map_or("", |record| rules::word(&record.error));
            let at_ms = job.finished_ms.unwrap_or(0);
            let (count, first_ms, last_ms) = counted.entry((&job.queue, word)).or_insert((0, at_ms, at_ms));
            (*count, *first_ms, *last_ms) = (*count + 1, at_ms.min(*first_ms), at_ms.max(*last_ms));
        }
        let mut groups = DeadGroups::default();
        let counted = counted.into_iter().filter(|((name, _), _)| queue.is_none_or(|queue| queue == *name));
        for ((name, error), (count, first_ms, last_ms)) in counted {
            let (queue, error) = (name.to_owned(), error.to_owned());
            groups.add(DeadGroup { queue, error, count, first_ms, last_ms }, max);
        }
        groups.cut(max)
    }

    pub(super) fn stats(&self) -> Stats {
        let schedules = self.schedules.iter().map(|(name, planned)| (name.clone(), planned.stats()));
        let mut stats = Stats { schedules: schedules.collect(), ..Stats::default() };
        for (name, queue) in &self.queues {
            let mut counts = queue.stats.clone();
            let firsts = queue.ready.iter().filter_map(|ready| ready.first());
            counts.blocking = queue.blocks.values().map(|seqs| seqs.len() as u64).sum();
            counts.oldest_ms = firsts.filter_map(|(_, seq)| Some(self.rows.get(seq)?.job.enqueued_ms)).min();
            stats.queues.insert(name.clone(), counts);
            if queue.flow.settings != QueueSettings::default() {
                stats.settings.insert(name.clone(), queue.flow.settings.clone());
            }
        }
        stats
    }
}
