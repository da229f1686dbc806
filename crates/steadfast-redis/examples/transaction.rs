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

/// Both keys of a transaction lie in one slot of a cluster: what stands in braces decides.
const ADA: &str = "{bank}:ada";
const GRACE: &str = "{bank}:grace";

/// Moves money from Ada to Grace, as much as there is of it; what is left.
async fn pay(redis: &Client, amount: i64) -> Result<i64> {
    let deadline = Instant::now() + Duration::from_secs(2);
    // A connection of its own, for WATCH. If somebody changes a key meanwhile, the body runs again.
    let (left, _): (i64, i64) = redis
        .transaction(&[ADA, GRACE], deadline, |watched| {
            async move {
                let balance: Option<i64> = watched.query(cmd("GET").arg(ADA)).await?;
                let amount = amount.min(balance.unwrap_or(0));
                let mut changes = Pipeline::new();
                changes.cmd("DECRBY").arg(ADA).arg(amount).cmd("INCRBY").arg(GRACE).arg(amount);
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
    redis.set(ADA, 100).await?;
    redis.set(GRACE, 0).await?;
    println!("20 payments of 7 out of 100, all at once");
    let payments = (0..20).map(|_| pay(&redis, 7));
    for left in join_all(payments).await {
        println!("paid, {} left", left?);
    }
    let ada: i64 = redis.get(ADA).await?;
    let grace: i64 = redis.get(GRACE).await?;
    println!("ada has {ada}, grace has {grace}; in all {}", ada + grace);
    Ok(())
}
