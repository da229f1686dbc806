//! The shared vocabulary of Steadfast: messages, addresses, catalogue, orders, decisions, and the ports
//! through which the bot reaches the world. No I/O and no async runtime.
#![warn(missing_docs)]

pub mod address;
pub mod catalogue;
pub mod conversation;
pub mod correlation;
pub mod decision;
pub mod message;
pub mod money;
pub mod order;
pub mod outbox;
pub mod ports;
pub mod queues;
pub mod status;
pub mod timeline;

pub use address::Address;
pub use correlation::CorrelationId;
pub use steadfast_clock::{Clock, ManualClock, SharedClock, SystemClock};
