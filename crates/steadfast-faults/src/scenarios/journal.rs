//! A process that ends with writes that the server does not have.

use super::{client_with, in_ms, ms, seconds, shown_or_never};
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use std::path::Path;
use steadfast_redis::cache::{Cache, CacheOptions, Written};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;
use tokio::time::Instant;

/// How many writes of each kind.
const WRITES: u32 = 200;

pub(super) const ALL: &[Scenario] = &[Scenario {
    id: "F25",
    on: On::Real,
    fault: "the server is away, 600 values, counters and deletions are written, the process ends without a word",
    expected: "the next one sends them back by itself within 5 s of the server: none lost, none counted twice",
    play: |_| ended().boxed(),
}];

async fn open(server: &Server, folder: &Path) -> anyhow::Result<Cache> {
    let journal = format!("fallback.journal_folder={}", folder.display());
    let client =
        client_with(server.url(), &["fallback.sync_interval_ms=100", "breaker.open_max_ms=1000", &journal])?;
    let mut options = CacheOptions::with_prefix("t:");
    options.redis_hard = ms(300);
    Ok(Cache::open(&client, options).await?)
}

async fn ended() -> Outcome {
    let (server, folder) = (Server::start().await?, tempfile::tempdir()?);
    let cache = open(&server, folder.path()).await?;
    for number in 0..WRITES {
        cache.set(format!("old:{number}"), "old", None).await?;
    }
    cache.increment("count", 7, None).await?;
    server.kill9().await?;
    let (mut kept, mut added) = (0, 7);
    for number in 0..WRITES {
        let set = cache.set(format!("new:{number}"), "new", None).await?;
        let delta = i64::from(number % 5);
        let counted = cache.increment("count", delta, None).await?;
        let deleted = cache.delete(format!("old:{number}")).await?;
        added += delta;
        kept +=
            [set, counted.written, deleted].iter().filter(|written| **written == Written::Fallback).count();
    }
    // No close: what is not on the disk is gone.
    drop(cache);
    let locked = wait_for(seconds(5), || async { open(&server, folder.path()).await.is_ok() }).await;
    ensure!(locked, "the journal stays locked");
    // The server comes back as it was killed: empty. What was stored before is lost with it, and is no part of this.
    server.launch().await?;
    server.ready(seconds(15)).await?;
    let since = Instant::now();
    let next = open(&server, folder.path()).await?;
    let sent =
        wait_for(seconds(20), || async { next.report().await.is_ok_and(|report| report.waiting == 0) }).await;
    let took = sent.then(|| since.elapsed());
    let (mut there, mut back) = (0, 0);
    for number in 0..WRITES {
        there +=
            u32::from(next.get(format!("new:{number}")).await?.is_some_and(|found| found.value == "new"));
        back += u32::from(next.get(format!("old:{number}")).await?.is_some());
    }
    let sum = next.counter("count").await?.sum;
    let _ = next.close(in_ms(2_000)).await;
    let holds =
        took.is_some_and(|took| took <= seconds(5)) && there == WRITES && back == 0 && sum == Some(added - 7);
    let figure = format!(
        "{kept} kept, sent back in {}; {there} of {WRITES} values there, {back} deleted ones back, counted {sum:?} of {}",
        shown_or_never(took),
        added - 7
    );
    Ok(Seen::new(holds, "replayed from its journal", figure))
}
