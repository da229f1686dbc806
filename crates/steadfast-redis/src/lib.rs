//! A Redis client that survives.
#![warn(missing_docs)]

pub mod breaker;
pub mod client;
pub mod command;
pub mod config;
pub mod dial;
pub mod error;
pub mod fault;
pub mod health;
mod histogram;
mod lane;
pub mod limiter;
pub mod metrics;
mod node;
mod notify;
pub mod pubsub;
mod resp;
pub mod retry;
pub mod role;
mod route;
pub mod slot;
mod throttle;
mod time;
mod vitals;
mod watchdog;

pub use client::Client;
pub use config::Config;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use redis::{Cmd, FromRedisValue, ToRedisArgs, Value, cmd};
