//! Replication and sentinels.

use steadfast_testkit::redis::{Connection, Replicated, Reply, Sentinels};

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
