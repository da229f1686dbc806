//! Commands that wait, and callers that do not.

use crate::{pair, soon};
use std::collections::HashSet;
use std::time::Duration;
use steadfast_redis::{Client, ErrorKind, FromRedisValue, Outcome, cmd};
use steadfast_testkit::lab::sim::{SimCluster, slot_of};
use steadfast_testkit::{Dice, wait_for};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

async fn pop(client: &Client, wait_s: f64, deadline: Instant) -> Option<String> {
    let popped = client.blocking(cmd("BLPOP").arg("list").arg(wait_s), deadline).await.ok()?;
    Option::<(String, String)>::from_redis_value(popped).unwrap().map(|(_, element)| element)
}

/// 10,000 elements, poppers that are dropped at random moments: every element is either with somebody or in the list.
#[tokio::test(flavor = "multi_thread")]
async fn f15_nothing_is_lost_when_callers_go_away() {
    const ALL: usize = 10_000;
    let (_server, client) = pair().await;
    let pusher = {
        let client = client.clone();
        async move {
            for chunk in 0..100 {
                let elements: Vec<String> = (0..100).map(|one| format!("{}", chunk * 100 + one)).collect();
                client.query::<i64>(cmd("RPUSH").arg("list").arg(elements)).await.unwrap();
            }
        }
    };
    let tasks = TaskTracker::new();
    let poppers: Vec<_> = (0..16)
        .map(|seed| {
            let client = client.clone();
            tasks.spawn(async move {
                let (mut dice, mut mine) = (Dice::seeded(seed), Vec::new());
                let mut idle = 0;
                while idle < 20 {
                    // Some have time enough, some go away before, some amid the answer.
                    let patience =
                        Duration::from_micros(if dice.percent(30) { 500_000 } else { dice.below(2_000) });
                    match tokio::time::timeout(patience, pop(&client, 0.02, soon())).await {
                        Ok(Some(element)) => {
                            mine.push(element);
                            idle = 0;
                        }
                        Ok(None) => idle += 1,
                        Err(_) => {}
                    }
                }
                mine
            })
        })
        .collect();
    pusher.await;
    let mut seen = HashSet::new();
    for popper in poppers {
        for element in popper.await.unwrap() {
            assert!(seen.insert(element.clone()), "{element} was given to two");
        }
    }
    // What was popped for those who were gone comes back.
    let complete = wait_for(Duration::from_secs(10), || async {
        let left: Vec<String> = client.query(cmd("LRANGE").arg("list").arg(0).arg(-1)).await.unwrap();
        left.iter().filter(|one| !seen.contains(*one)).count() + seen.len() == ALL
            && seen.len() + left.len() == ALL
    });
    assert!(complete.await, "{} of {ALL} were seen", seen.len());
}

#[tokio::test]
async fn one_that_waits_keeps_nobody_else_waiting() {
    let (_server, client) = pair().await;
    let blpop = cmd("BLPOP").arg("list").arg(0).to_owned();
    let waiting = client.blocking(&blpop, soon());
    let others = async {
        for _ in 0..100 {
            client.ping().await.unwrap();
        }
        client.query::<i64>(cmd("RPUSH").arg("list").arg("x")).await.unwrap();
    };
    let (popped, ()) = tokio::join!(waiting, others);
    let (_, element) = <(String, String)>::from_redis_value(popped.unwrap()).unwrap();
    assert_eq!(element, "x");
}

/// Without a time of its own the command would wait for ever: the server is asked to stop.
#[tokio::test]
async fn a_deadline_ends_it_on_the_server_too() {
    let (server, client) = pair().await;
    let since = Instant::now();
    let popped = client.blocking(cmd("BLPOP").arg("list").arg(0), since + Duration::from_millis(100)).await;
    assert_eq!(popped.unwrap(), steadfast_redis::Value::Nil);
    assert_eq!(server.info("clients", "blocked_clients").await.unwrap(), "0");
    client.query::<i64>(cmd("RPUSH").arg("list").arg("x")).await.unwrap();
    assert_eq!(client.query::<i64>(cmd("LLEN").arg("list")).await.unwrap(), 1, "nobody pops it any more");
}

#[tokio::test]
async fn a_wait_that_somebody_else_ends_goes_on() {
    let (server, client) = pair().await;
    let blpop = cmd("BLPOP").arg("list").arg(5).to_owned();
    let waiting = client.blocking(&blpop, soon());
    let ended = async {
        let blocked =
            || async { server.info("clients", "blocked_clients").await.is_ok_and(|count| count == "1") };
        assert!(wait_for(Duration::from_secs(5), blocked).await);
        let list = server.command(&["CLIENT", "LIST"]).await.unwrap();
        let list = format!("{list:?}");
        let line = list.split("\\n").find(|line| line.contains("cmd=blpop")).unwrap().to_owned();
        let id = line.split("id=").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        server.expect(&["CLIENT", "UNBLOCK", &id, "ERROR"]).await.unwrap();
        assert!(wait_for(Duration::from_secs(5), blocked).await, "it waits again");
        client.query::<i64>(cmd("RPUSH").arg("list").arg("x")).await.unwrap();
    };
    let (popped, ()) = tokio::join!(waiting, ended);
    assert_ne!(popped.unwrap(), steadfast_redis::Value::Nil);
}

#[tokio::test]
async fn who_finds_no_connection_waits_in_line_until_the_deadline() {
    let server = steadfast_testkit::redis::Server::start().await.unwrap();
    let url = format!("{}?pool.lanes_max=1&pool.connections_max=3&pool.waiters_max=1", server.url());
    let client = Client::open(&url).unwrap();
    let hold = |ms| {
        let client = client.clone();
        async move {
            client.blocking(cmd("BLPOP").arg("list").arg(0), Instant::now() + Duration::from_millis(ms)).await
        }
    };
    let full = async {
        let held =
            || async { server.info("clients", "blocked_clients").await.is_ok_and(|count| count == "2") };
        assert!(wait_for(Duration::from_secs(5), held).await);
        let (first, second) = tokio::join!(hold(50), hold(60));
        for error in [first.unwrap_err(), second.unwrap_err()] {
            assert_eq!(
                (error.kind(), error.outcome()),
                (ErrorKind::PoolExhausted, Outcome::NotSent),
                "{error}"
            );
        }
        client.query::<i64>(cmd("RPUSH").arg("list").arg("x").arg("y")).await.unwrap();
    };
    let (first, second, ()) = tokio::join!(hold(5_000), hold(5_000), full);
    assert!(first.is_ok() && second.is_ok());
}

/// Calls with connections of their own learn from a redirection too: they do not ask the old node again and again.
#[tokio::test]
async fn in_a_cluster_they_follow_their_slot() {
    let cluster = SimCluster::start(2, 0).await.unwrap();
    let url = format!("redis-cluster://{}?cluster.refresh_interval_ms=3600000", cluster.nodes[0].addr());
    let client = Client::open(&format!("{url}&cluster.refresh_min_ms=60000")).unwrap();
    for key in ["list", "watched"] {
        client.lpush(key, "first").await.unwrap();
        let from = cluster.node_for_key(key).unwrap();
        cluster.move_slot(slot_of(key), 1 - from);
        let old = &cluster.nodes[from];
        old.forget_counts();
        if key == "list" {
            let popped = client.blocking(cmd("BLPOP").arg(key).arg(1), soon()).await.unwrap();
            assert_ne!(popped, steadfast_redis::Value::Nil);
            assert_eq!(old.received("BLPOP"), 1);
        } else {
            drop(client.watch(&[key], soon()).await.unwrap());
            assert_eq!(old.received("WATCH"), 1);
        }
    }
}
