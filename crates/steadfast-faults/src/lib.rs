//! What can go wrong under a Redis client, as scenarios.
//!
//! Each scenario makes a fault happen, watches the client, and says what it saw. The same scenarios are the crate's tests
//! and, by `cargo xtask faults`, a table. Those marked as real also run against real servers.

pub mod load;
mod scenario;
mod scenarios;
pub mod survival;
pub mod table;

pub use scenario::{Length, On, Outcome, Scenario, Seen};
pub use scenarios::all;
