//! Outbox entries: loading, moving by the rules of `progress`, storing.

use crate::failure::{Failure, inconsistent, unreadable};
use crate::progress::{Note, Progress, Verdict};
use crate::{events, status};
use rusqlite::{Connection, OptionalExtension, Row, params};
use steadfast_core::Address;
use steadfast_core::conversation::ConversationId;
use steadfast_core::message::{AccountSid, MessageSid};
use steadfast_core::outbox::{Claim, NewReply, OutboxEntry, OutboxId, OutboxState, SendRecord};
use steadfast_core::ports::RecordsError;
use steadfast_core::status::DeliveryStatus;

/// An entry with all that is known of it.
pub(crate) struct Loaded {
    pub(crate) reply: NewReply,
    pub(crate) progress: Progress,
    last_inbound_ms: Option<i64>,
    opted_out: bool,
}

/// Adds an entry unless its id is there. Says whether it is new.
pub(crate) fn add(tx: &Connection, reply: &NewReply, now_ms: i64) -> Result<bool, Failure> {
    let rows = tx
        .prepare_cached(
            "INSERT INTO outbox (id, conversation, in_reply_to, account, sender, recipient, body, state,
                 created_ms, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            reply.id.as_str(),
            reply.conversation.as_str(),
            reply.in_reply_to.as_str(),
            reply.account.as_str(),
            reply.from.as_str(),
            reply.to.as_str(),
            reply.body,
            OutboxState::Pending.as_str(),
            now_ms
        ])?;
    Ok(rows == 1)
}

/// Takes an entry for sending.
pub(crate) fn claim(tx: &Connection, id: &OutboxId, hold_ms: i64, now_ms: i64) -> Result<Claim, Failure> {
    let Some(mut loaded) = load(tx, id)? else {
        return Ok(Claim::Unknown);
    };
    let before = loaded.progress.clone();
    let mut notes = Vec::new();
    let verdict = loaded.progress.take(now_ms, hold_ms, &mut notes);
    loaded.save(tx, &before, &notes, now_ms)?;
    Ok(match verdict {
        Verdict::Granted => Claim::Granted(Box::new(loaded.into_entry())),
        Verdict::Ambiguous => Claim::Ambiguous(Box::new(loaded.into_entry())),
        Verdict::Held { for_ms } => Claim::Held { for_ms },
        Verdict::Settled(state) => Claim::Settled(state),
    })
}

/// Records what became of a send. The inner result is the answer: a contradiction is told to the caller,
/// yet what was learned of it is kept.
pub(crate) fn record_send(
    tx: &Connection,
    id: &OutboxId,
    outcome: &SendRecord,
    now_ms: i64,
) -> Result<Result<(), RecordsError>, Failure> {
    let Some(mut loaded) = load(tx, id)? else {
        return Err(inconsistent("a send was reported for a reply that is not in the outbox"));
    };
    let mut notes = Vec::new();
    if let SendRecord::Sent { sid } = outcome
        && let Some(holder) = find_by_sid(tx, sid)?
        && holder != *id
    {
        let detail = format!("{sid} belongs to another reply");
        let note = Note { stage: "sent_unclear".to_owned(), detail: detail.clone(), once: true };
        loaded.note(tx, &[note], now_ms)?;
        return Ok(Err(RecordsError::Inconsistent { what: detail, source: None }));
    }
    let before = loaded.progress.clone();
    let verdict = loaded.progress.report(outcome, &mut notes);
    loaded.save(tx, &before, &notes, now_ms)?;
    status::catch_up(tx, &mut loaded, &before, now_ms)?;
    Ok(verdict.map_err(|what| RecordsError::Inconsistent { what, source: None }))
}

/// The entry that Twilio knows as `sid`.
pub(crate) fn find_by_sid(conn: &Connection, sid: &MessageSid) -> Result<Option<OutboxId>, Failure> {
    let id: Option<String> = conn
        .prepare_cached("SELECT id FROM outbox WHERE sid = ?1")?
        .query_row([sid.as_str()], |row| row.get(0))
        .optional()?;
    id.map(|id| OutboxId::parse(&id).ok_or_else(|| inconsistent("an outbox id that is none"))).transpose()
}

/// Which of `sids` belong to entries.
pub(crate) fn known_sids(conn: &Connection, sids: &[MessageSid]) -> Result<Vec<MessageSid>, Failure> {
    let mut known = Vec::new();
    for sid in sids {
        if find_by_sid(conn, sid)?.is_some() {
            known.push(sid.clone());
        }
    }
    Ok(known)
}

/// The entry with this id.
pub(crate) fn load(conn: &Connection, id: &OutboxId) -> Result<Option<Loaded>, Failure> {
    let mut statement = conn.prepare_cached(
        "SELECT o.conversation, o.in_reply_to, o.account, o.sender, o.recipient, coalesce(o.body, ''),
             o.state, o.sid, o.delivery, o.error_code, o.reason, o.claim_from_ms, o.claim_until_ms,
             o.first_try_ms, o.absent_reads, o.lost_claims, o.created_ms,
             c.last_inbound_ms, coalesce(c.opted_out, 0)
         FROM outbox o LEFT JOIN conversations c ON c.id = o.conversation WHERE o.id = ?1",
    )?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(|row| read(id, row)).transpose()
}

fn read(id: &OutboxId, row: &Row<'_>) -> Result<Loaded, Failure> {
    let text = |index: usize| row.get::<_, String>(index);
    let address = |index: usize| Address::parse(text(index)?).map_err(|error| unreadable("address", error));
    let sid = |text: String| MessageSid::parse(text).map_err(|error| unreadable("message sid", error));
    let reply = NewReply {
        id: id.clone(),
        conversation: ConversationId::from_stored(text(0)?),
        in_reply_to: sid(text(1)?)?,
        account: AccountSid::parse(text(2)?).map_err(|error| unreadable("account sid", error))?,
        from: address(3)?,
        to: address(4)?,
        body: text(5)?,
    };
    let state = text(6)?;
    let state = OutboxState::parse(&state).ok_or_else(|| inconsistent(format!("outbox state {state:?}")))?;
    let delivery: Option<String> = row.get(8)?;
    let claim = match (row.get(11)?, row.get(12)?) {
        (Some(from), Some(until)) => Some((from, until)),
        _ => None,
    };
    let progress = Progress {
        state,
        sid: row.get::<_, Option<String>>(7)?.map(sid).transpose()?,
        delivery: delivery.as_deref().and_then(DeliveryStatus::parse),
        error_code: row.get(9)?,
        reason: row.get(10)?,
        claim,
        first_try_ms: row.get(13)?,
        absent_reads: row.get(14)?,
        lost_claims: row.get(15)?,
        created_ms: row.get(16)?,
    };
    Ok(Loaded { reply, progress, last_inbound_ms: row.get(17)?, opted_out: row.get(18)? })
}

impl Loaded {
    /// Stores what moved since `before`, and tells the timeline.
    pub(crate) fn save(
        &self,
        tx: &Connection,
        before: &Progress,
        notes: &[Note],
        at_ms: i64,
    ) -> Result<(), Failure> {
        self.note(tx, notes, at_ms)?;
        if self.progress == *before {
            return Ok(());
        }
        let progress = &self.progress;
        tx.prepare_cached(
            "UPDATE outbox SET state = ?2, sid = ?3, delivery = ?4, error_code = ?5, reason = ?6,
                 claim_from_ms = ?7, claim_until_ms = ?8, first_try_ms = ?9, absent_reads = ?10,
                 lost_claims = ?11, changed_ms = ?12
             WHERE id = ?1",
        )?
        .execute(params![
            self.reply.id.as_str(),
            progress.state.as_str(),
            progress.sid.as_ref().map(MessageSid::as_str),
            progress.delivery.map(DeliveryStatus::as_str),
            progress.error_code,
            progress.reason,
            progress.claim.map(|(from, _)| from),
            progress.claim.map(|(_, until)| until),
            progress.first_try_ms,
            progress.absent_reads,
            progress.lost_claims,
            at_ms
        ])?;
        Ok(())
    }

    fn note(&self, tx: &Connection, notes: &[Note], at_ms: i64) -> Result<(), Failure> {
        for note in notes {
            let answered = self.reply.in_reply_to.as_str();
            events::add_for_reply(tx, &self.reply.id, answered, at_ms, note)?;
        }
        Ok(())
    }

    fn into_entry(self) -> OutboxEntry {
        OutboxEntry {
            reply: self.reply,
            state: self.progress.state,
            sid: self.progress.sid,
            delivery: self.progress.delivery,
            error_code: self.progress.error_code,
            first_try_ms: self.progress.first_try_ms,
            absent_reads: self.progress.absent_reads,
            last_inbound_ms: self.last_inbound_ms,
            opted_out: self.opted_out,
        }
    }
}
