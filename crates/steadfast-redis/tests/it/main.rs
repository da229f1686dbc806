//! The client against simulated and real servers.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as the tests do")]

mod bad_input;
mod blocking;
mod cache;
mod cache_back;
mod cache_fields;
mod calls;
mod commands;
mod failover;
mod health;
mod locks;
mod metrics;
mod pool;
mod rate_limits;
mod readme;
mod reload;
mod report;
mod security;
mod server;
mod settings;
mod subscriptions;
mod support;
mod transactions;

use std::time::Duration;
use steadfast_redis::Client;
use steadfast_testkit::redis::Server;
use tokio::time::Instant;

/// A server and a client for it.
async fn pair() -> (Server, Client) {
    let server = Server::start().await.unwrap();
    let client = Client::open(server.url()).unwrap();
    (server, client)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}
