//! A Redis client that survives.
#![warn(missing_docs)]

pub mod command;
pub mod dial;
pub mod error;
pub mod fault;
mod lane;
mod resp;
pub mod slot;

pub use error::{Error, ErrorKind, Outcome, Result};
pub use redis::{Cmd, FromRedisValue, ToRedisArgs, Value, cmd};
