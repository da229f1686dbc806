//! Whether the servers are well: what they can do now, why not, and what is wrong with their settings.
//!
//! `PING` is answered by a server that refuses every write. So health is kept per [`Capability`]: reads, writes,
//! scripts, blocking commands and messages, each up, degraded or down with a [`Reason`]. Three things decide:
//!
//! - **Circumstances**: whether there is a connection, the server's role, whether it loads, our circuit breakers.
//! - **What calls meet**: a refusal (`READONLY`, `OOM`, `MISCONF`, ...) counts at once.
//! - **An active check** every `health.interval_ms`, every second while something is wrong: `PING`, `ROLE`, a `GET` and
//!   a `SET` of a key of our own (`health.probe_key`, gone after a second; `health.probe_writes` switches it off), a
//!   script that returns 1, and an empty message to a channel of the key's name. What our user may not do is not known,
//!   and not ill.
//!
//! The server's settings are looked at when it is connected to, and every minute: [`Client::check_server`]. With
//! `server.eviction` at `refuse`, calls wait until that was done once, and fail if its `maxmemory-policy` deletes data.
//!
//! [`Client::check_server`]: crate::Client::check_server

mod board;
mod capability;
mod checks;
mod events;
mod evidence;
mod keep;
mod machine;
mod monitor;
mod node;
mod overall;
mod probe;
mod server;
mod standing;
mod status;
mod track;

pub(crate) use board::{Board, connection_info, pool};
pub use capability::{Capabilities, Capability, CapabilityState, Cause, Reason};
pub(crate) use keep::keep;
pub use machine::Probe;
pub use monitor::HealthMonitor;
pub(crate) use node::NodeHealth;
pub(crate) use server::{Fitness, check};
pub use server::{ServerFinding, ServerReport, ServerState, Severity};
pub use status::{
    ConnectionState, Health, HealthStatus, HealthSummary, NodeHealthView, PoolStatus, Probes,
    RedisConnectionInfo,
};
pub(crate) use track::Thresholds;
