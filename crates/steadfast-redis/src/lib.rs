//! A Redis client that survives.
#![warn(missing_docs)]
