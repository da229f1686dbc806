//! A simulated cluster: slots that move, nodes that lie, seeds that are gone.

use super::readonly::WITHIN;
use super::{client_with, in_ms, lasts, ms, seconds, set, shown, shown_or_never};
use crate::load::Load;
use crate::scenario::{Length, On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use std::time::Duration;
use steadfast_redis::{Client, Cmd, cmd};
use steadfast_testkit::lab::sim::{Action, Dial, End, Fault, SLOTS, Sim, SimCluster, slot_of};
use steadfast_testkit::wait_for;
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F18",
        on: On::Simulated,
        fault: "MOVED storm: every 10 ms a hundred slots go to another of three nodes, for 5 s",
        expected: "no call fails; the map is read at most once a second and once more",
        play: |length| storm(length).boxed(),
    },
    Scenario {
        id: "F18b",
        on: On::Simulated,
        fault: "two nodes send every call to each other, for ever",
        expected: "calls end with MOVED after 5 redirections; the map is read at most once a second and once more",
        play: |length| ping_pong(length).boxed(),
    },
    Scenario {
        id: "F18c",
        on: On::Simulated,
        fault: "a slot that moves key by key: ASK for what is gone, TRYAGAIN for keys on both sides",
        expected: "no call fails, each counts once",
        play: |_| asking().boxed(),
    },
    Scenario {
        id: "F18d",
        on: On::Simulated,
        fault: "CLUSTERDOWN for 1 s",
        expected: "calls with time wait and go on within 250 ms of its end",
        play: |_| down().boxed(),
    },
    Scenario {
        id: "F26",
        on: On::Simulated,
        fault: "the cluster shrinks to nodes that were never in the seed list, and all connections are cut",
        expected: "calls go on within 2.3 s; a new client goes on from the nodes last known, in a file",
        play: |_| shrinks().boxed(),
    },
];

/// A client that knows only these.
pub(super) fn client(seeds: &[&Sim], settings: &[&str]) -> anyhow::Result<Client> {
    let hosts: Vec<String> = seeds.iter().map(|seed| seed.addr().to_string()).collect();
    client_with(&format!("redis-cluster://{}", hosts.join(",")), settings)
}

/// How often the map was asked for, over all nodes.
fn readings(cluster: &SimCluster) -> u64 {
    cluster.nodes.iter().map(|node| node.received("CLUSTER|NODES")).sum()
}

/// The most questions that `span` allows: up to five nodes are asked at each reading, once a second, and once more.
fn readings_max(cluster: &SimCluster, span: Duration) -> u64 {
    let each = cluster.nodes.len().min(5) as u64;
    (span.as_secs() + 2) * each
}

/// Writes over so many keys of all slots.
fn spread(caller: usize) -> Cmd {
    cmd("SET").arg(format!("{caller}:{}", fastrand::u32(..1_000))).arg("value").to_owned()
}

async fn storm(length: Length) -> Outcome {
    let cluster = SimCluster::start(3, 0).await?;
    let client = client(&[&cluster.nodes[0]], &[])?;
    let load = Load::start(&client, 8, seconds(2), spread);
    load.warm().await?;
    let (before, started) = (readings(&cluster), Instant::now());
    let span = length.of(seconds(5), seconds(3));
    let mut next = 0;
    while started.elapsed() < span {
        let (first, to) = (next * 100 % SLOTS, usize::from(fastrand::u8(..3)));
        for slot in first..(first + 100).min(SLOTS) {
            cluster.move_slot(slot, to);
        }
        next += 1;
        lasts(ms(10)).await;
    }
    let asked = readings(&cluster) - before;
    let most = readings_max(&cluster, started.elapsed());
    let tally = load.stop().await;
    let holds = tally.bad == 0 && tally.good > 500 && asked <= most;
    let figure = format!(
        "{} good, failed: {}, {asked} questions for the map (at most {most}), p99 {}",
        tally.good,
        tally.failures(),
        shown(tally.quantile(0.99))
    );
    Ok(Seen::new(holds, "follows each redirection", figure))
}

async fn ping_pong(length: Length) -> Outcome {
    let cluster = SimCluster::start(2, 0).await?;
    let client = client(&[&cluster.nodes[0]], &[])?;
    let load = Load::start(&client, 8, seconds(2), set);
    load.warm().await?;
    for (node, other) in [(0, 1), (1, 0)] {
        for caller in 0..8 {
            let key = format!("key:{caller}");
            let text = format!("MOVED {} {}", slot_of(&key), cluster.nodes[other].addr());
            cluster.nodes[node].fault(Fault::on("SET").key(&key).then(Action::error(text)));
        }
    }
    lasts(ms(50)).await;
    load.mark();
    let before = readings(&cluster);
    let received = || cluster.nodes.iter().map(|node| node.received("SET")).sum::<u64>();
    let (started, sent) = (Instant::now(), received());
    lasts(length.of(seconds(5), seconds(2))).await;
    let during = load.mark();
    let (asked, most) = (readings(&cluster) - before, readings_max(&cluster, started.elapsed()));
    let each = (received() - sent) as f64 / during.bad.max(1) as f64;
    cluster.nodes.iter().for_each(Sim::clear_faults);
    load.mark();
    let back = load.first_good(seconds(5)).await;
    load.stop().await;
    let told = during.good == 0 && during.codes.keys().eq(["MOVED"]);
    let holds = told && each < 6.5 && asked <= most && back.is_some_and(|back| back <= WITHIN);
    let figure = format!(
        "{} told, {each:.1} tries each, {asked} questions for the map (at most {most}), good again after {}",
        during.failures(),
        shown_or_never(back)
    );
    Ok(Seen::new(holds, "gives up", figure))
}

async fn asking() -> Outcome {
    let cluster = SimCluster::start(3, 0).await?;
    let client = client(&[&cluster.nodes[0]], &[])?;
    let slot = slot_of("{t}");
    let from = cluster.node_for_slot(slot).unwrap_or_default();
    let to = (from + 1) % 3;
    let count = |caller: usize| cmd("INCR").arg(format!("{{t}}:{caller}")).to_owned();
    let load = Load::start(&client, 8, seconds(5), count);
    let both = |_| cmd("MGET").arg("{t}:0").arg("{t}:1").to_owned();
    let many = Load::start(&client, 2, seconds(5), both);
    let counted = load.warm().await?.good;
    many.warm().await?;
    cluster.start_moving(slot, to);
    for _ in 0..4 {
        lasts(ms(100)).await;
        cluster.move_keys(slot, to, 2);
    }
    lasts(ms(100)).await;
    cluster.finish_moving(slot, to);
    lasts(ms(300)).await;
    let (load, many) = (load.stop().await, many.stop().await);
    let torn = cluster.nodes.iter().map(|node| node.received("MGET") - node.executed("MGET")).sum::<u64>();
    let values = (0..8).map(|caller| cluster.nodes[to].command(&["GET", &format!("{{t}}:{caller}")]));
    let values: i64 = values.filter_map(|value| value.text()?.parse::<i64>().ok()).sum();
    let counted = i64::try_from(counted + load.good)?;
    let holds = load.bad == 0 && many.bad == 0 && torn > 0 && values == counted;
    let figure = format!(
        "{counted} counted, {values} there, failed: {}; {} reads of two keys, failed: {}, {torn} had to come again",
        load.failures(),
        many.good,
        many.failures()
    );
    Ok(Seen::new(holds, "asked the new owner", figure))
}

async fn down() -> Outcome {
    let cluster = SimCluster::start(3, 0).await?;
    let client = client(&[&cluster.nodes[0]], &[])?;
    let load = Load::start(&client, 8, seconds(5), spread);
    load.warm().await?;
    let before = readings(&cluster);
    cluster.set_down(true);
    lasts(seconds(1)).await;
    let during = load.mark();
    let asked = readings(&cluster) - before;
    let received = cluster.nodes.iter().map(|node| node.received("SET") - node.executed("SET")).sum::<u64>();
    cluster.set_down(false);
    let back = load.first_good(seconds(5)).await;
    let after = load.stop().await;
    let bad = during.bad + after.bad;
    let holds = bad == 0 && back.is_some_and(|back| back <= WITHIN) && received <= 200;
    let figure = format!(
        "good {} after its end, failed: {}, then {}; {received} refused, {asked} questions for the map",
        shown_or_never(back),
        during.failures(),
        after.failures()
    );
    Ok(Seen::new(holds, "waited", figure))
}

async fn shrinks() -> Outcome {
    let folder = tempfile::tempdir()?;
    shrinks_in(&folder.path().join("nodes")).await
}

async fn shrinks_in(file: &std::path::Path) -> Outcome {
    let cluster = SimCluster::start(2, 1).await?;
    let seeds = [&cluster.nodes[0], &cluster.nodes[1]];
    let setting = format!("connection.nodes_file={}", file.display());
    let first = client(&seeds, &[&setting])?;
    let load = Load::start(&first, 8, seconds(5), spread);
    load.warm().await?;
    // The replicas take over; the nodes of the seed list are gone for good.
    cluster.fail_over(2);
    cluster.fail_over(3);
    for gone in seeds {
        cluster.map().forget(gone.id());
        gone.dial(Dial::Refuse).await;
        gone.all_connections(End::Reset);
    }
    load.mark();
    let moved = load.first_good(seconds(10)).await;
    cluster.nodes[2..].iter().for_each(|node| {
        node.all_connections(End::Reset);
    });
    load.mark();
    let again = load.first_good(seconds(10)).await;
    load.stop().await;
    let kept = wait_for(seconds(5), || async {
        std::fs::read_to_string(file).is_ok_and(|text| !text.contains(&seeds[0].addr().to_string()))
    });
    ensure!(kept.await, "the nodes are not kept: {:?}", std::fs::read_to_string(file));
    first.close(in_ms(1_000)).await;
    let asked = Instant::now();
    let second = client(&seeds, &[&setting])?;
    let good = second.execute(&set(0), in_ms(5_000)).await.is_ok();
    let found = good.then(|| asked.elapsed());
    second.close(in_ms(1_000)).await;
    let soon = |span: Option<Duration>, most| span.is_some_and(|span| span <= most);
    let holds = soon(moved, ms(2_300)) && soon(again, ms(2_300)) && soon(found, ms(1_000));
    let figure = format!(
        "moved in {}, all cut: {}, a new client: {}",
        shown_or_never(moved),
        shown_or_never(again),
        shown_or_never(found)
    );
    Ok(Seen::new(holds, "goes on with the nodes it knows", figure))
}
