//! A Redis client that survives.
#![warn(missing_docs)]

pub mod cache;
pub mod config;
