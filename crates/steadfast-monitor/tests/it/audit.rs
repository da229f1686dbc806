//! Every changing call leaves a line; none leaves anything private.

use crate::client::{curl, curl_post, curl_post_with};
use crate::world::{Fault, World};
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use steadfast_core::queues::WEBHOOKS;
use steadfast_monitor::{ApiToken, MonitorConfig, Role};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Lines {
    /// What was logged so far, and forgets it.
    fn take(&self) -> Vec<serde_json::Value> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("lock"));
        let text = String::from_utf8(bytes).expect("UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    fn audit(&self) -> Vec<serde_json::Value> {
        self.take()
            .into_iter()
            .filter(|line| line["target"] == "audit")
            .map(|line| line["fields"].clone())
            .collect()
    }
}

fn capture() -> (Lines, tracing::subscriber::DefaultGuard) {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(lines.clone())
        .finish();
    // The runtime of these tests has one thread: the servers' tasks log here too.
    (lines, tracing::subscriber::set_default(subscriber))
}

#[tokio::test]
async fn one_line_per_changing_call() {
    let (lines, _guard) = capture();
    let world = World::new().await;
    let ids = world.bury(WEBHOOKS, "boom", &["meet me at noon", "2"]).await;
    curl(world.addr, "/dlq").await;
    assert_eq!(lines.audit(), Vec::<serde_json::Value>::new(), "looking is not logged");

    curl_post(world.addr, "/dlq/retry", &json!({ "jobIds": [ids[0], "job1"] }).to_string()).await;
    let audit = lines.audit();
    assert_eq!(audit.len(), 1, "{audit:?}");
    for (field, expected) in [
        ("role", json!("admin")),
        ("caller", json!("local")),
        ("action", json!("dlq.retry")),
        ("ids", json!(2)),
        ("changed", json!(1)),
        ("outcome", json!("200")),
    ] {
        assert_eq!(audit[0][field], expected, "{field}");
    }
    curl_post(world.addr, "/queues/whatsapp-webhooks/pause", "").await;
    curl_post(world.addr, "/queues/nowhere/purge", r#"{"status":"completed"}"#).await;
    curl(world.addr, "/dlq?payload=1").await;
    let told: Vec<_> =
        lines.audit().iter().map(|line| (line["action"].clone(), line["outcome"].clone())).collect();
    let expected =
        [("queue.pause", json!("200")), ("queue.purge", json!("404")), ("payload.read", json!(null))];
    assert_eq!(told, expected.map(|(action, outcome)| (json!(action), outcome)));
    world.close().await;
}

#[tokio::test]
async fn refusals_are_told_and_secrets_and_texts_are_not() {
    let (lines, _guard) = capture();
    let token = ApiToken::new("eyes", Role::Viewer, "a-very-secret-token").expect("a token");
    let world = World::configured(MonitorConfig { tokens: vec![token], ..MonitorConfig::default() }).await;
    world.bury(WEBHOOKS, "boom", &["meet me at noon"]).await;
    let bearer = [("Authorization", "Bearer a-very-secret-token")];
    curl_post_with(world.addr, "/dlq/retry", r#"{"retryAll": true, "error": "meet me at noon"}"#, &bearer)
        .await;
    curl_post_with(world.addr, "/dlq/retry", "{", &[("Authorization", "Bearer a-wrong-secret-token")]).await;
    world.close().await;
    let all = lines.take();
    let refused: Vec<_> = all.iter().filter(|line| line["target"] == "audit").collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        (&refused[0]["fields"]["caller"], &refused[0]["fields"]["outcome"]),
        (&json!("eyes"), &json!("403"))
    );
    let text = serde_json::to_string(&all).expect("JSON");
    for private in ["a-very-secret", "a-wrong-secret", "meet me"] {
        assert!(!text.contains(private), "{private} is in the log");
    }
}

#[tokio::test]
async fn a_call_cut_off_half_way_leaves_its_line_too() {
    let (lines, _guard) = capture();
    let config = MonitorConfig { request_timeout: Duration::from_millis(100), ..MonitorConfig::default() };
    let world = World::configured(config).await;
    world.fail_queue(Fault::Hangs).await;
    assert_eq!(curl_post(world.addr, "/queues/whatsapp-webhooks/pause", "").await.status, 504);
    let audit = lines.audit();
    assert_eq!((audit.len(), &audit[0]["action"]), (1, &json!("queue.pause")));
    assert!(audit[0]["outcome"].as_str().expect("an outcome").contains("may have happened"), "{audit:?}");
    world.fail_queue(Fault::None).await;
    world.close().await;
}
