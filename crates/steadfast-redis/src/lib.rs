//! A Redis client that survives.
#![warn(missing_docs)]

pub mod breaker;
pub mod cache;
pub mod client;
pub mod command;
pub mod config;
pub mod dial;
pub mod error;
pub mod exclusive;
pub mod fault;
mod histogram;
mod lane;
pub mod limiter;
mod node;
mod notify;
pub mod pubsub;
pub mod rate_limiter;
mod resp;
pub mod retry;
pub mod role;
mod route;
pub mod slot;
mod time;
mod watchdog;

pub use client::{Client, Pipeline, Script};
pub use config::Config;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use redis::{Cmd, FromRedisValue, ToRedisArgs, Value, cmd};
