//! One real server.

use std::time::Duration;
use steadfast_testkit::redis::{Connection, Reply, Server};
use steadfast_testkit::wait_for;

#[tokio::test]
async fn a_server_answers_dies_and_comes_back_where_it_was() -> anyhow::Result<()> {
    let server = Server::builder().append_only(true).password("one").start().await?;
    assert_eq!(server.url(), format!("redis://:one@127.0.0.1:{}", server.port()));
    let mut client = Connection::open(server.addr()).await?;
    assert!(client.command(&["SET", "a", "1"]).await?.is_error("NOAUTH"));
    assert!(client.command(&["AUTH", "one"]).await?.is_ok());
    assert!(client.command(&["SET", "a", "1"]).await?.is_ok());
    let (port, pid) = (server.port(), server.pid());
    server.kill9().await?;
    assert_eq!(server.pid(), None);
    client.ended().await?;
    assert!(Connection::open(server.addr()).await.is_err());
    server.restart().await?;
    assert_ne!(server.pid(), pid);
    assert_eq!(server.port(), port);
    assert_eq!(server.command(&["GET", "a"]).await?, Reply::bulk("1"));
    assert_eq!(server.log().matches("Ready to accept connections").count(), 2);
    Ok(())
}

#[tokio::test]
async fn a_paused_server_keeps_its_sockets_and_says_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let client = Connection::open(server.addr()).await?;
    let mut client = client.with_deadline(Duration::from_millis(200));
    server.pause().await?;
    client.send(&["PING"]).await?;
    assert!(client.receive().await.is_err());
    Connection::open(server.addr()).await?;
    server.resume().await?;
    assert_eq!(client.receive().await?, Reply::Simple("PONG".to_owned()));
    Ok(())
}

#[tokio::test]
async fn settings_and_users_are_taken() -> anyhow::Result<()> {
    let server = Server::builder()
        .config("maxmemory", "2mb")
        .user_acl("worker on >secret ~jobs:* +@all")
        .start()
        .await?;
    let mut client = Connection::open(server.addr()).await?;
    assert!(client.command(&["AUTH", "worker", "secret"]).await?.is_ok());
    assert!(client.command(&["GET", "other"]).await?.is_error("NOPERM"));
    let maxmemory = server.command(&["CONFIG", "GET", "maxmemory"]).await?;
    assert_eq!(maxmemory.field("maxmemory").and_then(Reply::integer), Some(2 * 1024 * 1024));
    let refused = Server::builder().config("no-such-setting", "1").start().await;
    let refused = refused.expect_err("an unknown setting");
    assert!(format!("{refused:#}").contains("no-such-setting"), "{refused:#}");
    Ok(())
}

#[tokio::test]
async fn a_server_can_be_met_while_it_loads() -> anyhow::Result<()> {
    let server = Server::builder().slow_loading(Duration::from_millis(1)).start().await?;
    server.expect(&["DEBUG", "POPULATE", "1500"]).await?;
    server.expect(&["SAVE"]).await?;
    server.kill9().await?;
    server.launch().await?;
    let loading = wait_for(Duration::from_secs(5), || async {
        let Ok(mut client) = Connection::open(server.addr()).await else { return false };
        client.command(&["PING"]).await.is_ok_and(|reply| reply.is_error("LOADING"))
    });
    assert!(loading.await);
    server.ready(Duration::from_secs(10)).await?;
    assert_eq!(server.command(&["DBSIZE"]).await?, Reply::Integer(1_500));
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_full_still_takes_the_lab() -> anyhow::Result<()> {
    let server = Server::builder().config("maxclients", "2").start().await?;
    let mut only = Connection::open(server.addr()).await?;
    assert_eq!(only.command(&["PING"]).await?, Reply::Simple("PONG".to_owned()));
    let mut refused = Connection::open(server.addr()).await?;
    assert_eq!(refused.receive().await?, Reply::error("ERR max number of clients reached"));
    assert_eq!(server.command(&["PING"]).await?, Reply::Simple("PONG".to_owned()));
    server.expect(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]).await?;
    assert_eq!(server.command(&["PING"]).await?, Reply::Simple("PONG".to_owned()));
    Ok(())
}
