//! Status callbacks, in whatever order they arrive: before the answer to the send, twice, or for a
//! message that is not ours.

use crate::failure::Failure;
use crate::outbox::{self, Loaded};
use crate::progress::Progress;
use rusqlite::{Connection, params};
use steadfast_core::message::StatusCallback;

/// Follows a callback. Says whether anything moved.
pub(crate) fn record(tx: &Connection, callback: &StatusCallback) -> Result<bool, Failure> {
    let Some(mut loaded) = find(tx, callback)? else {
        keep(tx, callback)?;
        return Ok(false);
    };
    let before = loaded.progress.clone();
    let mut notes = Vec::new();
    let moved = loaded.progress.observe(callback, &mut notes);
    loaded.save(tx, &before, &notes, callback.received_ms)?;
    catch_up(tx, &mut loaded, &before, callback.received_ms)?;
    Ok(moved)
}

/// The entry a callback speaks of. Its sid says more than the id in its URL: one sid is one message.
fn find(tx: &Connection, callback: &StatusCallback) -> Result<Option<Loaded>, Failure> {
    let by_sid = outbox::find_by_sid(tx, &callback.sid)?;
    match by_sid.as_ref().or(callback.outbox_id.as_ref()) {
        Some(id) => outbox::load(tx, id),
        None => Ok(None),
    }
}

/// Keeps a callback whose message no entry has yet: the answer to its send may still be under way.
fn keep(tx: &Connection, callback: &StatusCallback) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO status_callbacks (sid, status, error_code, received_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (sid, status) DO NOTHING",
    )?
    .execute(params![
        callback.sid.as_str(),
        callback.status,
        callback.error_code,
        callback.received_ms
    ])?;
    Ok(())
}

/// Once an entry has its sid, follows the callbacks that came before it.
pub(crate) fn catch_up(
    tx: &Connection,
    loaded: &mut Loaded,
    before: &Progress,
    now_ms: i64,
) -> Result<(), Failure> {
    let Some(sid) = loaded.progress.sid.clone().filter(|_| before.sid.is_none()) else {
        return Ok(());
    };
    let mut statement = tx.prepare_cached(
        "DELETE FROM status_callbacks WHERE sid = ?1 RETURNING status, error_code, received_ms",
    )?;
    let rows = statement.query_map([sid.as_str()], |row| {
        Ok((row.get::<_, i64>(2)?, row.get::<_, String>(0)?, row.get::<_, Option<u32>>(1)?))
    })?;
    let mut early = rows.collect::<Result<Vec<_>, _>>()?;
    early.sort();
    for (received_ms, word, error_code) in early {
        let before = loaded.progress.clone();
        let mut notes = Vec::new();
        loaded.progress.follow(&word, error_code, &mut notes);
        loaded.save(tx, &before, &notes, received_ms.min(now_ms))?;
    }
    Ok(())
}
