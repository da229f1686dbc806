//! The command lines that operators were given, as curl sends them: form content type and all.

use crate::client::{curl, curl_post};
use crate::world::World;
use serde_json::json;
use std::time::Duration;
use steadfast_core::queues::{ALL, ORDERS, WEBHOOKS};
use steadfast_queue::state::Verdict;

#[tokio::test]
async fn get_queues_lists_every_queue_of_a_fresh_node() {
    let world = World::new().await;
    let answer = curl(world.addr, "/queues").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    let names: Vec<_> =
        body["queues"].as_array().expect("a list").iter().map(|queue| &queue["name"]).collect();
    assert_eq!(names, ALL);
    assert_eq!(body["dead_letters"], 0);
    assert_eq!(body["dead_letter_queue"]["name"], "dead-letter-queue");
    for count in ["waiting", "active", "delayed", "completed", "failed"] {
        assert_eq!(body["queues"][0]["counts"][count], 0, "{count}");
        assert_eq!(body["counts"][count], 0, "{count}");
    }
    world.close().await;
}

#[tokio::test]
async fn get_dlq_shows_the_count_first() {
    let world = World::new().await;
    world.bury(ORDERS, "stock", &["{}", "{}"]).await;
    let answer = curl(world.addr, "/dlq").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.find("\"total\":2").expect("the count") < answer.body.find("\"jobs\"").expect("the jobs")
    );
    world.close().await;
}

#[tokio::test]
async fn retry_all_failed_messages() {
    let world = World::new().await;
    world.bury(WEBHOOKS, "boom", &["1", "2", "3"]).await;
    let answer = curl_post(world.addr, "/dlq/retry", r#"{"retryAll": true}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.json()["retried"], &answer.json()["remaining"]), (&json!(3), &json!(0)));
    assert_eq!(world.reserve(WEBHOOKS, 10).await.len(), 3);
    world.close().await;
}

#[tokio::test]
async fn retry_specific_messages() {
    let world = World::new().await;
    let ids = world.bury(WEBHOOKS, "boom", &["1", "2", "3", "4"]).await;
    let line = json!({ "jobIds": [ids[0], ids[2], ids[3]] }).to_string();
    let answer = curl_post(world.addr, "/dlq/retry", &line).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.json()["retried"], &answer.json()["remaining"]), (&json!(3), &json!(1)));
    let runs: Vec<_> = world.reserve(WEBHOOKS, 10).await.iter().map(|held| held.job.id).collect();
    assert_eq!(runs, [ids[0], ids[2], ids[3]]);
    world.close().await;
}

#[tokio::test]
async fn the_printed_example_ids_are_answered_one_by_one() {
    let world = World::new().await;
    let answer =
        curl_post(world.addr, "/dlq/retry", r#"{"jobIds": ["job1", "job2"], "retryAll": false}"#).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["retried"], &body["unknown"]), (&json!(0), &json!(2)));
    assert_eq!(body["results"][1]["id"], "job2");
    assert_eq!(body["results"][1]["outcome"], "unknown");
    world.close().await;
}

#[tokio::test]
async fn clean_old_completed_jobs() {
    let world = World::new().await;
    world.enqueue(WEBHOOKS, &["old", "old"]).await;
    world.settle_all(WEBHOOKS, &Verdict::Complete).await;
    world.clock.advance(Duration::from_secs(8 * 86_400));
    world.enqueue(WEBHOOKS, &["new"]).await;
    world.settle_all(WEBHOOKS, &Verdict::Complete).await;
    let line = r#"{"status": "completed", "olderThan": 604800000}"#;
    let answer = curl_post(world.addr, "/queues/whatsapp-webhooks/purge", line).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!((&answer.json()["purged"], &answer.json()["remaining"]), (&json!(2), &json!(0)));
    let left = curl(world.addr, "/queues/whatsapp-webhooks").await.json();
    assert_eq!(left["counts"]["completed"], 1);
    world.close().await;
}

#[tokio::test]
async fn health_and_metrics_at_their_ports() {
    let world = World::new().await;
    assert_eq!(curl(world.addr, "/health").await.json()["status"], "healthy");
    let scraped = curl(world.metrics_addr, "/metrics").await;
    assert_eq!(scraped.status, 200);
    assert!(scraped.header("content-type").expect("a type").starts_with("text/plain; version=0.0.4"));
    assert!(scraped.body.contains("\nwhatsapp_dead_letter_queue_size 0\n"), "{}", scraped.body);
    world.close().await;
}
