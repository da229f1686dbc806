//! Forgetting: texts after some days, everything after some months, in chunks between which others write.

use crate::failure::Failure;
use rusqlite::{Connection, params};

const DAY_MS: i64 = 86_400_000;

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days until texts go: message bodies and contents, replies, drafts, the reasons of checks, and the
    /// decisions in the step ledger, which hold all of these.
    pub bodies_days: u32,
    /// Days until the rest goes too. Taken as `bodies_days` where that is more.
    pub metadata_days: u32,
}

impl Default for Retention {
    /// 30 and 180 days.
    fn default() -> Self {
        Self { bodies_days: 30, metadata_days: 180 }
    }
}

/// What one call of prune did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Rows whose texts were cleared.
    pub texts_cleared: u64,
    /// Rows deleted.
    pub rows_deleted: u64,
    /// Whether a chunk was full, so that more may be due: call again.
    pub more: bool,
}

/// One chunk of forgetting: a statement with the cutoff as `?1` and the limit as `?2`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    deletes: bool,
    sql: &'static str,
}

const fn clear(sql: &'static str) -> Step {
    Step { deletes: false, sql }
}

const fn delete(sql: &'static str) -> Step {
    Step { deletes: true, sql }
}

/// Append-only tables are old at their front: looking at the first rows is enough and needs no index.
pub(crate) const STEPS: [Step; 14] = [
    clear(
        "UPDATE messages SET body = '', content = NULL, extra = '[]', profile_name = NULL
         WHERE rowid IN (SELECT rowid FROM messages WHERE content IS NOT NULL AND received_ms < ?1
             ORDER BY received_ms LIMIT ?2)",
    ),
    // The body of an unsettled reply is still to be sent, or needed to find it in Twilio's list.
    clear(
        "UPDATE outbox SET body = NULL WHERE rowid IN (
             SELECT rowid FROM outbox WHERE body IS NOT NULL AND state IN ('sent', 'failed', 'suppressed')
                 AND created_ms < ?1 ORDER BY created_ms LIMIT ?2)",
    ),
    clear(
        "UPDATE step_ledger SET decision = NULL WHERE rowid IN (
             SELECT rowid FROM step_ledger WHERE decision IS NOT NULL AND applied_ms < ?1
             ORDER BY applied_ms LIMIT ?2)",
    ),
    clear(
        "UPDATE reality_checks SET reasons = NULL WHERE rowid IN (
             SELECT rowid FROM reality_checks WHERE reasons IS NOT NULL AND checked_ms < ?1
             ORDER BY checked_ms LIMIT ?2)",
    ),
    // A draft lapses within the hour; that one is left only if nobody wrote since.
    clear(
        "UPDATE conversations SET draft = NULL, version = version + 1 WHERE rowid IN (
             SELECT rowid FROM conversations WHERE changed_ms < ?1 AND draft IS NOT NULL
             ORDER BY changed_ms LIMIT ?2)",
    ),
    delete(
        "DELETE FROM messages WHERE received_ms < ?1
             AND rowid IN (SELECT rowid FROM messages WHERE received_ms < ?1 ORDER BY received_ms LIMIT ?2)",
    ),
    delete(
        "DELETE FROM message_events WHERE at_ms < ?1
             AND id IN (SELECT id FROM message_events ORDER BY id LIMIT ?2)",
    ),
    delete(
        "DELETE FROM outbox WHERE rowid IN (
             SELECT rowid FROM outbox WHERE created_ms < ?1 AND state IN ('sent', 'failed', 'suppressed')
             ORDER BY created_ms LIMIT ?2)",
    ),
    delete(
        "DELETE FROM step_ledger WHERE applied_ms < ?1
             AND rowid IN (SELECT rowid FROM step_ledger ORDER BY rowid LIMIT ?2)",
    ),
    delete(
        "DELETE FROM reality_checks WHERE checked_ms < ?1
             AND rowid IN (SELECT rowid FROM reality_checks ORDER BY rowid LIMIT ?2)",
    ),
    delete(
        "DELETE FROM status_callbacks WHERE (sid, status) IN (
             SELECT sid, status FROM status_callbacks WHERE received_ms < ?1 ORDER BY received_ms LIMIT ?2)",
    ),
    delete(
        "DELETE FROM orders WHERE rowid IN (
             SELECT rowid FROM orders WHERE state IN ('delivered', 'cancelled', 'failed') AND changed_ms < ?1
             ORDER BY changed_ms LIMIT ?2)",
    ),
    // That somebody opted out is remembered for as long as these records exist.
    delete(
        "DELETE FROM conversations WHERE rowid IN (
             SELECT rowid FROM conversations c WHERE changed_ms < ?1 AND opted_out = 0 AND NOT EXISTS (
                 SELECT 1 FROM orders o WHERE o.conversation = c.id
                     AND o.state NOT IN ('delivered', 'cancelled', 'failed'))
             ORDER BY changed_ms LIMIT ?2)",
    ),
    delete(
        "DELETE FROM contacts WHERE rowid IN (
             SELECT rowid FROM contacts WHERE last_seen_ms < ?1 ORDER BY last_seen_ms LIMIT ?2)",
    ),
];

impl Retention {
    /// What `step` treats as old: everything before this time.
    pub(crate) fn cutoff_ms(self, step: Step, now_ms: i64) -> i64 {
        let days = if step.deletes { self.metadata_days.max(self.bodies_days) } else { self.bodies_days };
        now_ms.saturating_sub(i64::from(days) * DAY_MS)
    }
}

/// Runs one chunk and gives the number of rows it touched.
pub(crate) fn run(tx: &Connection, step: Step, cutoff_ms: i64, limit: u32) -> Result<u64, Failure> {
    let rows = tx.prepare_cached(step.sql)?.execute(params![cutoff_ms, limit])?;
    Ok(rows as u64)
}

impl PruneReport {
    /// Adds what one chunk did.
    pub(crate) fn add(&mut self, step: Step, rows: u64, limit: u32) {
        if step.deletes {
            self.rows_deleted += rows;
        } else {
            self.texts_cleared += rows;
        }
        self.more |= rows >= u64::from(limit);
    }
}
