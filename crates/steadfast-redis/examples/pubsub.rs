//! Publish and subscribe. What was missed is told: Redis keeps nothing for whoever is away.
//!
//! `cargo run -p steadfast-redis --example pubsub`. Meanwhile: `redis-cli client kill type pubsub`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;
use steadfast_redis::Client;
use steadfast_redis::pubsub::{Event, Subscription};
use tokio::time::{Instant, interval};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let redis = Client::open(&url)?;
    // When this returns, the server has confirmed: nothing published from now on is missed without a word.
    let news = redis.subscribe(&["news"], Instant::now() + Duration::from_secs(5)).await?;
    tokio::select! {
        () = listen(news) => {}
        () = tell(&redis) => {}
    }
    Ok(())
}

async fn listen(mut news: Subscription) {
    while let Some(event) = news.next().await {
        match event {
            Event::Message(message) => {
                println!("{}: {}", message.channel, String::from_utf8_lossy(&message.payload));
            }
            // Whoever must not miss anything reads now what is true, from where it is kept.
            Event::Gap(reason) => println!("something may have been missed here: {reason:?}"),
            other => println!("{other:?}"),
        }
    }
}

async fn tell(redis: &Client) {
    let mut seconds = interval(Duration::from_secs(1));
    for hour in 1..=10 {
        seconds.tick().await;
        match redis.publish("news", format!("it is {hour} o'clock")).await {
            Ok(listeners) => println!("told to {listeners}"),
            Err(error) => println!("not told: {error}"),
        }
    }
    // The last one is on its way.
    seconds.tick().await;
}
