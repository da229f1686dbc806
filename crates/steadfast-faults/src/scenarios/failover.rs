//! Another server is the primary now.

use super::{client, in_ms, set, shown};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use std::time::Duration;
use steadfast_redis::Client;
use steadfast_testkit::lab::sim::{Role, Sim};
use steadfast_testkit::redis::{Replicated, Sentinels};
use steadfast_testkit::wait_for;
use tokio::time::Instant;

/// How soon a write must succeed after there is a primary.
const WITHIN: Duration = Duration::from_millis(250);

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F5a",
        on: On::Simulated,
        fault: "READONLY on one address: the server becomes a replica, and 1 s later a primary again",
        expected: "writes wait and go on within 250 ms of it",
        play: || in_place().boxed(),
    },
    Scenario {
        id: "F5b",
        on: On::Real,
        fault: "a fixed list of servers: the replica is promoted, the primary demoted, sockets stay open",
        expected: "first good write within 250 ms of the promotion",
        play: || promoted().boxed(),
    },
    Scenario {
        id: "F5c",
        on: On::Real,
        fault: "failover by sentinels under load",
        expected: "writes go on within 250 ms of the new primary's promotion being agreed",
        play: || sentinels().boxed(),
    },
];

async fn in_place() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 3_000)?;
    client.ping().await?;
    sim.set_role(Role::replica_of(([127, 0, 0, 1], 1).into()));
    let write = {
        let client = client.clone();
        async move { (client.execute(&set(0), in_ms(3_000)).await, Instant::now()) }
    };
    let heal = async {
        let until = Instant::now() + Duration::from_secs(1);
        wait_for(Duration::from_secs(3), || async { Instant::now() >= until }).await;
        sim.set_role(Role::primary());
        Instant::now()
    };
    let ((written, at), healed) = futures::join!(write, heal);
    let took = at.saturating_duration_since(healed);
    let refused = sim.received("SET") - sim.executed("SET");
    let holds = written.is_ok() && took <= WITHIN && refused <= 2;
    Ok(Seen::new(holds, "waited and went on", format!("{} after it could, {refused} refused", shown(took))))
}

async fn promoted() -> Outcome {
    let mut servers = Replicated::start(1).await?;
    let (first, second) = (servers.primary.port(), servers.replicas[0].port());
    let client = Client::open(&format!("redis://127.0.0.1:{first},127.0.0.1:{second}"))?;
    let load = Load::start(&client, 4, Duration::from_secs(2), set);
    ensure!(wait_for(Duration::from_secs(5), || async { load.good() > 50 }).await, "no traffic came about");
    servers.promote(0).await?;
    let (good, since) = (load.good(), Instant::now());
    let back = wait_for(Duration::from_secs(5), || async { load.good() > good + 20 }).await;
    let (took, bad) = (since.elapsed(), load.bad());
    load.stop().await;
    let holds = back && bad == 0 && took <= WITHIN;
    Ok(Seen::new(holds, "found by asking for roles", format!("{} after it, {bad} failed", shown(took))))
}

async fn sentinels() -> Outcome {
    let servers = Sentinels::start(1).await?;
    let hosts: Vec<String> =
        servers.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port())).collect();
    let url = format!("redis+sentinel://{}/{}", hosts.join(","), Sentinels::NAME);
    let client = Client::open(&url)?;
    let load = Load::start(&client, 4, Duration::from_secs(5), set);
    ensure!(wait_for(Duration::from_secs(5), || async { load.good() > 50 }).await, "no traffic came about");
    servers.failover().await?;
    let (good, since) = (load.good(), Instant::now());
    let back = wait_for(Duration::from_secs(5), || async { load.good() > good + 20 }).await;
    let (took, gap, bad) = (since.elapsed(), load.gap(), load.bad());
    load.stop().await;
    let holds = back && bad == 0 && took <= WITHIN;
    let figure = format!("{} after it was agreed, longest pause {}, {bad} failed", shown(took), shown(gap));
    Ok(Seen::new(holds, "followed the announcement", figure))
}
