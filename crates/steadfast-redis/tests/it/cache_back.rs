//! The way back: what is said of it, and what it leaves to others.

use crate::cache::{back, open, quick, url};
use crate::metrics::Kept;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_redis::cache::{Cache, Written};
use steadfast_redis::{Client, cmd};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;
use tokio::time::Instant;

/// What was logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

#[tokio::test]
async fn what_came_of_sending_back_is_reported_logged_and_counted() {
    let (lines, kept) = (Lines::default(), Kept::default());
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let _counted = metrics::set_default_local_recorder(&kept);
    let server = Server::start().await.unwrap();
    // Nothing is sent back before it is asked for.
    let client = Client::open(&format!("{}?fallback.sync_interval_ms=3600000", server.url())).unwrap();
    let cache = Cache::open(&client, quick()).await.unwrap();
    let other = open(&server, "").await.1;
    // It takes no writes, and goes on answering reads.
    server.expect(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    for (name, ttl_ms) in [("secret-a", 60_000), ("secret-b", 60_000), ("secret-short", 1)] {
        let ttl = Some(Duration::from_millis(ttl_ms));
        assert_eq!(cache.set(name, "secret", ttl).await.unwrap(), Written::Fallback);
    }
    for _ in 0..2 {
        cache.increment("secret-n", 1, None).await.unwrap();
    }
    cache.dedup().first_seen("secret-m", Duration::from_secs(60)).await.unwrap();
    assert!(cache.get("secret-a").await.unwrap().is_some() && cache.get("nothing").await.unwrap().is_none());
    server.expect(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    // Others were quicker.
    other.dedup().first_seen("secret-m", Duration::from_secs(60)).await.unwrap();
    other.set("secret-b", "later", None).await.unwrap();
    other.increment("secret-n", 5, None).await.unwrap();
    let report = cache.sync_with_redis().await.unwrap().sync;
    let counts = (report.applied, report.superseded, report.expired, report.merged, report.conflicted);
    assert_eq!((counts, report.unanswered), ((1, 1, 1, 1, 1), 0), "{report:?}");
    assert_eq!(report.examples.len(), 3);
    for outcome in ["applied", "superseded", "expired", "merged", "conflicted"] {
        let name = format!("steadfast_redis_cache_synced_total{{cache=t:,outcome={outcome}}}");
        assert_eq!(kept.get(&name), Some(1.0), "{outcome}: {kept:?}");
    }
    let reads = |outcome: &str| {
        kept.get(&format!("steadfast_redis_cache_reads_total{{cache=t:,outcome={outcome}}}")).unwrap_or(0.0)
    };
    assert_eq!((reads("near") + reads("fallback"), reads("nothing")), (1.0, 1.0));
    assert_eq!(kept.get("steadfast_redis_cache_outages_total{cache=t:,kind=writes}"), Some(1.0));
    let text = lines.text();
    let told = text
        .lines()
        .find(|line| line.contains("sent back what was written"))
        .unwrap_or_else(|| panic!("{text}"));
    for count in ["WARN", "applied=1", "superseded=1", "expired=1", "merged=1", "conflicted=1", "waiting=0"] {
        assert!(told.contains(count), "{count}: {told}");
    }
    assert!(text.contains("the cache goes on without Redis") && text.contains("the cache uses Redis again"));
    assert!(!text.contains("secret"), "no key and no value is logged: {text}");
}

/// Whoever calls while thousands of keys are sent back has his calls answered in between.
#[tokio::test]
async fn sending_back_leaves_room_for_live_traffic() {
    const KEYS: usize = 4_000;
    let server = Server::start().await.unwrap();
    let client = Client::open(&url(&server.addr().to_string(), "")).unwrap();
    let cache = Cache::open(&client, quick()).await.unwrap();
    server.kill9().await.unwrap();
    for number in 0..KEYS {
        cache.set(format!("k{number}"), "x".repeat(100), None).await.unwrap();
    }
    server.restart().await.unwrap();
    let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let live = (0..8).map(|_| async {
        let get = cmd("GET").arg("live").to_owned();
        while !stop.load(Ordering::Relaxed) {
            let call = client.execute(&get, Instant::now() + Duration::from_secs(5));
            done.fetch_add(usize::from(call.await.is_ok()), Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let drain = async {
        // From when the first keys are there.
        let begun =
            wait_for(Duration::from_secs(30), || async { cache.report().await.unwrap().sync.applied > 0 });
        assert!(begun.await);
        let (before, sent) = (done.load(Ordering::Relaxed), cache.report().await.unwrap().sync.applied);
        back(&cache).await;
        stop.store(true, Ordering::Relaxed);
        (done.load(Ordering::Relaxed) - before, KEYS as u64 - sent)
    };
    let ((calls, sent), _) = tokio::join!(drain, futures::future::join_all(live));
    assert!(sent > 0 && calls as u64 >= sent, "{calls} calls were answered while {sent} keys were sent back");
}
