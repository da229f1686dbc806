//! Messages and the inspector.

use crate::client::curl;
use crate::world::{Plugs, World};
use serde_json::{Value, json};
use std::sync::Arc;
use steadfast_core::Address;
use steadfast_core::conversation::ConversationId;
use steadfast_core::correlation::CorrelationId;
use steadfast_core::decision::{Change, Decision, StepKey};
use steadfast_core::message::{AccountSid, Content, InboundMessage, MessageSid};
use steadfast_core::ports::Records;
use steadfast_monitor::MonitorConfig;
use steadfast_monitor::hooks::WebhookLog;

const SID: &str = "SM00000000000000000000000000000001";

fn message() -> InboundMessage {
    InboundMessage {
        sid: MessageSid::parse(SID).expect("sid"),
        account: AccountSid::parse("AC00000000000000000000000000000001").expect("sid"),
        from: Address::parse("whatsapp:+9779812345678").expect("address"),
        to: Address::parse("whatsapp:+14155238886").expect("address"),
        body: "the secret recipe".to_owned(),
        content: Content::Text,
        profile_name: None,
        external_user_id: None,
        received_ms: crate::world::NOW_MS,
        in_reply_to: None,
        extra: Vec::new(),
    }
}

async fn record(world: &World) -> CorrelationId {
    let correlation = CorrelationId::derived_from(SID);
    let conversation = ConversationId::between(&message().account, &message().to, &message().from);
    let change = Change::RecordInbound {
        message: Box::new(message()),
        conversation,
        correlation_id: correlation.as_str().to_owned(),
    };
    let decision = Decision { changes: vec![change], ..Decision::default() };
    world.records.apply(&StepKey::new("00", "route"), None, decision).await.expect("applied");
    correlation
}

#[tokio::test]
async fn a_message_is_told_as_a_timeline_with_its_jobs_and_without_its_text() {
    let world = World::new().await;
    let correlation = record(&world).await;
    let mut job = steadfast_queue::NewJob::new("order-processing", "order-message", "{}");
    job.correlation_id = correlation.as_str().to_owned();
    steadfast_queue::Backend::enqueue(world.queue.as_ref(), vec![job]).await.expect("stored");

    let told = curl(world.addr, &format!("/messages/{SID}/timeline")).await;
    assert_eq!(told.status, 200, "{told:?}");
    let timeline = told.json();
    assert_eq!((&timeline["sid"], &timeline["direction"]), (&json!(SID), &json!("inbound")));
    assert_eq!(timeline["correlation_id"], correlation.as_str());
    assert!(!timeline["events"].as_array().expect("events").is_empty());
    assert_eq!(timeline["events"][0]["after_ms"], 0);

    let whole = curl(world.addr, &format!("/messages/{SID}")).await;
    assert_eq!(whole.json()["jobs"][0]["queue"], "order-processing");
    assert_eq!(whole.json()["events"], timeline["events"]);
    for private in ["9812345678", "secret recipe"] {
        assert!(!told.body.contains(private) && !whole.body.contains(private), "{private}");
    }
    world.close().await;
}

#[tokio::test]
async fn an_unknown_message_is_explained() {
    let world = World::new().await;
    for path in ["", "/timeline"] {
        let answer = curl(world.addr, &format!("/messages/{SID}{path}")).await;
        assert_eq!(answer.status, 404);
        assert!(answer.error().2.contains("/webhooks/recent"));
        assert_eq!(curl(world.addr, &format!("/messages/SM1{path}")).await.status, 400);
    }
    world.records.close().await;
    let answer = curl(world.addr, &format!("/messages/{SID}")).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    world.close().await;
}

#[derive(Debug)]
struct Log(usize);

impl WebhookLog for Log {
    fn recent(&self, limit: usize) -> Vec<Value> {
        (0..self.0.min(limit)).map(|n| json!({ "n": n })).collect()
    }
}

#[tokio::test]
async fn the_last_webhooks() {
    let plugs = Plugs { webhooks: Some(Arc::new(Log(60))), ..Plugs::default() };
    let world = World::with(MonitorConfig::default(), plugs).await;
    let recent = curl(world.addr, "/webhooks/recent").await.json();
    assert_eq!((&recent["count"], &recent["webhooks"][0]), (&json!(50), &json!({ "n": 0 })));
    assert_eq!(curl(world.addr, "/webhooks/recent?limit=3").await.json()["count"], 3);
    assert_eq!(curl(world.addr, "/webhooks/recent?limit=201").await.status, 400);
    assert_eq!(curl(world.addr, "/webhooks/recent?limt=3").await.status, 400);
    world.close().await;
    let without = World::new().await;
    assert_eq!(curl(without.addr, "/webhooks/recent").await.status, 404);
    without.close().await;
}
