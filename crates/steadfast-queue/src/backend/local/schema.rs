//! The file: its lock, its permissions, its layout, its connections.

use super::deaths;
use super::options::OpenError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "SfQ1": marks the file as a queue store.
const APPLICATION_ID: i64 = 0x5366_5131;
/// The layout below.
const LAYOUT: i64 = 2;
/// Those that can be brought up to it.
const OLDER: [i64; 1] = [1];

/// How much of the log is rewritten at a time.
const REWRITE_BYTES: usize = 1 << 20;

/// Columns of `job`, `done` and `dead` alike, the payload last, so that the others are read without it.
const COLUMNS: &str = "
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    queue INTEGER NOT NULL,
    prio INTEGER NOT NULL,
    state INTEGER NOT NULL,
    ready INTEGER,
    run_at INTEGER NOT NULL,
    expires INTEGER,
    grp BLOB,
    attempt INTEGER NOT NULL,
    crash INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    until INTEGER NOT NULL,
    enqueued INTEGER NOT NULL,
    finished INTEGER,
    bytes INTEGER NOT NULL,
    batch BLOB,
    extra INTEGER NOT NULL DEFAULT 0,
    head BLOB NOT NULL,
    history BLOB,
    payload BLOB NOT NULL";

/// The same names, in that order, for rows that move from one table to another.
pub(super) const MOVED: &str =
    "id, queue, prio, state, ready, run_at, expires, grp, attempt, crash, slot, until, enqueued,
    finished, bytes, batch, extra, head, history, payload";

/// What else there is, in stores from before these too: `gate` how far the batch of a callback is, `counted` the
/// jobs that a batch has counted, `ended` the numbers of batches whose counted jobs may be forgotten, `schedule`
/// the jobs that come by the clock, `note` what jobs have said while they ran.
const BESIDE: &str = "
    CREATE TABLE IF NOT EXISTS gate(
        id BLOB PRIMARY KEY, no INTEGER NOT NULL, seq INTEGER NOT NULL, jobs INTEGER, block INTEGER NOT NULL,
        waiting INTEGER NOT NULL, completed INTEGER NOT NULL, dead INTEGER NOT NULL, cancelled INTEGER NOT NULL
    ) WITHOUT ROWID, STRICT;
    CREATE TABLE IF NOT EXISTS counted(no INTEGER, id BLOB, PRIMARY KEY(no, id)) WITHOUT ROWID, STRICT;
    CREATE TABLE IF NOT EXISTS schedule(
        name TEXT PRIMARY KEY, spec BLOB NOT NULL, place INTEGER NOT NULL, last INTEGER) WITHOUT ROWID, STRICT;
    CREATE TABLE IF NOT EXISTS note(id BLOB PRIMARY KEY, said BLOB NOT NULL) WITHOUT ROWID, STRICT;
    CREATE TABLE IF NOT EXISTS ended(no INTEGER PRIMARY KEY) STRICT;";

/// What the tables hold: `job` the unfinished (rowid = arrival), `done` completed and cancelled ones within
/// retention, `dead` the dead letters, `mark` the attempts begun, `id_old` and one `id_<hour>` per hour the
/// ids, `member` who is in a group, both up to the number `sorted` of `pulse`; `fresh` the ids behind it whose rows are
/// gone. `pulse` is one row that every commit moves, `block` the dead letters that hold their group. Queues have their
/// mode (running, paused, draining) as `paused`, their settings as JSON, and `spread`: of how many jobs of one
/// group at most some may be in ready order.
fn layout() -> String {
    format!(
        "CREATE TABLE pulse(
            one INTEGER PRIMARY KEY CHECK(one = 1), epoch INTEGER NOT NULL, commits INTEGER NOT NULL,
            number INTEGER NOT NULL, clean INTEGER NOT NULL, seen INTEGER NOT NULL,
            sorted INTEGER NOT NULL) STRICT;
         INSERT INTO pulse VALUES(1, 0, 0, 0, 1, 0, 0);
         CREATE TABLE queue(no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, paused INTEGER NOT NULL,
            settings TEXT, spread INTEGER NOT NULL DEFAULT 1) STRICT;
         CREATE TABLE job({COLUMNS}) STRICT;
         CREATE TABLE done({COLUMNS}) STRICT;
         CREATE TABLE dead({COLUMNS}) STRICT;
         CREATE INDEX job_ready ON job(queue, prio, ready) WHERE ready IS NOT NULL;
         CREATE INDEX job_expiry ON job(expires) WHERE expires IS NOT NULL AND attempt = 0;
         CREATE INDEX job_suspect ON job(queue) WHERE crash >= 2;
         CREATE TABLE mark(seq INTEGER PRIMARY KEY, cancel INTEGER NOT NULL) STRICT;
         CREATE TABLE id_old({ID_COLUMNS}) WITHOUT ROWID, STRICT;
         {LATER}
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {LAYOUT};"
    )
}

/// Since layout 2: who is in a group, and the newest ids. Before, every id was in its table at once, and groups were an
/// index of the rows.
const LATER: &str = "
    CREATE TABLE member(queue INTEGER NOT NULL, grp BLOB NOT NULL, seq INTEGER NOT NULL,
        PRIMARY KEY(queue, grp, seq)) WITHOUT ROWID, STRICT;
    CREATE TABLE fresh(seq INTEGER PRIMARY KEY, id BLOB NOT NULL, slot INTEGER NOT NULL, until INTEGER NOT NULL)
        STRICT;";

/// Brings layout 1 up to 2.
const TO_LAYOUT_2: &str = "
    INSERT INTO member SELECT queue, grp, seq FROM job WHERE grp IS NOT NULL ORDER BY queue, grp, seq;
    DROP INDEX job_group;
    UPDATE pulse SET sorted = number;";

/// Added since the first layout. Those who do not know of it can still use the store, but do not keep to settings.
///
/// Not `state IN (1, 2, 3)`: for three values or more SQLite makes a table of its own each time a row is put or deleted.
const ADDED: &str = "
    CREATE INDEX IF NOT EXISTS job_wait ON job(run_at) WHERE state >= 1 AND state <= 3;
    DROP INDEX IF EXISTS job_time;
    DROP INDEX IF EXISTS job_due;
    CREATE INDEX IF NOT EXISTS job_paced ON job(queue) WHERE state = 2;
    CREATE TABLE IF NOT EXISTS block(
        queue INTEGER NOT NULL, grp BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY(queue, grp, seq))
        WITHOUT ROWID, STRICT;";

/// Columns added since the first layout.
const ADDED_COLUMNS: [(&str, &str, &str); 11] = [
    ("pulse", "seen", "INTEGER NOT NULL DEFAULT 0"),
    ("pulse", "sorted", "INTEGER NOT NULL DEFAULT 0"),
    ("queue", "settings", "TEXT"),
    ("queue", "spread", "INTEGER NOT NULL DEFAULT 1"),
    ("job", "batch", "BLOB"),
    ("job", "extra", "INTEGER NOT NULL DEFAULT 0"),
    ("done", "batch", "BLOB"),
    ("done", "extra", "INTEGER NOT NULL DEFAULT 0"),
    ("dead", "batch", "BLOB"),
    ("dead", "extra", "INTEGER NOT NULL DEFAULT 0"),
    // The word for the last failure, by which dead letters are found and counted.
    ("dead", "word", "TEXT"),
];

/// Columns of every id table.
pub(super) const ID_COLUMNS: &str = "id BLOB PRIMARY KEY, seq INTEGER NOT NULL, until INTEGER NOT NULL";

/// Makes the folder and the file if they are missing, for their owner alone, and locks the store against
/// every other process. The lock holds as long as the returned file is open.
pub(super) fn lock(path: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::File { path: path.to_owned(), source };
    let folder = folder_of(path);
    make_folder(folder).map_err(failed)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let lock = private_file().open(PathBuf::from(beside)).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    private_file().open(path).map_err(failed)?;
    sync_folder(folder).map_err(failed)?;
    Ok(lock)
}

/// Makes `folder`, and what is missing above it. A name is on the disk only once the folder that holds it was
/// synced: without that, a power cut could take the store away as a whole.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    let above = |folder: &Path| match folder.parent() {
        Some(above) if above.as_os_str().is_empty() => PathBuf::from("."),
        Some(above) => above.to_owned(),
        None => folder.to_owned(),
    };
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    private_folder().create(folder)?;
    missing.iter().rev().try_for_each(|made| sync_folder(&above(made)))
}

/// The folder in which `path` lies.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(unix)]
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere folders cannot be opened, and names need no sync.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// Writes the log's bytes once more where they are, and syncs them. While nobody has the store open.
///
/// A sync that failed, here or in a process before, may have left bytes that can be read and are not on the disk, and
/// no later sync writes them. To go on behind them would be to lose what comes next in a power cut; to move them into
/// the database, to leave it half changed.
pub(super) fn rewrite_log(path: &Path) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-wal");
    let mut log = match OpenOptions::new().read(true).write(true).open(PathBuf::from(beside)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let (mut at, mut bytes) = (0, vec![0; REWRITE_BYTES]);
    loop {
        log.seek(SeekFrom::Start(at))?;
        let length = match log.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        if length == 0 {
            return if at == 0 { Ok(()) } else { log.sync_all() };
        }
        log.seek(SeekFrom::Start(at))?;
        log.write_all(&bytes[..length])?;
        at += length as u64;
    }
}

/// Without this, the last connection to go would move the log into the database, whatever has become of the log.
fn leave_log_at_close(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

#[cfg(unix)]
fn private_folder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_folder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    builder
}

/// SQLite gives its log and index the permissions of the database.
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens the connection that writes, and lays out an empty file.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    leave_log_at_close(&conn).map_err(failed)?;
    match check_layout(&conn).map_err(failed)? {
        Found::Empty | Found::Known => {}
        Found::Foreign => return Err(OpenError::Foreign { path: path.to_owned() }),
        Found::Newer(found) => return Err(OpenError::Newer { path: path.to_owned(), found, known: LAYOUT }),
    }
    prepare_writer(&conn).map_err(failed)?;
    Ok(conn)
}

enum Found {
    Empty,
    Known,
    Foreign,
    Newer(i64),
}

fn check_layout(conn: &Connection) -> rusqlite::Result<Found> {
    let pragma = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
    let tables = match tables {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            return Ok(Found::Foreign);
        }
        other => other?,
    };
    Ok(match (pragma("application_id")?, pragma("user_version")?) {
        (0, 0) if tables == 0 => Found::Empty,
        (APPLICATION_ID, LAYOUT) => Found::Known,
        (APPLICATION_ID, older) if OLDER.contains(&older) => Found::Known,
        (APPLICATION_ID, newer) if newer > LAYOUT => Found::Newer(newer),
        _ => Found::Foreign,
    })
}

fn prepare_writer(conn: &Connection) -> rusqlite::Result<()> {
    keep_plans(conn)?;
    // Only a stranger could be in the way: nobody else writes.
    conn.busy_timeout(Duration::from_secs(2))?;
    conn.set_prepared_statement_cache_capacity(256);
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    conn.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA cache_size = -2048;
         PRAGMA temp_store = MEMORY;",
    )?;
    // Checkpoints are the checkpointer's; the log keeps its blocks, because overwriting is cheaper than growing.
    conn.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    conn.query_row("PRAGMA journal_size_limit = 67108864", [], |_| Ok(()))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        conn.execute_batch(&format!("BEGIN IMMEDIATE; {} COMMIT;", layout()))?;
    }
    for (table, column, form) in ADDED_COLUMNS {
        let sql = "SELECT EXISTS(SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2)";
        if !conn.query_row(sql, [table, column], |row| row.get::<_, bool>(0))? {
            // A store from before this column.
            conn.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column} {form}"))?;
        }
    }
    conn.execute_batch(&format!("BEGIN IMMEDIATE; {ADDED} {BESIDE} {} COMMIT;", deaths::ADDED))?;
    let layout: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if OLDER.contains(&layout) {
        let upgrade =
            format!("BEGIN IMMEDIATE; {LATER} {TO_LAYOUT_2} PRAGMA user_version = {LAYOUT}; COMMIT;");
        conn.execute_batch(&upgrade)?;
    }
    deaths::name_all(conn)
}

/// Plans are made once. Without this, SQLite looks at the values bound to a statement to find out whether they would
/// make one of the partial indexes fit, and plans anew whenever they change; none of our searches gains by it.
fn keep_plans(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// From now on commits do not wait for the disk: whoever commits syncs the log ([`super::log`]).
pub(super) fn leave_syncing(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("PRAGMA synchronous = NORMAL")
}

/// Opens a connection that only reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    leave_log_at_close(&conn)?;
    keep_plans(&conn)?;
    conn.busy_timeout(Duration::from_secs(1))?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY;")?;
    Ok(conn)
}

/// Opens a connection that only checkpoints.
pub(super) fn open_checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    leave_log_at_close(&conn)?;
    conn.query_row("PRAGMA wal_autocheckpoint = 0", [], |_| Ok(()))?;
    conn.execute_batch("PRAGMA synchronous = FULL;")?;
    Ok(conn)
}
