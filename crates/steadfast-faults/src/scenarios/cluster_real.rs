//! A real cluster of six nodes.

use super::readonly::{WITHIN, eval};
use super::{client_with, lasts, ms, poll, seconds, set, shown, shown_or_never};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::Context;
use futures::FutureExt;
use steadfast_redis::{Client, Cmd, cmd};
use steadfast_testkit::lab::sim::slot_of;
use steadfast_testkit::redis::Cluster;
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F5h",
        on: On::Real,
        fault: "a cluster: the replica of a primary takes over under load (CLUSTER FAILOVER), then back; scripts too",
        expected: "no call fails or takes longer than 500 ms",
        play: |_| failover().boxed(),
    },
    Scenario {
        id: "F5i",
        on: On::Real,
        fault: "a cluster: a primary is killed under load; until it is replaced, all nodes say CLUSTERDOWN",
        expected: "no call to the others fails, its own are good within 250 ms of the replica serving its slots",
        play: |_| killed().boxed(),
    },
    Scenario {
        id: "F18e",
        on: On::Real,
        fault: "slots with keys move from node to node under load, key by key",
        expected: "no call fails, none is counted twice; the map is read at most once a second and once more",
        play: |_| migration().boxed(),
    },
];

fn client(cluster: &Cluster) -> anyhow::Result<Client> {
    client_with(&format!("redis-cluster://127.0.0.1:{}", cluster.nodes[0].port()), &[])
}

async fn failover() -> Outcome {
    let cluster = Cluster::start().await?;
    let client = client(&cluster)?;
    let sets = Load::start(&client, 8, seconds(5), set);
    let evals = Load::start(&client, 8, seconds(5), eval);
    sets.warm().await?;
    evals.warm().await?;
    for replica in [3, 0] {
        cluster.failover(replica).await?;
        lasts(ms(300)).await;
    }
    let (sets, evals) = (sets.stop().await, evals.stop().await);
    let (gap, longest) = (sets.gap().max(evals.gap()), sets.longest().max(evals.longest()));
    let bad = sets.bad + evals.bad;
    let holds = bad == 0 && longest <= ms(500);
    let figure = format!(
        "{bad} failed, longest call {}, longest time without a good one {}",
        shown(longest),
        shown(gap)
    );
    Ok(Seen::new(holds, "followed the slots", figure))
}

/// One writer for each third of the slots.
fn thirds(client: &Client) -> [Load; 3] {
    let load = |first: u16, last: u16| {
        let key = (0..).map(|number: u32| format!("key:{number}"));
        let keys: Vec<_> = key.filter(|key| (first..=last).contains(&slot_of(key))).take(4).collect();
        let write = move |caller: usize| -> Cmd { cmd("SET").arg(&keys[caller]).arg("value").to_owned() };
        Load::start(client, 4, seconds(8), write)
    };
    [load(0, 5_000), load(6_000, 10_000), load(11_000, 16_000)]
}

async fn killed() -> Outcome {
    let cluster = Cluster::start().await?;
    let client = client_with(&format!("redis-cluster://127.0.0.1:{}", cluster.nodes[1].port()), &[])?;
    let [own, second, third] = thirds(&client);
    for load in [&own, &second, &third] {
        load.warm().await?;
    }
    let key = (0..).map(|number: u32| format!("lab:{number}")).find(|key| slot_of(key) <= 5_000);
    let key = key.context("no key")?;
    cluster.kill9(0).await?;
    let serves = poll(seconds(20), || async {
        let set = cluster.nodes[3].command(&["SET", &key, "1"]).await;
        set.is_ok_and(|reply| reply.is_ok())
    });
    serves.await.then_some(()).context("nobody takes over")?;
    own.mark();
    let back = own.first_good(seconds(10)).await;
    own.stop().await;
    let (second, third) = (second.stop().await, third.stop().await);
    let holds = second.bad + third.bad == 0 && back.is_some_and(|back| back <= WITHIN);
    let figure = format!(
        "good {} after it, the others failed: {} and {}, longest call {}",
        shown_or_never(back),
        second.failures(),
        third.failures(),
        shown(second.longest().max(third.longest()))
    );
    Ok(Seen::new(holds, "waited for the cluster", figure))
}

/// How often the nodes were asked for the map.
async fn readings(cluster: &Cluster) -> anyhow::Result<u64> {
    let mut sum = 0;
    for node in &cluster.nodes {
        // calls=12,usec=…
        let Ok(stat) = node.info("commandstats", "cmdstat_cluster|nodes").await else { continue };
        let calls = stat.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
        sum += calls.context("a commandstat without calls")?.parse::<u64>()?;
    }
    Ok(sum)
}

async fn migration() -> Outcome {
    let cluster = Cluster::start().await?;
    let client = client(&cluster)?;
    let tags = ["{a}", "{b}", "{c}", "{d}"];
    let count =
        move |caller: usize| -> Cmd { cmd("INCR").arg(format!("{}:{caller}", tags[caller % 4])).to_owned() };
    let load = Load::start(&client, 8, seconds(5), count);
    let counted = load.warm().await?.good;
    let (before, started) = (readings(&cluster).await?, Instant::now());
    for round in 0..2 {
        for tag in tags {
            let slot = slot_of(tag);
            let from = cluster.node_for_slot(slot).await?;
            let migration = cluster.migration(slot, (from + 1 + round) % 3).await;
            let Ok(migration) = migration else { continue };
            migration.begin().await?;
            while migration.move_keys(1).await? > 0 {
                lasts(ms(20)).await;
            }
            migration.finish().await?;
        }
    }
    let (span, asked) = (started.elapsed(), readings(&cluster).await? - before);
    let tally = load.stop().await;
    let most = (span.as_secs() + 2) * 5;
    let (counted, mut values) = (counted + tally.good, 0);
    for caller in 0..8 {
        let get = cmd("GET").arg(format!("{}:{caller}", tags[caller % 4])).to_owned();
        values += client.query::<u64>(&get).await?;
    }
    let holds = tally.bad == 0 && asked <= most && values == counted;
    let figure = format!(
        "{counted} counted, {values} there, failed: {}, {asked} questions for the map in {} (at most {most}), longest call {}",
        tally.failures(),
        shown(span),
        shown(tally.longest())
    );
    Ok(Seen::new(holds, "follows the slots", figure))
}
