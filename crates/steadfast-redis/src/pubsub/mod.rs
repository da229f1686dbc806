//! Publish and subscribe, with gaps told.
//!
//! Redis keeps nothing for a subscriber that is away. So whoever must not miss anything has to know when something may
//! have been missed: after each reconnection, and when a subscriber was too slow, it is given [`Event::Gap`] before
//! the next message. Silence proves nothing on a connection that only listens; a heartbeat goes through it, and one
//! that does not come back replaces the connection.

mod inbox;
mod link;
mod wire;

pub(crate) use inbox::inbox;
pub use inbox::{Event, GapReason, Message, Subscription};
pub(crate) use link::{Heartbeat, Link, LinkOrder, LinkSettings, Where};
pub(crate) use wire::Topic;
