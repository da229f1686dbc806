//! Jobs that come by the clock.

use super::{Fail, Stage};
use crate::backend::local::codec::encode_schedule;
use crate::backend::local::live::Effect;
use crate::backend::local::write::Prepared;
use crate::backend::{Controlled, Enqueued, rules};
use crate::schedule::{FIRED_WINDOW_MS, Planned, SCHEDULES_MAX};
use rusqlite::params;
use std::collections::BTreeSet;
use std::sync::Arc;

impl Stage<'_> {
    /// A schedule as of this point of the transaction.
    fn schedule(&self, name: &str) -> Option<&Planned> {
        match self.schedules.get(name) {
            Some(staged) => staged.as_ref(),
            None => self.live.schedules.get(name),
        }
    }

    /// All names, those that are gone by now among them.
    fn names(&self) -> BTreeSet<String> {
        self.live.schedules.keys().chain(self.schedules.keys()).cloned().collect()
    }

    fn change_schedule(&mut self, name: String, planned: Option<Planned>) {
        self.effects.push(Effect::Scheduled { name: name.clone(), planned: planned.clone().map(Box::new) });
        self.schedules.insert(name, planned);
    }

    pub(super) fn put_schedule(&mut self, planned: &Planned) -> Result<Controlled, Fail> {
        let name = &planned.schedule.name;
        let known = self.schedule(name);
        if known.is_some_and(|known| known.schedule == planned.schedule) {
            return Ok(Controlled::default());
        }
        let all = self.names();
        let count = all.iter().filter(|name| self.schedule(name).is_some()).count();
        if known.is_none() && count >= SCHEDULES_MAX {
            return Ok(Controlled { affected: 0, skipped: 1 });
        }
        let planned = match known {
            Some(known) => planned.clone().replace(known),
            None => planned.clone(),
        };
        let sql = "INSERT OR REPLACE INTO schedule(name, spec, place, last) VALUES(?1, ?2, ?3, ?4)";
        let spec = encode_schedule(&planned.schedule);
        self.conn.prepare_cached(sql)?.execute(params![name, spec, planned.place_ms, planned.last_ms])?;
        self.change_schedule(name.clone(), Some(planned));
        Ok(Controlled { affected: 1, skipped: 0 })
    }

    pub(super) fn remove_schedule(&mut self, name: &str) -> Result<Controlled, Fail> {
        if self.schedule(name).is_none() {
            return Ok(Controlled { affected: 0, skipped: 1 });
        }
        self.conn.prepare_cached("DELETE FROM schedule WHERE name = ?1")?.execute([name])?;
        self.change_schedule(name.to_owned(), None);
        Ok(Controlled { affected: 1, skipped: 0 })
    }

    /// Enqueues the jobs of schedules whose time has come, at most `limit`.
    pub(super) fn fire(&mut self, limit: usize) -> Result<usize, Fail> {
        if self.live.schedules.is_empty() && self.schedules.is_empty() {
            return Ok(0);
        }
        let mut fired = 0;
        for name in self.names() {
            let due = self.schedule(&name).filter(|planned| planned.is_due(self.now_ms, self.mono_ms));
            let Some(mut planned) = due.cloned() else { continue };
            fired += self.fire_one(&mut planned, limit.saturating_sub(fired))?;
            let sql = "UPDATE schedule SET place = ?2, last = ?3 WHERE name = ?1";
            self.conn.prepare_cached(sql)?.execute(params![name, planned.place_ms, planned.last_ms])?;
            self.change_schedule(name, Some(planned));
        }
        Ok(fired)
    }

    fn fire_one(&mut self, planned: &mut Planned, limit: usize) -> Result<usize, Fail> {
        planned.heed_clock(self.now_ms);
        let (times, place_ms) = planned.due(self.now_ms, limit);
        let mut fired = 0;
        for at_ms in times {
            let job = Prepared::new(planned.schedule.job(at_ms), self.now_ms, None).map(|mut new| {
                Arc::make_mut(&mut new.job).run_at_ms = at_ms;
                new.until_ms = rules::later(self.now_ms, FIRED_WINDOW_MS);
                new
            });
            match job.map(|new| self.enqueue(&new, None)) {
                Err(_) | Ok(Ok(Enqueued::Rejected(_))) => {
                    planned.found_no_room(at_ms, self.mono_ms);
                    return Ok(fired);
                }
                Ok(Err(fail)) => return Err(fail),
                Ok(Ok(Enqueued::Duplicate(_))) => {}
                Ok(Ok(Enqueued::New(_))) => fired += 1,
            }
            planned.fired(at_ms);
        }
        planned.done_to(place_ms);
        Ok(fired)
    }

    /// When the next schedule is due, in milliseconds from now.
    pub(super) fn next_fire_in_ms(&self) -> Option<u64> {
        if self.live.schedules.is_empty() && self.schedules.is_empty() {
            return None;
        }
        let names = self.names();
        let planned = names.iter().filter_map(|name| self.schedule(name));
        planned.filter_map(|planned| planned.next_in_ms(self.now_ms, self.mono_ms)).min()
    }
}
