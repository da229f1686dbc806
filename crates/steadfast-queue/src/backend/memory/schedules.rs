//! Jobs that come by the clock.

use super::model::Model;
use crate::backend::{Controlled, Enqueued, rules};
use crate::schedule::{FIRED_WINDOW_MS, Planned, SCHEDULES_MAX};

impl Model {
    pub(super) fn put_schedule(&mut self, planned: Planned) -> Controlled {
        let known = self.schedules.get(&planned.schedule.name);
        if known.is_some_and(|known| known.schedule == planned.schedule) {
            return Controlled::default();
        }
        if known.is_none() && self.schedules.len() >= SCHEDULES_MAX {
            return Controlled { affected: 0, skipped: 1 };
        }
        let planned = match known {
            Some(known) => planned.replace(known),
            None => planned,
        };
        self.queue(&planned.schedule.queue);
        self.schedules.insert(planned.schedule.name.clone(), planned);
        Controlled { affected: 1, skipped: 0 }
    }

    pub(super) fn remove_schedule(&mut self, name: &str) -> Controlled {
        let gone = self.schedules.remove(name).is_some();
        Controlled { affected: u64::from(gone), skipped: u64::from(!gone) }
    }

    /// Enqueues the jobs of schedules whose time has come, at most `limit`.
    pub(super) fn fire(&mut self, limit: usize) -> u64 {
        let (now_ms, mono_ms) = (self.now_ms, self.mono_ms);
        let due = self.schedules.iter().filter(|(_, planned)| planned.is_due(now_ms, mono_ms));
        let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
        let mut fired = 0;
        for name in due {
            let Some(mut planned) = self.schedules.remove(&name) else { continue };
            fired += self.fire_one(&mut planned, limit.saturating_sub(fired));
            self.schedules.insert(name, planned);
        }
        fired as u64
    }

    fn fire_one(&mut self, planned: &mut Planned, limit: usize) -> usize {
        planned.heed_clock(self.now_ms);
        let (times, place_ms) = planned.due(self.now_ms, limit);
        let mut fired = 0;
        for at_ms in times {
            let answer = self.enqueue(planned.schedule.job(at_ms));
            match answer {
                Enqueued::Rejected(_) => {
                    planned.found_no_room(at_ms, self.mono_ms);
                    return fired;
                }
                Enqueued::Duplicate(_) => {}
                Enqueued::New(id) => {
                    if let Some(known) = self.ids.get_mut(&id) {
                        known.until_ms = rules::later(self.now_ms, FIRED_WINDOW_MS);
                    }
                    if let Some(seq) = self.seq_of(&id) {
                        self.edit(seq, |row| row.job.run_at_ms = at_ms);
                    }
                    fired += 1;
                }
            }
            planned.fired(at_ms);
        }
        planned.done_to(place_ms);
        fired
    }
}
