//! Faults on demand: a Redis that does as the script says, and a network that does.

mod changes;
pub mod proxy;
pub mod sim;
