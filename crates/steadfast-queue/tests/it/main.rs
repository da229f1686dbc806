//! Integration tests of the queue.

mod backend;
#[cfg(target_os = "linux")]
mod disk;
mod typed;
mod worker;
