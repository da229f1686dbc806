//! Where ids lead, and who is in a group: known in memory while a job is new, in tables later (see
//! [`crate::backend::local::fresh`]).

use super::{Fail, Stage};
use crate::backend::Controlled;
use crate::backend::local::fresh::{Member, Step};
use crate::backend::local::groups::Members;
use crate::backend::local::ids::Found;
use crate::backend::local::sql;
use crate::backend::local::ticket::Ticket;
use crate::job::{GroupKey, JobId};
use rusqlite::params;

/// Where an id was found.
enum Known {
    Fresh(Found),
    Tables(Found),
}

impl Stage<'_> {
    pub(super) fn find_id(&self, id: &JobId) -> Result<Option<Found>, Fail> {
        Ok(self.known(id)?.map(|(Known::Fresh(found) | Known::Tables(found))| found))
    }

    fn fresh_id(&self, id: &JobId) -> Option<Found> {
        match self.fresh.ids.get(id) {
            Some(staged) => *staged,
            None => self.live.fresh.find(id),
        }
    }

    fn known(&self, id: &JobId) -> Result<Option<Known>, Fail> {
        if let Some(found) = self.fresh_id(id) {
            return Ok(Some(Known::Fresh(found)));
        }
        Ok(self.live.buckets.find(self.conn, id)?.map(Known::Tables))
    }

    /// An id that is not known comes with a new row.
    pub(super) fn add_id(&mut self, id: JobId, found: Found) {
        self.fresh.ids.insert(id, Some(found));
    }

    /// A known id leads to another row, or counts for another time.
    pub(super) fn move_id(&mut self, id: JobId, to: Found) -> Result<(), Fail> {
        let (live, conn) = (self.live, self.conn);
        let Some(known) = self.known(&id)? else {
            return Err(Fail::Broken(format!("job {id} is in the store and its id is not")));
        };
        match known {
            Known::Tables(from) => {
                self.unlist(from.seq)?;
                live.buckets.put(conn, to.slot, &id, to.seq, to.until_ms)?;
            }
            // What is known here leads to a row that is not sorted, and so does every number given later.
            Known::Fresh(from) => {
                if from.seq == to.seq {
                    let sql = "UPDATE fresh SET until = ?2 WHERE seq = ?1";
                    conn.prepare_cached(sql)?.execute([from.seq, to.until_ms])?;
                } else {
                    self.unlist(from.seq)?;
                }
                if live.fresh.is_doubtful(from.seq) {
                    live.buckets.delete(conn, from.slot, &id)?;
                }
                self.fresh.ids.insert(id, Some(to));
            }
        }
        Ok(())
    }

    /// Forgets an id whose row, with this number, is gone.
    pub(super) fn delete_id(&mut self, id: &JobId, Found { slot, seq, .. }: Found) -> Result<(), Fail> {
        let fresh = self.fresh_id(id);
        if fresh.is_some() {
            self.fresh.ids.insert(*id, None);
        }
        if fresh.is_none_or(|found| self.live.fresh.is_doubtful(found.seq)) {
            self.live.buckets.delete(self.conn, slot, id)?;
        }
        self.unlist(fresh.map_or(seq, |found| found.seq))
    }

    /// The row of a job goes, and its id with it unless that still counts.
    pub(super) fn release_id(&mut self, id: &JobId, found: Found) -> Result<(), Fail> {
        if found.until_ms <= self.now_ms {
            return self.delete_id(id, found);
        }
        if let Some(Found { slot, seq, until_ms }) = self.fresh_id(id) {
            // The row told of it until now.
            let sql = "INSERT OR REPLACE INTO fresh(seq, id, slot, until) VALUES(?1, ?2, ?3, ?4)";
            self.conn.prepare_cached(sql)?.execute(params![seq, &id.0, slot, until_ms])?;
        }
        Ok(())
    }

    /// Takes an id off the list of those whose rows are gone, if the list still counts.
    fn unlist(&self, seq: i64) -> Result<(), Fail> {
        if seq > self.live.fresh.sorted() {
            self.conn.prepare_cached("DELETE FROM fresh WHERE seq = ?1")?.execute([seq])?;
        }
        Ok(())
    }

    pub(super) fn members(&self) -> Members<'_> {
        Members { conn: self.conn, fresh: &self.live.fresh, staged: Some(&self.fresh) }
    }

    /// The row of an unfinished job was stored.
    pub(super) fn join_group(&mut self, queue: i64, group: Option<GroupKey>, seq: i64) -> Result<(), Fail> {
        let Some(group) = group else { return Ok(()) };
        if seq > self.live.fresh.boundary() {
            self.fresh.joined.insert((queue, group, seq));
            return Ok(());
        }
        // One that got its old place back.
        self.put_member(&(queue, group, seq))
    }

    fn put_member(&mut self, (queue, group, seq): &Member) -> Result<(), Fail> {
        let put = self.conn.prepare_cached(sql::PUT_MEMBER)?.execute(params![queue, &group.0, seq])?;
        self.fresh.grouped += i64::from(put > 0);
        Ok(())
    }

    /// The row of an unfinished job is gone.
    pub(super) fn leave_group(&mut self, job: &Ticket) -> Result<(), Fail> {
        let Some(group) = job.group else { return Ok(()) };
        let member = (job.queue, group, job.seq);
        let fresh = &self.live.fresh;
        let staged = self.fresh.joined.remove(&member);
        let known = staged || (fresh.has_member(&member) && self.fresh.left.insert(member));
        if !known || fresh.is_doubtful(job.seq) {
            let mut delete = self.conn.prepare_cached(sql::DELETE_MEMBER)?;
            self.fresh.grouped -= i64::from(delete.execute(params![job.queue, &group.0, job.seq])? > 0);
        }
        Ok(())
    }

    /// Sorts some of the generation whose turn it is into the tables, or drops what is sorted from the list.
    pub(super) fn sort(&mut self, limit: usize) -> Result<Controlled, Fail> {
        let live = self.live;
        let mut step = Step::default();
        if live.fresh.is_sorting() {
            for (id, found) in live.fresh.next_ids(limit) {
                self.sort_id(id, *found)?;
                step.ids += 1;
            }
            for member in live.fresh.next_members(limit - step.ids) {
                self.put_member(member)?;
                step.members += 1;
            }
            if let Some(sorted) = live.fresh.ends_with(step) {
                self.conn.prepare_cached("UPDATE pulse SET sorted = ?1")?.execute([sorted])?;
                step.all = true;
            }
        } else {
            let most = i64::try_from(limit).unwrap_or(i64::MAX);
            let dropped = self.conn.prepare_cached(sql::UNLIST)?.execute([live.fresh.sorted(), most])?;
            (step.unlisted, step.cleared) = (dropped, dropped < limit);
        }
        self.fresh.step = step;
        Ok(Controlled { affected: step.size() as u64, skipped: 0 })
    }

    /// A table that is gone held what no longer counts: only jobs that are still here keep their ids.
    fn sort_id(&self, id: &JobId, Found { slot, seq, until_ms }: Found) -> Result<(), Fail> {
        let buckets = &self.live.buckets;
        if buckets.has(slot) || self.conn.prepare_cached(sql::IS_HERE)?.query_row([seq], |row| row.get(0))? {
            buckets.put(self.conn, slot, id, seq, until_ms)?;
        }
        Ok(())
    }
}
