//! Orders and their state machine. This file alone knows which state follows which.

use crate::conversation::{ConversationId, DraftLine};
use crate::money::Money;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// The customer confirmed it.
    Placed,
    /// A vendor is being looked for.
    Routing,
    /// A vendor has been asked.
    Offered,
    /// A vendor took it.
    Accepted,
    /// It is being packed or cooked.
    Preparing,
    /// It is on its way.
    OutForDelivery,
    /// The customer has it.
    Delivered,
    /// Somebody called it off.
    Cancelled,
    /// It could not be fulfilled.
    Failed,
}

impl OrderState {
    /// Every state, for storage and documentation.
    pub const ALL: [Self; 9] = [
        Self::Placed,
        Self::Routing,
        Self::Offered,
        Self::Accepted,
        Self::Preparing,
        Self::OutForDelivery,
        Self::Delivered,
        Self::Cancelled,
        Self::Failed,
    ];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Routing => "routing",
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Preparing => "preparing",
            Self::OutForDelivery => "out_for_delivery",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Reads a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing follows it, save that a failed order can be called off.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Cancelled | Self::Failed)
    }

    /// Whether an order may go from `self` to `next`: one step forward, an offer back to routing, failure
    /// from any open state, cancellation while nothing has left the shop, and a failed order called off.
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Placed, Self::Routing)
            | (Self::Routing, Self::Offered)
            | (Self::Offered, Self::Accepted | Self::Routing)
            | (Self::Accepted, Self::Preparing)
            | (Self::Preparing, Self::OutForDelivery)
            | (Self::OutForDelivery, Self::Delivered) => true,
            (from, Self::Failed) => !from.is_final(),
            (from, Self::Cancelled) => from.customer_may_cancel() || matches!(from, Self::Failed),
            _ => false,
        }
    }

    /// Whether the customer may still cancel: until it is being prepared.
    pub const fn customer_may_cancel(self) -> bool {
        matches!(self, Self::Placed | Self::Routing | Self::Offered | Self::Accepted)
    }
}

/// The id of an order: derived from conversation, draft and version, so that placing it twice is
/// placing it once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OrderId(String);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl OrderId {
    /// The id of the order that confirming `version` of draft `draft_id` places.
    pub fn derived(conversation: &ConversationId, draft_id: &str, version: u32) -> Self {
        let digest = Sha256::digest(format!("order\0{}\0{draft_id}\0{version}", conversation.as_str()));
        Self(hex::encode(&digest[..16]))
    }

    /// Takes over a stored id.
    pub fn from_stored(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id: 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number people say: eight characters without I, L, O and U, taken from the id. Unique enough
    /// within one person's orders, where it is looked up.
    pub fn number(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        let mut number = String::with_capacity(9);
        for (index, byte) in digest.iter().take(8).enumerate() {
            if index == 4 {
                number.push('-');
            }
            number.push(char::from(CROCKFORD[usize::from(byte & 31)]));
        }
        number
    }
}

/// An order as it is placed. Prices are frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOrder {
    /// Its id.
    pub id: OrderId,
    /// Its number for people.
    pub number: String,
    /// Whose it is.
    pub conversation: ConversationId,
    /// The lines.
    pub lines: Vec<DraftLine>,
    /// The sum.
    pub total: Money,
    /// Where to deliver.
    pub address: Option<String>,
    /// When it was placed, in milliseconds since the Unix epoch.
    pub placed_ms: i64,
}

/// An order as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What was ordered.
    pub placed: NewOrder,
    /// Where it is now.
    pub state: OrderState,
    /// Counts its events.
    pub version: u64,
    /// When it last moved, in milliseconds since the Unix epoch.
    pub changed_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_states() {
        use OrderState::{Cancelled, Delivered, Failed, OutForDelivery, Placed, Preparing, Routing};
        assert!(Placed.may_become(Routing));
        assert!(!Placed.may_become(Preparing));
        assert!(Placed.may_become(Cancelled));
        assert!(!Preparing.may_become(Cancelled));
        assert!(Preparing.may_become(Failed));
        assert!(Failed.may_become(Cancelled));
        assert!(!Delivered.may_become(Failed));
        assert!(OutForDelivery.may_become(Delivered));
        for state in OrderState::ALL {
            assert_eq!(OrderState::parse(state.as_str()), Some(state));
            assert!(!state.may_become(state), "{state:?} onto itself");
            assert!(!Cancelled.may_become(state));
        }
    }

    #[test]
    fn one_draft_version_is_one_order() {
        let conversation = ConversationId::from_stored("c");
        let id = OrderId::derived(&conversation, "d", 3);
        assert_eq!(id, OrderId::derived(&conversation, "d", 3));
        assert_ne!(id, OrderId::derived(&conversation, "d", 4));
        assert_eq!(id.number().len(), 9);
    }
}
