//! Connections: how many, how long one is waited for, and when they go.

use crate::soon;
use crate::support::{SOON, client, get, in_ms, set};
use std::time::Duration;
use steadfast_redis::{Client, ErrorKind, Outcome, Value, cmd};
use steadfast_testkit::lab::sim::{Action, Dial, Fault, Role, Sim};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;
use tokio::time::Instant;

#[tokio::test]
async fn a_connection_of_ones_own_is_waited_for_as_long_as_the_setting_says() {
    let server = Server::start().await.unwrap();
    let more = "pool.lanes_max=1&pool.connections_max=2&pool.acquire_timeout_ms=150";
    let client = Client::open(&format!("{}?{more}", server.url())).unwrap();
    let blpop = cmd("BLPOP").arg("list").arg(2).to_owned();
    let late = async {
        assert!(wait_for(SOON, || async { client.pool().exclusive_held == 1 }).await);
        let since = Instant::now();
        let error = client.blocking(&blpop, soon()).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::PoolExhausted, Outcome::NotSent));
        assert!(error.to_string().contains("for 150 ms"), "{error}");
        assert!(since.elapsed() < Duration::from_secs(1));
    };
    let (first, ()) = tokio::join!(client.blocking(&blpop, soon()), late);
    first.unwrap();
}

#[tokio::test]
async fn a_place_among_those_in_flight_is_waited_for_as_long_as_the_setting_says() {
    let sim = Sim::start().await.unwrap();
    let client = client(&sim.url(), |config| {
        (config.limiter.in_flight_min, config.limiter.in_flight_start) = (1, 1);
        (config.limiter.in_flight_max, config.pool.acquire_timeout_ms) = (1, 100);
        config.health.enabled = false;
    })
    .unwrap();
    client.ping().await.unwrap();
    sim.fault(Fault::on("GET").key("slow").then(Action::DelayReply(Duration::from_millis(600))));
    let late = async {
        assert!(wait_for(SOON, || async { client.pool().in_flight > 0 }).await);
        let since = Instant::now();
        let error = client.execute(&get("other"), soon()).await.unwrap_err();
        assert_eq!((error.code(), error.outcome()), ("OVERLOADED", Outcome::NotSent), "{error}");
        assert!(since.elapsed() < Duration::from_millis(400), "{:?}", since.elapsed());
    };
    let slow = get("slow");
    let (slow, ()) = tokio::join!(client.execute(&slow, soon()), late);
    slow.unwrap();
}

#[tokio::test]
async fn a_dial_for_a_waiting_caller_is_made_again_as_often_as_the_setting_says() {
    let sim = Sim::start().await.unwrap();
    for (count, may_succeed) in [(0, false), (20, true)] {
        sim.dial(Dial::Accept).await;
        let client = client(&sim.url(), |config| {
            config.pool.create_retry_count = count;
            config.pool.create_retry_interval_ms = 50;
            config.dial.budget = 1_000;
            config.breaker.enabled = false;
        })
        .unwrap();
        client.ping().await.unwrap();
        sim.dial(Dial::MaxClients).await;
        let blpop = cmd("BLPOP").arg("list").arg(0.1).to_owned();
        let later = async {
            tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>()).await.unwrap_err();
            sim.dial(Dial::Accept).await;
        };
        let (popped, ()) = tokio::join!(client.blocking(&blpop, soon()), later);
        match popped {
            Ok(popped) => assert!(may_succeed && popped == Value::Nil),
            Err(error) => assert!(!may_succeed && error.to_string().contains("max number"), "{error}"),
        }
    }
}

#[tokio::test]
async fn idle_connections_are_looked_for_as_often_as_the_setting_says() {
    let server = Server::start().await.unwrap();
    let client = client(server.url(), |config| {
        (config.pool.idle_timeout_ms, config.pool.reap_interval_ms) = (1_000, 100);
        config.health.enabled = false;
        config.tcp.resolve_interval_ms = 3_600_000;
    })
    .unwrap();
    client.blocking(cmd("BLPOP").arg("list").arg(0.05), soon()).await.unwrap();
    assert_eq!(client.pool().exclusive_idle, 1);
    let since = Instant::now();
    assert!(wait_for(SOON, || async { client.pool().exclusive_idle == 0 }).await);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
}

/// While writes wait for a primary, new connections are tried in case the address leads to another server: those that lead
/// to the same one are not kept.
#[tokio::test]
async fn a_replica_that_is_waited_for_is_not_given_ever_more_connections() {
    let sim = Sim::builder().role(Role::replica_of("127.0.0.1:1".parse().unwrap())).start().await.unwrap();
    let client = client(&sim.url(), |_| {}).unwrap();
    let refused = client.execute(&set("a"), in_ms(2_500)).await.unwrap_err();
    assert_eq!(refused.code(), "READONLY", "{refused}");
    assert!(sim.dial_count() > 5, "it was tried");
    assert!(sim.connections() <= 3, "{} connections", sim.connections());
    sim.set_role(Role::primary());
    client.execute(&set("a"), soon()).await.unwrap();
}

/// Static replicas: who finds the primary and who sends to it share their connections.
#[tokio::test]
async fn each_of_several_servers_is_dialled_once() {
    let primary = Sim::start().await.unwrap();
    let replica = Sim::builder().role(Role::replica_of(primary.addr())).start().await.unwrap();
    let client = Client::open(&format!("redis://{},{}", primary.addr(), replica.addr())).unwrap();
    client.execute(&set("a"), soon()).await.unwrap();
    assert!(wait_for(SOON, || async { replica.connections() > 0 }).await);
    assert_eq!((primary.connections(), replica.connections()), (1, 1));
    assert_eq!(client.nodes().len(), 2);
}

#[tokio::test]
async fn closing_waits_for_nothing_that_is_idle() {
    let server = Server::start().await.unwrap();
    let client = Client::open(server.url()).unwrap();
    client.blocking(cmd("BLPOP").arg("list").arg(0.05), soon()).await.unwrap();
    let watched = client.watch(&["a"], soon()).await.unwrap();
    let since = Instant::now();
    client.close(soon()).await;
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    drop(watched);
}

/// A call that the server keeps waiting is ended there too, so that it pops nothing for nobody; one that comes later is not
/// made.
#[tokio::test]
async fn closing_ends_calls_that_wait() {
    let server = Server::start().await.unwrap();
    let client = Client::open(server.url()).unwrap();
    let blpop = cmd("BLPOP").arg("list").arg(0).to_owned();
    let close = async {
        let blocked =
            || async { server.info("clients", "blocked_clients").await.is_ok_and(|count| count == "1") };
        assert!(wait_for(SOON, blocked).await);
        client.close(soon()).await;
    };
    let since = Instant::now();
    let (popped, ()) = tokio::join!(client.blocking(&blpop, in_ms(60_000)), close);
    assert_eq!(popped.unwrap(), Value::Nil);
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    assert_eq!(server.info("clients", "blocked_clients").await.unwrap(), "0");
    let error = client.blocking(&blpop, in_ms(60_000)).await.unwrap_err();
    assert_eq!((error.code(), error.outcome()), ("CLOSED", Outcome::NotSent), "{error}");
}

/// In another database than the one that was asked for, everything would be somebody else's.
#[tokio::test]
async fn a_server_that_knows_no_databases_is_not_used_as_if_it_did() {
    let sim = Sim::start().await.unwrap();
    sim.fault(Fault::on("SELECT").then(Action::error("ERR unknown command 'SELECT'")));
    let client = Client::open(&format!("{}?connection.database=1", sim.url())).unwrap();
    let error = client.execute(&set("a"), in_ms(500)).await.unwrap_err();
    assert_eq!((error.outcome(), sim.executed("SET")), (Outcome::NotSent, 0), "{error}");
    assert!(error.to_string().contains("SELECT"), "{error}");
}
