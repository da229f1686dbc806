//! The scenarios, by what they are about.

mod answers;
mod failover;
mod refusals;
mod sockets;

use crate::scenario::Scenario;
use std::time::Duration;
use steadfast_redis::{Client, Cmd, cmd};
use tokio::time::Instant;

/// All scenarios, in the order of the table.
pub fn all() -> Vec<Scenario> {
    [sockets::ALL, answers::ALL, failover::ALL, refusals::ALL].concat()
}

/// A client for one server, whose commands have `timeout_ms`.
fn client(url: &str, timeout_ms: u64) -> anyhow::Result<Client> {
    let mark = if url.contains('?') { '&' } else { '?' };
    Ok(Client::open(&format!("{url}{mark}connection.command_timeout_ms={timeout_ms}"))?)
}

fn set(caller: usize) -> Cmd {
    cmd("SET").arg(format!("key:{caller}")).arg("value").to_owned()
}

fn get(caller: usize) -> Cmd {
    cmd("GET").arg(format!("key:{caller}")).to_owned()
}

fn incr() -> Cmd {
    cmd("INCR").arg("count").to_owned()
}

fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

fn shown(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}
