//! The file: who may read it, who may open it, and which files are left alone.

use crate::support::{START_MS, Sqlite, answering, conversation, draft, path_in, place, reply, step};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use steadfast_core::ManualClock;
use steadfast_core::outbox::Claim;
use steadfast_core::ports::{Records, RecordsError};
use steadfast_records::{OpenError, RecordsOptions, RecordsRead, SqliteRecords};

fn open(path: &Path) -> Result<Arc<SqliteRecords>, OpenError> {
    SqliteRecords::open(RecordsOptions::at(path), ManualClock::at(START_MS))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

#[tokio::test]
async fn only_the_owner_may_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("new").join("data");
    let path = path_in(&data);
    let records = open(&path).expect("opens");
    records.apply(&step("one"), None, answering(1)).await.expect("applies");
    assert_eq!(mode(&data), 0o700);
    let files: Vec<_> =
        fs::read_dir(&data).expect("lists").map(|file| file.expect("is there").path()).collect();
    assert!(files.len() >= 4, "database, log, index and lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    // A file restored with wide permissions is narrowed.
    records.close().await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("widened");
    let records = open(&path).expect("opens");
    assert_eq!(mode(&path), 0o600);
    records.close().await;
}

#[tokio::test]
async fn one_process_at_a_time() {
    let store = Sqlite::new();
    let path = path_in(store.folder.path());
    let second = open(&path);
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    let said = second.expect_err("refused").to_string();
    assert!(said.contains("another process") && said.contains("records.db"), "{said}");
    store.records.close().await;
    open(&path).expect("opens after the first has closed").close().await;
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let store = Sqlite::new();
    let mut decision = answering(1);
    decision.changes.push(place(&draft(1)));
    store.records.apply(&step("one"), None, decision.clone()).await.expect("applies");
    store.records.close().await;
    // Closed twice is closed; and what comes late is refused, not lost in silence.
    store.records.close().await;
    let late = store.records.apply(&step("two"), None, answering(2)).await;
    assert!(matches!(late, Err(RecordsError::Unavailable { .. })), "{late:?}");
    assert!(store.records.conversation(&conversation()).await.is_err());
    assert!(store.records.ping().await.is_err());

    let records = open(&path_in(store.folder.path())).expect("opens");
    assert_eq!(records.applied(&step("one")).await.expect("reads"), Some(decision));
    assert_eq!(records.orders(&conversation(), 9).await.expect("reads").len(), 1);
    assert_eq!(records.counts().await.expect("counts").messages, 1);
    records.close().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let store = Sqlite::new();
    store.records.close().await;
    let path = path_in(store.folder.path());
    let conn = rusqlite::Connection::open(&path).expect("opens");
    conn.pragma_update(None, "user_version", 4_711).expect("written");
    drop(conn);
    let before = fs::read(&path).expect("reads");
    let refused = open(&path);
    assert!(matches!(refused, Err(OpenError::Newer { found: 4_711, .. })), "{refused:?}");
    assert!(refused.expect_err("refused").to_string().contains("4711"));
    assert_eq!(fs::read(&path).expect("reads"), before);
}

#[tokio::test]
async fn somebody_elses_file_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = path_in(folder.path());
    let conn = rusqlite::Connection::open(&path).expect("opens");
    conn.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").expect("written");
    drop(conn);
    let before = fs::read(&path).expect("reads");
    let refused = open(&path);
    assert!(matches!(refused, Err(OpenError::Foreign { .. })), "{refused:?}");
    assert_eq!(fs::read(&path).expect("reads"), before);

    fs::write(&path, "no database at all, but long enough to look at".repeat(40)).expect("written");
    let refused = open(&path);
    assert!(matches!(refused, Err(OpenError::Database { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "in the way").expect("written");
    let refused = open(&path_in(&file)).expect_err("refused");
    assert!(matches!(refused, OpenError::Files { .. }) && refused.to_string().contains("file"), "{refused}");
}

#[tokio::test]
async fn a_send_that_a_crash_interrupted_is_in_doubt_at_the_next_start_not_held() {
    let store = Sqlite::new();
    store.records.apply(&step("answer"), None, answering(1)).await.expect("applies");
    let id = reply(1).id;
    let claim = store.records.claim(&id, 3_600_000).await.expect("claims");
    assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
    store.records.close().await;
    let options = RecordsOptions::at(path_in(store.folder.path()));
    let again = SqliteRecords::open(options, store.clock.clone()).expect("opens");
    let claim = again.claim(&id, 3_600_000).await.expect("claims");
    assert!(matches!(claim, Claim::Ambiguous(_)), "never simply sent again: {claim:?}");
    again.close().await;
}
