//! Calls, pipelines, scripts, and what is said when they cannot be done.

use crate::{pair, soon};
use std::time::Duration;
use steadfast_redis::{Client, ErrorKind, Outcome, Pipeline, Script, cmd};
use steadfast_testkit::lab::sim::slot_of;
use steadfast_testkit::redis::{Cluster, Server};
use steadfast_testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

#[tokio::test]
async fn answers_come_as_the_types_asked_for() {
    let (_server, client) = pair().await;
    let done: String = client.query(cmd("SET").arg("a").arg("1")).await.unwrap();
    assert_eq!(done, "OK");
    assert_eq!(client.query::<i64>(cmd("INCR").arg("a")).await.unwrap(), 2);
    assert_eq!(client.query::<Option<String>>(cmd("GET").arg("none")).await.unwrap(), None);
    let wrong = client.query::<i64>(cmd("GET").arg("none")).await.unwrap_err();
    assert_eq!((wrong.kind(), wrong.code()), (ErrorKind::Validation, "TYPE"));
    let refused = client.query::<i64>(cmd("LPUSH").arg("a").arg("x")).await.unwrap_err();
    assert_eq!((refused.code(), refused.outcome()), ("WRONGTYPE", Outcome::Rejected));
}

#[tokio::test]
async fn a_pipeline_answers_each_and_an_atomic_one_all_or_nothing() {
    let (_server, client) = pair().await;
    let mut pipe = Pipeline::new();
    pipe.cmd("SET").arg("a").arg("x").ignore().cmd("INCR").arg("n").cmd("GET").arg("a");
    let (n, a): (i64, String) = client.query_pipeline(&pipe).await.unwrap();
    assert_eq!((n, a.as_str()), (1, "x"));
    let mut odd = Pipeline::new();
    odd.cmd("INCR").arg("n").cmd("INCR").arg("a").cmd("INCR").arg("n");
    let answers = client.pipeline(&odd, soon()).await.unwrap();
    assert!(answers[0].is_ok() && answers[1].is_err() && answers[2].is_ok(), "{answers:?}");
    let mut atomic = Pipeline::new();
    atomic.atomic().cmd("INCR").arg("n").cmd("NOSUCH").arg("n").cmd("INCR").arg("n");
    let refused = client.pipeline(&atomic, soon()).await.unwrap_err();
    assert!(refused.to_string().contains("NOSUCH"), "{refused}");
    assert_eq!(client.query::<i64>(cmd("GET").arg("n")).await.unwrap(), 3, "nothing of it was executed");
    assert!(client.pipeline(&Pipeline::new(), soon()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_script_is_loaded_again_when_the_server_has_forgotten_it() {
    let (server, client) = pair().await;
    let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    assert_eq!(client.query_script::<i64>(&script.call().key("n").arg(2)).await.unwrap(), 2);
    server.expect(&["SCRIPT", "FLUSH"]).await.unwrap();
    assert_eq!(client.query_script::<i64>(&script.call().key("n").arg(3)).await.unwrap(), 5);
    assert_eq!(client.query_script::<i64>(&script.call().key("n").arg(1)).await.unwrap(), 6);
}

#[tokio::test]
async fn what_changes_or_holds_a_shared_connection_is_refused() {
    let (_server, client) = pair().await;
    for command in ["MULTI", "SUBSCRIBE", "SELECT", "WATCH", "MONITOR"] {
        let error = client.execute(cmd(command).arg("1"), soon()).await.unwrap_err();
        assert_eq!((error.code(), error.outcome()), ("SHARED", Outcome::NotSent), "{command}");
    }
    let error = client.execute(cmd("BLPOP").arg("a").arg(0), soon()).await.unwrap_err();
    assert!(error.to_string().contains("Client::blocking"), "{error}");
}

#[tokio::test]
async fn a_reply_beyond_the_bound_costs_the_caller_the_reply_and_nobody_the_connection() {
    let server = Server::start().await.unwrap();
    let client = Client::open(&format!("{}?connection.reply_bytes_max=65536", server.url())).unwrap();
    client.query::<String>(cmd("SET").arg("big").arg("x".repeat(1 << 20))).await.unwrap();
    let get = cmd("GET").arg("big").to_owned();
    let (big, small) = tokio::join!(client.execute(&get, soon()), client.ping());
    assert_eq!(big.unwrap_err().code(), "OVERSIZED");
    small.unwrap();
    assert_eq!(client.nodes()[0].dials, 1);
}

#[tokio::test]
async fn a_wrong_password_is_named_and_the_right_one_not_shown() {
    let server = Server::builder().password("correct-horse").start().await.unwrap();
    let url = format!("redis://:battery-staple@{}", server.addr());
    let error = Client::open(&url).unwrap().within(Duration::from_millis(500)).ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("battery") && shown.contains("WRONGPASS"), "{shown}");
    let right = Client::open(&format!("redis://:correct-horse@{}", server.addr())).unwrap();
    right.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_no_redis_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    TaskTracker::new().spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let _ = peer.read(&mut [0; 64]).await;
            let _ = peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let client = Client::open(&url).unwrap().within(Duration::from_millis(500));
    let error = client.ping().await.unwrap_err();
    assert!(error.to_string().contains("HTTP"), "{error}");
    assert_eq!(error.outcome(), Outcome::NotSent);
}

#[tokio::test]
async fn nothing_lasts_beyond_its_deadline() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let client = Client::open(&url).unwrap();
    let since = Instant::now();
    let error = client.execute(&cmd("PING"), since + Duration::from_millis(80)).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::NotSent), "{error}");
    assert!(since.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn closing_answers_what_waits_and_ends_everything() {
    let (server, client) = pair().await;
    client.ping().await.unwrap();
    // Busy for a while: what is in flight is waited for.
    let slow = cmd("EVAL").arg("local n = 0 for i = 1, 3e7 do n = n + i end return 1").arg(0).to_owned();
    let answer = client.execute(&slow, soon());
    let closing = async {
        let sent = || async { client.nodes()[0].in_flight > 0 };
        assert!(steadfast_testkit::wait_for(Duration::from_secs(5), sent).await);
        client.close(soon()).await;
    };
    let (answer, ()) = tokio::join!(answer, closing);
    answer.unwrap();
    let error = client.ping().await.unwrap_err();
    assert!(error.to_string().contains("closed"), "{error}");
    let gone = steadfast_testkit::wait_for(Duration::from_secs(5), || async {
        // The one that asks is the one that is left.
        server.info("clients", "connected_clients").await.is_ok_and(|count| count == "1")
    });
    assert!(gone.await);
}

#[tokio::test]
async fn a_url_that_cannot_work_says_everything_that_is_wrong() {
    let error = Client::open("redis://:secret@host:70000/?pool.lanes_min=0&nosuch=1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Validation);
    let text = error.to_string();
    assert!(text.contains("port") && text.contains("nosuch") && !text.contains("secret"), "{text}");
}

/// A transaction that a replica refuses was not executed: it waits for the primary as a command does.
#[tokio::test]
async fn a_transaction_waits_for_a_primary() {
    let (server, client) = pair().await;
    client.set("n", 0).await.unwrap();
    server.expect(&["REPLICAOF", "127.0.0.1", "1"]).await.unwrap();
    let mut atomic = Pipeline::new();
    atomic.atomic().cmd("INCR").arg("n").cmd("INCR").arg("n");
    let promoted = async {
        let waited = || async { client.nodes()[0].role == steadfast_redis::role::Role::Replica };
        assert!(wait_for(Duration::from_secs(5), waited).await);
        server.expect(&["REPLICAOF", "NO", "ONE"]).await.unwrap();
    };
    let (done, ()) = tokio::join!(client.pipeline(&atomic, soon()), promoted);
    assert_eq!(done.unwrap().len(), 2);
    assert_eq!(client.get::<i64>("n").await.unwrap(), 2);
}

/// In a cluster it follows its slot, also while that is on its way; others on the same connection get their own answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_follows_its_slot() {
    let cluster = Cluster::start().await.unwrap();
    let first = cluster.nodes[0].addr();
    let url = format!("redis-cluster://{first}?cluster.refresh_interval_ms=3600000");
    let client = Client::open(&url).unwrap().within(Duration::from_secs(5));
    let (key, slot) = ("n", slot_of("n"));
    client.set(key, 0).await.unwrap();
    let from = cluster.node_for_key(key).await.unwrap();
    let to = (0..3).find(|node| *node != from).unwrap();
    let mut other = String::new();
    for at in 0.. {
        other = format!("k{at}");
        if cluster.node_for_key(&other).await.unwrap() == to {
            break;
        }
    }
    client.set(&other, "other").await.unwrap();
    let mut atomic = Pipeline::new();
    atomic.atomic().cmd("INCR").arg(key).cmd("INCR").arg(key);
    let with_others = || async {
        let read = || client.get::<String>(&other);
        let (done, one, two) = tokio::join!(client.pipeline(&atomic, soon()), read(), read());
        assert_eq!((one.unwrap().as_str(), two.unwrap().as_str()), ("other", "other"));
        done.unwrap()
    };
    let migration = cluster.migration(slot, to).await.unwrap();
    migration.begin().await.unwrap();
    migration.move_these(&[key]).await.unwrap();
    assert_eq!(with_others().await.len(), 2, "asked");
    migration.finish().await.unwrap();
    assert_eq!(with_others().await.len(), 2, "moved");
    assert_eq!(client.get::<i64>(key).await.unwrap(), 4);
}
