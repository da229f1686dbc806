//! One shard is away: what the others notice.

use super::{client_with, lasts, ms, seconds, shown, shown_or_never};
use crate::load::{Load, Tally};
use crate::scenario::{Length, On, Outcome, Scenario, Seen};
use anyhow::Context;
use futures::FutureExt;
use std::time::Duration;
use steadfast_redis::{Client, Cmd, cmd};
use steadfast_testkit::lab::sim::{Dial, End, Sim, SimCluster, slot_of};
use steadfast_testkit::redis::{Cluster, Server};
use tokio::time::Instant;

/// Callers of each shard.
const CALLERS: usize = 10;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F19",
        on: On::Simulated,
        fault: "one shard of three hangs: nothing is answered, not on new connections either",
        expected: "no call to the others fails, their p99 is at most twice that of a server apart, and 25 ms",
        play: |length| one_away(Dial::Hang, End::Stall, length).boxed(),
    },
    Scenario {
        id: "F19b",
        on: On::Simulated,
        fault: "one shard of three is down: its connections are reset, new ones refused",
        expected: "no call to the others fails, their p99 is at most twice that of a server apart, and 25 ms",
        play: |length| one_away(Dial::Refuse, End::Reset, length).boxed(),
    },
    Scenario {
        id: "F19c",
        on: On::Real,
        fault: "a primary of a real cluster is stopped (SIGSTOP) until its replica takes over",
        expected: "no call to the others fails, p99 as above; the shard itself is good within 250 ms of it",
        play: |_| one_stopped().boxed(),
    },
];

/// A key for each caller of a shard, that has its slot in `slots`.
fn keys(slots: impl Fn(u16) -> bool) -> Vec<String> {
    (0..).map(|number: u32| format!("key:{number}")).filter(|key| slots(slot_of(key))).take(CALLERS).collect()
}

fn load_on(client: &Client, keys: Vec<String>) -> Load {
    let command = move |caller: usize| -> Cmd { cmd("SET").arg(&keys[caller]).arg("value").to_owned() };
    // Those that fail at once must not keep the machine busier than those that wait for answers.
    Load::start_paced(client, CALLERS, ms(500), ms(10), command)
}

/// The same on a server that has nothing to do with it, by a client of its own, at the same time: the machine has other
/// work too, now more and now less of it.
fn control(url: &str) -> anyhow::Result<Load> {
    Ok(load_on(&client_with(url, &[])?, keys(|_| true)))
}

/// What the others' callers noticed, beside the control.
fn others(others: &Tally, control: &Tally) -> (bool, String) {
    let (is, usual) = (others.quantile(0.99), control.quantile(0.99));
    let holds = others.bad == 0 && others.good > 100 && is <= usual * 2 + ms(25);
    let span = |span: Duration| format!("{:.1} ms", span.as_secs_f64() * 1_000.0);
    (holds, format!("others: {} failed, p99 {} (control {})", others.bad, span(is), span(usual)))
}

async fn one_away(dial: Dial, end: End, length: Length) -> Outcome {
    let cluster = SimCluster::start(3, 0).await?;
    let client = client_with(&format!("redis-cluster://{}", cluster.nodes[1].addr()), &[])?;
    let gone = load_on(&client, keys(|slot| cluster.node_for_slot(slot) == Some(0)));
    let well = load_on(&client, keys(|slot| cluster.node_for_slot(slot) != Some(0)));
    let apart = Sim::start().await?;
    let control = control(&apart.url())?;
    gone.warm().await?;
    well.warm().await?;
    control.warm().await?;
    // The first calls waited for connections.
    lasts(ms(500)).await;
    cluster.nodes[0].dial(dial).await;
    cluster.nodes[0].all_connections(end);
    gone.mark();
    well.mark();
    control.mark();
    lasts(length.of(seconds(5), seconds(3))).await;
    let (well, control, gone) = (well.mark(), control.mark(), gone.stop().await);
    let (holds, figure) = others(&well, &control);
    let figure = format!("{figure}; its own: {}", gone.failures());
    Ok(Seen::new(holds && gone.bad > 0, "each for itself", figure))
}

async fn one_stopped() -> Outcome {
    // Else the cluster itself would refuse everything until the slots are served again: that is F5i.
    let cluster =
        Cluster::start_with(|builder| builder.config("cluster-require-full-coverage", "no")).await?;
    let client = client_with(&format!("redis-cluster://127.0.0.1:{}", cluster.nodes[1].port()), &[])?;
    // The first third of the slots is node 0's; 3 is its replica.
    let gone = load_on(&client, keys(|slot| slot < 5_000));
    let well = load_on(&client, keys(|slot| slot > 6_000));
    let apart = Server::start().await?;
    let control = control(apart.url())?;
    gone.warm().await?;
    well.warm().await?;
    control.warm().await?;
    lasts(ms(500)).await;
    well.mark();
    control.mark();
    cluster.nodes[0].pause().await?;
    let stopped = Instant::now();
    let took_over = super::poll(seconds(20), || async {
        let info = cluster.nodes[3].command(&["CLUSTER", "INFO"]).await;
        let is_well =
            info.is_ok_and(|info| info.text().is_some_and(|text| text.contains("cluster_state:ok")));
        let role = cluster.nodes[3].info("replication", "role").await;
        is_well && role.is_ok_and(|role| role == "master")
    });
    took_over.await.then_some(()).context("nobody takes over")?;
    let away = stopped.elapsed();
    gone.mark();
    let back = gone.first_good(seconds(10)).await;
    gone.stop().await;
    cluster.nodes[0].resume().await?;
    let (holds, figure) = others(&well.mark(), &control.mark());
    let holds = holds && back.is_some_and(|back| back <= super::readonly::WITHIN);
    let figure =
        format!("{figure}; its own: good {} after the takeover ({} away)", shown_or_never(back), shown(away));
    Ok(Seen::new(holds, "each for itself", figure))
}
