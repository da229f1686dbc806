//! Applying a decision: once per step, whole or not at all.

use crate::failure::Failure;
use crate::progress::Note;
use crate::{changes, conversation, events, ledger, outbox};
use rusqlite::Connection;
use steadfast_core::conversation::ConversationId;
use steadfast_core::decision::{Applied, Change, Decision, StepKey};
use steadfast_core::ports::RecordsError;

/// What is to be applied. `json` is the decision as the ledger keeps it.
pub(crate) struct Offer {
    pub(crate) step: StepKey,
    pub(crate) expected: Option<(ConversationId, u64)>,
    pub(crate) decision: Decision,
    pub(crate) json: String,
}

/// Applies the offer, or returns what was applied under its step before.
pub(crate) fn apply(tx: &Connection, offer: Offer, now_ms: i64) -> Result<Applied, Failure> {
    if let Some(decision) = ledger::find(tx, &offer.step)? {
        return Ok(Applied { decision, fresh: false });
    }
    if let Some((id, version)) = &offer.expected
        && conversation::version(tx, id)? != *version
    {
        return Err(RecordsError::Conflict.into());
    }
    let cause = cause_of(&offer.decision);
    for change in &offer.decision.changes {
        changes::make(tx, change, cause, now_ms)?;
    }
    for reply in &offer.decision.outbox {
        if outbox::add(tx, reply, now_ms)? {
            let note = Note { stage: "reply_queued".to_owned(), detail: String::new(), once: false };
            events::add_for_reply(tx, &reply.id, reply.in_reply_to.as_str(), now_ms, &note)?;
        }
    }
    for id in touched(&offer) {
        conversation::bump(tx, id, now_ms)?;
    }
    ledger::store(tx, &offer.step, &offer.json, now_ms)?;
    Ok(Applied { decision: offer.decision, fresh: true })
}

/// The conversations whose version this decision raises, each once: the expected one, and those whose
/// draft it changes, so that nobody who decided on the old draft can overwrite the new one.
fn touched(offer: &Offer) -> Vec<&ConversationId> {
    let mut touched: Vec<&ConversationId> = offer.expected.iter().map(|(id, _)| id).collect();
    for change in &offer.decision.changes {
        if let Change::SaveDraft { conversation, .. } | Change::DropDraft { conversation } = change
            && !touched.contains(&conversation)
        {
            touched.push(conversation);
        }
    }
    touched
}

/// The message under which the decision's effects are told: the one it records, speaks of or answers.
fn cause_of(decision: &Decision) -> Option<&str> {
    let named = decision.changes.iter().find_map(|change| match change {
        Change::RecordInbound { message, .. } => Some(message.sid.as_str()),
        Change::Event { sid, .. } | Change::RecordCheck { sid, .. } => Some(sid.as_str()),
        _ => None,
    });
    named.or_else(|| decision.outbox.first().map(|reply| reply.in_reply_to.as_str()))
}
