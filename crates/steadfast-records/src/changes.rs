//! Each kind of change, made in the transaction of its decision.

use crate::failure::{Failure, bad_json, inconsistent};
use crate::{conversation, events, orders};
use rusqlite::{Connection, params};
use steadfast_core::conversation::ConversationId;
use steadfast_core::decision::Change;
use steadfast_core::message::{Content, InboundMessage, MessageSid};

/// Makes `change`. Its effects are told under `cause`, the message behind it, where one is known.
pub(crate) fn make(
    tx: &Connection,
    change: &Change,
    cause: Option<&str>,
    now_ms: i64,
) -> Result<(), Failure> {
    let tell = |stage: &str, detail: &str| match cause {
        Some(sid) => events::add(tx, sid, now_ms, stage, detail),
        None => Ok(()),
    };
    match change {
        Change::RecordInbound { message, conversation, correlation_id } => {
            record_inbound(tx, message, conversation, correlation_id, now_ms)
        }
        Change::Event { sid, stage, detail } => events::add(tx, sid.as_str(), now_ms, stage, detail),
        Change::SaveDraft { conversation, draft } => {
            conversation::set_draft(tx, conversation, Some(draft), now_ms)
        }
        Change::DropDraft { conversation } => conversation::set_draft(tx, conversation, None, now_ms),
        Change::PlaceOrder { order } => match orders::place(tx, order)? {
            true => tell("order_placed", &order.number),
            false => Ok(()),
        },
        Change::MoveOrder { id, from, to, by, reason } => {
            let number = orders::advance(tx, id, (*from, *to), by, reason, now_ms)?;
            tell(&format!("order_{}", to.as_str()), &format!("{number}, by {by}"))
        }
        Change::SetOptedOut { conversation, opted_out } => {
            conversation::set_opted_out(tx, conversation, *opted_out, now_ms)?;
            tell(if *opted_out { "opted_out" } else { "opted_in" }, "")
        }
        Change::RecordCheck { sid, score, class, confidence_pct, reasons } => {
            record_check(tx, sid, (*score, class, *confidence_pct), reasons, now_ms)?;
            events::add(tx, sid.as_str(), now_ms, "checked", &format!("{class}, score {score}"))
        }
    }
}

fn record_inbound(
    tx: &Connection,
    message: &InboundMessage,
    conversation: &ConversationId,
    correlation_id: &str,
    now_ms: i64,
) -> Result<(), Failure> {
    // A second delivery is no second message: it does not open the 24-hour window anew either.
    if !insert_message(tx, message, conversation, correlation_id)? {
        return Ok(());
    }
    conversation::heard_from(tx, conversation, message, now_ms)?;
    conversation::remember_contact(tx, message)?;
    let detail = format!("{} from {}", type_of(&message.content), message.from.redacted());
    events::add(tx, message.sid.as_str(), message.received_ms, "received", &detail)
}

/// Says whether the message is new.
fn insert_message(
    tx: &Connection,
    message: &InboundMessage,
    conversation: &ConversationId,
    correlation_id: &str,
) -> Result<bool, Failure> {
    if let Content::Location { latitude, longitude, .. } = &message.content
        && !(latitude.is_finite() && longitude.is_finite())
    {
        return Err(inconsistent("a location whose degrees are no numbers cannot be stored"));
    }
    let content = serde_json::to_string(&message.content).map_err(|error| bad_json("content", &error))?;
    let extra = serde_json::to_string(&message.extra).map_err(|error| bad_json("message", &error))?;
    let rows = tx
        .prepare_cached(
            "INSERT INTO messages (sid, account, conversation, sender, recipient, type, body, content,
                 profile_name, external_user_id, in_reply_to, extra, correlation_id, received_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             ON CONFLICT (sid) DO NOTHING",
        )?
        .execute(params![
            message.sid.as_str(),
            message.account.as_str(),
            conversation.as_str(),
            message.from.as_str(),
            message.to.as_str(),
            type_of(&message.content),
            message.body,
            content,
            message.profile_name,
            message.external_user_id,
            message.in_reply_to,
            extra,
            correlation_id,
            message.received_ms
        ])?;
    Ok(rows == 1)
}

const fn type_of(content: &Content) -> &'static str {
    match content {
        Content::Text => "text",
        Content::Media { .. } => "media",
        Content::Location { .. } => "location",
        Content::Button { .. } => "button",
        Content::ListChoice { .. } => "list_choice",
        Content::Other { .. } => "other",
    }
}

/// A later check of the same message replaces the earlier one.
fn record_check(
    tx: &Connection,
    sid: &MessageSid,
    (score, class, confidence_pct): (u8, &str, u8),
    reasons: &[String],
    now_ms: i64,
) -> Result<(), Failure> {
    if score > 100 || confidence_pct > 100 {
        return Err(inconsistent(format!(
            "a check with score {score} and confidence {confidence_pct} %: both end at 100"
        )));
    }
    let reasons = serde_json::to_string(reasons).map_err(|error| bad_json("check", &error))?;
    tx.prepare_cached(
        "INSERT INTO reality_checks (sid, score, class, confidence_pct, reasons, checked_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (sid) DO UPDATE SET score = excluded.score, class = excluded.class,
             confidence_pct = excluded.confidence_pct, reasons = excluded.reasons,
             checked_ms = excluded.checked_ms",
    )?
    .execute(params![sid.as_str(), score, class, confidence_pct, reasons, now_ms])?;
    Ok(())
}
