//! Locks with a real server.

use crate::{pair, soon};
use std::time::Duration;
use steadfast_redis::lock::Locks;
use steadfast_redis::{Client, ErrorKind};
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
