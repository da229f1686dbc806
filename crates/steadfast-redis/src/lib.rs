//! A Redis client that survives: half-open sockets, slow servers, failovers, full memory, rotated passwords.
//!
//! Begin with [`Client`]. What every failure says is [`Error`], and what became of the command [`Outcome`].
//!
//! ```no_run
//! # async fn shown() -> steadfast_redis::Result<()> {
//! use steadfast_redis::Client;
//!
//! let redis = Client::open("redis://127.0.0.1:6379")?;
//! redis.set("greeting", "hello").await?;
//! let greeting: String = redis.get("greeting").await?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what is there |
//! |---|---|
//! | [`client`] | the client: calls, pipelines, scripts, subscriptions, what is known of the nodes |
//! | [`config`] | URLs, environment, files; every setting, checked as a whole |
//! | [`error`], [`fault`] | what failed, what became of the command, what to do; the server's complaints |
//! | [`exclusive`] | calls on a connection of their own: blocking ones, and transactions with optimistic locking |
//! | [`pubsub`] | messages, and the gaps between them |
//! | [`rate_limiter`] | a limit that all processes share, and that holds while Redis is away |
//! | [`cache`] | reads and writes that go on while Redis is away, and how they come back |
//! | [`lock`] | locks with fences; none without Redis |
//! | [`health`], [`metrics`], [`report`] | what the servers can do now, what calls took, what should be done |
//! | [`breaker`] | a circuit breaker for any dependency |
//! | [`limiter`] | an adaptive limit of calls in flight, with priorities, for any dependency |
//! | [`retry`] | backoff, jitter, the budget of retries and the budget of dials |
//! | [`command`] | what a command does: whether it writes, waits, and may be sent twice |
//! | [`dial`], [`role`], [`slot`] | making a connection; what a server is; where a key lies in a cluster |
//!
//! The crate's README has the promises with their tests, the bounds, and what this does not do; SETTINGS.md has all settings.
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
pub mod health;
mod histogram;
mod lane;
pub mod limiter;
pub mod lock;
pub mod metrics;
mod node;
mod notify;
pub mod pubsub;
pub mod rate_limiter;
pub mod report;
mod resp;
pub mod retry;
pub mod role;
mod route;
pub mod slot;
mod throttle;
mod time;
mod vitals;
mod watchdog;

pub use client::{Client, Pipeline, Script};
pub use config::Config;
pub use error::{Error, ErrorKind, Outcome, Result};
pub use redis::{Cmd, FromRedisValue, ToRedisArgs, Value, cmd};

/// The README's examples must compile. Its quickstart also runs, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
