//! The cache with a real server that goes away and comes back.

use crate::soon;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use steadfast_redis::cache::{Cache, CacheOptions, LoadError, Seen, Source, Written};
use steadfast_redis::{Client, ErrorKind};
use steadfast_testkit::lab::proxy::{Proxy, Shape};
use steadfast_testkit::redis::Server;
use steadfast_testkit::{wait_for, wait_for_some};
use tokio::time::Instant;

const LONG: Duration = Duration::from_secs(10);

/// Settings that come to a decision soon.
pub(crate) fn quick() -> CacheOptions {
    let mut options = CacheOptions::with_prefix("t:");
    options.redis_hard = Duration::from_millis(300);
    options.failures_to_enter = 2;
    options.probes_to_leave = 2;
    options
}

pub(crate) fn url(addr: &str, more: &str) -> String {
    let base =
        "breaker.open_max_ms=300&dial.backoff_cap_ms=100&dial.budget=1000&fallback.sync_interval_ms=50";
    format!("redis://{addr}?{base}&{more}")
}

pub(crate) async fn open(server: &Server, more: &str) -> (Client, Cache) {
    let client = Client::open(&url(&server.addr().to_string(), more)).unwrap();
    let cache = Cache::open(&client, quick()).await.unwrap();
    (client, cache)
}

async fn text(cache: &Cache, name: &str) -> Option<String> {
    let found = cache.get(name).await.unwrap()?;
    Some(String::from_utf8(found.value.to_vec()).unwrap())
}

pub(crate) async fn back(cache: &Cache) {
    let is_back =
        wait_for(LONG, || async { !cache.is_fallback_mode() && cache.report().await.unwrap().waiting == 0 });
    assert!(is_back.await, "{:?}", cache.report().await);
}

async fn ttl_ms(server: &Server, key: &str) -> i64 {
    server.command(&["PTTL", key]).await.unwrap().integer().unwrap()
}

/// Another process.
async fn other(server: &Server) -> Cache {
    open(server, "").await.1
}

#[tokio::test]
async fn values_are_kept_read_deleted_and_cleared() {
    let server = Server::start().await.unwrap();
    let (_client, cache) = open(&server, "").await;
    assert_eq!(text(&cache, "a").await, None);
    assert_eq!(cache.set("a", "1", None).await.unwrap(), Written::Stored);
    // The first time that it hears of others, what it knew is not fresh any more.
    let near = || async { cache.get("a").await.unwrap().unwrap().source == Source::Near };
    assert!(wait_for(LONG, near).await);
    let other = other(&server).await;
    let read = other.get("a").await.unwrap().unwrap();
    assert_eq!((&read.value[..], read.source, read.stale), (&b"1"[..], Source::Redis, false));
    assert!((3_590_000..=3_600_000).contains(&ttl_ms(&server, "t:v:{a}").await));
    cache.set_json("list", &vec![1, 2], Some(Duration::from_secs(5))).await.unwrap();
    assert_eq!(cache.get_json::<Vec<u32>>("list").await.unwrap().unwrap().value, [1, 2]);
    assert_eq!(cache.get_json::<String>("list").await.unwrap_err().code(), "JSON");
    cache.delete("a").await.unwrap();
    assert_eq!(text(&cache, "a").await, None);
    for name in ["u:1", "u:2", "u*", "w:1"] {
        cache.set(name, "x", None).await.unwrap();
    }
    other.set("u:3", "x", None).await.unwrap();
    let cleared = cache.clear("u:", soon()).await.unwrap();
    assert!(cleared.complete);
    assert_eq!((text(&cache, "u:3").await, text(&cache, "u:1").await), (None, None));
    assert_eq!(
        (text(&cache, "u*").await.as_deref(), text(&cache, "w:1").await.as_deref()),
        (Some("x"), Some("x"))
    );
    assert!(cache.clear("", soon()).await.unwrap().complete);
    assert_eq!(text(&cache, "w:1").await, None);
    assert_eq!(cache.counter("n").await.unwrap().sum, Some(0));
    assert_eq!(cache.increment("n", 5, None).await.unwrap().sum, Some(5));
    assert_eq!(other.increment("n", -2, None).await.unwrap().sum, Some(3));
    cache.close(soon()).await.unwrap();
    assert_eq!(cache.set("a", "1", None).await.unwrap_err().code(), "CLOSED");
}

#[tokio::test]
async fn other_processes_hear_of_writes() {
    let server = Server::start().await.unwrap();
    let (one, two) = (other(&server).await, other(&server).await);
    one.set("a", "1", None).await.unwrap();
    assert_eq!(text(&two, "a").await.as_deref(), Some("1"));
    // The near value alone would be served for 30 s.
    one.set("a", "2", None).await.unwrap();
    assert!(wait_for(LONG, || async { text(&two, "a").await.as_deref() == Some("2") }).await);
    one.delete("a").await.unwrap();
    assert!(wait_for(LONG, || async { text(&two, "a").await.is_none() }).await);
    // Messages are missed: nothing is taken for fresh any more.
    one.set("a", "3", None).await.unwrap();
    assert!(wait_for(LONG, || async { text(&two, "a").await.as_deref() == Some("3") }).await);
    server.expect(&["CLIENT", "KILL", "TYPE", "pubsub"]).await.unwrap();
    one.set("a", "4", None).await.unwrap();
    assert!(wait_for(LONG, || async { text(&two, "a").await.as_deref() == Some("4") }).await);
}

#[tokio::test]
async fn an_outage_by_kill_9_is_written_through_and_sent_back() {
    let server = Server::builder().append_only(true).start().await.unwrap();
    server.expect(&["CONFIG", "SET", "appendfsync", "always"]).await.unwrap();
    let (_client, cache) = open(&server, "").await;
    for name in ["kept", "changed", "deleted"] {
        cache.set(name, "before", Some(Duration::from_secs(100))).await.unwrap();
    }
    cache.increment("n", 10, None).await.unwrap();
    let dedup = cache.dedup();
    assert_eq!(dedup.first_seen("m1", LONG).await.unwrap(), Seen::First);
    assert_eq!(dedup.first_seen("m1", LONG).await.unwrap(), Seen::Again);
    server.kill9().await.unwrap();
    assert_eq!(
        cache.set("changed", "after", Some(Duration::from_secs(50))).await.unwrap(),
        Written::Fallback
    );
    assert!(
        wait_for(LONG, || async { cache.set("x", "x", None).await.is_ok() && cache.is_fallback_mode() })
            .await
    );
    // Without a server there is nothing to wait for: these would else take 300 ms each.
    let since = Instant::now();
    assert_eq!(cache.delete("deleted").await.unwrap(), Written::Fallback);
    for _ in 0..50 {
        assert_eq!(cache.increment("n", 1, None).await.unwrap().written, Written::Fallback);
    }
    assert_eq!(text(&cache, "changed").await.as_deref(), Some("after"));
    assert_eq!(text(&cache, "kept").await.as_deref(), Some("before"));
    assert_eq!(text(&cache, "deleted").await, None);
    assert_eq!(cache.counter("n").await.unwrap().added_here, 50);
    assert_eq!(dedup.first_seen("m2", LONG).await.unwrap(), Seen::Unsure);
    assert_eq!(dedup.first_seen("m2", LONG).await.unwrap(), Seen::Again);
    assert!(since.elapsed() < Duration::from_secs(6), "{:?}", since.elapsed());
    server.restart().await.unwrap();
    back(&cache).await;
    let fresh = other(&server).await;
    assert_eq!(text(&fresh, "changed").await.as_deref(), Some("after"));
    assert_eq!(text(&fresh, "kept").await.as_deref(), Some("before"));
    assert_eq!(text(&fresh, "deleted").await, None);
    assert_eq!(fresh.counter("n").await.unwrap().sum, Some(60));
    assert_eq!(fresh.dedup().first_seen("m2", LONG).await.unwrap(), Seen::Again);
    let left_ms = ttl_ms(&server, "t:v:{changed}").await;
    assert!((30_000..50_000).contains(&left_ms), "lifetimes ran on: {left_ms}");
    let report = cache.report().await.unwrap();
    assert!(report.sync.applied + report.sync.merged >= 5 && report.fallbacks >= 1, "{report:?}");
}

#[tokio::test]
async fn an_outage_by_sigstop_doubles_nothing_and_serves_what_is_stale_at_once() {
    let server = Server::start().await.unwrap();
    let client = Client::open(&url(&server.addr().to_string(), "")).unwrap();
    let mut options = quick();
    options.near_ttl = Duration::ZERO;
    options.redis_soft = Duration::from_millis(30);
    options.redis_hard = Duration::from_millis(1_500);
    let cache = Cache::open(&client, options).await.unwrap();
    cache.set("a", "1", None).await.unwrap();
    cache.increment("n", 1, None).await.unwrap();
    server.pause().await.unwrap();
    let since = Instant::now();
    let stale = cache.get("a").await.unwrap().unwrap();
    assert!(stale.stale && stale.source == Source::Near);
    assert!((25..1_200).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    // These are sent, perhaps, and never answered in time.
    for round in 2..6 {
        assert_eq!(cache.set("a", format!("{round}"), None).await.unwrap(), Written::Fallback);
        assert_eq!(cache.increment("n", 1, None).await.unwrap().written, Written::Fallback);
        assert_ne!(cache.dedup().first_seen("m", LONG).await.unwrap(), Seen::First);
    }
    assert!(cache.is_fallback_mode());
    assert_eq!(text(&cache, "a").await.as_deref(), Some("5"));
    server.resume().await.unwrap();
    back(&cache).await;
    let fresh = other(&server).await;
    assert_eq!(text(&fresh, "a").await.as_deref(), Some("5"));
    assert_eq!(fresh.counter("n").await.unwrap().sum, Some(5));
    assert_eq!(fresh.dedup().first_seen("m", LONG).await.unwrap(), Seen::Again);
    assert_eq!(cache.report().await.unwrap().sync.conflicted, 0, "its own sighting is none");
}

#[tokio::test]
async fn lost_replies_double_no_counter() {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let client = Client::open(&url(&proxy.addr().to_string(), "breaker.enabled=false")).unwrap();
    let mut options = quick();
    options.failures_to_enter = 1_000;
    let cache = Cache::open(&client, options).await.unwrap();
    cache.increment("n", 1, None).await.unwrap();
    let mut expected = 1;
    for _ in 0..12 {
        // The request passes, the reply does not: online, or while it is sent back.
        proxy.shape_existing(Shape::lose_reply());
        for _ in 0..3 {
            cache.increment("n", 1, None).await.unwrap();
            expected += 1;
        }
    }
    back(&cache).await;
    let fresh = other(&server).await;
    assert_eq!(fresh.counter("n").await.unwrap().sum, Some(expected));
    let report = cache.report().await.unwrap();
    assert!(report.fallbacks > 0 || report.sync.applied + report.sync.merged > 0, "{report:?}");
}

#[tokio::test]
async fn what_another_process_did_meanwhile_is_later_and_stays() {
    let server = Server::start().await.unwrap();
    let proxy = Proxy::start(server.addr()).await.unwrap();
    let client = Client::open(&url(&proxy.addr().to_string(), "fallback.skew_max_ms=1000")).unwrap();
    let cut_off = Cache::open(&client, quick()).await.unwrap();
    let other = open(&server, "fallback.skew_max_ms=1000").await.1;
    cut_off.set("deleted", "1", None).await.unwrap();
    cut_off.set("changed", "1", None).await.unwrap();
    proxy.shape_all(Shape::black_hole());
    assert_eq!(cut_off.set("deleted", "2", None).await.unwrap(), Written::Fallback);
    assert_eq!(cut_off.set("changed", "2", None).await.unwrap(), Written::Fallback);
    assert_eq!(cut_off.dedup().first_seen("m", LONG).await.unwrap(), Seen::Unsure);
    // Later than all that, by other hands.
    assert_eq!(other.delete("deleted").await.unwrap(), Written::Stored);
    assert_eq!(other.set("changed", "3", None).await.unwrap(), Written::Stored);
    assert_eq!(other.dedup().first_seen("m", LONG).await.unwrap(), Seen::First);
    proxy.shape_all(Shape::pass());
    proxy.reset_existing();
    back(&cut_off).await;
    for cache in [&cut_off, &other] {
        let settled = wait_for(LONG, || async {
            text(cache, "deleted").await.is_none() && text(cache, "changed").await.as_deref() == Some("3")
        });
        assert!(settled.await);
    }
    let report = cut_off.report().await.unwrap().sync;
    assert_eq!((report.superseded, report.conflicted), (2, 1), "{report:?}");
}

#[tokio::test]
async fn a_crash_in_an_outage_loses_nothing_that_was_acknowledged() {
    let server = Server::start().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let more = format!("fallback.journal_folder={}", dir.path().display());
    let (client, cache) = open(&server, &more).await;
    cache.set("gone", "1", None).await.unwrap();
    server.pause().await.unwrap();
    let writes = (0..40).map(|number| cache.set(format!("k{number}"), "v", None));
    for written in futures::future::join_all(writes).await {
        assert_eq!(written.unwrap(), Written::Fallback);
    }
    for _ in 0..3 {
        cache.increment("n", 7, None).await.unwrap();
    }
    cache.delete("gone").await.unwrap();
    assert_eq!(cache.dedup().first_seen("m", LONG).await.unwrap(), Seen::Unsure);
    // A second one is refused while it is open.
    let locked = Cache::open(&client, quick()).await.unwrap_err();
    assert!(locked.to_string().contains("another process"), "{locked}");
    drop(cache);
    // No close: as a crash. The process starts again, and Redis is still away.
    let reopened = wait_for_some(LONG, || async { Cache::open(&client, quick()).await.ok() });
    let cache = reopened.await.unwrap();
    assert_eq!(cache.report().await.unwrap().recovered, 43);
    assert_eq!(text(&cache, "k3").await.as_deref(), Some("v"));
    assert_eq!(cache.dedup().first_seen("m", LONG).await.unwrap(), Seen::Again);
    cache.increment("n", 1, None).await.unwrap();
    server.resume().await.unwrap();
    back(&cache).await;
    let fresh = other(&server).await;
    for number in 0..40 {
        assert_eq!(text(&fresh, &format!("k{number}")).await.as_deref(), Some("v"));
    }
    assert_eq!(text(&fresh, "gone").await, None);
    assert_eq!(fresh.counter("n").await.unwrap().sum, Some(22));
}

#[tokio::test]
async fn a_clean_shutdown_keeps_what_it_is_told_to_keep() {
    let server = Server::start().await.unwrap();
    for (keep, left) in [(true, 1), (false, 0)] {
        let dir = tempfile::tempdir().unwrap();
        let more =
            format!("fallback.journal_folder={}&fallback.persist_on_shutdown={keep}", dir.path().display());
        let (client, cache) = open(&server, &more).await;
        server.pause().await.unwrap();
        assert_eq!(cache.set("a", "1", None).await.unwrap(), Written::Fallback);
        let closed = cache.close(Instant::now() + Duration::from_secs(1)).await.unwrap();
        assert_eq!((closed.left, closed.kept), (1, keep));
        drop(cache);
        let cache = Cache::open(&client, quick()).await.unwrap();
        assert_eq!(cache.report().await.unwrap().recovered, left);
        server.resume().await.unwrap();
        cache.close(soon()).await.unwrap();
    }
}

#[tokio::test]
async fn one_loader_runs_for_all_who_ask() {
    let server = Server::start().await.unwrap();
    let (_client, cache) = open(&server, "").await;
    let loads = Arc::new(AtomicUsize::new(0));
    let ask = |name: &'static str, fails: bool| {
        let (loads, cache) = (Arc::clone(&loads), cache.clone());
        async move {
            let load = move || async move {
                loads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(50)).await;
                if fails { Err("no luck") } else { Ok(Some(Bytes::from_static(b"loaded"))) }
            };
            cache.get_or_load(name, None, load).await
        }
    };
    // The first one goes away; nobody is the worse for it.
    assert!(tokio::time::timeout(Duration::from_millis(10), ask("a", false)).await.is_err());
    for found in futures::future::join_all((0..200).map(|_| ask("a", false))).await {
        assert_eq!(found.unwrap().unwrap().value, "loaded");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
    assert_eq!(text(&other(&server).await, "a").await.as_deref(), Some("loaded"));
    for failed in futures::future::join_all((0..20).map(|_| ask("b", true))).await {
        assert!(matches!(failed, Err(LoadError::Failed(_))), "{failed:?}");
    }
    assert_eq!(loads.load(Ordering::SeqCst), 2);
    assert_eq!(ask("b", false).await.unwrap().unwrap().source, Source::Loader);
}

#[tokio::test]
async fn values_are_loaded_ahead_and_a_loader_that_fails_or_is_slow_is_covered() {
    let server = Server::start().await.unwrap();
    let client = Client::open(&url(&server.addr().to_string(), "")).unwrap();
    let mut options = quick();
    options.refresh_after = Some(0.000_001);
    options.negative_ttl = Some(Duration::from_secs(600));
    options.load_soft = Duration::from_millis(20);
    options.load_hard = Duration::from_millis(1_500);
    // What is heard late makes what was known stale: that is another test's.
    options.tell_others = false;
    let cache = Cache::open(&client, options).await.unwrap();
    let load = |text: &'static str| {
        move || async move { Ok::<_, String>(Some(Bytes::from_static(text.as_bytes()))) }
    };
    let ttl = Some(Duration::from_secs(60));
    cache.get_or_load("a", ttl, load("1")).await.unwrap();
    let refreshed = wait_for(LONG, || async {
        let served = cache.get_or_load("a", ttl, load("2")).await.unwrap().unwrap();
        // It is fresh: nobody waits for the load.
        assert!(!served.stale && served.source == Source::Near);
        served.value == "2"
    });
    assert!(refreshed.await);
    let nothing = || async { Ok::<_, String>(None) };
    assert_eq!(cache.get_or_load("none", ttl, nothing).await.unwrap(), None);
    assert_eq!(cache.get_or_load("none", ttl, load("not asked")).await.unwrap(), None);
    cache.set("none", "set", None).await.unwrap();
    assert_eq!(text(&cache, "none").await.as_deref(), Some("set"));
    // It ends; its loader hangs, then fails.
    cache.set("old", "old", Some(Duration::from_millis(1))).await.unwrap();
    let ended = wait_for(LONG, || async { text(&cache, "old").await.is_none() });
    assert!(ended.await);
    let since = Instant::now();
    let stale = cache.get_or_load("old", ttl, std::future::pending::<Result<_, String>>).await.unwrap();
    assert!(stale.unwrap().stale && since.elapsed() < Duration::from_millis(1_200), "{:?}", since.elapsed());
    let fresh = wait_for(LONG, || async {
        let failing = || async { Err::<Option<Bytes>, _>("no luck") };
        cache.get_or_load("old", ttl, failing).await.unwrap().unwrap().stale
    });
    assert!(fresh.await);
    let hung = cache.get_or_load("hung", ttl, std::future::pending::<Result<_, String>>).await;
    assert!(matches!(hung, Err(LoadError::TimedOut { ms: 1_500 })), "{hung:?}");
}

#[tokio::test]
async fn beyond_its_memory_the_fallback_refuses_and_without_one_it_says_so() {
    let server = Server::start().await.unwrap();
    let (_client, cache) = open(&server, "fallback.memory_bytes_max=65536").await;
    let (_plain, without) = open(&server, "fallback.enabled=false").await;
    without.set("a", "1", None).await.unwrap();
    server.kill9().await.unwrap();
    let value = "x".repeat(1_000);
    let mut taken = 0;
    let refused = loop {
        match cache.set(format!("k{taken}"), value.clone(), None).await {
            Ok(written) => assert_eq!(written, Written::Fallback),
            Err(error) => break error,
        }
        taken += 1;
        assert!(taken < 100);
    };
    assert_eq!((refused.kind(), refused.code()), (ErrorKind::Fallback, "FALLBACK_FULL"), "{refused}");
    let report = cache.report().await.unwrap();
    assert!(taken > 20 && report.waiting == taken && report.waiting_bytes <= 65_536, "{report:?}");
    let off = without.set("a", "2", None).await.unwrap_err();
    assert_eq!((off.kind(), off.code()), (ErrorKind::Fallback, "FALLBACK_OFF"), "{off}");
    assert!(without.get("b").await.is_err() && !without.is_fallback_mode());
    server.restart().await.unwrap();
    back(&cache).await;
    assert_eq!(text(&other(&server).await, "k0").await.map(|text| text.len()), Some(1_000));
}

#[tokio::test]
async fn a_full_or_read_only_server_is_still_read() {
    let server = Server::start().await.unwrap();
    let (_client, cache) = open(&server, "").await;
    let other = other(&server).await;
    other.set("theirs", "1", None).await.unwrap();
    server.expect(&["CONFIG", "SET", "maxmemory", "1"]).await.unwrap();
    assert_eq!(cache.set("a", "1", None).await.unwrap(), Written::Fallback);
    assert!(cache.is_fallback_mode());
    assert_eq!(cache.get("theirs").await.unwrap().unwrap().source, Source::Redis);
    assert_eq!(text(&cache, "a").await.as_deref(), Some("1"));
    server.expect(&["CONFIG", "SET", "maxmemory", "0"]).await.unwrap();
    let report = cache.sync_with_redis().await.unwrap();
    assert!(report.waiting == 0 && !report.is_fallback, "{report:?}");
    assert_eq!(text(&other, "a").await.as_deref(), Some("1"));
}
