//! Optimistic locking: what was read is still so when it is written, or it starts over.
//!
//! `cargo run -p steadfast-redis --example transaction`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use futures::FutureExt;
use futures::future::join_all;
use std::error::Error;
use std::time::Duration;
use steadfast_redis::{Client, Pipeline, Result, cmd};
use tokio::time::Instant;

/// Moves money, unless there is too little of it; what is left.
async fn pay(redis: &Client, from: &str, to: &str, amount: i64) -> Result<i64> {
    let deadline = Instant::now() + Duration::from_secs(2);
    // A connection of its own, for WATCH. If somebody changes a key meanwhile, the body runs again.
    let (left, _): (i64, i64) = redis
        .transaction(&[from, to], deadline, |watched| {
            async move {
                let balance: Option<i64> = watched.query(cmd("GET").arg(from)).await?;
                let amount = amount.min(balance.unwrap_or(0));
                let mut changes = Pipeline::new();
                changes.cmd("DECRBY").arg(from).arg(amount).cmd("INCRBY").arg(to).arg(amount);
                Ok(changes)
            }
            .boxed()
        })
        .await?;
    Ok(left)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let redis = Client::open(&url)?;
    redis.set("{bank}:ada", 100).await?;
    redis.set("{bank}:grace", 0).await?;
    println!("20 payments of 7 out of 100, all at once");
    let payments = (0..20).map(|_| pay(&redis, "{bank}:ada", "{bank}:grace", 7));
    for left in join_all(payments).await {
        println!("paid, {} left", left?);
    }
    let ada: i64 = redis.get("{bank}:ada").await?;
    let grace: i64 = redis.get("{bank}:grace").await?;
    println!("ada has {ada}, grace has {grace}; in all {}", ada + grace);
    Ok(())
}
