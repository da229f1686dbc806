//! The scenarios, by what they are about.

mod answers;
mod blocking;
mod bounds;
mod breakers;
mod cluster;
mod cluster_real;
mod journal;
mod logins;
mod names;
mod pubsub;
mod readonly;
mod refusals;
mod sentinels;
mod shards;
mod slow;
mod sockets;
mod writes;

use crate::scenario::Scenario;
use std::future::Future;
use std::time::Duration;
use steadfast_redis::client::NodeView;
use steadfast_redis::{Client, Cmd, cmd};
use tokio::time::Instant;

/// All scenarios, in the order of the table.
pub fn all() -> Vec<Scenario> {
    let parts = [
        sockets::ALL,
        slow::ALL,
        answers::ALL,
        readonly::ALL,
        sentinels::ALL,
        refusals::ALL,
        writes::ALL,
        cluster::ALL,
        cluster_real::ALL,
        shards::ALL,
        names::ALL,
        bounds::ALL,
        breakers::ALL,
        pubsub::ALL,
        logins::ALL,
        blocking::ALL,
        journal::ALL,
    ];
    let mut all = parts.concat();
    all.sort_by_key(Scenario::order);
    all
}

/// A client for `url`, with these settings of the form `section.field=value`.
fn client_with(url: &str, settings: &[&str]) -> anyhow::Result<Client> {
    let mut url = url.to_owned();
    for setting in settings {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(setting);
    }
    Ok(Client::open(&url)?)
}

/// A client for `url` whose commands have `timeout_ms`.
fn client(url: &str, timeout_ms: u64) -> anyhow::Result<Client> {
    client_with(url, &[&format!("connection.command_timeout_ms={timeout_ms}")])
}

/// The same, and it sends nothing of its own: what a server gets is counted.
fn unprobed(url: &str, timeout_ms: u64) -> anyhow::Result<Client> {
    client_with(url, &[&format!("connection.command_timeout_ms={timeout_ms}"), "health.enabled=false"])
}

fn set(caller: usize) -> Cmd {
    cmd("SET").arg(format!("key:{caller}")).arg("value").to_owned()
}

fn get(caller: usize) -> Cmd {
    cmd("GET").arg(format!("key:{caller}")).to_owned()
}

fn incr(key: &str) -> Cmd {
    cmd("INCR").arg(key).to_owned()
}

fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The fault lasts so long. Time that passes is no condition that could be waited for.
async fn lasts(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Asks every millisecond until it holds, for moments that are measured from; says whether it did within the time.
async fn poll<F: Future<Output = bool>>(within: Duration, holds: impl Fn() -> F) -> bool {
    let deadline = Instant::now() + within;
    loop {
        if holds().await {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        tokio::time::sleep(ms(1)).await;
    }
}

fn shown(span: Duration) -> String {
    format!("{} ms", span.as_millis())
}

/// The same, of something that may not have come.
fn shown_or_never(span: Option<Duration>) -> String {
    span.map_or_else(|| "never".to_owned(), shown)
}

/// One counter over all nodes.
fn total(client: &Client, counter: impl Fn(&NodeView) -> u64) -> u64 {
    client.nodes().iter().map(counter).sum()
}
