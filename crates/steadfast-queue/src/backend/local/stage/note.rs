//! What running jobs say.

use super::{Fail, Stage};
use crate::backend::Lease;
use crate::backend::local::codec::{decode_said, encode_said};
use crate::backend::local::live::Effect;
use crate::backend::local::ticket::{EXTRA_NOTE, Ticket};
use crate::job::JobId;
use crate::note::{Note, Said};
use rusqlite::{Connection, OptionalExtension, params};

/// What a job has said so far. Damage costs what was said, not the job.
pub(super) fn said(conn: &Connection, id: &JobId) -> rusqlite::Result<Said> {
    let mut select = conn.prepare_cached("SELECT said FROM note WHERE id = ?1")?;
    let blob: Option<Vec<u8>> = select.query_row([&id.0], |row| row.get(0)).optional()?;
    Ok(blob.and_then(|blob| decode_said(&blob).ok()).unwrap_or_default())
}

impl Stage<'_> {
    /// Stores what jobs say whose leases still hold; returns how many those are.
    pub(super) fn note_all(&mut self, notes: &[(Lease, Note)]) -> Result<u64, Fail> {
        let mut stored = 0;
        for (lease, note) in notes {
            let Some(held) = self.check_lease(lease) else { continue };
            self.note(&held.entry.ticket, held.attempt(), note)?;
            stored += 1;
        }
        Ok(stored)
    }

    pub(super) fn note(&mut self, job: &Ticket, attempt: u32, note: &Note) -> Result<(), Fail> {
        if let Some(progress) = &note.progress {
            self.tell_progress(job, attempt, progress);
        }
        let (id, seq) = (&job.id, job.seq);
        let mut said = said(self.conn, id)?;
        said.take(note, attempt, self.now_ms);
        let sql =
            "INSERT INTO note(id, said) VALUES(?1, ?2) ON CONFLICT(id) DO UPDATE SET said = excluded.said";
        self.conn.prepare_cached(sql)?.execute(params![&id.0, encode_said(&said)])?;
        if self.noted.insert(*id) {
            let sql = "UPDATE job SET extra = extra | ?2 WHERE seq = ?1";
            self.conn.prepare_cached(sql)?.execute([seq, EXTRA_NOTE])?;
            self.effects.push(Effect::Noted(*id));
        }
        Ok(())
    }

    /// What lies beside a job, as of this point of the transaction.
    pub(super) fn extra_of(&self, id: &JobId, known: i64) -> i64 {
        if self.noted.contains(id) { known | EXTRA_NOTE } else { known }
    }
}
