//! The ports through which the bot, the gateway's wiring and the monitor reach the world.

use crate::catalogue::Catalogue;
use crate::conversation::{Conversation, ConversationId};
use crate::decision::{Applied, Decision, StepKey};
use crate::message::{MessageSid, StatusCallback};
use crate::order::Order;
use crate::outbox::{Claim, NewReply, OutboxId, SendRecord};
use crate::timeline::Timeline;
use async_trait::async_trait;
use std::sync::Arc;

/// Why the records could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// Somebody else changed the conversation or the order first: read again and decide again.
    #[error("the conversation or order changed meanwhile")]
    Conflict,
    /// The store cannot be reached or written now (disk full, locked, gone): try again later.
    #[error("the records are unavailable: {what}")]
    Unavailable {
        /// What was being done.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The store answered something that must not be: a defect, or a damaged file.
    #[error("the records are inconsistent: {what}")]
    Inconsistent {
        /// What was found.
        what: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// The records: what the bot knows and has promised.
///
/// # Cancel safety
/// Dropping any of these futures leaves the records either unchanged or changed as asked; asking again
/// is safe, because every write is guarded by its step key, claim or rank.
#[async_trait]
pub trait Records: Send + Sync + std::fmt::Debug + 'static {
    /// The decision stored under `step`, if it was applied before. The cheap question to ask first.
    async fn applied(&self, step: &StepKey) -> Result<Option<Decision>, RecordsError>;

    /// Applies `decision` under `step` in one durable transaction, or returns the one applied before.
    /// With `expected`, only if the conversation still has that version; it then has the next one.
    async fn apply(
        &self,
        step: &StepKey,
        expected: Option<(ConversationId, u64)>,
        decision: Decision,
    ) -> Result<Applied, RecordsError>;

    /// The conversation, or a new one of version 0.
    async fn conversation(&self, id: &ConversationId) -> Result<Conversation, RecordsError>;

    /// What can be ordered.
    async fn catalogue(&self) -> Result<Arc<Catalogue>, RecordsError>;

    /// The conversation's orders, newest first, at most `limit`.
    async fn orders(&self, conversation: &ConversationId, limit: u32) -> Result<Vec<Order>, RecordsError>;

    /// Takes the entry for sending, for `hold_ms` by the store's own clock. A claim that ran out unsettled
    /// makes the entry ambiguous, never unsent.
    async fn claim(&self, id: &OutboxId, hold_ms: i64) -> Result<Claim, RecordsError>;

    /// Records what became of a claimed or ambiguous entry. Never undoes a settled one.
    async fn record_send(&self, id: &OutboxId, outcome: SendRecord) -> Result<(), RecordsError>;

    /// Moves the reply's delivery status by a callback, never backwards, and resolves an ambiguous send.
    /// Says whether anything moved.
    async fn record_status(&self, callback: &StatusCallback) -> Result<bool, RecordsError>;

    /// Which of these ids of Twilio's belong to entries of ours already: an ambiguous send may not claim
    /// another reply's message as its own.
    async fn known_sids(&self, sids: &[MessageSid]) -> Result<Vec<MessageSid>, RecordsError>;

    /// What happened to a message, inbound or outbound.
    async fn timeline(&self, sid: &MessageSid) -> Result<Option<Timeline>, RecordsError>;

    /// Whether the store answers, for health checks.
    async fn ping(&self) -> Result<(), RecordsError>;
}

/// How a send ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Twilio has it.
    Accepted {
        /// Under this id.
        sid: MessageSid,
    },
    /// Twilio refused it, or was never reached: nothing was sent.
    Refused(Refusal),
    /// The request went out and no usable answer came back.
    Ambiguous {
        /// What was seen.
        why: String,
    },
}

/// Why nothing was sent, and what that means for the next try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, if an answer came.
    pub http_status: Option<u16>,
    /// Twilio's code, if it gave one.
    pub code: Option<u32>,
    /// What to do.
    pub class: RefusalClass,
    /// How long Twilio asked us to wait, in milliseconds, if it did.
    pub retry_after_ms: Option<u64>,
    /// For the log and the dead letter; holds no text of the message and no whole address.
    pub message: String,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalClass {
    /// Try again with backoff.
    Retry,
    /// The sender must rest: nothing goes out from it for so many milliseconds.
    PauseSender {
        /// How long.
        for_ms: u64,
    },
    /// Credentials or setup are wrong: nothing will go out until an operator mends it.
    Config,
    /// This reply can never be sent.
    Permanent,
    /// The person opted out.
    OptedOut,
    /// The 24-hour window is closed.
    WindowClosed,
}

/// A message found in Twilio's list.
#[derive(Clone, PartialEq, Eq)]
pub struct ListedMessage {
    /// Its id.
    pub sid: MessageSid,
    /// Its text.
    pub body: String,
}

impl std::fmt::Debug for ListedMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListedMessage({})", self.sid)
    }
}

/// Sends messages and looks them up.
#[async_trait]
pub trait Messenger: Send + Sync + std::fmt::Debug + 'static {
    /// Sends one reply. Returns within its own deadline, whatever the network does.
    ///
    /// # Cancel safety
    /// Not cancel safe: a dropped send is ambiguous, and the caller's claim on the outbox entry says so.
    async fn send(&self, reply: &NewReply) -> SendOutcome;

    /// Outbound messages to the reply's recipient from its sender, sent since `since_ms`.
    async fn list_sent(&self, reply: &NewReply, since_ms: i64) -> Result<Vec<ListedMessage>, Refusal>;
}
