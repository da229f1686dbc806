//! What a handler decided, as data: applied in one transaction, stored, and given back unchanged to
//! whoever asks again.

use crate::conversation::{ConversationId, Draft};
use crate::message::{InboundMessage, MessageSid};
use crate::order::{NewOrder, OrderId, OrderState};
use crate::outbox::NewReply;
use serde::{Deserialize, Serialize};

/// Identifies one step of one job for ever: a job's id and the step's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StepKey(String);

impl StepKey {
    /// Step `step` of the job with id `job_id` (hex).
    pub fn new(job_id: &str, step: &str) -> Self {
        Self(format!("{job_id}/{step}"))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One change of the records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Stores an inbound message, its contact and its conversation's last inbound time.
    RecordInbound {
        /// The message.
        message: Box<InboundMessage>,
        /// The conversation it belongs to.
        conversation: ConversationId,
        /// The id that follows it.
        correlation_id: String,
    },
    /// Adds a line to a message's timeline.
    Event {
        /// The message.
        sid: MessageSid,
        /// The stage.
        stage: String,
        /// What there is to say; never a text or a whole address.
        detail: String,
    },
    /// Sets the conversation's draft.
    SaveDraft {
        /// The conversation.
        conversation: ConversationId,
        /// The draft as shown.
        draft: Draft,
    },
    /// Drops the conversation's draft.
    DropDraft {
        /// The conversation.
        conversation: ConversationId,
    },
    /// Places an order.
    PlaceOrder {
        /// The order.
        order: Box<NewOrder>,
    },
    /// Moves an order, if it still is in `from`; otherwise the whole decision conflicts.
    MoveOrder {
        /// The order.
        id: OrderId,
        /// Where it must be.
        from: OrderState,
        /// Where it goes.
        to: OrderState,
        /// Who moved it: `customer`, `vendor`, `system`, `operator`.
        by: String,
        /// Why.
        reason: String,
    },
    /// The person said STOP (true) or START (false).
    SetOptedOut {
        /// The conversation.
        conversation: ConversationId,
        /// Whether they opted out.
        opted_out: bool,
    },
    /// Stores the outcome of a reality check.
    RecordCheck {
        /// The message that was checked.
        sid: MessageSid,
        /// Trust score 0-100.
        score: u8,
        /// `Legit`, `Suspicious` or `Likely Scam`.
        class: String,
        /// Confidence 0-100, in percent.
        confidence_pct: u8,
        /// The three reasons.
        reasons: Vec<String>,
    },
}

/// A job that must follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// Its name within the parent: with the parent's id it makes the job's id.
    pub step: String,
    /// The queue it goes to.
    pub queue: String,
    /// What kind of job it is.
    pub kind: String,
    /// Its payload, JSON.
    pub payload: String,
    /// Whether it waits its turn in the parent's group.
    pub grouped: bool,
    /// Not before this long from now, in milliseconds.
    pub delay_ms: u64,
}

/// What a handler decided.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What changes in the records.
    pub changes: Vec<Change>,
    /// Replies to store in the outbox.
    pub outbox: Vec<NewReply>,
    /// Jobs that follow.
    pub follow_ups: Vec<FollowUp>,
}

/// A decision that has been applied, now or before.
#[derive(Debug, Clone, PartialEq)]
pub struct Applied {
    /// The decision as stored: on a repeat, the first one, whatever was offered this time.
    pub decision: Decision,
    /// Whether this call applied it.
    pub fresh: bool,
}
