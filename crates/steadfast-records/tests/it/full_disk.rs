//! Disks that are full, that fail and that come back, and a writer that is held up.

use crate::support::{START_MS, Sqlite, answering, look, number, path_in, reply, step};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::outbox::Claim;
use steadfast_core::ports::{Records, RecordsError};
use steadfast_core::{ManualClock, SystemClock};
use steadfast_records::{RecordsOptions, RecordsRead, SqliteRecords};

const FOLDER: &str = "STEADFAST_RECORDS_LIMITED_FOLDER";

/// Applies decisions until one fails; gives its number.
async fn fill(records: &SqliteRecords, first: u64) -> u64 {
    for number in first..first + 200_000 {
        match records.apply(&step(&format!("fill/{number}")), None, answering(number)).await {
            Ok(_) => {}
            Err(RecordsError::Unavailable { .. }) => return number,
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("it never was full");
}

#[tokio::test]
async fn on_a_full_disk_nothing_happens_by_half() {
    let store = Sqlite::with(|options| options.pages_max = Some(120));
    let records = &store.records;
    let failed = fill(records, 1).await;
    assert!(failed > 10);
    // Reading goes on, the health check tells, and the failed step left nothing behind.
    assert!(matches!(records.ping().await, Err(RecordsError::Unavailable { .. })));
    let failed_step = step(&format!("fill/{failed}"));
    assert_eq!(records.applied(&failed_step).await.expect("reads"), None);
    assert_eq!(records.counts().await.expect("counts").messages, failed - 1);
    let conn = store.look();
    for table in ["messages", "outbox", "step_ledger"] {
        let rows = number(&conn, &format!("SELECT count(*) FROM {table}"));
        assert_eq!(rows, i64::try_from(failed).expect("small") - 1, "{table}");
    }
    drop(conn);
    // With room again, the same step applies.
    records.close().await;
    let options = RecordsOptions::at(path_in(store.folder.path()));
    let records = SqliteRecords::open(options, ManualClock::at(START_MS)).expect("opens");
    assert!(records.apply(&failed_step, None, answering(failed)).await.expect("applies").fresh);
    records.ping().await.expect("healthy");
    records.close().await;
}

/// The child of the next test: runs under a limit on file size, which makes writes fail with an I/O error,
/// then lifts it from itself. Run as a test of its own it does nothing.
#[tokio::test]
async fn limited_child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let options = RecordsOptions::at(path_in(folder));
    let records = SqliteRecords::open(options, SystemClock::shared()).expect("opens");
    let mut failures = 0_u64;
    let mut next = 1;
    let mut stuck = 0;
    // The first failures are overcome by opening the file anew and moving the log into it; then both are
    // at the limit, and nothing goes any more.
    while stuck < 3 {
        let failed = fill(&records, next).await;
        stuck = if failed == next { stuck + 1 } else { 0 };
        failures += 1;
        next = failed;
    }
    assert!(records.ping().await.is_err());
    let stored = records.counts().await.expect("reads go on").messages;
    assert_eq!(stored, next - 1);

    let lifted = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string(), "--fsize=unlimited:unlimited"])
        .status()
        .expect("prlimit runs");
    assert!(lifted.success());
    for number in next..next + 50 {
        let applied = records.apply(&step(&format!("fill/{number}")), None, answering(number)).await;
        assert!(applied.expect("applies again").fresh);
    }
    records.ping().await.expect("healthy again");
    records.close().await;
    println!("RECOVERED after {failures} failed commits and {next} decisions");
}

#[tokio::test]
async fn after_an_io_error_the_file_is_opened_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    // 2 MiB a file. The signal that a shell would be killed by is ignored, so that the write fails.
    let output = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -S -f 4096; exec "$0" "$@""#])
        .arg(std::env::current_exe().expect("this binary"))
        .args(["full_disk::limited_child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder.path())
        .output()
        .expect("runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("RECOVERED"), "{said}\n{complaint}");
    let conn = look(folder.path());
    let steps = number(&conn, "SELECT count(*) FROM step_ledger");
    for table in ["messages", "outbox"] {
        assert_eq!(number(&conn, &format!("SELECT count(*) FROM {table}")), steps, "{table}");
    }
}

/// Holds the file's write lock, as a stuck backup tool would.
fn hold(store: &Sqlite) -> rusqlite::Connection {
    let conn = rusqlite::Connection::open(path_in(store.folder.path())).expect("opens");
    conn.execute_batch("BEGIN IMMEDIATE").expect("locks");
    conn
}

#[tokio::test]
async fn a_held_up_writer_refuses_what_it_cannot_keep() {
    let store = Sqlite::with(|options| {
        options.waiting_max = 1;
        options.enqueue_timeout_ms = 50;
    });
    store.records.apply(&step("before"), None, answering(1)).await.expect("applies");
    let lock = hold(&store);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 2..=5 {
        let records = Arc::clone(&store.records);
        tasks.spawn(
            async move { records.apply(&step(&format!("held/{number}")), None, answering(number)).await },
        );
    }
    // One is in the writer's hands and one waits; two are refused at once, and say why.
    let mut refused = Vec::new();
    while refused.len() < 2 {
        let result = tasks.join_next().await.expect("four of them").expect("no panic");
        refused.push(result.expect_err("refused").to_string());
    }
    assert!(refused.iter().all(|why| why.contains("too many writes")), "{refused:?}");
    // Reads do not care.
    assert_eq!(store.records.counts().await.expect("reads").messages, 1);
    drop(lock);
    for result in tasks.join_all().await {
        assert!(result.expect("applies once the lock is gone").fresh);
    }
    assert_eq!(store.records.counts().await.expect("reads").messages, 3);
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_is_not_begun() {
    let store = Sqlite::new();
    store.records.apply(&step("before"), None, answering(1)).await.expect("applies");
    let id = reply(1).id;
    let lock = hold(&store);
    // The first write occupies the writer, so that the second is still waiting when it is dropped.
    let decision = answering(2);
    let name = step("waiting");
    let waiting = store.records.apply(&name, None, decision);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_millis(50), &mut waiting).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(50), store.records.claim(&id, 60_000)).await.is_err());
    drop(lock);
    assert!(waiting.await.expect("applies").fresh);
    assert!(matches!(store.records.claim(&id, 1_000).await.expect("asks"), Claim::Granted(_)));
}
