//! The shared rate limit, and this process's share of it while Redis is away.

use crate::pair;
use std::time::Duration;
use steadfast_redis::Client;
use steadfast_redis::rate_limiter::{Rate, RateLimiter, RateLimiterOptions, Source};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;

const SLOW: Rate = Rate::new(10, Duration::from_secs(3_600));

async fn allowed(limiter: &RateLimiter, times: usize, source: Source) -> usize {
    let mut allowed = 0;
    for _ in 0..times {
        let decision = limiter.check("somebody", 1).await;
        assert_eq!(decision.source, source);
        allowed += usize::from(decision.allowed);
    }
    allowed
}

fn patient() -> RateLimiterOptions {
    RateLimiterOptions { patience: Duration::from_secs(2), ..RateLimiterOptions::default() }
}

#[tokio::test]
async fn processes_share_a_limit_and_each_has_its_part_when_redis_is_gone() {
    let server = Server::start().await.unwrap();
    // It looks often whether the server is back: how soon is other tests' matter.
    let quick = "breaker.open_max_ms=300&dial.backoff_cap_ms=100&dial.budget=1000";
    let client = Client::open(&format!("{}?{quick}", server.url())).unwrap();
    let other = Client::open(server.url()).unwrap();
    let one = RateLimiter::new(&client, SLOW, patient());
    let two = RateLimiter::new(&other, SLOW, patient());
    assert_eq!(allowed(&one, 3, Source::Shared).await, 3);
    assert_eq!(allowed(&two, 20, Source::Shared).await, 7);
    let decision = one.check("somebody", 1).await;
    assert!(!decision.allowed && decision.retry_after > Duration::from_secs(300), "{decision:?}");
    assert_eq!(one.check("another", 1).await.remaining, 9);
    // Each has seen one or both by now; the next look is not due. Redis goes.
    server.kill9().await.unwrap();
    let local =
        wait_for(Duration::from_secs(10), || async { one.check("fresh", 1).await.source == Source::Local });
    assert!(local.await);
    assert_eq!(allowed(&one, 5, Source::Local).await, 0, "it remembers that there is nothing left");
    let fresh: usize = {
        let mut count = 0;
        for _ in 0..20 {
            count += usize::from(one.check("unknown", 1).await.allowed);
        }
        count
    };
    assert!((1..=10).contains(&fresh), "{fresh}");
    server.restart().await.unwrap();
    let shared =
        wait_for(Duration::from_secs(10), || async { one.check("fresh", 1).await.source == Source::Shared });
    assert!(shared.await, "Redis decides again when it is back");
}

#[tokio::test]
async fn processes_are_counted() {
    let (server, client) = pair().await;
    let first = RateLimiter::new(&client, SLOW, patient());
    first.check("a", 1).await;
    let others: Vec<RateLimiter> =
        (0..2).map(|_| RateLimiter::new(&Client::open(server.url()).unwrap(), SLOW, patient())).collect();
    for other in &others {
        other.check("a", 1).await;
    }
    assert!(
        wait_for(Duration::from_secs(5), || async { others[1].peers() == 3 }).await,
        "{}",
        others[1].peers()
    );
}
