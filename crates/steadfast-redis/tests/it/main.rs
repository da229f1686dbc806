//! The client against a simulated and against real servers.

mod health;
mod metrics;
mod server;
mod support;
