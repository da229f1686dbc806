//! A cache that goes on through an outage. Stop Redis while it runs (`docker stop`, `kill -STOP`), and start it again.
//!
//! `REDIS_URL=redis://127.0.0.1:6379 cargo run -p steadfast-redis --features cache --example cache`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;
use steadfast_redis::cache::{Cache, CacheOptions};
use steadfast_redis::{Client, Result};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let redis = Client::open(&url)?;
    let cache = Cache::open(&redis, CacheOptions::with_prefix("example:")).await?;
    for second in 1..=30 {
        let written = cache.set("second", format!("{second}"), None).await?;
        let counted = cache.increment("rounds", 1, None).await?;
        let found = cache.get("second").await?;
        let source = found.map(|found| found.source);
        let mode = if cache.is_fallback_mode() { "without Redis" } else { "with Redis" };
        println!("{second}: {mode}: {written:?}, read from {source:?}, rounds {:?}", counted.sum);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let report = cache.report().await?;
    println!("outages {}, sent back: {:?}", report.fallbacks, report.sync);
    cache.close(Instant::now() + Duration::from_secs(5)).await?;
    Ok(())
}
