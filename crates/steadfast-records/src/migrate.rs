//! The schema and its versions.

use crate::options::OpenError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Marks a file as records of this program: "STFR".
const APPLICATION_ID: u32 = 0x5354_4652;

/// The migrations in order: the first makes version 1. Never edited once released, only added to.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_initial.sql")];

/// The version that this program writes.
const KNOWN: u32 = MIGRATIONS.len() as u32;

fn failed(what: &str) -> impl FnOnce(rusqlite::Error) -> OpenError {
    let what = what.to_owned();
    move |source| OpenError::Database { what, source }
}

/// The file's schema version, 0 when it is new. Changes nothing, so that a foreign or newer file is left
/// as it was found.
pub(crate) fn version_of(conn: &Connection, path: &Path) -> Result<u32, OpenError> {
    let pragma = |name: &str| conn.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let reading = || failed("its header cannot be read; is it damaged, or no database at all?");
    let application = pragma("application_id").map_err(reading())?;
    let found = pragma("user_version").map_err(reading())?;
    let tables: u32 =
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(reading())?;
    if application != APPLICATION_ID && (application != 0 || found != 0 || tables != 0) {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if found > KNOWN {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: KNOWN });
    }
    Ok(found)
}

/// Brings the schema from `found` to the newest version, each step in a transaction of its own.
pub(crate) fn migrate(conn: &mut Connection, found: u32) -> Result<(), OpenError> {
    for (version, sql) in (1_u32..).zip(MIGRATIONS).skip(found as usize) {
        let doing = format!("the schema cannot be brought to version {version}; nothing was changed");
        let run = |conn: &mut Connection| -> rusqlite::Result<()> {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            tx.execute_batch(sql)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID)?;
            tx.pragma_update(None, "user_version", version)?;
            tx.commit()
        };
        run(conn).map_err(failed(&doing))?;
    }
    Ok(())
}
