//! A worker that waits for work in a list. When it is stopped amid its wait, what was popped for it goes back.
//!
//! `cargo run -p steadfast-redis --example blocking_worker`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;
use steadfast_redis::{Client, FromRedisValue, cmd};
use tokio::time::{Instant, sleep};

/// Takes one letter at a time until there is none for two seconds.
async fn work(redis: &Client) {
    // Five seconds is what the server waits; the deadline is ours and holds whatever the server does.
    let take = cmd("BLPOP").arg("letters").arg(5).to_owned();
    loop {
        let letter = redis.blocking(&take, Instant::now() + Duration::from_secs(2)).await;
        match letter.map(Option::<(String, String)>::from_redis_value) {
            Ok(Ok(Some((_, letter)))) => println!("  delivered {letter}"),
            Ok(Ok(None)) => return println!("  nothing for two seconds"),
            Ok(Err(error)) => return println!("  that is no letter: {error}"),
            // Not sent, or refused: nothing was popped. Ambiguous: one may have been lost with the connection.
            Err(error) => {
                println!("  {error}");
                sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

async fn post(redis: &Client) -> steadfast_redis::Result<()> {
    for letter in ["one", "two", "three"] {
        sleep(Duration::from_millis(300)).await;
        println!("posted {letter}");
        redis.rpush("letters", letter).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let redis = Client::open(&url)?;
    redis.del("letters").await?;
    let ((), posted) = tokio::join!(work(&redis), post(&redis));
    posted?;

    // A worker that is stopped amid its wait pops nothing any more, and what it had popped just then goes back.
    let _ = tokio::time::timeout(Duration::from_millis(300), work(&redis)).await;
    println!("the worker was stopped while it waited");
    redis.rpush("letters", "four").await?;
    sleep(Duration::from_millis(300)).await;
    println!("posted four; {} in the list", redis.llen("letters").await?);
    Ok(())
}
