//! Health, in every state.

use crate::client::{Answer, curl};
use crate::world::{Fault, Plugs, Workers, World};
use async_trait::async_trait;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::queues::WEBHOOKS;
use steadfast_monitor::MonitorConfig;
use steadfast_monitor::hooks::{Finding, HealthProbe, Weight};

fn quick() -> MonitorConfig {
    MonitorConfig { check_timeout: Duration::from_millis(100), ..MonitorConfig::default() }
}

fn words(answer: &Answer, dependency: &str) -> (u16, String, bool, String) {
    let body = answer.json();
    let found = &body["dependencies"][dependency];
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
    (
        answer.status,
        word(&body["status"]),
        found["healthy"].as_bool().expect("healthy"),
        word(&found["status"]),
    )
}

fn of(status: u16, overall: &str, healthy: bool, word: &str) -> (u16, String, bool, String) {
    (status, overall.to_owned(), healthy, word.to_owned())
}

#[tokio::test]
async fn all_well() {
    let plugs = Plugs { workers: Some(Workers::with(WEBHOOKS, 3)), ..Plugs::default() };
    let world = World::with(MonitorConfig::default(), plugs).await;
    let answer = curl(world.addr, "/health").await;
    assert_eq!(words(&answer, "queue"), of(200, "healthy", true, "connected"));
    assert_eq!(words(&answer, "records"), of(200, "healthy", true, "connected"));
    assert_eq!(words(&answer, "workers"), of(200, "healthy", true, "workers_active"));
    let body = answer.json();
    assert_eq!(body["dependencies"]["workers"]["worker_count"], 3);
    assert_eq!(body["dependencies"]["queue"]["timestamp"], "2026-01-31T09:05:03.250Z");
    assert!(body["dependencies"]["queue"]["response_time_ms"].as_f64().is_some_and(|took| took >= 0.0));
    assert_eq!(body["dependencies"]["queue"]["error"], json!(null));
    assert_eq!(curl(world.addr, "/livez").await.json(), json!({ "alive": true }));
    assert_eq!(curl(world.addr, "/readyz").await.json(), json!({ "ready": true }));
    world.close().await;
}

#[tokio::test]
async fn without_the_queue_the_node_is_unhealthy_but_alive() {
    let world = World::configured(quick()).await;
    world.fail_queue(Fault::Fails).await;
    let answer = curl(world.addr, "/health").await;
    assert_eq!(words(&answer, "queue"), of(503, "unhealthy", false, "disconnected"));
    let error = answer.json()["dependencies"]["queue"]["error"].as_str().expect("an error").to_owned();
    assert!(error.contains("counting jobs") && error.ends_with("no space left"), "{error}");
    assert_eq!(curl(world.addr, "/readyz").await.status, 503);
    assert_eq!(curl(world.addr, "/livez").await.status, 200);
    let (what, why, todo) = curl(world.addr, "/queues").await.error();
    assert!(what.contains("queue") && why.contains("no space left") && todo.contains("disk"));

    world.fail_queue(Fault::Hangs).await;
    let answer = curl(world.addr, "/health").await;
    assert_eq!(words(&answer, "queue"), of(503, "unhealthy", false, "disconnected"));
    assert_eq!(answer.json()["dependencies"]["queue"]["error"], "no answer within 100 ms");
    assert_eq!(curl(world.addr, "/queues").await.status, 503);
    world.fail_queue(Fault::None).await;
    assert_eq!(curl(world.addr, "/health").await.status, 200);
    world.close().await;
}

#[tokio::test]
async fn without_records_or_workers_it_is_degraded() {
    let workers = Workers::with(WEBHOOKS, 2);
    let plugs = Plugs { workers: Some(workers.clone()), ..Plugs::default() };
    let world = World::with(quick(), plugs).await;
    world.records.close().await;
    let answer = curl(world.addr, "/health").await;
    assert_eq!(words(&answer, "records"), of(200, "degraded", false, "disconnected"));
    assert!(words(&answer, "queue").2);
    workers.0.lock().expect("lock").clear();
    let answer = curl(world.addr, "/health").await;
    assert_eq!(words(&answer, "workers"), of(200, "degraded", false, "no_workers"));
    assert_eq!(answer.json()["dependencies"]["workers"]["worker_count"], 0);
    assert_eq!(curl(world.addr, "/readyz").await.status, 200);
    world.close().await;
}

#[derive(Debug)]
struct Probe {
    name: &'static str,
    weight: Weight,
    finding: Option<Finding>,
}

#[async_trait]
impl HealthProbe for Probe {
    fn name(&self) -> &str {
        self.name
    }
    fn weight(&self) -> Weight {
        self.weight
    }
    async fn check(&self) -> Finding {
        match &self.finding {
            Some(finding) => finding.clone(),
            None => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn further_dependencies_count_by_their_weight() {
    let probe = |name, weight, finding| -> Arc<dyn HealthProbe> { Arc::new(Probe { name, weight, finding }) };
    for (weight, finding, expected) in [
        (Weight::Helpful, Some(Finding::connected()), of(200, "healthy", true, "connected")),
        (Weight::Helpful, None, of(200, "degraded", false, "disconnected")),
        (Weight::Helpful, Some(Finding::error("cannot tell")), of(200, "degraded", false, "error")),
        (Weight::Vital, Some(Finding::disconnected("gone")), of(503, "unhealthy", false, "disconnected")),
    ] {
        let plugs = Plugs { probes: vec![probe("redis", weight, finding)], ..Plugs::default() };
        let world = World::with(quick(), plugs).await;
        assert_eq!(words(&curl(world.addr, "/health").await, "redis"), expected);
        world.close().await;
    }
}
