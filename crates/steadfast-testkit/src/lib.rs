//! Test support: conditions with deadlines, the built binary as a process, everything that can happen to it, and a
//! disk that misbehaves.
//!
//! Nothing here sleeps to wait: a condition is polled until it holds or its deadline passes.

pub mod attack;
pub mod chaos;
pub mod dice;
#[cfg(target_os = "linux")]
pub mod disk;
pub mod lab;
mod preload;
pub mod process;
pub mod redis;
mod sign;
pub mod wait;

pub use dice::Dice;
pub use process::Node;
pub use wait::{wait_for, wait_for_some};
