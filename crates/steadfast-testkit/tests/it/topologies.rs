//! Replication and sentinels.

use steadfast_testkit::lab::sim::slot_of;
use steadfast_testkit::redis::{Cluster, Connection, Replicated, Reply, Sentinels};

#[tokio::test]
async fn replicas_follow_and_one_can_be_promoted() -> anyhow::Result<()> {
    let mut all = Replicated::start(2).await?;
    all.primary.expect(&["SET", "a", "1"]).await?;
    all.in_step().await?;
    for replica in &all.replicas {
        assert_eq!(replica.command(&["GET", "a"]).await?, Reply::bulk("1"));
        assert!(replica.command(&["SET", "a", "2"]).await?.is_error("READONLY"));
    }
    let promoted = all.replicas[1].port();
    all.promote(1).await?;
    assert_eq!(all.primary.port(), promoted);
    all.primary.expect(&["SET", "a", "2"]).await?;
    assert!(all.replicas[1].command(&["SET", "a", "3"]).await?.is_error("READONLY"));
    Ok(())
}

#[tokio::test]
async fn sentinels_replace_a_primary_that_is_well_and_one_that_is_dead() -> anyhow::Result<()> {
    let all = Sentinels::start(2).await?;
    let first = all.primary_port().await?;
    let mut watcher = Connection::open(all.sentinels[2].addr()).await?;
    watcher.command(&["SUBSCRIBE", "+switch-master"]).await?;
    let second = all.failover().await?;
    assert_ne!(first, second);
    let event = watcher.receive().await?;
    let words = event.items().and_then(|items| items[2].text()).expect("an event");
    assert_eq!(words, format!("{} 127.0.0.1 {first} 127.0.0.1 {second}", Sentinels::NAME));
    all.primary().await?.expect(&["SET", "a", "1"]).await?;
    all.followed().await?;
    all.agreed().await?;
    let third = all.kill_primary().await?;
    assert_ne!(second, third);
    all.primary().await?.expect(&["SET", "a", "2"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_cluster_moves_a_slot_step_by_step() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let slot = slot_of("{t}");
    let from = cluster.node_for_key("{t}").await?;
    assert_eq!(cluster.node_for_slot(slot).await?, from);
    let to = (from + 1) % 3;
    let mut source = Connection::open(cluster.nodes[from].addr()).await?;
    let mut target = Connection::open(cluster.nodes[to].addr()).await?;
    source.command(&["MSET", "{t}1", "a", "{t}2", "b"]).await?;

    let migration = cluster.migration(slot, to).await?;
    migration.begin().await?;
    assert_eq!(source.command(&["GET", "{t}1"]).await?, Reply::bulk("a"));
    let ask = Reply::error(format!("ASK {slot} {}", cluster.nodes[to].addr()));
    assert_eq!(source.command(&["GET", "{t}new"]).await?, ask);
    assert_eq!(migration.move_keys(1).await?, 1);
    assert!(source.command(&["MGET", "{t}1", "{t}2"]).await?.is_error("TRYAGAIN"));
    let replies = target.pipeline(&[&["ASKING"], &["MGET", "{t}1", "{t}2"]]).await?;
    assert!(replies[1].is_error("TRYAGAIN"), "{replies:?}");
    assert_eq!(migration.move_keys(10).await?, 1);
    assert_eq!(source.command(&["GET", "{t}1"]).await?, ask);
    assert!(target.command(&["GET", "{t}1"]).await?.is_error("MOVED"));
    let replies = target.pipeline(&[&["ASKING"], &["GET", "{t}1"]]).await?;
    assert_eq!(replies[1], Reply::bulk("a"));
    migration.finish().await?;
    assert!(source.command(&["GET", "{t}1"]).await?.is_error("MOVED"));
    assert_eq!(target.command(&["GET", "{t}1"]).await?, Reply::bulk("a"));

    cluster.migrate_slot(slot, from).await?;
    assert_eq!(source.command(&["GET", "{t}2"]).await?, Reply::bulk("b"));
    Ok(())
}

#[tokio::test]
async fn a_cluster_replaces_a_node_that_is_killed_and_one_that_is_asked_to_step_down() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    assert_eq!(cluster.replicas_of(0).await?, [3]);
    cluster.failover(3).await?;
    assert_eq!(cluster.node_for_slot(0).await?, 3);
    assert_eq!(cluster.replicas_of(3).await?, [0]);
    cluster.kill9(1).await?;
    assert_eq!(cluster.replaced(1, &[4]).await?, 4);
    cluster.settled().await?;
    assert_eq!(cluster.node_for_slot(6_000).await?, 4);
    cluster.nodes[1].restart().await?;
    cluster.settled().await?;
    assert_eq!(cluster.replicas_of(4).await?, [1]);
    Ok(())
}
