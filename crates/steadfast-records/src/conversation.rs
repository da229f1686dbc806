//! Conversations and contacts.

use crate::failure::{Failure, bad_json, count};
use rusqlite::{Connection, OptionalExtension, params};
use steadfast_core::conversation::{Conversation, ConversationId, Draft};
use steadfast_core::message::InboundMessage;

/// The conversation, or a new one.
pub(crate) fn load(conn: &Connection, id: &ConversationId) -> Result<Conversation, Failure> {
    let row = conn
        .prepare_cached("SELECT version, draft, last_inbound_ms, opted_out FROM conversations WHERE id = ?1")?
        .query_row([id.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((version, draft, last_inbound_ms, opted_out)) = row else {
        return Ok(Conversation::new(id.clone()));
    };
    let draft = draft
        .map(|json| serde_json::from_str(&json))
        .transpose()
        .map_err(|error| bad_json("draft", &error))?;
    Ok(Conversation { id: id.clone(), version: count(version)?, draft, last_inbound_ms, opted_out })
}

/// The conversation's version, 0 if it has not begun.
pub(crate) fn version(tx: &Connection, id: &ConversationId) -> Result<u64, Failure> {
    let version = tx
        .prepare_cached("SELECT version FROM conversations WHERE id = ?1")?
        .query_row([id.as_str()], |row| row.get(0))
        .optional()?;
    count(version.unwrap_or(0))
}

/// Counts one more decision that changed it.
pub(crate) fn bump(tx: &Connection, id: &ConversationId, now_ms: i64) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO conversations (id, version, changed_ms) VALUES (?1, 1, ?2)
         ON CONFLICT (id) DO UPDATE SET version = version + 1, changed_ms = excluded.changed_ms",
    )?
    .execute(params![id.as_str(), now_ms])?;
    Ok(())
}

/// Sets or drops the draft.
pub(crate) fn set_draft(
    tx: &Connection,
    id: &ConversationId,
    draft: Option<&Draft>,
    now_ms: i64,
) -> Result<(), Failure> {
    let json = draft.map(serde_json::to_string).transpose().map_err(|error| bad_json("draft", &error))?;
    tx.prepare_cached(
        "INSERT INTO conversations (id, draft, changed_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET draft = excluded.draft, changed_ms = excluded.changed_ms",
    )?
    .execute(params![id.as_str(), json, now_ms])?;
    Ok(())
}

/// Remembers STOP or START.
pub(crate) fn set_opted_out(
    tx: &Connection,
    id: &ConversationId,
    opted_out: bool,
    now_ms: i64,
) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO conversations (id, opted_out, changed_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET opted_out = excluded.opted_out, changed_ms = excluded.changed_ms",
    )?
    .execute(params![id.as_str(), opted_out, now_ms])?;
    Ok(())
}

/// Opens the 24-hour window from the message's time on, unless a later one did.
pub(crate) fn heard_from(
    tx: &Connection,
    id: &ConversationId,
    message: &InboundMessage,
    now_ms: i64,
) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO conversations (id, account, ours, theirs, last_inbound_ms, changed_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE SET
             account = excluded.account, ours = excluded.ours, theirs = excluded.theirs,
             last_inbound_ms = max(coalesce(last_inbound_ms, excluded.last_inbound_ms), excluded.last_inbound_ms),
             changed_ms = excluded.changed_ms",
    )?
    .execute(params![
        id.as_str(),
        message.account.as_str(),
        message.to.as_str(),
        message.from.as_str(),
        message.received_ms,
        now_ms
    ])?;
    Ok(())
}

/// Remembers who wrote, by what they last called themselves.
pub(crate) fn remember_contact(tx: &Connection, message: &InboundMessage) -> Result<(), Failure> {
    tx.prepare_cached(
        "INSERT INTO contacts (address, profile_name, external_user_id, first_seen_ms, last_seen_ms)
         VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT (address) DO UPDATE SET
             profile_name = coalesce(excluded.profile_name, profile_name),
             external_user_id = coalesce(excluded.external_user_id, external_user_id),
             first_seen_ms = min(first_seen_ms, excluded.first_seen_ms),
             last_seen_ms = max(last_seen_ms, excluded.last_seen_ms)",
    )?
    .execute(params![
        message.from.as_str(),
        message.profile_name,
        message.external_user_id,
        message.received_ms
    ])?;
    Ok(())
}
