//! The records, tested as their callers use them.

mod conformance;
mod crash;
mod files;
mod full_disk;
mod prune;
mod sqlite;
mod support;
mod throughput;
