//! The proxy does to connections what it says.

use std::time::Duration;
use steadfast_testkit::lab::proxy::{Accept, End, Proxy, Shape};
use steadfast_testkit::lab::sim::Sim;
use steadfast_testkit::redis::{Connection, Reply, Server};
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(5);
/// Long enough for an answer to come that must not.
const SILENCE: Duration = Duration::from_millis(150);

async fn setup() -> anyhow::Result<(Sim, Proxy, Connection)> {
    let sim = Sim::start().await?;
    let proxy = Proxy::start(sim.addr()).await?;
    let mut client = Connection::open(proxy.addr()).await?;
    pong(&mut client).await?;
    Ok((sim, proxy, client))
}

async fn pong(client: &mut Connection) -> anyhow::Result<()> {
    assert_eq!(client.command(&["PING"]).await?, Reply::Simple("PONG".to_owned()));
    Ok(())
}

#[tokio::test]
async fn what_passes_is_counted() -> anyhow::Result<()> {
    let (sim, proxy, mut client) = setup().await?;
    let big = "x".repeat(3_000_000);
    assert!(client.command(&["SET", "big", &big]).await?.is_ok());
    assert_eq!(client.command(&["GET", "big"]).await?, Reply::bulk(&big));
    let seen = proxy.counters();
    assert_eq!((seen.dials, seen.open, sim.connections()), (1, 1, 1));
    assert!(seen.to_server_bytes > 3_000_000 && seen.to_client_bytes > 3_000_000, "{seen:?}");
    drop(client);
    assert!(proxy.wait_until(SOON, |seen| seen.open == 0).await);
    assert!(sim.wait_until(SOON, |sim| sim.connections() == 0).await);
    Ok(())
}

#[tokio::test]
async fn a_black_hole_takes_everything_of_old_connections_and_nothing_of_new_ones() -> anyhow::Result<()> {
    let (sim, proxy, client) = setup().await?;
    assert_eq!(proxy.shape_existing(Shape::black_hole()), 1);
    let mut client = client.with_deadline(SILENCE);
    // Far more than any socket buffer holds: it is taken, not merely not refused.
    let mut sent = 0;
    for _ in 0..20 {
        client.send_raw(&vec![b'x'; 1 << 20]).await?;
        sent += 1;
    }
    assert!(client.receive().await.is_err());
    assert_eq!((sent, sim.received("PING")), (20, 1));
    pong(&mut Connection::open(proxy.addr()).await?).await?;
    // The other side does not hear that the client is gone.
    drop(client);
    pong(&mut Connection::open(proxy.addr()).await?).await?;
    assert!(sim.wait_until(SOON, |sim| sim.connections() == 1).await);
    assert!(proxy.wait_until(SOON, |seen| seen.open == 1).await);
    assert_eq!(proxy.reset_existing(), 1);
    assert!(sim.wait_until(SOON, |sim| sim.connections() == 0).await);
    proxy.shape_all(Shape::black_hole());
    let mut client = Connection::open(proxy.addr()).await?.with_deadline(SILENCE);
    assert!(client.command(&["PING"]).await.is_err());
    Ok(())
}

#[tokio::test]
async fn what_was_frozen_arrives_later() -> anyhow::Result<()> {
    let (sim, proxy, client) = setup().await?;
    proxy.shape_all(Shape::freeze());
    let mut client = client.with_deadline(SILENCE);
    client.send(&["INCR", "a"]).await?;
    assert!(client.receive().await.is_err());
    assert_eq!(sim.received("INCR"), 0);
    proxy.shape_all(Shape::pass());
    let mut client = client.with_deadline(SOON);
    assert_eq!(client.receive().await?, Reply::Integer(1));
    // What is on its way already is held too.
    let delay = Duration::from_millis(500);
    proxy.shape_all(Shape::pass().delayed(delay, Duration::ZERO));
    let before = proxy.counters().to_server_bytes;
    client.send(&["INCR", "a"]).await?;
    let passed = async |within| proxy.wait_until(within, |seen| seen.to_server_bytes > before).await;
    assert!(!passed(delay / 10).await);
    proxy.shape_all(Shape::freeze());
    assert!(!passed(delay * 2).await);
    // Nothing more is taken than fits into buffers.
    let mut client = client.with_deadline(SILENCE);
    assert!(client.send_raw(&vec![b'x'; 64 << 20]).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_lost_reply_is_of_a_command_that_was_executed() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let proxy = Proxy::start(server.addr()).await?;
    let mut client = Connection::open(proxy.addr()).await?;
    pong(&mut client).await?;
    proxy.shape_connection(1, Shape::lose_reply());
    client.send(&["INCR", "a"]).await?;
    assert_eq!(client.ended().await?, b"");
    assert_eq!(server.command(&["GET", "a"]).await?, Reply::bulk("1"));
    Ok(())
}

#[tokio::test]
async fn replies_are_cut_where_they_should_be() -> anyhow::Result<()> {
    let (sim, proxy, mut client) = setup().await?;
    sim.command(&["SET", "a", "0123456789"]);
    proxy.shape_new(Shape::pass().cut_after(8, End::Stall));
    proxy.shape_existing(Shape::pass().cut_after(8, End::Close));
    client.send(&["GET", "a"]).await?;
    assert_eq!(client.ended().await?, b"$10\r\n012");
    let mut client = Connection::open(proxy.addr()).await?.with_deadline(SILENCE);
    client.send(&["GET", "a"]).await?;
    let error = client.receive().await.expect_err("part of a reply");
    assert!(format!("{error:#}").contains("nothing came within"), "{error:#}");
    assert!(client.is_open());
    proxy.shape_new(Shape::pass().cut_after(3, End::Reset));
    let mut client = Connection::open(proxy.addr()).await?;
    let error = client.command(&["GET", "a"]).await.expect_err("a reset");
    assert!(format!("{error:#}").contains("reset by peer"), "{error:#}");
    Ok(())
}

#[tokio::test]
async fn delays_and_throttles_take_their_time() -> anyhow::Result<()> {
    let (_sim, proxy, mut client) = setup().await?;
    let (up, down) = (Duration::from_millis(60), Duration::from_millis(40));
    proxy.shape_existing(Shape::pass().delayed(up, down));
    let start = Instant::now();
    let ping: &[&str] = &["PING"];
    // However many are on their way, each is late by the same.
    client.pipeline(&[ping; 50]).await?;
    let took = start.elapsed();
    assert!(took >= up + down && took < (up + down) * 5, "{took:?}");
    proxy.shape_existing(Shape::pass().throttled(20_000));
    let start = Instant::now();
    client.command(&["ECHO", &"x".repeat(4_000)]).await?;
    let took = start.elapsed();
    // 4,000 bytes each way at 20,000 in a second.
    assert!(took >= Duration::from_millis(300) && took < Duration::from_secs(3), "{took:?}");
    proxy.shape_existing(Shape::pass());
    pong(&mut client).await
}

#[tokio::test]
async fn standing_connections_are_closed_or_reset_on_both_sides() -> anyhow::Result<()> {
    let (sim, proxy, mut client) = setup().await?;
    assert_eq!(proxy.close_existing(), 1);
    assert_eq!(client.ended().await?, b"");
    assert!(sim.wait_until(SOON, |sim| sim.connections() == 0).await);
    let mut client = Connection::open(proxy.addr()).await?;
    pong(&mut client).await?;
    assert_eq!(proxy.reset_existing(), 1);
    let error = client.receive().await.expect_err("a reset");
    assert!(format!("{error:#}").contains("reset by peer"), "{error:#}");
    assert!(sim.wait_until(SOON, |sim| sim.connections() == 0).await);
    Ok(())
}

#[tokio::test]
async fn those_who_connect_are_met_as_ordered_on_the_same_port() -> anyhow::Result<()> {
    let (sim, proxy, mut standing) = setup().await?;
    proxy.accept(Accept::Refuse).await;
    let error = Connection::open(proxy.addr()).await.expect_err("refused");
    assert!(format!("{error:#}").contains("refused"), "{error:#}");
    assert_eq!(proxy.counters().dials, 1);
    for policy in [Accept::Close, Accept::Reset] {
        proxy.accept(policy).await;
        Connection::open(proxy.addr()).await?.ended().await?;
    }
    proxy.accept(Accept::Silence).await;
    let dial = tokio::time::timeout(SILENCE, tokio::net::TcpStream::connect(proxy.addr())).await;
    assert!(dial.is_err(), "{dial:?}");
    assert_eq!((proxy.counters().dials, sim.dial_count()), (3, 1));
    pong(&mut standing).await?;
    proxy.accept(Accept::Forward).await;
    pong(&mut Connection::open(proxy.addr()).await?).await
}

#[tokio::test]
async fn another_target_is_for_new_connections() -> anyhow::Result<()> {
    let (old, proxy, mut standing) = setup().await?;
    let new = Sim::start().await?;
    proxy.retarget(new.addr());
    let mut fresh = Connection::open(proxy.addr()).await?;
    standing.command(&["SET", "who", "old"]).await?;
    fresh.command(&["SET", "who", "new"]).await?;
    assert_eq!(old.command(&["GET", "who"]), Reply::bulk("old"));
    assert_eq!(new.command(&["GET", "who"]), Reply::bulk("new"));
    new.stop().await;
    old.stop().await;
    // A target that is not there is a dial that comes to nothing.
    Connection::open(proxy.addr()).await?.ended().await?;
    standing.ended().await?;
    proxy.stop().await;
    assert!(Connection::open(proxy.addr()).await.is_err());
    Ok(())
}

#[tokio::test]
async fn the_last_words_of_a_server_arrive_though_the_client_goes_on_talking() -> anyhow::Result<()> {
    let (sim, proxy, mut client) = setup().await?;
    proxy.shape_existing(Shape::pass().delayed(Duration::ZERO, Duration::from_millis(300)));
    client.send(&["QUIT"]).await?;
    assert!(sim.wait_until(SOON, |sim| sim.connections() == 0).await);
    // The first is answered with a reset, the next finds that out.
    for _ in 0..5 {
        let before = proxy.counters().to_server_bytes;
        client.send(&["PING"]).await?;
        proxy.wait_until(Duration::from_millis(20), |seen| seen.to_server_bytes > before).await;
    }
    assert_eq!(client.receive().await?, Reply::ok());
    Ok(())
}
