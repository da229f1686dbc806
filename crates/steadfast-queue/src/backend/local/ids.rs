//! The index from ids to rows: one table per hour in which ids stop counting, so that inserts stay close
//! together and the old ones go as a whole.

use crate::job::JobId;
use rusqlite::{Connection, OptionalExtension, params};

const HOUR_MS: i64 = 3_600_000;
/// Windows longer than this share one table per day, so that there are never many tables to look into.
const HOURLY_MS: i64 = 4 * HOUR_MS;

/// Where an id was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The table.
    pub(super) slot: i64,
    pub(super) seq: i64,
    pub(super) until_ms: i64,
}

/// One id table. Its slot is the hour at whose beginning all its ids have stopped counting; slot 0 holds
/// the ids of jobs that outlived their table.
#[derive(Clone, Debug)]
struct Bucket {
    slot: i64,
    probe: String,
    put: String,
    delete: String,
}

impl Bucket {
    fn new(slot: i64) -> Self {
        let table = table_name(slot);
        Self {
            slot,
            probe: format!("SELECT seq, until FROM {table} WHERE id = ?1"),
            put: format!("INSERT OR REPLACE INTO {table}(id, seq, until) VALUES(?1, ?2, ?3)"),
            delete: format!("DELETE FROM {table} WHERE id = ?1"),
        }
    }
}

/// The name of the table with this slot.
pub(super) fn table_name(slot: i64) -> String {
    if slot == 0 { "id_old".to_owned() } else { format!("id_{slot}") }
}

/// The table for an id that counts until `until_ms`.
pub(super) fn slot_for(until_ms: i64, now_ms: i64) -> i64 {
    let hours = if until_ms.saturating_sub(now_ms) <= HOURLY_MS { 1 } else { 24 };
    let width_ms = hours * HOUR_MS;
    ((until_ms.max(0) / width_ms + 1) * hours).max(1)
}

/// The id tables there are, newest first, the old one last.
#[derive(Clone, Debug)]
pub(super) struct Buckets(Vec<Bucket>);

impl Buckets {
    /// Those in the file.
    pub(super) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let mut statement = conn.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'id\\_%' ESCAPE '\\'",
        )?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let mut slots: Vec<i64> =
            names.iter().filter_map(|name| name.strip_prefix("id_")?.parse().ok()).collect();
        slots.push(0);
        slots.sort_unstable_by_key(|&slot| std::cmp::Reverse(slot));
        Ok(Self(slots.into_iter().map(Bucket::new).collect()))
    }

    pub(super) fn has(&self, slot: i64) -> bool {
        self.0.iter().any(|bucket| bucket.slot == slot)
    }

    /// Makes the table with this slot.
    pub(super) fn create(&mut self, conn: &Connection, slot: i64) -> rusqlite::Result<()> {
        let columns = super::schema::ID_COLUMNS;
        conn.execute_batch(&format!(
            "CREATE TABLE IF NOT EXISTS {}({columns}) WITHOUT ROWID, STRICT",
            table_name(slot)
        ))?;
        self.0.push(Bucket::new(slot));
        self.0.sort_unstable_by_key(|bucket| std::cmp::Reverse(bucket.slot));
        Ok(())
    }

    /// The table is gone.
    pub(super) fn remove(&mut self, slot: i64) {
        self.0.retain(|bucket| bucket.slot != slot || slot == 0);
    }

    /// The oldest table whose ids have all stopped counting.
    pub(super) fn expired(&self, now_ms: i64) -> Option<i64> {
        let oldest = self.0.iter().rev().map(|bucket| bucket.slot).find(|&slot| slot != 0)?;
        (oldest.saturating_mul(HOUR_MS) <= now_ms).then_some(oldest)
    }

    fn bucket(&self, slot: i64) -> Option<&Bucket> {
        let exact = self.0.iter().find(|bucket| bucket.slot == slot);
        exact.or_else(|| self.0.last())
    }

    pub(super) fn find(&self, conn: &Connection, id: &JobId) -> rusqlite::Result<Option<Found>> {
        for bucket in &self.0 {
            let found = conn
                .prepare_cached(&bucket.probe)?
                .query_row([&id.0], |row| {
                    Ok(Found { slot: bucket.slot, seq: row.get(0)?, until_ms: row.get(1)? })
                })
                .optional()?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Stores where an id leads. If the table with this slot is gone, the old one takes it.
    pub(super) fn put(
        &self,
        conn: &Connection,
        slot: i64,
        id: &JobId,
        seq: i64,
        until_ms: i64,
    ) -> rusqlite::Result<()> {
        let Some(bucket) = self.bucket(slot) else { return Ok(()) };
        conn.prepare_cached(&bucket.put)?.execute(params![&id.0, seq, until_ms])?;
        Ok(())
    }

    /// Forgets an id, wherever it went from the table with this slot.
    pub(super) fn delete(&self, conn: &Connection, slot: i64, id: &JobId) -> rusqlite::Result<()> {
        let delete = |bucket: &Bucket| conn.prepare_cached(&bucket.delete)?.execute([&id.0]);
        let Some(bucket) = self.bucket(slot) else { return Ok(()) };
        if delete(bucket)? == 0
            && bucket.slot != 0
            && let Some(old) = self.0.last()
        {
            delete(old)?;
        }
        Ok(())
    }
}

/// Empties an expired table, at most `limit` ids: those whose job is still here move to the old table.
/// Returns how many it looked at, and whether the table is gone now.
pub(super) fn sweep(conn: &Connection, slot: i64, limit: usize) -> rusqlite::Result<(u64, bool)> {
    let table = table_name(slot);
    let ids: Vec<([u8; 16], i64, i64)> = conn
        .prepare(&format!("SELECT id, seq, until FROM {table} ORDER BY id LIMIT ?1"))?
        .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    let mut alive = conn.prepare_cached(super::sql::IS_HERE)?;
    let mut keep = conn.prepare_cached("INSERT OR REPLACE INTO id_old(id, seq, until) VALUES(?1, ?2, ?3)")?;
    for (id, seq, until_ms) in &ids {
        if alive.query_row([seq], |row| row.get::<_, bool>(0))? {
            keep.execute(params![id, seq, until_ms])?;
        }
    }
    if let Some((last, ..)) = ids.last() {
        conn.execute(&format!("DELETE FROM {table} WHERE id <= ?1"), [last])?;
    }
    let gone = ids.len() < limit;
    if gone {
        conn.execute_batch(&format!("DROP TABLE {table}"))?;
    }
    Ok((ids.len() as u64, gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_counts_no_longer_than_its_table() {
        for now_ms in [0, 1, HOUR_MS - 1, 1_790_000_000_000] {
            for window_ms in [0, 1, HOUR_MS, HOURLY_MS, HOURLY_MS + 1, 24 * HOUR_MS, 744 * HOUR_MS] {
                let slot = slot_for(now_ms + window_ms, now_ms);
                assert!(slot * HOUR_MS > now_ms + window_ms, "{now_ms} {window_ms}");
                let hours_late = slot - (now_ms + window_ms) / HOUR_MS;
                assert!(hours_late <= if window_ms <= HOURLY_MS { 1 } else { 24 });
            }
        }
        assert!(slot_for(i64::MAX, 0) > 0);
    }
}
