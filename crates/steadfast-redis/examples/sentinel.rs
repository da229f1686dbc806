//! Servers that sentinels watch over: writes go to whichever is the primary, reads to a replica if that is good enough.
//!
//! `REDIS_URL=redis+sentinel://host:26379,host:26380/mymaster cargo run -p steadfast-redis --example sentinel`
//!
//! Have a sentinel replace the primary meanwhile: `redis-cli -p 26379 sentinel failover mymaster`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;
use steadfast_redis::Client;
use steadfast_redis::config::ReadPreference;
use tokio::time::{interval, timeout};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The same program runs with one server: only the URL differs.
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let redis = Client::open(&url)?;
    // What is read here may be a moment old. With one server, that server is the replica's place.
    let near = redis.read_from(ReadPreference::PreferReplica);
    let mut seconds = interval(Duration::from_secs(1));
    // Ten seconds, or less if it cannot be told who is there.
    let _ = timeout(Duration::from_secs(10), async {
        loop {
            seconds.tick().await;
            match redis.incr("counter", 1).await {
                Ok(count) => println!("wrote {count}"),
                Err(error) => println!("not written: {error}"),
            }
            match near.get::<Option<i64>>("counter").await {
                Ok(count) => println!("  read {count:?}"),
                Err(error) => println!("  not read: {error}"),
            }
            for node in redis.nodes() {
                println!("  {} is {:?}, {} connections", node.address, node.role, node.connections);
            }
        }
    })
    .await;
    Ok(())
}
