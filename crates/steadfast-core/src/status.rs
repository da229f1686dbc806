//! The life of a sent message as Twilio's callbacks tell it, in whatever order they arrive.

use serde::{Deserialize, Serialize};

/// A delivery state. The order of arrival is not guaranteed by anyone, so states have ranks and a
/// message never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// Twilio has it: accepted, scheduled or queued.
    Queued,
    /// On its way to the channel.
    Sending,
    /// The channel has it.
    Sent,
    /// The person's device has it (partially_delivered counts).
    Delivered,
    /// The person saw it.
    Read,
    /// It will not arrive.
    Failed,
    /// It did not arrive.
    Undelivered,
    /// Withdrawn before it was sent.
    Canceled,
}

impl DeliveryStatus {
    /// Twilio's word, lower or upper case; `None` for words this version does not know.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "accepted" | "scheduled" | "queued" => Self::Queued,
            "sending" => Self::Sending,
            "sent" => Self::Sent,
            "delivered" | "partially_delivered" => Self::Delivered,
            "read" => Self::Read,
            "failed" => Self::Failed,
            "undelivered" => Self::Undelivered,
            "canceled" => Self::Canceled,
            _ => return None,
        })
    }

    /// Our word for it, which is Twilio's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Undelivered => "undelivered",
            Self::Canceled => "canceled",
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Queued => 1,
            Self::Sending => 2,
            Self::Sent => 3,
            // A failure outranks "sent", but a message that a device confirmed did arrive.
            Self::Failed | Self::Undelivered | Self::Canceled => 4,
            Self::Delivered => 5,
            Self::Read => 6,
        }
    }

    /// The state after `next` arrives at a message in state `current`: `Some` if it moves forward, `None`
    /// if the callback is old news. A final failure is left only for proof of delivery.
    pub fn advance(current: Option<Self>, next: Self) -> Option<Self> {
        match current {
            Some(current) if current.rank() >= next.rank() => None,
            _ => Some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arrivals: &[&str]) -> (Option<DeliveryStatus>, usize) {
        let mut current = None;
        let mut moves = 0;
        for word in arrivals {
            let Some(next) = DeliveryStatus::parse(word) else { continue };
            if let Some(moved) = DeliveryStatus::advance(current, next) {
                current = Some(moved);
                moves += 1;
            }
        }
        (current, moves)
    }

    #[test]
    fn never_backwards() {
        use DeliveryStatus::{Delivered, Failed, Read};
        assert_eq!(run(&["queued", "delivered", "sent", "read"]).0, Some(Read));
        assert_eq!(run(&["sent", "delivered", "delivered"]), (Some(Delivered), 2));
        assert_eq!(run(&["sent", "read", "delivered"]).0, Some(Read));
        assert_eq!(run(&["failed", "sent"]).0, Some(Failed));
        assert_eq!(run(&["sent", "some_new_state", "delivered"]).0, Some(Delivered));
        assert_eq!(run(&["delivered", "failed"]).0, Some(Delivered));
        assert_eq!(run(&["undelivered", "failed"]).0, Some(DeliveryStatus::Undelivered));
    }
}
