//! What the monitor reads: counts, recent messages, replies in trouble. Never a text, never a whole
//! address.

use crate::failure::{Failure, count, inconsistent, unreadable};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use steadfast_core::Address;
use steadfast_core::order::OrderState;
use steadfast_core::outbox::{OutboxId, OutboxState};
use steadfast_core::ports::RecordsError;

/// Most rows of one answer.
const ROWS_MAX: u32 = 500;

/// The monitor's view of the records.
#[async_trait]
pub trait RecordsRead: Send + Sync + std::fmt::Debug + 'static {
    /// How much there is. Costs the same however much that is.
    async fn counts(&self) -> Result<Counts, RecordsError>;

    /// Messages in both directions, newest first, at most `limit` (500 at most); the page after the one
    /// that ended at `after`.
    async fn recent_messages(
        &self,
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<MessageSummary>, RecordsError>;

    /// Replies that are ambiguous or failed, the latest changed first, at most `limit` (500 at most).
    async fn troubled_replies(&self, limit: u32) -> Result<Vec<TroubledReply>, RecordsError>;
}

/// How much there is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Inbound messages stored.
    pub messages: u64,
    /// Orders by state, every state named.
    pub orders: Vec<(OrderState, u64)>,
    /// Outbox entries by state, every state named.
    pub outbox: Vec<(OutboxState, u64)>,
}

/// A place in the list of recent messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageCursor {
    /// The time of the last message seen, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Its key.
    pub key: String,
}

/// One message, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageSummary {
    /// Where it stands in the list: hand it in to go on from here.
    pub cursor: PageCursor,
    /// Twilio's id; a reply not sent yet has none.
    pub sid: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// The other side's address, redacted.
    pub address: String,
    /// `text`, `media`, `location`, `button`, `list_choice`, `other` or `reply`.
    pub kind: String,
    /// The latest stage of an inbound message; the delivery status, or else the state, of a reply.
    pub stage: String,
}

/// A reply that needs somebody's eye.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubledReply {
    /// The outbox entry.
    pub id: OutboxId,
    /// `ambiguous` or `failed`.
    pub state: OutboxState,
    /// The message it answers.
    pub in_reply_to: String,
    /// The recipient, redacted.
    pub address: String,
    /// Twilio's id, if it has one.
    pub sid: Option<String>,
    /// Twilio's error code, if it gave one.
    pub error_code: Option<u32>,
    /// Reads of Twilio's list that did not show it.
    pub absent_reads: u32,
    /// When a send may first have happened, in milliseconds since the Unix epoch.
    pub first_try_ms: Option<i64>,
    /// When it last changed, in milliseconds since the Unix epoch.
    pub changed_ms: i64,
}

pub(crate) fn counts(conn: &Connection) -> Result<Counts, Failure> {
    let mut counts = Counts {
        messages: 0,
        orders: OrderState::ALL.map(|state| (state, 0)).to_vec(),
        outbox: OutboxState::ALL.map(|state| (state, 0)).to_vec(),
    };
    let mut statement = conn.prepare_cached("SELECT name, value FROM counters")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let value = count(row.get(1)?)?;
        let unknown = || inconsistent(format!("a counter named {name:?}"));
        match name.split_once('.') {
            None => counts.messages = value,
            Some(("orders", word)) => {
                let state = OrderState::parse(word).ok_or_else(unknown)?;
                counts.orders.iter_mut().filter(|(known, _)| *known == state).for_each(|(_, n)| *n = value);
            }
            Some((_, word)) => {
                let state = OutboxState::parse(word).ok_or_else(unknown)?;
                counts.outbox.iter_mut().filter(|(known, _)| *known == state).for_each(|(_, n)| *n = value);
            }
        }
    }
    Ok(counts)
}

pub(crate) fn recent(
    conn: &Connection,
    after: Option<&PageCursor>,
    limit: u32,
) -> Result<Vec<MessageSummary>, Failure> {
    // Each half is cut by its own index before the two are merged.
    let mut statement = conn.prepare_cached(
        "SELECT * FROM (SELECT * FROM (
             SELECT received_ms AS at_ms, sid AS key, sid, 'inbound', sender, type,
                 coalesce((SELECT stage FROM message_events e WHERE e.sid = messages.sid
                     ORDER BY e.id DESC LIMIT 1), 'received')
             FROM messages WHERE (received_ms, sid) < (?1, ?2)
             ORDER BY received_ms DESC, sid DESC LIMIT ?3)
         UNION ALL SELECT * FROM (
             SELECT created_ms, id, sid, 'outbound', recipient, 'reply', coalesce(delivery, state)
             FROM outbox WHERE (created_ms, id) < (?1, ?2)
             ORDER BY created_ms DESC, id DESC LIMIT ?3))
         ORDER BY at_ms DESC, key DESC LIMIT ?3",
    )?;
    let (at_ms, key) = after.map_or((i64::MAX, ""), |cursor| (cursor.at_ms, cursor.key.as_str()));
    let mut rows = statement.query(params![at_ms, key, limit.min(ROWS_MAX)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(MessageSummary {
            cursor: PageCursor { at_ms: row.get(0)?, key: row.get(1)? },
            sid: row.get(2)?,
            direction: row.get(3)?,
            address: redacted(row, 4)?,
            kind: row.get(5)?,
            stage: row.get(6)?,
        });
    }
    Ok(page)
}

pub(crate) fn troubled(conn: &Connection, limit: u32) -> Result<Vec<TroubledReply>, Failure> {
    let mut statement = conn.prepare_cached(
        "SELECT id, state, in_reply_to, recipient, sid, error_code, absent_reads, first_try_ms, changed_ms
         FROM outbox WHERE state IN ('ambiguous', 'failed') ORDER BY changed_ms DESC LIMIT ?1",
    )?;
    let mut rows = statement.query([limit.min(ROWS_MAX)])?;
    let mut troubled = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, state): (String, String) = (row.get(0)?, row.get(1)?);
        troubled.push(TroubledReply {
            id: OutboxId::parse(&id).ok_or_else(|| inconsistent("an outbox id that is none"))?,
            state: OutboxState::parse(&state)
                .ok_or_else(|| inconsistent(format!("outbox state {state:?}")))?,
            in_reply_to: row.get(2)?,
            address: redacted(row, 3)?,
            sid: row.get(4)?,
            error_code: row.get(5)?,
            absent_reads: row.get(6)?,
            first_try_ms: row.get(7)?,
            changed_ms: row.get(8)?,
        });
    }
    Ok(troubled)
}

fn redacted(row: &Row<'_>, index: usize) -> Result<String, Failure> {
    let address = Address::parse(row.get::<_, String>(index)?);
    Ok(address.map_err(|error| unreadable("address", error))?.redacted())
}
