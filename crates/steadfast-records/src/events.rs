//! Timelines: what happened to a message. Append-only, no texts, no whole addresses.

use crate::failure::{Failure, unreadable};
use crate::progress::Note;
use rusqlite::{Connection, OptionalExtension, params};
use steadfast_core::Address;
use steadfast_core::message::MessageSid;
use steadfast_core::outbox::OutboxId;
use steadfast_core::timeline::{Timeline, TimelineEvent};

/// Events of one timeline that are shown at most; the oldest come first.
const EVENTS_MAX: u32 = 1_000;

/// Adds a line to a message's timeline.
pub(crate) fn add(tx: &Connection, sid: &str, at_ms: i64, stage: &str, detail: &str) -> Result<(), Failure> {
    insert(tx, sid, None, at_ms, stage, detail)
}

/// Adds a line about a reply: it shows in the reply's timeline and in that of the message it answers.
pub(crate) fn add_for_reply(
    tx: &Connection,
    reply: &OutboxId,
    in_reply_to: &str,
    at_ms: i64,
    note: &Note,
) -> Result<(), Failure> {
    if note.once {
        let said = tx
            .prepare_cached("SELECT 1 FROM message_events WHERE outbox_id = ?1 AND stage = ?2")?
            .exists(params![reply.as_str(), note.stage])?;
        if said {
            return Ok(());
        }
    }
    insert(tx, in_reply_to, Some(reply.as_str()), at_ms, &note.stage, &note.detail)
}

fn insert(
    tx: &Connection,
    sid: &str,
    outbox_id: Option<&str>,
    at_ms: i64,
    stage: &str,
    detail: &str,
) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO message_events (sid, outbox_id, at_ms, stage, detail) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![sid, outbox_id, at_ms, stage, detail])?;
    Ok(())
}

/// The timeline of an inbound message or of a reply.
pub(crate) fn timeline(conn: &Connection, sid: &MessageSid) -> Result<Option<Timeline>, Failure> {
    let inbound = conn
        .prepare_cached("SELECT sender, correlation_id FROM messages WHERE sid = ?1")?
        .query_row([sid.as_str()], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    if let Some((address, correlation_id)) = inbound {
        let events = events(conn, "sid", sid.as_str())?;
        return finish(sid, "inbound", address, correlation_id, events).map(Some);
    }
    let outbound = conn
        .prepare_cached(
            "SELECT o.id, o.recipient, coalesce(m.correlation_id, '')
             FROM outbox o LEFT JOIN messages m ON m.sid = o.in_reply_to WHERE o.sid = ?1",
        )?
        .query_row([sid.as_str()], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
        })
        .optional()?;
    let Some((id, address, correlation_id)) = outbound else {
        return Ok(None);
    };
    let events = events(conn, "outbox_id", &id)?;
    finish(sid, "outbound", address, correlation_id, events).map(Some)
}

fn finish(
    sid: &MessageSid,
    direction: &str,
    address: String,
    correlation_id: String,
    events: Vec<TimelineEvent>,
) -> Result<Timeline, Failure> {
    let address = Address::parse(address).map_err(|error| unreadable("address", error))?;
    Ok(Timeline {
        sid: sid.as_str().to_owned(),
        direction: direction.to_owned(),
        address: address.redacted(),
        correlation_id,
        events,
    })
}

fn events(conn: &Connection, column: &str, key: &str) -> Result<Vec<TimelineEvent>, Failure> {
    let sql = format!(
        "SELECT at_ms, stage, detail FROM message_events WHERE {column} = ?1 ORDER BY at_ms, id LIMIT ?2"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let rows = statement.query_map(params![key, EVENTS_MAX], |row| {
        Ok(TimelineEvent { at_ms: row.get(0)?, stage: row.get(1)?, detail: row.get(2)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
