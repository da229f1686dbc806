//! Publish and subscribe.

use crate::{pair, soon};
use std::time::Duration;
use steadfast_redis::pubsub::{Event, GapReason, Subscription};
use steadfast_redis::{Client, cmd};
use steadfast_testkit::lab::sim::{End, Sim};
use steadfast_testkit::wait_for;

async fn publish(client: &Client, channel: &str, text: &str) -> i64 {
    client.query(cmd("PUBLISH").arg(channel).arg(text)).await.unwrap()
}

async fn next(subscription: &mut Subscription) -> String {
    match tokio::time::timeout(Duration::from_secs(10), subscription.next()).await.unwrap().unwrap() {
        Event::Message(message) => {
            format!("{}={}", message.channel, String::from_utf8(message.payload).unwrap())
        }
        Event::Gap(reason) => format!("gap: {reason:?}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn channels_and_patterns_share_a_connection() {
    let (server, client) = pair().await;
    let mut news = client.subscribe(&["news", "weather"], soon()).await.unwrap();
    let mut all = client.psubscribe(&["n*"], soon()).await.unwrap();
    assert_eq!(publish(&client, "news", "1").await, 2);
    assert_eq!(publish(&client, "weather", "2").await, 1);
    assert_eq!((next(&mut news).await, next(&mut news).await), ("news=1".to_owned(), "weather=2".to_owned()));
    assert_eq!(next(&mut all).await, "news=1");
    drop(all);
    let left = || async { publish(&client, "news", "3").await == 1 };
    assert!(wait_for(Duration::from_secs(5), left).await, "who is gone is unsubscribed");
    // The shared lane, the one that listens, and the one that asks.
    assert_eq!(server.info("clients", "connected_clients").await.unwrap(), "3");
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again_and_the_gap_told() {
    let (server, client) = pair().await;
    let mut news = client.subscribe(&["news"], soon()).await.unwrap();
    server.expect(&["CLIENT", "KILL", "TYPE", "pubsub"]).await.unwrap();
    assert_eq!(next(&mut news).await, format!("gap: {:?}", GapReason::Reconnected));
    assert!(wait_for(Duration::from_secs(5), || async { publish(&client, "news", "2").await == 1 }).await);
    assert_eq!(next(&mut news).await, "news=2");
}

/// The socket stays open and nothing comes through it any more.
#[tokio::test]
async fn f24_a_connection_that_is_silent_is_replaced() {
    let sim = Sim::start().await.unwrap();
    let client = Client::open(&format!("{}?pubsub.heartbeat_ms=200", sim.url())).unwrap();
    let mut news = client.subscribe(&["news"], soon()).await.unwrap();
    sim.all_connections(End::Stall);
    assert_eq!(next(&mut news).await, format!("gap: {:?}", GapReason::Reconnected));
    assert!(wait_for(Duration::from_secs(5), || async { sim.publish("news", "again") == 1 }).await);
    assert_eq!(next(&mut news).await, "news=again");
}
