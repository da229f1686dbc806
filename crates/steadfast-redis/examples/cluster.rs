//! A cluster: commands go to the node that has their key, pipelines are divided, and keys that belong together share a
//! hash tag.
//!
//! `REDIS_URL=redis-cluster://host:7000,host:7001 cargo run -p steadfast-redis --example cluster`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::time::Duration;
use steadfast_redis::{Client, FromRedisValue, Pipeline, cmd};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The same program runs with one server: only the URL differs.
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let redis = Client::open(&url)?;
    let soon = || Instant::now() + Duration::from_secs(2);

    // Commands of a pipeline go to their nodes at the same time. Each has an answer of its own.
    let mut pipe = Pipeline::new();
    for city in ["Lagos", "Lima", "Leeds"] {
        pipe.cmd("SET").arg(format!("city:{city}")).arg(city.len());
    }
    let answers = redis.pipeline(&pipe, soon()).await?;
    println!("{} of {} written", answers.iter().filter(|answer| answer.is_ok()).count(), answers.len());

    // All or nothing needs one node: what stands in braces decides which.
    let mut order = Pipeline::new();
    order.atomic().cmd("SET").arg("{order:7}:state").arg("paid");
    order.cmd("RPUSH").arg("{order:7}:log").arg("paid");
    let (_, lines): (String, i64) = redis.query_pipeline(&order).await?;
    println!("order 7 is paid; its log has {lines} lines");

    // Keys that lie in different places are told before anything is sent.
    match redis.mget::<Vec<Option<i64>>>(&["city:Lagos", "city:Lima"]).await {
        Ok(values) => println!("read together: {values:?}"),
        Err(error) => println!("not read together: {error}"),
    }

    for (node, keys) in redis.on_primaries(&cmd("DBSIZE"), soon()).await? {
        println!("{node} has {} keys", i64::from_redis_value(keys?)?);
    }
    Ok(())
}
