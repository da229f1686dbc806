//! One real server.

use std::time::Duration;
use steadfast_testkit::redis::{Connection, Reply, Server};

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
