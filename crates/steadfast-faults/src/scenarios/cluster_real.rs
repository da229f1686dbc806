//! A real cluster of six nodes.

use super::readonly::{WITHIN, eval};
use super::{client_with, lasts, ms, seconds, set, shown, shown_or_never};
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
        expected: "no call fails, the longest pause of the others' and its own calls 600 ms (the nodes' own vote)",
        play: |_| failover().boxed(),
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
    let holds = bad == 0 && longest <= ms(600) + WITHIN;
    let figure = format!(
        "{bad} failed, longest call {}, longest time without a good one {}",
        shown(longest),
        shown(gap)
    );
    Ok(Seen::new(holds, "followed the slots", figure))
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
    let count = move |caller: usize| -> Cmd { cmd("INCR").arg(format!("{}:{caller}", tags[caller % 4])).to_owned() };
    let load = Load::start(&client, 8, seconds(5), count);
    load.warm().await?;
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
    let holds = tally.bad == 0 && asked <= most;
    let figure = format!(
        "{} good, failed: {}, {asked} questions for the map in {} (at most {most}), longest call {}",
        tally.good,
        tally.failures(),
        shown(span),
        shown(tally.longest())
    );
    let _ = shown_or_never(None);
    Ok(Seen::new(holds, "follows the slots", figure))
}
