//! Every known webhook body, through the whole gateway into the queue.

use crate::support::{Pairs, Queue, TWIML, WEBHOOK, ask, config, gateway, request};
use http::StatusCode;
use serde_json::Value;
use std::collections::BTreeSet;
use steadfast_core::message::{Content, InboundMessage, StatusCallback};
use steadfast_core::queues::{CODEC_JSON_V1, KIND_INBOUND, KIND_STATUS, WEBHOOKS};
use steadfast_gateway::form;

fn vectors(list: &str) -> Vec<Value> {
    let file: Value =
        serde_json::from_str(include_str!("../vectors/twilio_webhook_bodies.json")).expect("JSON");
    file[list].as_array().expect("a list").clone()
}

fn raw_pairs(case: &Value) -> Pairs {
    form::parse(case["raw_form"].as_str().expect("raw form").as_bytes(), 100).expect("a form")
}

fn field<'a>(case: &'a Value, name: &str) -> Option<&'a str> {
    case["fields"][name].as_str()
}

/// Sends the case to `target` and gives back what the worker will get.
async fn delivered(case: &Value, target: &str, kind: &str, status: StatusCode, answer: &str) -> Vec<u8> {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    let answered = ask(&gateway, request(target, &raw_pairs(case))).await;
    assert_eq!((answered.status, answered.body.as_str()), (status, answer), "{}", case["name"]);
    let job = queue.only_job().await;
    assert_eq!((job.queue.as_str(), job.kind.as_str(), job.codec), (WEBHOOKS, kind, CODEC_JSON_V1));
    assert!(job.group.is_some() && job.correlation_id.len() == 32);
    job.payload.to_vec()
}

async fn inbound(case: &Value) -> InboundMessage {
    let payload = delivered(case, WEBHOOK, KIND_INBOUND, StatusCode::OK, TWIML).await;
    serde_json::from_slice(&payload).expect("a message")
}

fn named<'a>(cases: &'a [Value], name: &str) -> &'a Value {
    cases.iter().find(|case| case["name"] == name).expect(name)
}

#[tokio::test]
async fn every_inbound_body_becomes_one_message_with_nothing_lost() {
    for case in vectors("inbound") {
        let message = inbound(&case).await;
        assert_eq!(Some(message.sid.as_str()), field(&case, "MessageSid"));
        assert_eq!(Some(message.from.as_str()), field(&case, "From"));
        assert_eq!(Some(message.to.as_str()), field(&case, "To"));
        assert_eq!(Some(message.account.as_str()), field(&case, "AccountSid"));
        assert_eq!(
            Some(message.body.as_str()),
            field(&case, "Body").map(|body| body.replace('\0', "")).as_deref()
        );
        assert_eq!(message.received_ms, 1_700_000_000_000);
        // Each value that came is somewhere in what the worker gets.
        let whole: Value = serde_json::to_value(&message).expect("JSON");
        let mut kept = BTreeSet::new();
        collect(&whole, &mut kept);
        for (name, value) in case["fields"].as_object().expect("fields") {
            let value = value.as_str().expect("text").replace('\0', "");
            let number = value.parse::<f64>().map(|number| number.to_string());
            let there = value.is_empty()
                || kept.contains(&value)
                || number.is_ok_and(|number| kept.contains(&number));
            assert!(there, "{} of {} is lost", name, case["name"]);
        }
    }
}

fn collect(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(into.insert(text.clone())),
        Value::Number(number) => drop(into.insert(number.to_string())),
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(members) => members.values().for_each(|member| collect(member, into)),
        Value::Null | Value::Bool(_) => {}
    }
}

#[tokio::test]
async fn the_bodies_are_understood() {
    let cases = vectors("inbound");
    let content = async |name: &str| inbound(named(&cases, name)).await.content;
    for name in ["text", "text_plus_and_unicode", "empty_body_no_media", "forwarded", "future_unknown_field"]
    {
        assert_eq!(content(name).await, Content::Text, "{name}");
    }
    for (name, mime) in
        [("pdf_document", "application/pdf"), ("image", "image/jpeg"), ("audio_voice_note", "audio/ogg")]
    {
        let Content::Media { items } = content(name).await else { panic!("{name}") };
        assert_eq!((items.len(), items[0].content_type.as_str()), (1, mime));
        assert!(items[0].url.starts_with("https://api.twilio.com/"));
    }
    assert_eq!(
        content("location").await,
        Content::Location {
            latitude: 27.717_245_3,
            longitude: 85.323_960_5,
            address: Some("Durbar Marg, Kathmandu".to_owned()),
            label: Some("Shop".to_owned()),
        }
    );
    assert_eq!(
        content("button_reply_rejected_call").await,
        Content::Button { text: "VOICE_CALL_REQUEST".to_owned(), payload: "REJECTED".to_owned() }
    );
    assert_eq!(
        content("list_reply").await,
        Content::ListChoice { id: "sku:rice-1kg".to_owned(), title: "Rice (1kg)".to_owned() }
    );
    assert_eq!(
        inbound(named(&cases, "text_plus_and_unicode")).await.body.chars().filter(|&c| c == '+').count(),
        1
    );
    assert_eq!(inbound(named(&cases, "nul_in_body")).await.body, "ab");
}

#[tokio::test]
async fn every_status_callback_becomes_one_job() {
    for case in vectors("status_callbacks") {
        let target = "/webhook/twilio/status?o=ABCDEF00000000000000000000000001";
        let payload = delivered(&case, target, KIND_STATUS, StatusCode::NO_CONTENT, "").await;
        let callback: StatusCallback = serde_json::from_slice(&payload).expect("a callback");
        assert_eq!(Some(callback.sid.as_str()), field(&case, "MessageSid"));
        assert_eq!(Some(callback.status.as_str()), field(&case, "MessageStatus"));
        assert_eq!(
            callback.error_code,
            field(&case, "ErrorCode").map(|code| code.parse().expect("a number"))
        );
        let outbox = callback.outbox_id.expect("named in the URL");
        assert_eq!(outbox.as_str(), "abcdef00000000000000000000000001");
    }
}

#[tokio::test]
async fn a_callback_at_the_message_url_is_still_a_callback_and_the_other_way_round() {
    let status = &vectors("status_callbacks")[0];
    delivered(status, WEBHOOK, KIND_STATUS, StatusCode::NO_CONTENT, "").await;
    let message = &vectors("inbound")[0];
    delivered(message, "/webhooks/twilio/status", KIND_INBOUND, StatusCode::OK, TWIML).await;
}

#[tokio::test]
async fn callbacks_are_told_apart_by_state_and_recognised_again() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    for case in vectors("status_callbacks").iter().chain(&vectors("status_callbacks")) {
        let answered = ask(&gateway, request("/webhook/twilio/status", &raw_pairs(case))).await;
        assert_eq!(answered.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(queue.jobs().await.len(), vectors("status_callbacks").len());
}
