//! Failover by sentinels: under load, while idle, and when they disagree.

use super::readonly::{WITHIN, eval, refusals};
use super::{client_with, in_ms, lasts, ms, poll, seconds, set, shown, shown_or_never};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::{Context, ensure};
use futures::FutureExt;
use std::time::Duration;
use steadfast_redis::{Client, Cmd};
use steadfast_testkit::lab::sim::{Dial, End, Role, SentinelMaster, Sim, SimSentinels};
use steadfast_testkit::redis::{Sentinels, Server};
use steadfast_testkit::{wait_for, wait_for_some};
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F5f",
        on: On::Real,
        fault: "failover by sentinels under load, the primary being well",
        expected: "no write fails, the longest pause 250 ms",
        play: |_| asked_for(set).boxed(),
    },
    Scenario {
        id: "F5g",
        on: On::Real,
        fault: "the primary is killed under load, and the sentinels replace it; scripts",
        expected: "first good one within 250 ms of the first sentinel naming a server that takes writes",
        play: |_| killed(eval).boxed(),
    },
    Scenario {
        id: "F6",
        on: On::Simulated,
        fault: "+switch-master while idle",
        expected: "within 300 ms writes go to the new primary, the old one is sent none",
        play: |_| while_idle(true, ms(300)).boxed(),
    },
    Scenario {
        id: "F6b",
        on: On::Simulated,
        fault: "the same, and no sentinel announces it (they are asked every 500 ms)",
        expected: "within 900 ms writes go to the new primary, the old one is sent none",
        play: |_| while_idle(false, ms(900)).boxed(),
    },
    Scenario {
        id: "F6c",
        on: On::Real,
        fault: "failover by real sentinels while idle",
        expected: "the first write is good, none was refused",
        play: |_| while_idle_real().boxed(),
    },
    Scenario {
        id: "F7",
        on: On::Simulated,
        fault: "sentinels disagree: one knows only the old primary, which still takes writes; then it alone is left",
        expected: "all writes to the one with the higher epoch, none ever to the old one",
        play: |_| disagree().boxed(),
    },
    Scenario {
        id: "F7b",
        on: On::Simulated,
        fault: "sentinels name a server that is not the primary yet",
        expected: "nothing is written to it before it is, writes wait and go on within 250 ms",
        play: |_| ahead().boxed(),
    },
];

fn url(ports: impl Iterator<Item = u16>) -> String {
    let hosts: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
    format!("redis+sentinel://{}/{}", hosts.join(","), Sentinels::NAME)
}

pub(super) fn real_client(servers: &Sentinels) -> anyhow::Result<Client> {
    client_with(&url(servers.sentinels.iter().map(|sentinel| sentinel.port())), &[])
}

async fn asked_for(command: fn(usize) -> Cmd) -> Outcome {
    let servers = Sentinels::start(1).await?;
    let client = real_client(&servers)?;
    let load = Load::start(&client, 4, seconds(5), command);
    load.warm().await?;
    servers.failover().await?;
    let back = load.first_good(seconds(5)).await;
    lasts(seconds(1)).await;
    let tally = load.stop().await;
    let (gap, bad) = (tally.gap(), tally.bad);
    let holds = back.is_some() && bad == 0 && gap <= WITHIN;
    let figure = format!("longest pause {}, {bad} failed", shown(gap));
    Ok(Seen::new(holds, "followed the announcement", figure))
}

async fn killed(command: fn(usize) -> Cmd) -> Outcome {
    let servers = Sentinels::start(1).await?;
    let client = real_client(&servers)?;
    let load = Load::start(&client, 4, seconds(5), command);
    load.warm().await?;
    let old = servers.primary().await?;
    let new = servers.servers.iter().find(|server| server.port() != old.port()).context("no replica")?;
    old.kill9().await?;
    let promoted = poll(seconds(30), || async {
        new.info("replication", "role").await.is_ok_and(|role| role == "master")
    });
    ensure!(promoted.await, "nobody was promoted");
    let promoted = Instant::now();
    let named = poll(seconds(30), || async {
        let port = futures::future::join_all(servers.sentinels.iter().map(named_by)).await;
        port.contains(&Some(i64::from(new.port())))
    });
    ensure!(named.await, "no sentinel names the new one");
    load.mark();
    let waited = promoted.elapsed();
    let back = load.first_good(seconds(5)).await;
    load.stop().await;
    let holds = back.is_some_and(|back| back <= WITHIN);
    let figure =
        format!("{} after it was named, which was {} after it was one", shown_or_never(back), shown(waited));
    Ok(Seen::new(holds, "found it", figure))
}

/// The port that a sentinel names.
async fn named_by(sentinel: &Server) -> Option<i64> {
    let asked = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Sentinels::NAME];
    sentinel.command(&asked).await.ok()?.items()?.get(1)?.integer()
}

/// How many writes a server was sent.
fn writes(server: &Sim) -> u64 {
    server.received("SET")
}

pub(super) fn sim_client(sims: &SimSentinels) -> anyhow::Result<Client> {
    let url = url(sims.sentinels.iter().map(Sim::port));
    client_with(&url, &["sentinel.poll_interval_ms=500", "connection.command_timeout_ms=3000"])
}

async fn write(client: &Client, within_ms: u64) -> bool {
    client.execute(&set(0), in_ms(within_ms)).await.is_ok()
}

async fn while_idle(announced: bool, within: Duration) -> Outcome {
    let sims = SimSentinels::start(2, 3).await?;
    let client = sim_client(&sims)?;
    ensure!(write(&client, 3_000).await, "no write is good");
    // The sentinels are listened to before anything happens.
    lasts(ms(300)).await;
    if announced {
        sims.fail_over(1);
    } else {
        let epoch = sims.promote(1);
        for sentinel in &sims.sentinels {
            let face = sentinel.sentinel().context("no sentinel")?;
            let known = face.belief(SimSentinels::NAME).context("no belief")?;
            face.believe(SimSentinels::NAME, SentinelMaster { addr: sims.servers[1].addr(), epoch, ..known });
        }
    }
    let before = writes(&sims.servers[0]);
    lasts(within).await;
    let mut good = 0;
    for _ in 0..20 {
        good += u64::from(write(&client, 1_000).await);
    }
    let (old, new) = (writes(&sims.servers[0]) - before, sims.servers[1].executed("SET"));
    let figure = format!("{good} of 20 good, {new} on the new one, {old} sent to the old one");
    Ok(Seen::new(good == 20 && new == 20 && old == 0, "moved before any command", figure))
}

async fn while_idle_real() -> Outcome {
    let servers = Sentinels::start(1).await?;
    let client = real_client(&servers)?;
    ensure!(write(&client, 5_000).await, "no write is good");
    lasts(ms(500)).await;
    let old = servers.primary().await?;
    servers.failover().await?;
    lasts(ms(100)).await;
    let asked = Instant::now();
    let good = write(&client, 1_000).await;
    let took = asked.elapsed();
    let refused = refusals(old, "READONLY").await?;
    let figure = format!("after {}, {refused} refused", shown(took));
    Ok(Seen::new(good && refused == 0, "had moved", figure))
}

async fn disagree() -> Outcome {
    let sims = SimSentinels::start(2, 3).await?;
    let client = sim_client(&sims)?;
    ensure!(write(&client, 3_000).await, "no write is good");
    sims.fail_over_seen_by(1, &[0, 1]);
    // Cut off with the third sentinel, the old one goes on as before: two primaries.
    sims.servers[0].set_role(Role::primary());
    let moved =
        wait_for(seconds(5), || async { write(&client, 1_000).await && sims.servers[1].executed("SET") > 0 });
    ensure!(moved.await, "it never moved");
    let before = writes(&sims.servers[0]);
    let load = Load::start(&client, 4, seconds(2), set);
    lasts(seconds(1)).await;
    // The two that know better can no more be reached: what is left is one that says less.
    for sentinel in &sims.sentinels[..2] {
        sentinel.dial(Dial::Refuse).await;
        sentinel.all_connections(End::Reset);
    }
    lasts(seconds(2)).await;
    // Even when the primary's connections are cut there is no way back.
    sims.servers[1].all_connections(End::Reset);
    lasts(seconds(1)).await;
    let tally = load.stop().await;
    let back = writes(&sims.servers[0]) - before;
    let figure = format!("{back} writes to the old one, {} to the new one, {} failed", tally.good, tally.bad);
    Ok(Seen::new(back == 0 && tally.good > 200, "kept the higher epoch", figure))
}

async fn ahead() -> Outcome {
    let sims = SimSentinels::start(2, 3).await?;
    let client = sim_client(&sims)?;
    ensure!(write(&client, 3_000).await, "no write is good");
    lasts(ms(300)).await;
    // The old primary is a replica already, and the new one not yet a primary.
    let new = sims.servers[1].addr();
    sims.servers[0].set_role(Role::replica_of(new));
    for sentinel in &sims.sentinels {
        let face = sentinel.sentinel().context("no sentinel")?;
        face.switch_master(SimSentinels::NAME, new, 2);
    }
    let load = Load::start(&client, 4, seconds(5), set);
    lasts(ms(700)).await;
    let early = writes(&sims.servers[1]);
    load.mark();
    sims.servers[1].set_role(Role::primary());
    let since = Instant::now();
    let executed = wait_for_some(seconds(5), || async {
        (sims.servers[1].executed("SET") > 0).then(|| since.elapsed())
    });
    let back = executed.await;
    let tally = load.stop().await;
    let holds = back.is_some_and(|back| back <= WITHIN) && early == 0 && tally.bad == 0;
    let figure =
        format!("{early} sent too early, {} after it was, {} failed", shown_or_never(back), tally.bad);
    Ok(Seen::new(holds, "asked the server itself", figure))
}
