//! The public HTTP edge: a signed webhook comes in, is made durable, and is answered within milliseconds.
//!
//! The path of a request is limits, signature, parsing, one durable enqueue, answer; it can be read on
//! one screen in `webhook.rs`. Nothing is acknowledged before it is stored, nothing is trusted before its
//! signature is verified, and a validly signed request is never told to slow down: the worst it can hear
//! is 503, which makes Twilio try again or use the fallback URL.
//!
//! The crate knows no Redis, no SQL and no concrete queue: it enqueues into a
//! [`Backend`](steadfast_queue::Backend). [`signature`], [`form`], [`inbound`] and [`status`] are pure.
#![warn(missing_docs)]

mod answer;
mod body;
pub mod config;
mod content_type;
mod fields;
pub mod form;
mod gateway;
mod group;
pub mod health;
pub mod inbound;
pub mod inspector;
mod job;
mod json;
mod limiter;
pub mod metrics;
pub mod network;
mod origin;
pub mod public_url;
mod report;
mod room;
pub mod secret;
mod server;
pub mod signature;
pub mod status;
mod webhook;

pub use answer::TWIML_EMPTY;
pub use config::{GatewayConfig, Limits, Mode};
pub use fields::FieldError;
pub use gateway::Gateway;
pub use group::{conversation_group, message_group};
pub use health::{HealthReport, HealthSource};
pub use inspector::{Inspector, WebhookVerdict};
pub use network::Network;
pub use public_url::PublicUrl;
pub use secret::Secret;
