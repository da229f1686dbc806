//! A limit that all processes share, and that goes on, for this process's share, while Redis is away.
//!
//! `cargo run -p steadfast-redis --example rate_limit`, in two terminals, and without Redis.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;
use steadfast_redis::Client;
use steadfast_redis::rate_limiter::{Rate, RateLimiter, RateLimiterOptions, Source};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let redis = Client::open(&url)?;
    // Five in two seconds for each customer; all five at once, if need be.
    let rate = Rate::new(5, Duration::from_secs(2));
    let limiter = RateLimiter::new(&redis, rate, RateLimiterOptions::default());
    for request in 1..=20 {
        let decision = limiter.check("customer:ada", 1).await;
        let who = match decision.source {
            Source::Shared => "Redis, for all processes",
            Source::Local => "this process, for its share",
        };
        if decision.allowed {
            println!("request {request:>2} goes on, {} may follow ({who})", decision.remaining);
        } else {
            println!("request {request:>2} is refused, again in {:?} ({who})", decision.retry_after);
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
