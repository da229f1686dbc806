//! A Redis client that survives.
#![warn(missing_docs)]

pub mod breaker;
pub mod limiter;
pub mod retry;
