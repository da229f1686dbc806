//! Optimistic locking.

use crate::{pair, soon};
use futures::FutureExt;
use futures::future::join_all;
use std::time::Duration;
use steadfast_redis::exclusive::Exec;
use steadfast_redis::{Client, Pipeline, Result, cmd};
use tokio::time::Instant;

async fn add_one(client: &Client) -> Result<(String,)> {
    client
        .transaction(&["n"], soon(), |watched| {
            async move {
                let now: Option<i64> = watched.query(cmd("GET").arg("n")).await?;
                let mut pipe = Pipeline::new();
                pipe.cmd("SET").arg("n").arg(now.unwrap_or(0) + 1);
                Ok(pipe)
            }
            .boxed()
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_change_the_same_none_is_lost() {
    let (_server, client) = pair().await;
    let done = join_all((0..40).map(|_| add_one(&client))).await;
    assert!(done.iter().all(std::result::Result::is_ok), "{done:?}");
    assert_eq!(client.query::<i64>(cmd("GET").arg("n")).await.unwrap(), 40);
}

/// The budget of dials is for servers that do not answer: one that does makes nobody wait for it.
#[tokio::test]
async fn a_burst_of_them_finds_connections_at_once() {
    let (_server, client) = pair().await;
    let within = Instant::now() + Duration::from_secs(5);
    let held = join_all((0..30).map(|_| client.watch(&["k"], within))).await;
    assert!(held.iter().all(std::result::Result::is_ok), "{held:?}");
    assert_eq!(client.nodes()[0].dials_failed, 0);
}

#[tokio::test]
async fn a_key_that_changed_is_a_conflict_and_nothing_is_executed() {
    let (_server, client) = pair().await;
    let watched = client.watch(&["k"], soon()).await.unwrap();
    client.query::<String>(cmd("SET").arg("k").arg("other")).await.unwrap();
    let mut pipe = Pipeline::new();
    pipe.cmd("SET").arg("k").arg("mine");
    assert_eq!(watched.exec::<()>(&pipe).await.unwrap(), Exec::Conflict);
    assert_eq!(client.query::<String>(cmd("GET").arg("k")).await.unwrap(), "other");
}

#[tokio::test]
async fn what_is_given_up_watches_nothing_for_the_next() {
    let (_server, client) = pair().await;
    for _ in 0..5 {
        let mut given_up = client.watch(&["k"], soon()).await.unwrap();
        given_up.query::<Option<String>>(cmd("GET").arg("k")).await.unwrap();
        drop(given_up);
        client.query::<String>(cmd("SET").arg("k").arg("x")).await.unwrap();
        let next = client.watch(&["other"], soon()).await.unwrap();
        let mut pipe = Pipeline::new();
        pipe.cmd("SET").arg("other").arg("y");
        assert_eq!(next.exec::<(String,)>(&pipe).await.unwrap(), Exec::Done(("OK".to_owned(),)));
    }
}
