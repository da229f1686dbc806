//! Replies on their way out.

use crate::address::Address;
use crate::conversation::ConversationId;
use crate::message::{AccountSid, MessageSid};
use crate::status::DeliveryStatus;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Identifies an outbox entry: derived from its reply key, so one reply key is one entry.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutboxId(String);

impl OutboxId {
    /// The entry for part `part` of the reply that `step` makes in `conversation` to `in_reply_to`.
    pub fn derived(conversation: &ConversationId, in_reply_to: &MessageSid, step: &str, part: u32) -> Self {
        let key = format!("reply\0{}\0{in_reply_to}\0{step}\0{part}", conversation.as_str());
        Self(hex::encode(&Sha256::digest(key)[..16]))
    }

    /// Takes over an id from storage or from a callback URL; `None` unless it is 32 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        valid.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A reply as a decision makes it: one message of at most 1,600 characters, already split.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReply {
    /// Its id, from the reply key.
    pub id: OutboxId,
    /// In which conversation.
    pub conversation: ConversationId,
    /// What it answers.
    pub in_reply_to: MessageSid,
    /// Under which account it goes out.
    pub account: AccountSid,
    /// Our address.
    pub from: Address,
    /// Theirs.
    pub to: Address,
    /// The text.
    pub body: String,
}

impl fmt::Debug for NewReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewReply").field("id", &self.id).field("to", &self.to).finish_non_exhaustive()
    }
}

/// How far an outbox entry has come on our side. What the channel says of it is its [`DeliveryStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// Nobody has tried yet, or the last try is known not to have happened.
    Pending,
    /// Claimed: a send may be under way.
    Sending,
    /// A send was under way and nobody knows how it ended. Never simply sent again.
    Ambiguous,
    /// Twilio has it.
    Sent,
    /// It will not be sent: the error says why.
    Failed,
    /// It must not be sent: opted out or window closed.
    Suppressed,
}

impl OutboxState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Sending, Self::Ambiguous, Self::Sent, Self::Failed, Self::Suppressed];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Ambiguous => "ambiguous",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Suppressed => "suppressed",
        }
    }

    /// Reads a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the entry is done with.
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Sent | Self::Failed | Self::Suppressed)
    }
}

/// An outbox entry as stored, with what the reply worker needs to decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxEntry {
    /// The reply.
    pub reply: NewReply,
    /// How far it has come.
    pub state: OutboxState,
    /// Twilio's id once it is known.
    pub sid: Option<MessageSid>,
    /// What the channel last said.
    pub delivery: Option<DeliveryStatus>,
    /// Twilio's error code of the last failure.
    pub error_code: Option<u32>,
    /// When the first send that may have happened began; bounds the search in Twilio's list.
    pub first_try_ms: Option<i64>,
    /// Reads of Twilio's list since the entry became ambiguous that did not show it.
    pub absent_reads: u32,
    /// When the person last wrote in this conversation.
    pub last_inbound_ms: Option<i64>,
    /// The person said STOP.
    pub opted_out: bool,
}

/// What claiming an entry yields.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is yours to send until the claim expires.
    Granted(Box<OutboxEntry>),
    /// A send may have happened: resolve before sending again.
    Ambiguous(Box<OutboxEntry>),
    /// Somebody else's claim runs for so many more milliseconds.
    Held {
        /// Time left on it.
        for_ms: i64,
    },
    /// Done with already.
    Settled(OutboxState),
    /// No such entry.
    Unknown,
}

/// What became of a claimed entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendRecord {
    /// Twilio accepted it under this id.
    Sent {
        /// Twilio's id.
        sid: MessageSid,
    },
    /// It is certain that nothing was sent; the entry is pending again.
    NotSent,
    /// Nobody knows.
    Ambiguous,
    /// Twilio's list was read and did not show it.
    AbsentFromList,
    /// It will never be sent.
    Failed {
        /// Twilio's error code.
        error_code: Option<u32>,
    },
    /// It must not be sent.
    Suppressed {
        /// `opted_out` or `window_closed`.
        reason: &'static str,
    },
    /// An operator wants a failed entry tried again. Does nothing to any other.
    Reopened,
}
