//! The cache's durable core.

mod entry;
mod journal;
mod keys;
mod version;
