//! A cache that goes on through an outage, told second by second. Stop Redis while it runs, and start it again.
//!
//! `REDIS_URL=redis://127.0.0.1:6379 cargo run -p steadfast-redis --example cache`
//!
//! It keeps what it could not send in a journal (the folder in `JOURNAL`, or a temporary one): kill it amid an outage,
//! start it again with the same folder, and nothing that it said it had kept is lost.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;
use steadfast_redis::cache::{Cache, CacheOptions, Written};
use steadfast_redis::{Client, Config, Result};
use tokio::time::Instant;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let mut config = Config::from_url(&url)?;
    let folder = std::env::var_os("JOURNAL").map(Into::into);
    config.fallback.journal_folder =
        Some(folder.unwrap_or_else(|| std::env::temp_dir().join("steadfast-example-cache")));
    config.fallback.persist_on_shutdown = true;
    let redis = Client::connect(&config.validate()?)?;
    let cache = Cache::open(&redis, CacheOptions::with_prefix("example:")).await?;
    println!("{} keys wait from an earlier run\n", cache.report().await?.recovered);
    for second in 1..=30 {
        tell(&cache, second).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let report = cache.report().await?;
    let sent = &report.sync;
    println!("\noutages: {}; keys that wait: {}", report.fallbacks, report.waiting);
    println!(
        "sent back: {} applied, {} merged with what others wrote, {} superseded by it, {} expired, {} in conflict",
        sent.applied, sent.merged, sent.superseded, sent.expired, sent.conflicted
    );
    cache.close(Instant::now() + Duration::from_secs(5)).await?;
    Ok(())
}

/// One second's work: a value, a counter, a price that somebody else computes slowly.
async fn tell(cache: &Cache, second: u32) -> Result<()> {
    let redis = if cache.is_fallback_mode() { "away " } else { "there" };
    let since = Instant::now();
    let written = cache.set("second", format!("{second}"), None).await?;
    let counted = cache.increment("seconds", 1, None).await?;
    let read = cache.get("second").await?.map(|found| found.value);
    let read =
        read.map_or_else(|| "nothing".to_owned(), |value| String::from_utf8_lossy(&value).into_owned());
    let price = cache.get_or_load("price", Some(Duration::from_secs(3)), || async {
        Ok::<_, std::io::Error>(Some("9.90".into()))
    });
    let price = match price.await {
        Ok(Some(found)) if found.stale => "an old one".to_owned(),
        Ok(Some(found)) => format!("from {:?}", found.source),
        Ok(None) => "none".to_owned(),
        Err(error) => error.to_string(),
    };
    let written = if written == Written::Stored { "in Redis" } else { "kept here" };
    let counted = counted.sum.map_or_else(|| "kept here".to_owned(), |sum| format!("{sum} in all"));
    let took = since.elapsed().as_millis();
    println!(
        "{second:>2} s  Redis {redis}  value {written}, read back {read:>2}  counter {counted}  price {price}  ({took} ms)"
    );
    Ok(())
}
