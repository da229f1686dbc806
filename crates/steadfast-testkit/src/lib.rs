//! Test support: conditions with deadlines, the built binary as a process, and everything that can happen to it.
//!
//! Nothing here sleeps to wait: a condition is polled until it holds or its deadline passes.

pub mod attack;
pub mod chaos;
pub mod process;
mod sign;
pub mod wait;

pub use process::Node;
pub use wait::{wait_for, wait_for_some};
