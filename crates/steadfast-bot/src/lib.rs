//! What the bot does with a message: route it, run the order conversation, check a job ad, reply.
//!
//! Decisions are pure functions; the handlers around them read the records, apply what was decided in one
//! transaction under a step key, and hand the *stored* decision's follow-ups to the queue. A job that runs
//! twice therefore does its work once and still emits the same follow-ups.
#![warn(missing_docs)]

mod check_handler;
pub mod config;
mod glue;
pub mod limits;
pub mod metrics;
pub mod order;
mod order_handler;
pub mod payload;
pub mod reality;
pub mod reply;
mod reply_handler;
pub mod router;
mod texts;

mod bot;

pub use bot::{Bot, Registration};
pub use check_handler::CheckHandler;
pub use config::BotConfig;
pub use order_handler::OrderHandler;
pub use reply_handler::ReplyHandler;
pub use router::WebhookHandler;
