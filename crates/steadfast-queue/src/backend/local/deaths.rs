//! Dead letters by the word for their failure, and by time.

use super::codec::decode_history;
use super::read::View;
use super::search::{ROWS_MAX, Way};
use crate::backend::{DeadGroup, DeadGroups, Filter, rules};
use rusqlite::{Connection, params};

/// Rows named in one step after an upgrade.
const STEP: i64 = 1_000;

/// What of it the column of words rests on: the layout's added part.
pub(super) const ADDED: &str = "
    CREATE INDEX IF NOT EXISTS dead_word ON dead(queue, word, seq, finished);
    CREATE INDEX IF NOT EXISTS dead_time ON dead(finished);";

const UNNAMED: &str = "SELECT seq FROM dead INDEXED BY dead_word WHERE word IS NULL LIMIT ?1";
const NAME: &str = "UPDATE dead SET word = ?2 WHERE seq = ?1";
const BY_TIME: &str = "SELECT seq FROM dead WHERE finished >= ?1 AND finished < ?2 LIMIT ?3";
const GROUPS: &str =
    "SELECT queue, word, count(*), min(finished), max(finished) FROM dead INDEXED BY dead_word";

/// Notes the word for the failure of a job that has just died.
pub(super) fn name(conn: &Connection, seq: i64, error: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(NAME)?.execute(params![seq, rules::word(error)])?;
    Ok(())
}

/// Notes it for those that died before there was a column for it, or under a version that does not know of it.
pub(super) fn name_all(conn: &Connection) -> rusqlite::Result<()> {
    loop {
        let view = conn.unchecked_transaction()?;
        let seqs: Vec<i64> =
            view.prepare(UNNAMED)?.query_map([STEP], |row| row.get(0))?.collect::<Result<_, _>>()?;
        for &seq in &seqs {
            let sql = "SELECT history FROM dead WHERE seq = ?1";
            let history: Option<Vec<u8>> = view.prepare_cached(sql)?.query_row([seq], |row| row.get(0))?;
            // Damage costs the word, not the job.
            let history = decode_history(history.as_deref()).unwrap_or_default();
            name(&view, seq, history.last().map_or("", |record| record.error.as_str()))?;
        }
        view.commit()?;
        if seqs.len() < usize::try_from(STEP).unwrap_or(usize::MAX) {
            return Ok(());
        }
    }
}

/// The rows that can match `filter`, if a word or a time in it tells.
pub(super) fn candidates(
    conn: &Connection,
    view: &View,
    filter: &Filter,
    way: Way,
) -> rusqlite::Result<Option<Vec<i64>>> {
    if let Some(error) = &filter.error {
        return Ok(Some(of_word(conn, view.queues(filter), rules::word(error), way)?));
    }
    let since_ms = filter.finished.since_ms;
    let until_ms = [filter.finished.until_ms, filter.before_ms].into_iter().flatten().min();
    if since_ms.is_none() && until_ms.is_none() {
        return Ok(None);
    }
    let bounds = (
        since_ms.unwrap_or(i64::MIN),
        until_ms.unwrap_or(i64::MAX),
        i64::try_from(ROWS_MAX).unwrap_or(i64::MAX),
    );
    let mut select = conn.prepare_cached(BY_TIME)?;
    let rows = select.query_map(params![bounds.0, bounds.1, bounds.2], |row| row.get(0))?;
    let rows: Vec<i64> = rows.collect::<Result<_, _>>()?;
    // With so many of them a look at all soon comes upon some.
    Ok((rows.len() < ROWS_MAX).then(|| way.order(rows)))
}

fn of_word(
    conn: &Connection,
    queues: impl Iterator<Item = i64>,
    word: &str,
    way: Way,
) -> rusqlite::Result<Vec<i64>> {
    let (range, order) = way.sql();
    let sql = format!(
        "SELECT seq FROM dead INDEXED BY dead_word WHERE queue = ?1 AND word = ?2 AND {range}
         ORDER BY seq {order} LIMIT ?3"
    );
    let rows_max = i64::try_from(ROWS_MAX).unwrap_or(i64::MAX);
    let mut select = conn.prepare(&sql)?;
    let mut found = Vec::new();
    for queue in queues {
        let rows = select.query_map(params![queue, word, rows_max], |row| row.get(0))?;
        for seq in rows {
            found.push(seq?);
        }
        // Of each queue the first are enough, and of all together.
        found = way.order(found);
    }
    Ok(found)
}

/// Counts by queue and word, from the index alone.
pub(super) fn groups(
    conn: &Connection,
    view: &View,
    queue: Option<&str>,
    max: usize,
) -> rusqlite::Result<DeadGroups> {
    let mut groups = DeadGroups::default();
    let no = queue.map(|queue| view.names.iter().find(|(_, name)| *name == queue).map(|(&no, _)| no));
    let one = match no {
        Some(None) => return Ok(groups),
        Some(Some(no)) => format!("WHERE queue = {no}"),
        None => String::new(),
    };
    let mut select = conn.prepare(&format!("{GROUPS} {one} GROUP BY queue, word"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let word: Option<String> = row.get(1)?;
        let count: i64 = row.get(2)?;
        groups.add(
            DeadGroup {
                queue: view.name(row.get(0)?),
                error: word.unwrap_or_default(),
                count: u64::try_from(count).unwrap_or(0),
                first_ms: row.get::<_, Option<i64>>(3)?.unwrap_or(0),
                last_ms: row.get::<_, Option<i64>>(4)?.unwrap_or(0),
            },
            max,
        );
    }
    Ok(groups.cut(max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::local::schema;
    use crate::backend::local::sql::tests::plan;

    #[test]
    fn words_and_times_are_found_and_counted_by_their_indexes_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("q.db");
        let _lock = schema::lock(&path).expect("locks");
        let conn = schema::open_writer(&path).expect("opens");
        let by_word = |order| {
            format!(
                "SELECT seq FROM dead INDEXED BY dead_word WHERE queue = ?1 AND word = ?2 AND seq < 9 \
                 ORDER BY seq {order} LIMIT 5"
            )
        };
        for (sql, how) in [
            (by_word("DESC"), "SEARCH dead USING COVERING INDEX dead_word (queue=? AND word=? AND seq<?)"),
            (by_word("ASC"), "SEARCH dead USING COVERING INDEX dead_word (queue=? AND word=? AND seq<?)"),
            (BY_TIME.to_owned(), "SEARCH dead USING COVERING INDEX dead_time (finished>? AND finished<?)"),
            (format!("{GROUPS} GROUP BY queue, word"), "SCAN dead USING COVERING INDEX dead_word"),
            (
                format!("{GROUPS} WHERE queue = 1 GROUP BY queue, word"),
                "SEARCH dead USING COVERING INDEX dead_word (queue=?)",
            ),
            (UNNAMED.to_owned(), "SCAN dead USING COVERING INDEX dead_word"),
        ] {
            assert_eq!(plan(&conn, &sql), how, "{sql}");
        }
    }

    #[test]
    fn the_dead_of_a_store_from_before_get_their_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("q.db");
        let _lock = schema::lock(&path).expect("locks");
        let conn = schema::open_writer(&path).expect("opens");
        conn.execute_batch("DROP INDEX dead_word; ALTER TABLE dead DROP COLUMN word").expect("as it was");
        let died = |error: &str| {
            let mut history = Vec::new();
            rules::remember(&mut history, 1, 5, crate::policy::Failure::new(error, "text"));
            crate::backend::local::codec::encode_history(&history)
        };
        let insert = "INSERT INTO dead(seq, id, queue, prio, state, run_at, attempt, crash, slot, until, enqueued,
            finished, bytes, head, history, payload) VALUES(?1, x'', 1, 1, 5, 0, 1, 0, 0, 0, 0, ?1, 0, x'', ?2, x'')";
        for seq in 0..STEP + 5 {
            let history = died(if seq % 2 == 0 { "even" } else { "odd" });
            let history = if seq == 7 { Some(vec![255]) } else { history };
            conn.execute(insert, params![seq, history]).expect("inserts");
        }
        drop(conn);
        let conn = schema::open_writer(&path).expect("opens");
        let count = |word: &str| {
            let sql = "SELECT count(*) FROM dead WHERE word = ?1";
            conn.query_row(sql, [word], |row| row.get::<_, i64>(0)).expect("counts")
        };
        assert_eq!((count("even"), count("odd"), count("")), (503, 501, 1));
    }
}
