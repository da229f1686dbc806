//! Rightly signed requests with a content that means no good, and bodies signed by their hash.

use crate::support::{Pairs, Queue, TWIML, WEBHOOK, ask, config, gateway, request, signature, text_message};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use sha2::{Digest, Sha256};
use steadfast_core::message::InboundMessage;

async fn taken(form: &Pairs) -> InboundMessage {
    let queue = Queue::new();
    let answered = ask(&gateway(config(), &queue), request(WEBHOOK, form)).await;
    assert_eq!((answered.status, answered.body.as_str()), (StatusCode::OK, TWIML));
    serde_json::from_slice(&queue.only_job().await.payload).expect("a message")
}

fn with(more: impl IntoIterator<Item = (String, String)>) -> Pairs {
    let mut form = text_message(1, "hi");
    form.extend(more);
    form
}

#[tokio::test]
async fn a_thousand_fields_are_taken_alike_or_not() {
    let room = 1_000 - text_message(1, "hi").len();
    let message = taken(&with((0..room).map(|n| (format!("Field{n}"), String::new())))).await;
    assert!(message.extra.len() >= room);
    // The same name again and again: the first counts, and the rest is kept.
    let message = taken(&with((0..room).map(|n| ("Body".to_owned(), format!("other {n}"))))).await;
    assert_eq!(message.body, "hi");
    let message = taken(&with((0..room).map(|_| ("Body".to_owned(), "hi".to_owned())))).await;
    assert_eq!(message.body, "hi");
    // Names that begin alike, and the numbered ones that are looked for.
    taken(&with((0..room).map(|n| (format!("MediaUrl{n}"), "https://api.twilio.com/x".to_owned())))).await;
}

#[tokio::test]
async fn huge_names_and_values_and_deep_escapes_are_read_once() {
    let name = "N".repeat(30_000);
    let message = taken(&with([(name.clone(), "v".repeat(30_000))])).await;
    assert!(message.extra.iter().any(|(known, value)| *known == name && value.len() == 30_000));
    let mut escaped = "%".to_owned();
    for _ in 0..200 {
        escaped = escaped.replace('%', "%25");
    }
    let message = taken(&with([("Label".to_owned(), escaped.clone())])).await;
    assert!(message.extra.contains(&("Label".to_owned(), escaped)), "decoded once and no further");
    // Bytes that triple when written as JSON still fit into one job.
    taken(&with([("Odd".to_owned(), "\u{1}".repeat(20_000))])).await;
}

fn json(target: &str, body: &str) -> Request<Full<Bytes>> {
    Request::post(target)
        .header("content-type", "application/json")
        .header("x-twilio-signature", signature(target, &[]))
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request")
}

#[tokio::test]
async fn the_hash_of_a_body_has_one_meaning() {
    let gateway = gateway(config(), &Queue::new());
    let object: serde_json::Map<_, _> =
        text_message(1, "hi").into_iter().map(|(name, value)| (name, value.into())).collect();
    let body = serde_json::Value::Object(object).to_string();
    let hash = hex::encode(Sha256::digest(body.as_bytes()));
    let wrong = hex::encode(Sha256::digest(b"other"));
    for (query, status) in [
        (format!("bodySHA256={hash}"), 200),
        (format!("a=%41&bodySHA256={hash}&z"), 200),
        (format!("bodySHA256={}", hash.to_uppercase()), 200),
        (format!("%62odySHA256={hash}"), 200),
        // The first counts, whatever stands behind it.
        (format!("bodySHA256={wrong}&bodySHA256={hash}"), 403),
        (format!("bodySHA256={hash}00"), 403),
        (format!("bodySHA256={}", &hash[..62]), 403),
        ("bodySHA256=".to_owned(), 403),
        ("bodySHA256".to_owned(), 403),
        (format!("bodysha256={hash}"), 403),
        (format!("xbodySHA256={hash}"), 403),
        (String::new(), 403),
    ] {
        let answered = ask(&gateway, json(&format!("{WEBHOOK}?{query}"), &body)).await;
        assert_eq!(answered.status.as_u16(), status, "{query}");
    }
    // The hash is right, and nobody signed it.
    let target = format!("{WEBHOOK}?bodySHA256={hash}");
    let mut forged = json(&target, &body);
    forged.headers_mut().insert("x-twilio-signature", crate::support::FORGED.parse().expect("a header"));
    assert_eq!(ask(&gateway, forged).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn json_that_is_no_flat_object_is_told_so_and_breaks_nothing() {
    let gateway = gateway(config(), &Queue::new());
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let many: Vec<String> = (0..1_001).map(|n| format!("\"f{n}\":1")).collect();
    let sid = crate::support::sid(1);
    for body in [
        deep.as_str(),
        "",
        "null",
        "[]",
        "{\"a\":1e999}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":1}trailing",
        &format!("{{{}}}", many.join(",")),
        &format!("{{\"MessageSid\":[\"{sid}\"]}}"),
    ] {
        let target = format!("{WEBHOOK}?bodySHA256={}", hex::encode(Sha256::digest(body.as_bytes())));
        let mut request = json(&target, body);
        request.headers_mut().insert("content-length", body.len().into());
        let shown: String = body.chars().take(40).collect();
        assert_eq!(ask(&gateway, request).await.status, StatusCode::BAD_REQUEST, "{shown}");
    }
}
