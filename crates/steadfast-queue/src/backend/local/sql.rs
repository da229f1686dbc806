//! The searches that every job goes through. Each must find its rows by an index, which the tests below check:
//! a scan would not be wrong, only slower the more there is.

use super::load::CONTENTS_IF_SMALL;
use super::ticket::TICKET;
use rusqlite::{Error, ErrorCode};

/// Whether what is on disk is no longer known after `error`. SQLite calls it corruption when a read fails with an
/// I/O error, so that is no more than a doubt either.
pub(super) fn leaves_doubt(error: &Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NotADatabase
                | ErrorCode::DatabaseCorrupt
        )
    )
}

/// Ready jobs of a queue and priority, behind a place: `?1` queue, `?2` priority, `?3` place, `?4` how many.
pub(super) fn ready() -> String {
    format!(
        "SELECT {TICKET}, {CONTENTS_IF_SMALL} FROM job
         WHERE queue = ?1 AND prio = ?2 AND ready > ?3 AND ready IS NOT NULL ORDER BY ready LIMIT ?4"
    )
}

/// A new job.
pub(super) const INSERT_JOB: &str =
    "INSERT INTO job(seq, id, queue, prio, state, ready, run_at, expires, grp, attempt, crash, slot,
    until, enqueued, finished, bytes, head, history, payload, batch, extra)
    VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, ?10, ?11, ?12, NULL, ?13, ?14, NULL, ?15, ?16, ?17)";

/// Jobs that wait for a time, due by `?1`, at most `?2`.
pub(super) fn due() -> String {
    format!(
        "SELECT {TICKET} FROM job
         WHERE state >= 1 AND state <= 3 AND run_at <= ?1 ORDER BY run_at, seq LIMIT ?2"
    )
}

/// When the first of them is due.
pub(super) const NEXT_DUE: &str =
    "SELECT run_at FROM job WHERE state >= 1 AND state <= 3 ORDER BY run_at LIMIT 1";

/// Makes what waits for a time wait for one `?1` milliseconds earlier.
pub(super) const SHIFT_DUE: &str = "UPDATE job SET run_at = run_at - ?1 WHERE state >= 1 AND state <= 3";

/// The same for callbacks that wait for their batch, and then for a time.
pub(super) const SHIFT_WAITING: &str =
    "UPDATE job SET run_at = run_at - ?1 WHERE seq IN (SELECT seq FROM gate WHERE waiting = 1)";

/// The same for unstarted jobs that expire.
pub(super) const SHIFT_EXPIRY: &str =
    "UPDATE job SET expires = expires - ?1 WHERE expires IS NOT NULL AND attempt = 0";

/// Unstarted jobs that expire by `?1`.
pub(super) fn expiring() -> String {
    format!("SELECT {TICKET} FROM job WHERE expires <= ?1 AND attempt = 0 ORDER BY expires, seq")
}

/// The first members of a group on disk: `?1` queue, `?2` group, `?3` those before this number, `?4` how many.
pub(super) const FIRST_MEMBERS: &str =
    "SELECT seq FROM member WHERE queue = ?1 AND grp = ?2 AND seq < ?3 ORDER BY seq LIMIT ?4";

/// The next group of a queue on disk: `?1` queue, `?2` the group before it.
pub(super) const NEXT_GROUP: &str =
    "SELECT grp FROM member WHERE queue = ?1 AND grp > ?2 ORDER BY grp LIMIT 1";

pub(super) const PUT_MEMBER: &str = "INSERT OR IGNORE INTO member(queue, grp, seq) VALUES(?1, ?2, ?3)";

pub(super) const DELETE_MEMBER: &str = "DELETE FROM member WHERE queue = ?1 AND grp = ?2 AND seq = ?3";

/// Drops the first of the list that are in the tables: those up to the number `?1`, at most `?2`.
pub(super) const UNLIST: &str =
    "DELETE FROM fresh WHERE seq IN (SELECT seq FROM fresh WHERE seq <= ?1 ORDER BY seq LIMIT ?2)";

/// Whether the store has a job with the number `?1`.
pub(super) const IS_HERE: &str = "SELECT EXISTS(SELECT 1 FROM job WHERE seq = ?1) OR
    EXISTS(SELECT 1 FROM done WHERE seq = ?1) OR EXISTS(SELECT 1 FROM dead WHERE seq = ?1)";

/// The row of a job in `table` that came there later than the number `?1`: `?2` its id.
pub(super) fn newest_of(table: &str) -> String {
    format!("SELECT seq FROM {table} WHERE seq > ?1 AND id = ?2 ORDER BY seq DESC LIMIT 1")
}

/// Jobs that wait until their group may begin one: `?1` queue, `?2` until when instead.
pub(super) const PACE_ANEW: &str = "UPDATE job SET run_at = ?2 WHERE queue = ?1 AND state = 2";

/// The first dead letter that holds a group: `?1` queue, `?2` group.
pub(super) const FIRST_BLOCK: &str =
    "SELECT seq FROM block WHERE queue = ?1 AND grp = ?2 ORDER BY seq LIMIT 1";

/// Ready suspects.
pub(super) fn suspects() -> String {
    format!("SELECT {TICKET} FROM job WHERE crash >= 2 AND ready IS NOT NULL")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::backend::local::schema;
    use crate::state::CRASHES_SUSPECT;
    use rusqlite::Connection;

    /// An empty store.
    fn opened() -> (tempfile::TempDir, Connection) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("q.db");
        schema::lock(&path).expect("locks");
        let conn = schema::open_writer(&path).expect("opens");
        (folder, conn)
    }

    /// How SQLite goes about it.
    pub(in crate::backend::local) fn plan(conn: &Connection, sql: &str) -> String {
        explained(conn, &format!("EXPLAIN QUERY PLAN {sql}"), 3).join("; ")
    }

    /// A column of an explanation.
    fn explained(conn: &Connection, sql: &str, column: usize) -> Vec<String> {
        let mut explain = conn.prepare(sql).expect("prepares");
        let parameters = vec![1_i64; explain.parameter_count()];
        let steps = explain.query_map(rusqlite::params_from_iter(parameters), |row| row.get(column));
        steps.expect("explains").map(|step| step.expect("a step")).collect()
    }

    #[test]
    fn every_search_uses_its_index_and_sorts_nothing() {
        let (_folder, conn) = opened();
        for (sql, index) in [
            (ready(), "job_ready"),
            (due(), "job_wait"),
            (NEXT_DUE.to_owned(), "job_wait"),
            (SHIFT_DUE.to_owned(), "job_wait"),
            (SHIFT_EXPIRY.to_owned(), "job_expiry"),
            (expiring(), "job_expiry"),
            (newest_of("job"), "PRIMARY KEY"),
            (FIRST_MEMBERS.to_owned(), "PRIMARY KEY"),
            (NEXT_GROUP.to_owned(), "PRIMARY KEY"),
            (DELETE_MEMBER.to_owned(), "PRIMARY KEY"),
            (UNLIST.to_owned(), "PRIMARY KEY"),
            (PACE_ANEW.to_owned(), "job_paced"),
            (FIRST_BLOCK.to_owned(), "PRIMARY KEY"),
            (suspects(), "job_suspect"),
        ] {
            let plan = plan(&conn, &sql);
            assert!(plan.contains(index), "{sql}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
        assert_eq!(CRASHES_SUSPECT, 2, "the index on suspects and the search say 2");
    }

    /// An `IN` of three values or more, in an index or a check, is a table of its own at every row: a tenth of what a job
    /// costs.
    #[test]
    fn a_row_that_comes_or_goes_needs_no_table_of_its_own() {
        let (_folder, conn) = opened();
        for sql in [
            INSERT_JOB,
            "DELETE FROM job WHERE seq = ?1",
            "UPDATE job SET state = ?2, ready = NULL, run_at = ?3 WHERE seq = ?1",
            "INSERT OR REPLACE INTO id_old(id, seq, until) VALUES(?1, ?2, ?3)",
            "DELETE FROM id_old WHERE id = ?1",
            PUT_MEMBER,
            DELETE_MEMBER,
        ] {
            let steps = explained(&conn, &format!("EXPLAIN {sql}"), 1);
            assert!(!steps.iter().any(|step| step == "OpenEphemeral"), "{sql}: {steps:?}");
        }
    }
}
