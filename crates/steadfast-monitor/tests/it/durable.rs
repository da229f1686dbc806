//! The same calls on the durable back-end.

use crate::client::{curl, curl_post};
use crate::world::{NOW_MS, Plugs, World};
use serde_json::json;
use std::time::Duration;
use steadfast_core::ManualClock;
use steadfast_core::queues::{ORDERS, WEBHOOKS};
use steadfast_monitor::MonitorConfig;
use steadfast_queue::backend::{LocalBackend, LocalOptions};
use steadfast_queue::state::Verdict;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_pausing_and_purging() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at(NOW_MS);
    let queue =
        LocalBackend::open(LocalOptions::new(folder.path().join("queue.db")), clock.clone()).expect("opens");
    let world = World::over(queue.clone(), clock, MonitorConfig::default(), Plugs::default()).await;

    let ids = world.bury(WEBHOOKS, "boom", &["1", "2", "3", "4"]).await;
    let listed = curl(world.addr, "/dlq?limit=3&payload=1").await.json();
    assert_eq!((&listed["total"], &listed["groups"][0]["count"]), (&json!(4), &json!(4)));
    assert_eq!(
        (&listed["jobs"][0]["id"], &listed["jobs"][0]["payload"]["value"]),
        (&json!(ids[3]), &json!(4))
    );
    let cursor = listed["next_cursor"].as_str().expect("a next page");
    let rest = curl(world.addr, &format!("/dlq?cursor={cursor}&error=boom")).await.json();
    assert_eq!(
        (&rest["total"], &rest["jobs"][0]["id"], rest["jobs"].as_array().map(Vec::len)),
        (&json!(4), &json!(ids[0]), Some(1))
    );
    assert_eq!(curl(world.addr, "/dlq?cursor=nonsense").await.status, 200);

    let call = json!({ "jobIds": [ids[0], "job2"] }).to_string();
    assert_eq!(curl_post(world.addr, "/dlq/retry", &call).await.json()["retried"], 1);
    assert_eq!(curl_post(world.addr, "/dlq/retry", r#"{"retryAll": true}"#).await.json()["retried"], 3);
    assert_eq!(curl_post(world.addr, "/queues/whatsapp-webhooks/pause", "").await.status, 200);
    assert!(world.reserve(WEBHOOKS, 10).await.is_empty());
    assert_eq!(curl_post(world.addr, "/queues/whatsapp-webhooks/resume", "").await.status, 200);
    assert_eq!(world.settle_all(WEBHOOKS, &Verdict::Complete).await, 4);

    world.clock.advance(Duration::from_secs(8 * 86_400));
    let purge = "/queues/whatsapp-webhooks/purge";
    let dry = r#"{"status": "completed", "olderThan": 604800000, "dryRun": true}"#;
    assert_eq!(curl_post(world.addr, purge, dry).await.json()["remaining"], 4);
    let wet = r#"{"status": "completed", "olderThan": 604800000}"#;
    assert_eq!(curl_post(world.addr, purge, wet).await.json()["purged"], 4);

    let one = world.enqueue(ORDERS, &["x"]).await[0];
    assert_eq!(curl_post(world.addr, &format!("/jobs/{one}/cancel"), "").await.json()["state"], "cancelled");
    assert_eq!(curl_post(world.addr, &format!("/jobs/{one}/discard"), "").await.status, 200);
    assert_eq!(curl(world.addr, &format!("/jobs/{one}")).await.status, 404);
    assert!(
        curl(world.addr, "/queues").await.json()["store_bytes"].as_u64().is_some_and(|bytes| bytes > 4_096)
    );
    world.close().await;
    queue.close().await.expect("closed");
}
