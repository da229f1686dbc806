//! A conversation: one person, one of our addresses.

use crate::address::Address;
use crate::message::AccountSid;
use crate::money::{Money, MoneyError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// Identifies a conversation: derived from account, our address and theirs, so every node finds the
/// same one without asking.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConversationId(String);

impl ConversationId {
    /// The conversation between `ours` and `theirs` under `account`.
    pub fn between(account: &AccountSid, ours: &Address, theirs: &Address) -> Self {
        let mut hash = Sha256::new();
        for part in [account.as_str(), ours.as_str(), theirs.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        Self(hex::encode(&hash.finalize()[..16]))
    }

    /// Takes over an id that was stored.
    pub fn from_stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id: 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the bot knows of a conversation when it handles the next message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    /// Which one.
    pub id: ConversationId,
    /// Counts the applied decisions that changed it; 0 before the first. A decision made on version `n`
    /// applies only to version `n`.
    pub version: u64,
    /// The order being put together.
    pub draft: Option<Draft>,
    /// When the person last wrote: opens the 24-hour window for free text.
    pub last_inbound_ms: Option<i64>,
    /// The person said STOP.
    pub opted_out: bool,
}

impl Conversation {
    /// A conversation that has not begun.
    pub fn new(id: ConversationId) -> Self {
        Self { id, version: 0, draft: None, last_inbound_ms: None, opted_out: false }
    }
}

/// An order being put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// Which draft: with the version it is the key under which an order is placed once.
    pub id: String,
    /// Counts what the person was shown. "Yes" is valid for the version shown last, and no other.
    pub version: u32,
    /// The lines, one per sku, in the order first named. Never empty.
    pub lines: Vec<DraftLine>,
    /// Where to deliver, if the person said so.
    pub address: Option<String>,
    /// When it lapses, in milliseconds since the Unix epoch.
    pub expires_ms: i64,
}

/// One line of a draft: price and name as shown to the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftLine {
    /// The product.
    pub sku: String,
    /// Its name when it was shown.
    pub name: String,
    /// At least 1.
    pub quantity: u32,
    /// Price of one when it was shown.
    pub unit_price: Money,
}

impl DraftLine {
    /// Price of the line.
    pub fn total(&self) -> Result<Money, MoneyError> {
        self.unit_price.times(self.quantity)
    }
}

/// The sum over `lines`; `None` when there are none.
pub fn total_of(lines: &[DraftLine]) -> Result<Option<Money>, MoneyError> {
    let mut sum: Option<Money> = None;
    for line in lines {
        let line_total = line.total()?;
        sum = Some(match sum {
            Some(sum) => sum.plus(line_total)?,
            None => line_total,
        });
    }
    Ok(sum)
}
