//! Faults on demand: a Redis that does as the script says, and a network that does.

pub mod sim;
