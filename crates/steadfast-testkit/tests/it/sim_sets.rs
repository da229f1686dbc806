//! The simulator as a cluster and as sentinels, beside the real ones.

use std::collections::BTreeSet;
use std::time::Duration;
use steadfast_testkit::lab::sim::{SentinelMaster, Sim, SimCluster, SimSentinels, slot_of};
use steadfast_testkit::redis::{Cluster, Connection, Reply, Sentinels};

const SOON: Duration = Duration::from_secs(5);

/// The form of a reply: types and names of fields, without values.
fn form(reply: &Reply) -> String {
    match reply {
        Reply::Array(items) => format!("[{}]", items.first().map(form).unwrap_or_default()),
        Reply::Map(pairs) => {
            let names: BTreeSet<&str> = pairs.iter().filter_map(|(name, _)| name.text()).collect();
            format!("{names:?}")
        }
        Reply::Integer(_) => ":".to_owned(),
        Reply::Verbatim(..) => "=".to_owned(),
        _ => "$".to_owned(),
    }
}

#[tokio::test]
async fn a_simulated_cluster_says_what_a_real_one_says() -> anyhow::Result<()> {
    let (real, sim) = tokio::try_join!(Cluster::start(), SimCluster::start(3, 1))?;
    let mut wanted = Connection::open(real.nodes[0].addr()).await?;
    let mut got = Connection::open(sim.nodes[0].addr()).await?;
    for command in ["SLOTS", "SHARDS", "NODES", "INFO", "MYID", "NOSUCH"] {
        for protocol in ["2", "3"] {
            wanted.command(&["HELLO", protocol]).await?;
            got.command(&["HELLO", protocol]).await?;
            let args = ["CLUSTER", command];
            let (wanted, got) = (wanted.command(&args).await?, got.command(&args).await?);
            assert_eq!(form(&wanted), form(&got), "{command} in RESP{protocol}: {wanted:?} {got:?}");
            if command == "SLOTS" {
                same_slots(&wanted, &got);
            }
        }
    }
    let same: [&[&str]; 9] = [
        &["CLUSTER", "KEYSLOT", "{a}b"],
        &["CLUSTER", "COUNTKEYSINSLOT", "5"],
        &["SELECT", "1"],
        &["MGET", "a", "b"],
        &["READONLY"],
        &["READWRITE"],
        &["ASKING"],
        &["PING"],
        &["MULTI"],
    ];
    for args in same {
        assert_eq!(wanted.command(args).await?, got.command(args).await?, "{args:?}");
    }
    Ok(())
}

/// Runs in order, each with as many nodes of the same fields.
fn same_slots(wanted: &Reply, got: &Reply) {
    let runs = |reply: &Reply| {
        let mut runs: Vec<(Option<i64>, Option<i64>, usize, String)> = reply
            .items()
            .unwrap_or_default()
            .iter()
            .filter_map(Reply::items)
            .map(|run| {
                let node = run[2].items().unwrap_or_default();
                (run[0].integer(), run[1].integer(), run.len(), node.iter().map(form).collect())
            })
            .collect();
        runs.sort();
        runs
    };
    assert_eq!(runs(wanted), runs(got));
}

#[tokio::test]
async fn a_slot_moves_between_simulated_nodes() -> anyhow::Result<()> {
    let sim = SimCluster::start(3, 1).await?;
    let slot = slot_of("{t}");
    let from = sim.node_for_key("{t}").expect("a node");
    let to = (from + 1) % 3;
    let mut source = Connection::open(sim.nodes[from].addr()).await?;
    let mut target = Connection::open(sim.nodes[to].addr()).await?;
    assert!(source.command(&["MSET", "{t}1", "a", "{t}2", "b"]).await?.is_ok());
    sim.start_moving(slot, to);
    assert_eq!(sim.move_keys(slot, to, 1), 1);
    assert!(source.command(&["MGET", "{t}1", "{t}2"]).await?.is_error("TRYAGAIN"));
    assert_eq!(sim.move_keys(slot, to, 10), 1);
    let ask = Reply::error(format!("ASK {slot} {}", sim.nodes[to].addr()));
    assert_eq!(source.command(&["GET", "{t}1"]).await?, ask);
    let replies = target.pipeline(&[&["ASKING"], &["GET", "{t}1"], &["GET", "{t}1"]]).await?;
    assert_eq!(replies[1], Reply::bulk("a"));
    assert!(replies[2].is_error("MOVED"), "{replies:?}");
    sim.finish_moving(slot, to);
    assert_eq!(target.command(&["GET", "{t}1"]).await?, Reply::bulk("a"));
    assert_eq!(target.command(&["GET", "{t}missing"]).await?, Reply::Null);
    let moved = Reply::error(format!("MOVED {slot} {}", sim.nodes[to].addr()));
    assert_eq!(source.command(&["GET", "{t}1"]).await?, moved);
    Ok(())
}

#[tokio::test]
async fn replicas_of_a_simulated_cluster_read_when_asked_and_take_over() -> anyhow::Result<()> {
    let sim = SimCluster::start(3, 1).await?;
    let primary = sim.node_for_key("k").expect("a node");
    let mut client = Connection::open(sim.nodes[primary + 3].addr()).await?;
    sim.nodes[primary].command(&["SET", "k", "v"]);
    assert!(client.command(&["GET", "k"]).await?.is_error("MOVED"));
    client.command(&["READONLY"]).await?;
    assert_eq!(client.command(&["GET", "k"]).await?, Reply::bulk("v"));
    assert!(client.command(&["SET", "k", "w"]).await?.is_error("MOVED"));
    sim.nodes[primary].freeze_cluster_view(true);
    sim.fail_over(primary + 3);
    assert!(client.command(&["SET", "k", "w"]).await?.is_ok());
    assert_eq!(sim.node_for_key("k"), Some(primary + 3));
    // The frozen one has not heard of it, but knows by its role that it must not write.
    let mut old = Connection::open(sim.nodes[primary].addr()).await?;
    assert!(old.command(&["SET", "k", "x"]).await?.is_error("READONLY"));
    sim.nodes[primary].freeze_cluster_view(false);
    assert!(old.command(&["SET", "k", "x"]).await?.is_error("MOVED"));
    sim.set_down(true);
    assert!(client.command(&["GET", "k"]).await?.is_error("CLUSTERDOWN"));
    sim.set_down(false);
    assert_eq!(client.command(&["GET", "k"]).await?, Reply::bulk("w"));
    Ok(())
}

#[tokio::test]
async fn simulated_sentinels_say_what_real_ones_say() -> anyhow::Result<()> {
    let (real, sim) = tokio::try_join!(Sentinels::start(1), SimSentinels::start(1, 3))?;
    let mut wanted = Connection::open(real.sentinels[0].addr()).await?;
    let mut got = Connection::open(sim.sentinels[0].addr()).await?;
    let commands: [&[&str]; 5] = [
        &["SENTINEL", "MASTER", Sentinels::NAME],
        &["SENTINEL", "MASTERS"],
        &["SENTINEL", "REPLICAS", Sentinels::NAME],
        &["SENTINEL", "SENTINELS", Sentinels::NAME],
        &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Sentinels::NAME],
    ];
    for protocol in ["2", "3"] {
        wanted.command(&["HELLO", protocol]).await?;
        got.command(&["HELLO", protocol]).await?;
        for args in commands {
            let (wanted, got) = (wanted.command(args).await?, got.command(args).await?);
            fields_are_known(&wanted, &got);
        }
    }
    let same: [&[&str]; 7] = [
        &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "nobody"],
        &["SENTINEL", "MASTER", "nobody"],
        &["SENTINEL", "MASTER"],
        &["SENTINEL", "NOSUCH"],
        &["SENTINEL", "CKQUORUM", Sentinels::NAME],
        &["GET", "a"],
        &["PING"],
    ];
    for args in same {
        assert_eq!(wanted.command(args).await?, got.command(args).await?, "{args:?}");
    }
    Ok(())
}

/// Everything the simulator says is of the same type as with Redis, and every field it has Redis has too.
fn fields_are_known(wanted: &Reply, got: &Reply) {
    assert_eq!(std::mem::discriminant(wanted), std::mem::discriminant(got), "{wanted:?} {got:?}");
    match (wanted, got) {
        (Reply::Map(_), Reply::Map(pairs)) => {
            for (name, _) in pairs {
                let name = name.text().expect("a name");
                assert!(wanted.field(name).is_some(), "Redis has no field {name}");
            }
        }
        (Reply::Array(theirs), Reply::Array(ours)) => {
            for (theirs, ours) in theirs.iter().zip(ours) {
                fields_are_known(theirs, ours);
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn simulated_sentinels_can_disagree() -> anyhow::Result<()> {
    let sim = SimSentinels::start(2, 3).await?;
    let mut watchers = Vec::new();
    for sentinel in &sim.sentinels {
        let mut watcher = Connection::open(sentinel.addr()).await?;
        watcher.command(&["PSUBSCRIBE", "*"]).await?;
        watchers.push(watcher);
    }
    sim.fail_over_seen_by(1, &[0, 1]);
    let (old, new) = (sim.servers[0].addr(), sim.servers[1].addr());
    for watcher in &mut watchers[..2] {
        let event = watcher.receive().await?;
        let words: Vec<&str> = event.items().unwrap_or_default().iter().filter_map(Reply::text).collect();
        let payload = format!("steadfast 127.0.0.1 {} 127.0.0.1 {}", old.port(), new.port());
        assert_eq!(words, ["pmessage", "*", "+switch-master", &payload]);
    }
    let belief = |index: usize| {
        let belief = sim.sentinels[index].sentinel().and_then(|face| face.belief(SimSentinels::NAME));
        belief.map(|master| (master.addr, master.epoch))
    };
    assert_eq!([belief(0), belief(2)], [Some((new, 2)), Some((old, 1))]);
    assert!(sim.servers[0].wait_until(SOON, |old| old.command(&["ROLE"]).items().is_some()).await);
    let mut client = Connection::open(old).await?;
    assert!(client.command(&["SET", "a", "1"]).await?.is_error("READONLY"));
    let mut client = Connection::open(new).await?;
    assert!(client.command(&["SET", "a", "1"]).await?.is_ok());
    let face = sim.sentinels[2].sentinel().expect("a sentinel");
    assert_eq!(face.announce("+sdown", "master steadfast 127.0.0.1 1"), 1);
    face.forget(SimSentinels::NAME);
    face.believe("other", SentinelMaster::new(new).epoch(7));
    assert_eq!(face.belief("other").map(|master| master.epoch), Some(7));
    assert!(Sim::start().await?.sentinel().is_none());
    Ok(())
}
