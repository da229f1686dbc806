//! Locks with a real server.

use crate::{pair, soon};
use std::time::Duration;
use steadfast_redis::lock::Locks;
use steadfast_redis::{Client, ErrorKind, Outcome};
use steadfast_testkit::lab::proxy::{Proxy, Shape};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;
use tokio::time::Instant;

const TTL: Duration = Duration::from_secs(10);

#[tokio::test]
async fn one_holds_a_lock_and_fences_grow_even_when_the_server_forgets() {
    let (server, client) = pair().await;
    let (one, two) =
        (Locks::new(&client, "lock:"), Locks::new(&Client::open(server.url()).unwrap(), "lock:"));
    let mut first = one.try_acquire("a", TTL, soon()).await.unwrap().unwrap();
    assert!(two.try_acquire("a", TTL, soon()).await.unwrap().is_none());
    assert!(two.try_acquire("b", TTL, soon()).await.unwrap().is_some());
    let late = two.acquire("a", TTL, Instant::now() + Duration::from_millis(150)).await.unwrap_err();
    assert_eq!((late.kind(), late.code()), (ErrorKind::Timeout, "LOCKED"));
    first.extend(TTL * 2, soon()).await.unwrap();
    assert!(first.until() > Instant::now() + TTL);
    let fence = first.fence();
    let (waited, released) = tokio::join!(two.acquire("a", TTL, soon()), first.release(soon()));
    let mut second = waited.unwrap();
    assert!(released.unwrap() && second.fence() > fence);
    server.expect(&["FLUSHALL"]).await.unwrap();
    let lost = second.extend(TTL, soon()).await.unwrap_err();
    assert_eq!((lost.kind(), lost.code()), (ErrorKind::Fallback, "LOST"));
    assert!(!second.is_held());
    let third = one.try_acquire("a", TTL, soon()).await.unwrap().unwrap();
    assert!(third.fence() > second.fence());
    // A stranger's release takes nothing away.
    assert!(!second.release(soon()).await.unwrap());
    assert!(two.try_acquire("a", TTL, soon()).await.unwrap().is_none());
}

#[tokio::test]
async fn there_is_no_lock_without_redis_and_none_when_the_answer_was_lost() {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let locks = Locks::new(&client, "lock:");
    locks.try_acquire("warm", TTL, soon()).await.unwrap().unwrap();
    proxy.shape_existing(Shape::lose_reply());
    let lost = locks.try_acquire("a", TTL, soon()).await.unwrap_err();
    assert_eq!((lost.kind(), lost.code()), (ErrorKind::Fallback, "NO_LOCK"), "{lost}");
    // It was taken, and is given up, long before it would end.
    let free = || async { locks.try_acquire("a", TTL, soon()).await.is_ok_and(|lease| lease.is_some()) };
    assert!(wait_for(Duration::from_secs(5), free).await);
    server.kill9().await.unwrap();
    let away = locks.try_acquire("b", TTL, Instant::now() + Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(away.kind(), ErrorKind::Fallback);
    assert!(away.to_string().contains("no lock without Redis"), "{away}");
}

async fn ttl_ms(server: &Server, key: &str) -> i64 {
    server.command(&["PTTL", key]).await.unwrap().integer().unwrap()
}

#[tokio::test]
async fn a_lease_that_has_ended_cannot_be_extended_or_released() {
    let (server, client) = pair().await;
    let (one, two) =
        (Locks::new(&client, "lock:"), Locks::new(&Client::open(server.url()).unwrap(), "lock:"));
    let mut first = one.acquire("a", Duration::from_millis(300), soon()).await.unwrap();
    // Nobody has told it so.
    assert!(wait_for(TTL, || async { ttl_ms(&server, "lock:{a}").await == -2 }).await);
    assert!(!first.is_held());
    assert_eq!(first.extend(TTL, soon()).await.unwrap_err().code(), "LOST");
    assert_eq!(ttl_ms(&server, "lock:{a}").await, -2, "an ended lock does not come to life");
    let mut second = two.try_acquire("a", TTL, soon()).await.unwrap().unwrap();
    assert!(second.fence() > first.fence());
    assert_eq!(first.extend(TTL, soon()).await.unwrap_err().code(), "LOST");
    assert!(!first.is_held() && !first.release(soon()).await.unwrap());
    second.extend(TTL, soon()).await.unwrap();
    assert!(second.release(soon()).await.unwrap());
}

#[tokio::test]
async fn an_extension_whose_answer_was_lost_promises_no_more_than_there_is() {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let client = Client::open(&proxy.url()).unwrap();
    let mut lease = Locks::new(&client, "lock:").acquire("a", TTL, soon()).await.unwrap();
    // From here on the server knows the script: it does it at the first word.
    lease.extend(TTL, soon()).await.unwrap();
    let until = lease.until();
    proxy.shape_existing(Shape::lose_reply());
    let lost = lease.extend(TTL / 2, soon()).await.unwrap_err();
    assert_eq!((lost.code(), lost.outcome()), ("NO_LOCK", Outcome::Ambiguous), "{lost}");
    // It may be the shorter time now, and is.
    assert!((-2..=5_000).contains(&ttl_ms(&server, "lock:{a}").await));
    assert!(lease.is_held() && lease.until() < until && lease.until() <= Instant::now() + TTL / 2);
    // A longer one would be good to have; it is not counted on.
    let until = lease.until();
    server.kill9().await.unwrap();
    let away = lease.extend(TTL, Instant::now() + Duration::from_millis(200)).await.unwrap_err();
    assert_eq!((away.kind(), lease.until()), (ErrorKind::Fallback, until), "{away}");
}

#[tokio::test]
async fn a_fence_ends_long_after_its_lock() {
    let (server, client) = pair().await;
    let mut lease = Locks::new(&client, "lock:").acquire("a", TTL, soon()).await.unwrap();
    let day = 86_400_000;
    let left = ttl_ms(&server, "lock:{a}:fence").await;
    assert!((day + 1..=day + 10_000).contains(&left), "{left}");
    lease.extend(TTL * 360, soon()).await.unwrap();
    let left = ttl_ms(&server, "lock:{a}:fence").await;
    assert!((day + 3_590_000..=day + 3_600_000).contains(&left), "{left}");
    lease.release(soon()).await.unwrap();
    assert!(ttl_ms(&server, "lock:{a}:fence").await > day);
}

/// How often scripts were called by their hash.
async fn scripts(server: &Server) -> Option<u64> {
    let info = server.command(&["INFO", "commandstats"]).await.unwrap();
    let line = info.text()?.lines().find(|line| line.starts_with("cmdstat_evalsha:"))?;
    line.split("calls=").nth(1)?.split(',').next()?.parse().ok()
}

#[tokio::test]
async fn a_deadline_amid_a_look_tells_that_the_lock_was_held() {
    let (server, client) = pair().await;
    let (one, two) =
        (Locks::new(&client, "lock:"), Locks::new(&Client::open(server.url()).unwrap(), "lock:"));
    let _held = one.acquire("a", TTL * 10, soon()).await.unwrap();
    let before = scripts(&server).await;
    let wait = two.acquire("a", TTL, Instant::now() + Duration::from_secs(3));
    let stop = async {
        // It has seen the lock held, twice, before the server stops answering.
        let twice = || async { scripts(&server).await >= before.map(|calls| calls + 3) };
        let looked = wait_for(Duration::from_millis(2_500), twice).await;
        server.pause().await.unwrap();
        looked
    };
    let (waited, looked) = tokio::join!(wait, stop);
    server.resume().await.unwrap();
    let late = waited.unwrap_err();
    assert!(looked, "the machine is too slow for this test");
    assert_eq!((late.kind(), late.code()), (ErrorKind::Timeout, "LOCKED"), "{late}");
    assert_eq!(late.outcome(), Outcome::Ambiguous);
}
