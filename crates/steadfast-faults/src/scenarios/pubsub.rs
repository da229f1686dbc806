//! Subscriptions: nothing is missed without being told.

use super::{client_with, in_ms, lasts, ms, seconds, sentinels, shown, shown_or_never};
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::{Context, ensure};
use futures::FutureExt;
use std::time::Duration;
use steadfast_redis::Client;
use steadfast_redis::pubsub::{Event, Subscription};
use steadfast_testkit::lab::proxy::{Proxy, Shape};
use steadfast_testkit::lab::sim::{End, Sim, SimSentinels};
use steadfast_testkit::redis::{Reply, Sentinels, Server};
use steadfast_testkit::wait_for;
use tokio::time::Instant;

const CHANNEL: &str = "news";
/// Time between heartbeats here.
const HEARTBEAT: &str = "pubsub.heartbeat_ms=300";
/// Two of them in silence, one until that is noticed, and a connection.
const REBUILT_WITHIN: Duration = ms(1_200);

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F6d",
        on: On::Simulated,
        fault: "+switch-master while idle, with a subscription",
        expected: "within 500 ms subscribed at the new primary, the gap told before its first message",
        play: |_| switched().boxed(),
    },
    Scenario {
        id: "F6e",
        on: On::Real,
        fault: "failover by real sentinels, with a subscription",
        expected: "within 1 s of it a message comes through, the gap told before it",
        play: |_| switched_real().boxed(),
    },
    Scenario {
        id: "F24",
        on: On::Simulated,
        fault: "the subscribed connection alone stalls: open, silent (heartbeat every 300 ms)",
        expected: "replaced within 1.2 s, the gap told before the next message, nothing else dialled",
        play: |_| zombie().boxed(),
    },
    Scenario {
        id: "F24b",
        on: On::Real,
        fault: "the same with a real server, behind a proxy that swallows what passes on all connections",
        expected: "replaced within 1.8 s, the gap told before the next message",
        play: |_| zombie_real().boxed(),
    },
    Scenario {
        id: "F24c",
        on: On::Real,
        fault: "a quiet channel for 2 s (heartbeat every 300 ms)",
        expected: "no gap, no new connection, the next message comes",
        play: |_| quiet().boxed(),
    },
];

/// What a subscriber was given.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Given {
    Gap,
    Message(String),
}

/// The next things that come within a time.
async fn given(subscription: &mut Subscription, until: &str, within: Duration) -> Vec<Given> {
    let mut all = Vec::new();
    let deadline = Instant::now() + within;
    while let Ok(Some(event)) = tokio::time::timeout_at(deadline, subscription.next()).await {
        all.push(match event {
            Event::Message(message) => Given::Message(String::from_utf8_lossy(&message.payload).into_owned()),
            _ => Given::Gap,
        });
        if all.last() == Some(&Given::Message(until.to_owned())) {
            break;
        }
    }
    all
}

async fn subscribe(client: &Client) -> anyhow::Result<Subscription> {
    Ok(client.subscribe(&[CHANNEL], in_ms(5_000)).await?)
}

/// Told of the gap, and then only of what came after it.
fn is_whole(given: &[Given], message: &str) -> bool {
    given == [Given::Gap, Given::Message(message.to_owned())]
}

async fn switched() -> Outcome {
    let sims = SimSentinels::start(2, 3).await?;
    let client = sentinels::sim_client(&sims)?;
    let mut subscription = subscribe(&client).await?;
    ensure!(sims.servers[0].publish(CHANNEL, "before") == 1, "not subscribed at the primary");
    ensure!(given(&mut subscription, "before", seconds(1)).await == [Given::Message("before".to_owned())]);
    lasts(ms(300)).await;
    sims.fail_over(1);
    let since = Instant::now();
    let there = wait_for(seconds(5), || async { sims.servers[1].publish(CHANNEL, "after") == 1 }).await;
    let took = there.then(|| since.elapsed());
    let given = given(&mut subscription, "after", seconds(1)).await;
    let left = wait_for(seconds(2), || async { sims.servers[0].publish(CHANNEL, "old") == 0 }).await;
    let holds = took.is_some_and(|took| took <= ms(500)) && is_whole(&given, "after") && left;
    Ok(Seen::new(holds, "moved with the primary", format!("after {}, given {given:?}", shown_or_never(took))))
}

/// Publishes until somebody was reached.
async fn reached(server: &Server, message: &str) -> bool {
    wait_for(seconds(10), || async {
        let told = server.command(&["PUBLISH", CHANNEL, message]).await;
        told.is_ok_and(|told| told == Reply::Integer(1))
    })
    .await
}

async fn switched_real() -> Outcome {
    let servers = Sentinels::start(1).await?;
    let client = sentinels::real_client(&servers)?;
    let mut subscription = subscribe(&client).await?;
    ensure!(reached(servers.primary().await?, "before").await, "not subscribed");
    ensure!(given(&mut subscription, "before", seconds(1)).await == [Given::Message("before".to_owned())]);
    servers.failover().await?;
    let since = Instant::now();
    let new = servers.primary().await?;
    ensure!(reached(new, "after").await, "not subscribed at the new primary");
    let given = given(&mut subscription, "after", seconds(5)).await;
    let took = since.elapsed();
    let holds = is_whole(&given, "after") && took <= seconds(1);
    Ok(Seen::new(holds, "moved with the primary", format!("after {}, given {given:?}", shown(took))))
}

async fn zombie() -> Outcome {
    let sim = Sim::start().await?;
    let client = client_with(&sim.url(), &[HEARTBEAT])?;
    client.ping().await?;
    let mut subscription = subscribe(&client).await?;
    let listens = |seen: &&steadfast_testkit::lab::sim::Seen| seen.is("SUBSCRIBE");
    let connection = sim.log().iter().find(listens).context("nobody subscribed")?.connection;
    sim.publish(CHANNEL, "before");
    ensure!(given(&mut subscription, "before", seconds(1)).await == [Given::Message("before".to_owned())]);
    let dials = sim.dial_count();
    sim.connection(connection, End::Stall);
    let since = Instant::now();
    lasts(ms(50)).await;
    sim.publish(CHANNEL, "lost");
    let anew = wait_for(seconds(10), || async { sim.log().iter().filter(listens).count() > 2 }).await;
    let took = anew.then(|| since.elapsed());
    // Published again until it is heard: the connection may be there before its subscription.
    let heard = async {
        loop {
            sim.publish(CHANNEL, "after");
            lasts(ms(20)).await;
        }
    };
    let given = tokio::select! {
        given = given(&mut subscription, "after", seconds(2)) => given,
        () = heard => Vec::new(),
    };
    let dials = sim.dial_count() - dials;
    let holds = took.is_some_and(|took| took <= REBUILT_WITHIN) && is_whole(&given, "after") && dials == 1;
    let figure = format!("after {}, given {given:?}, {dials} dials", shown_or_never(took));
    Ok(Seen::new(holds, "replaced", figure))
}

async fn zombie_real() -> Outcome {
    let server = Server::start().await?;
    let proxy = Proxy::start(server.addr()).await?;
    let client = client_with(&proxy.url(), &[HEARTBEAT])?;
    client.ping().await?;
    let mut subscription = subscribe(&client).await?;
    proxy.shape_existing(Shape::black_hole());
    let since = Instant::now();
    server.expect(&["PUBLISH", CHANNEL, "lost"]).await?;
    // The old subscription is still known to the server: it counts for one of two.
    let anew = wait_for(seconds(10), || async {
        let told = server.command(&["PUBLISH", CHANNEL, "after"]).await;
        told.is_ok_and(|told| told == Reply::Integer(2))
    });
    let took = anew.await.then(|| since.elapsed());
    let given = given(&mut subscription, "after", seconds(2)).await;
    let holds = took.is_some_and(|took| took <= ms(1_800)) && is_whole(&given, "after");
    Ok(Seen::new(holds, "replaced", format!("after {}, given {given:?}", shown_or_never(took))))
}

async fn quiet() -> Outcome {
    let server = Server::start().await?;
    let client = client_with(server.url(), &[HEARTBEAT])?;
    client.ping().await?;
    let mut subscription = subscribe(&client).await?;
    let came = || server.info("stats", "total_connections_received");
    let before: u64 = came().await?.parse()?;
    let silent = given(&mut subscription, "", seconds(2)).await;
    ensure!(reached(&server, "after").await, "not subscribed any more");
    let given = given(&mut subscription, "after", seconds(1)).await;
    let dials = came().await?.parse::<u64>()? - before;
    let whole = given == [Given::Message("after".to_owned())];
    let holds = silent.is_empty() && whole && dials == 0;
    Ok(Seen::new(holds, "stayed", format!("given {silent:?}, then {given:?}, {dials} dials")))
}
