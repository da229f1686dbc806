//! What the tests share.

use std::time::Duration;
use steadfast_redis::config::{Config, Eviction};
use steadfast_redis::health::{Capability, CapabilityState};
use steadfast_redis::{Client, Cmd, cmd};
use steadfast_testkit::wait_for;
use tokio::time::Instant;

/// Long enough for anything that should happen, also on a machine that does much else.
pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

/// A client that asks often, as `change` changes it.
pub(crate) fn client(url: &str, change: impl FnOnce(&mut Config)) -> anyhow::Result<Client> {
    let mut config = Config::from_url(url)?;
    config.connection.command_timeout_ms = 5_000;
    config.health.interval_ms = 1_000;
    config.health.success_threshold = 1;
    config.server.eviction = Eviction::Warn;
    change(&mut config);
    Ok(Client::connect(&config.validate()?)?)
}

pub(crate) fn set(key: &str) -> Cmd {
    cmd("SET").arg(key).arg("1").to_owned()
}

pub(crate) fn get(key: &str) -> Cmd {
    cmd("GET").arg(key).to_owned()
}

/// Waits until a capability is in a state, for a cause (empty: none); what it is at the end.
pub(crate) async fn becomes(
    client: &Client,
    capability: Capability,
    state: &str,
    cause: &str,
) -> CapabilityState {
    let health = client.health();
    let now = || health.now().capabilities.get(capability).clone();
    let is = |seen: &CapabilityState| {
        let named = seen.reason().map_or("", |reason| reason.cause.as_str());
        seen.as_str() == state && named == cause
    };
    let became = wait_for(SOON, || async { is(&now()) }).await;
    let seen = now();
    assert!(became, "{capability} should become {state} for {cause:?} and is {seen}");
    seen
}
