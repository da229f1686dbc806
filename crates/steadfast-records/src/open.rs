//! Files, locks and connections.

use crate::migrate;
use crate::options::{OpenError, RecordsOptions};
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of write-ahead log after which a commit also moves them into the database. More than SQLite's 4 MiB, because
/// one full batch can fill that.
const CHECKPOINT_BYTES: u32 = 16 << 20;
/// Of new files; those that are there keep theirs. Nearly all that a commit writes are leaves of indexes, for the sake of
/// one entry in each: half of SQLite's 4,096 bytes is half of that. Smaller ones still cost more time than they save.
const PAGE_BYTES: u32 = 2_048;

/// Makes folder and files with narrow permissions and takes the lock that keeps other processes out. The
/// lock lasts as long as the file returned, and ends with the process however it ends.
pub(crate) fn prepare_files(path: &Path) -> Result<File, OpenError> {
    let failed = |at: &Path| {
        let path = at.to_owned();
        move |source| OpenError::Files { path, source }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
    }
    let lock_path = lock_path(path);
    let lock = private_file(&lock_path).map_err(failed(&lock_path))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(OpenError::InUse { path: path.to_owned() });
        }
        Err(TryLockError::Error(source)) => {
            return Err(OpenError::Files { path: lock_path, source });
        }
    }
    // SQLite gives its log and index files the mode of the database file.
    private_file(path).map_err(failed(path))?;
    Ok(lock)
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Opens or makes a file that its owner alone may read.
fn private_file(path: &Path) -> std::io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// The first connection after the start: checks whose file it is, migrates it, and makes durable what an
/// unclean end left in the log.
pub(crate) fn first_connection(options: &RecordsOptions) -> Result<Connection, OpenError> {
    let failed = |what: &str| {
        let what = format!("{what} {}", options.path.display());
        move |source| OpenError::Database { what, source }
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(&options.path, flags).map_err(failed("SQLite cannot open"))?;
    let found = migrate::version_of(&conn, &options.path)?;
    set_up_writer(&conn, options.pages_max).map_err(failed("SQLite cannot set up"))?;
    let mode: String = conn
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(failed("SQLite cannot set up"))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(OpenError::NoLog { path: options.path.clone() });
    }
    migrate::migrate(&mut conn, found)?;
    // After an fsync that failed, log frames can sit in the page cache, readable but never on disk, and
    // every later commit would build upon them. Copying them into the database and syncing that ends it.
    checkpoint(&conn).map_err(failed("SQLite cannot sync the log of"))?;
    end_orphaned_claims(&conn).map_err(failed("SQLite cannot write"))?;
    Ok(conn)
}

/// Lets the claims of earlier processes run out. The lock is ours, so whoever held them is gone; without
/// this, every send that a crash interrupted would stay held for the rest of its claim.
fn end_orphaned_claims(conn: &Connection) -> rusqlite::Result<()> {
    let orphaned = "UPDATE outbox SET claim_until_ms = claim_from_ms WHERE state = 'sending'";
    conn.execute(orphaned, []).map(|_| ())
}

/// A further writer connection, after the last one had to be given up.
pub(crate) fn next_connection(options: &RecordsOptions) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(&options.path, flags)?;
    set_up_writer(&conn, options.pages_max)?;
    checkpoint(&conn)?;
    Ok(conn)
}

/// A connection for reads.
pub(crate) fn read_connection(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(Duration::from_secs(2))?;
    conn.pragma_update(None, "query_only", true)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// Moves the log into the database as far as readers allow, and syncs.
fn checkpoint(conn: &Connection) -> rusqlite::Result<()> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn set_up_writer(conn: &Connection, pages_max: Option<u32>) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::from_secs(2))?;
    // Before anything is written: afterwards it says nothing.
    conn.pragma_update(None, "page_size", PAGE_BYTES)?;
    conn.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.pragma_update(None, "cache_size", -6_144)?;
    // Cleared texts are overwritten where that costs no extra write.
    conn.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
    let page_bytes: u32 = conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let checkpoint_pages = CHECKPOINT_BYTES / page_bytes.max(1);
    conn.pragma_update_and_check(None, "wal_autocheckpoint", checkpoint_pages, |_| Ok(()))?;
    conn.pragma_update_and_check(None, "journal_size_limit", 64 * 1024 * 1024, |_| Ok(()))?;
    if let Some(pages) = pages_max {
        conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Page size, and pages after which the log is moved.
    fn sizes(path: &Path) -> (u32, u32) {
        let _lock = prepare_files(path).expect("makes the files");
        let conn = first_connection(&RecordsOptions::at(path)).expect("opens");
        let pragma = |name| conn.pragma_query_value(None, name, |row| row.get(0)).expect("answers");
        (pragma("page_size"), pragma("wal_autocheckpoint"))
    }

    #[test]
    fn a_file_keeps_its_pages_and_its_log_is_as_long_in_bytes() {
        let folder = tempfile::tempdir().expect("a folder");
        let (new, old) = (folder.path().join("new.db"), folder.path().join("old.db"));
        assert_eq!(sizes(&new), (PAGE_BYTES, 8_192));
        let before = "PRAGMA page_size = 4096; PRAGMA journal_mode = wal;";
        Connection::open(&old).and_then(|conn| conn.execute_batch(before)).expect("is made");
        assert_eq!(sizes(&old), (4_096, 4_096));
        assert_eq!(sizes(&old), (4_096, 4_096), "and when it is opened again");
    }
}
