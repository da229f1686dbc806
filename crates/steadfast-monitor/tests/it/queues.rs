//! Queues: looking, pausing, scaling, purging.

use crate::client::{curl, curl_post};
use crate::world::{Plugs, Workers, World};
use serde_json::{Value, json};
use std::time::Duration;
use steadfast_core::queues::{ORDERS, WEBHOOKS};
use steadfast_monitor::{AdaptiveView, MonitorConfig};
use steadfast_queue::policy::Failure;
use steadfast_queue::state::Verdict;

#[tokio::test]
async fn counts_in_both_vocabularies() {
    let world = World::new().await;
    world.bury(ORDERS, "boom", &["1"]).await;
    world.enqueue(ORDERS, &["2"]).await;
    let retry = Verdict::Retry { failure: Failure::new("busy", "later"), after_ms: None };
    world.settle_all(ORDERS, &retry).await;
    world.enqueue(ORDERS, &["3"]).await;
    world.settle_all(ORDERS, &Verdict::Snooze { after_ms: 60_000 }).await;
    world.enqueue(ORDERS, &["4", "5"]).await;
    assert_eq!(world.reserve(ORDERS, 1).await.len(), 1);
    world.clock.advance(Duration::from_millis(500));

    let queue = curl(world.addr, "/queues/order-processing").await.json();
    let counts = json!({
        "scheduled": 1, "available": 1, "running": 1, "retryable": 1, "completed": 0, "dead": 1, "cancelled": 0,
        "waiting": 1, "active": 1, "delayed": 2, "failed": 1
    });
    assert_eq!(queue["counts"], counts);
    assert_eq!((&queue["oldest_waiting_ms"], &queue["paused"]), (&json!(500), &json!(false)));
    assert_eq!((&queue["totals"]["enqueued"], &queue["totals"]["failed_attempts"]), (&json!(5), &json!(2)));
    let errors: Vec<_> =
        queue["failures"].as_array().expect("groups").iter().map(|group| &group["error"]).collect();
    assert_eq!(errors, ["boom", "busy"]);
    assert_eq!(queue["recent"]["dead"][0]["error"], "boom");
    assert_eq!(queue["recent"]["available"].as_array().map(Vec::len), Some(1));
    let all = curl(world.addr, "/queues").await.json();
    assert_eq!((&all["counts"], &all["dead_letters"]), (&counts, &json!(1)));
    world.close().await;
}

#[tokio::test]
async fn rates_follow_the_counters() {
    let world = World::new().await;
    world.clock.advance(Duration::from_secs(10));
    world.enqueue(WEBHOOKS, &["x"; 20]).await;
    world.settle_all(WEBHOOKS, &Verdict::Complete).await;
    world.clock.advance(Duration::from_secs(10));
    let queue = curl(world.addr, "/queues/whatsapp-webhooks").await.json();
    let rate = queue["rates"]["completed_per_second"].as_f64().expect("a rate");
    assert!((rate - 1.0).abs() < 0.01, "{rate}");
    world.close().await;
}

#[tokio::test]
async fn a_paused_queue_hands_out_nothing() {
    let world = World::new().await;
    world.enqueue(ORDERS, &["1"]).await;
    let answer = curl_post(world.addr, "/queues/order-processing/pause", "").await;
    assert_eq!((answer.status, &answer.json()["paused"]), (200, &json!(true)));
    assert!(world.reserve(ORDERS, 1).await.is_empty());
    assert_eq!(curl(world.addr, "/queues/order-processing").await.json()["paused"], true);
    let answer = curl_post(world.addr, "/queues/order-processing/resume", "").await;
    assert_eq!((answer.status, &answer.json()["paused"]), (200, &json!(false)));
    assert_eq!(world.reserve(ORDERS, 1).await.len(), 1);
    world.close().await;
}

#[tokio::test]
async fn unknown_queues_are_told_with_the_known_ones() {
    let world = World::new().await;
    for (path, body) in [
        ("pause", ""),
        ("resume", ""),
        ("scale", r#"{"concurrency": 2}"#),
        ("purge", r#"{"status":"completed"}"#),
    ] {
        let answer = curl_post(world.addr, &format!("/queues/order-procesing/{path}"), body).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.error().2.contains("order-processing"), "{answer:?}");
    }
    assert_eq!(curl(world.addr, "/queues/order-procesing").await.status, 404);
    assert_eq!(curl(world.addr, "/queues").await.json()["queues"].as_array().map(Vec::len), Some(4));
    for verb in ["pause", "resume", "scale"] {
        let answer =
            curl_post(world.addr, &format!("/queues/dead-letter-queue/{verb}"), r#"{"concurrency": 2}"#)
                .await;
        assert_eq!(answer.status, 409, "{verb}");
    }
    world.close().await;
}

async fn purge(world: &World, queue: &str, call: &Value) -> Value {
    let answer = curl_post(world.addr, &format!("/queues/{queue}/purge"), &call.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn a_dry_run_counts_and_removes_nothing() {
    let world = World::new().await;
    world.enqueue(WEBHOOKS, &["1", "2"]).await;
    world.settle_all(WEBHOOKS, &Verdict::Complete).await;
    let call = json!({ "status": "completed", "dryRun": true });
    for _ in 0..2 {
        let dry = purge(&world, WEBHOOKS, &call).await;
        assert_eq!(
            (&dry["purged"], &dry["remaining"], &dry["dry_run"]),
            (&json!(0), &json!(2), &json!(true))
        );
    }
    let young = json!({ "status": "completed", "olderThan": 60_000 });
    assert_eq!(purge(&world, WEBHOOKS, &young).await["purged"], 0);
    assert_eq!(purge(&world, WEBHOOKS, &json!({ "status": "completed" })).await["purged"], 2);
    world.close().await;
}

#[tokio::test]
async fn a_call_purges_only_so_many_and_says_so() {
    let world = World::configured(MonitorConfig { purge_max: 2, ..MonitorConfig::default() }).await;
    world.enqueue(ORDERS, &["1", "2", "3"]).await;
    let call = json!({ "status": "waiting" });
    let first = purge(&world, ORDERS, &call).await;
    assert_eq!((&first["purged"], &first["remaining"], &first["more"]), (&json!(2), &json!(1), &json!(true)));
    let second = purge(&world, ORDERS, &call).await;
    assert_eq!(
        (&second["purged"], &second["remaining"], &second["more"]),
        (&json!(1), &json!(0), &json!(false))
    );
    world.close().await;
}

#[tokio::test]
async fn words_of_other_queues_mean_what_they_mean_there() {
    let world = World::new().await;
    world.bury(ORDERS, "boom", &["1"]).await;
    world.enqueue(ORDERS, &["2"]).await;
    let retry = Verdict::Retry { failure: Failure::new("busy", "later"), after_ms: None };
    world.settle_all(ORDERS, &retry).await;
    world.enqueue(ORDERS, &["3"]).await;
    world.settle_all(ORDERS, &Verdict::Snooze { after_ms: 60_000 }).await;
    assert_eq!(purge(&world, ORDERS, &json!({ "status": "delayed" })).await["purged"], 2);
    assert_eq!(purge(&world, "dead-letter-queue", &json!({ "status": "failed" })).await["purged"], 1);
    assert_eq!(curl(world.addr, "/dlq").await.json()["total"], 0);
    world.close().await;
}

#[tokio::test]
async fn what_must_not_be_purged_is_not() {
    let world = World::new().await;
    world.enqueue(ORDERS, &["1"]).await;
    assert_eq!(world.reserve(ORDERS, 1).await.len(), 1);
    for (queue, call, expected) in [
        (ORDERS, r#"{"status": "running"}"#, 409),
        (ORDERS, r#"{"status": "active"}"#, 409),
        (ORDERS, r#"{"status": "everything"}"#, 400),
        (ORDERS, r#"{"olderThan": 5}"#, 400),
        (ORDERS, r#"{"status": "completed", "olderThan": -1}"#, 400),
        (ORDERS, r#"{"status": "completed", "olderthan": 604800000}"#, 400),
        ("dead-letter-queue", r#"{"status": "completed"}"#, 409),
    ] {
        let answer = curl_post(world.addr, &format!("/queues/{queue}/purge"), call).await;
        assert_eq!(answer.status, expected, "{call} -> {answer:?}");
    }
    assert_eq!(curl(world.addr, "/queues/order-processing").await.json()["counts"]["active"], 1);
    world.close().await;
}

#[tokio::test]
async fn a_number_that_adapts_says_why_and_can_be_pinned_and_freed() {
    let hook = Workers::with(WEBHOOKS, 2);
    let adaptive =
        AdaptiveView { min: 1, max: 64, pinned: false, reason: "jobs wait: trying more than 1".into() };
    hook.0.lock().expect("lock")[0].adaptive = Some(adaptive);
    let plugs = Plugs { workers: Some(hook.clone()), ..Plugs::default() };
    let world = World::with(MonitorConfig::default(), plugs).await;
    let path = "/queues/whatsapp-webhooks";
    let shown = curl(world.addr, path).await.json();
    assert_eq!(shown["workers"]["adaptive"]["reason"], "jobs wait: trying more than 1");
    for (call, pinned) in [(r#"{"concurrency": 6}"#, true), (r#"{"adaptive": true}"#, false)] {
        let answer = curl_post(world.addr, &format!("{path}/scale"), call).await;
        assert_eq!((answer.status, &answer.json()["concurrency"]), (200, &json!(6)));
        assert_eq!(curl(world.addr, path).await.json()["workers"]["adaptive"]["pinned"], pinned);
    }
    world.close().await;
}

#[tokio::test]
async fn scaling_goes_through_the_workers() {
    let hook = Workers::with(WEBHOOKS, 2);
    let plugs = Plugs { workers: Some(hook.clone()), ..Plugs::default() };
    let world = World::with(MonitorConfig::default(), plugs).await;
    let answer = curl_post(world.addr, "/queues/whatsapp-webhooks/scale", r#"{"concurrency": 6}"#).await;
    assert_eq!((&answer.json()["concurrency"], &answer.json()["before"]), (&json!(6), &json!(2)));
    assert_eq!(hook.0.lock().expect("lock")[0].concurrency, 6);
    let shown = curl(world.addr, "/queues/whatsapp-webhooks").await.json();
    assert_eq!(shown["workers"]["concurrency"], 6);
    for (queue, call, expected) in [
        (WEBHOOKS, r#"{"concurrency": 0}"#, 400),
        (WEBHOOKS, r#"{"concurrency": 65}"#, 400),
        (WEBHOOKS, r#"{"concurrency": 257}"#, 400),
        (WEBHOOKS, r#"{"concurrency": -1}"#, 400),
        (WEBHOOKS, r#"{}"#, 400),
        (WEBHOOKS, r#"{"adaptive": false}"#, 400),
        (WEBHOOKS, r#"{"adaptive": true, "concurrency": 3}"#, 400),
        (WEBHOOKS, r#"{"adaptive": true}"#, 409),
        (ORDERS, r#"{"concurrency": 3}"#, 409),
    ] {
        let answer = curl_post(world.addr, &format!("/queues/{queue}/scale"), call).await;
        assert_eq!(answer.status, expected, "{queue} {call}");
    }
    assert_eq!(hook.0.lock().expect("lock")[0].concurrency, 6);
    world.close().await;

    let without = World::new().await;
    let answer = curl_post(without.addr, "/queues/whatsapp-webhooks/scale", r#"{"concurrency": 6}"#).await;
    assert_eq!(answer.status, 409);
    without.close().await;
}
