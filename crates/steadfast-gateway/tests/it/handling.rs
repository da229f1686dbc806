//! What each request hears.

use crate::support::{
    ACCOUNT, BASE, Pairs, Queue, WEBHOOK, ask, ask_from, config, gateway, pairs, request, signature,
    text_message,
};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use std::sync::Arc;
use steadfast_clock::ManualClock;
use steadfast_core::CorrelationId;
use steadfast_core::message::AccountSid;
use steadfast_gateway::signature::{Secrets, sign};
use steadfast_gateway::{Gateway, GatewayConfig, HealthReport, Secret};
use steadfast_queue::Backend;

fn empty(method: Method, target: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(target).body(Full::default()).expect("a request")
}

/// A signed post of a body of any kind.
fn post(content_type: &str, body: &str, signed: &[(String, String)]) -> Request<Full<Bytes>> {
    Request::post(WEBHOOK)
        .header("content-type", content_type)
        .header("x-twilio-signature", signature(WEBHOOK, signed))
        .body(Full::new(Bytes::from(body.to_owned())))
        .expect("a request")
}

fn without(name: &str) -> Pairs {
    text_message(1, "hi").into_iter().filter(|(field, _)| field != name && field != "SmsMessageSid").collect()
}

#[tokio::test]
async fn unusable_forms_are_told_what_is_wrong() {
    let gateway = gateway(config(), &Queue::new());
    const FORM: &str = "application/x-www-form-urlencoded";
    for (name, line) in [
        ("MessageSid", "MessageSid is missing\n"),
        ("From", "From is missing\n"),
        ("AccountSid", "AccountSid is missing\n"),
    ] {
        let answered = ask(&gateway, request(WEBHOOK, &without(name))).await;
        assert_eq!((answered.status, answered.body.as_str()), (StatusCode::BAD_REQUEST, line));
    }
    for (body, line) in [
        ("a=1&b=%zz", "field 2 of the form has a % that is not followed by two hex digits\n"),
        ("a=%ff", "field 1 of the form is not valid UTF-8\n"),
    ] {
        let answered = ask(&gateway, post(FORM, body, &[])).await;
        assert_eq!((answered.status, answered.body.as_str()), (StatusCode::BAD_REQUEST, line));
    }
    let many = vec!["a=1"; 1_001].join("&");
    assert_eq!(ask(&gateway, post(FORM, &many, &[])).await.body, "the form has more than 1000 fields\n");
    let answered = ask(&gateway, post("text/plain", "a", &[])).await;
    assert_eq!(answered.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(ask(&gateway, post(FORM, "", &[])).await.status, StatusCode::LENGTH_REQUIRED);
    let answered = ask(&gateway, post(FORM, &"a".repeat(65_537), &[])).await;
    assert_eq!(answered.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answered.header("connection"), "close");
}

#[tokio::test]
async fn the_largest_form_is_taken() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    let form = text_message(1, &"x".repeat(64_000));
    assert_eq!(ask(&gateway, request(WEBHOOK, &form)).await.status, StatusCode::OK);
    // The worst a form can grow to as JSON still fits into a job.
    let form = text_message(2, &"\u{1}".repeat(21_000));
    assert_eq!(ask(&gateway, request(WEBHOOK, &form)).await.status, StatusCode::OK);
    assert_eq!(queue.jobs().await.len(), 2);
}

#[tokio::test]
async fn other_paths_and_methods_are_turned_away() {
    let gateway = gateway(config(), &Queue::new());
    for target in ["/", "/webhook", "/webhook/twilio/x", "/webhook/twilio//", "/status", "/metrics"] {
        assert_eq!(ask(&gateway, empty(Method::GET, target)).await.status, StatusCode::NOT_FOUND, "{target}");
    }
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let answered = ask(&gateway, empty(method, WEBHOOK)).await;
        assert_eq!((answered.status, answered.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    }
    let answered = ask(&gateway, empty(Method::POST, "/health")).await;
    assert_eq!((answered.status, answered.header("allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
}

#[tokio::test]
async fn a_trailing_slash_and_a_prefix_find_their_way() {
    let queue = Queue::new();
    let public = format!("{BASE}/bot");
    let gateway =
        gateway(GatewayConfig { public_base_url: Some(public.parse().expect("a URL")), ..config() }, &queue);
    for (n, target) in ["/bot/webhook/twilio", "/webhook/twilio", "/webhook/twilio/"].into_iter().enumerate()
    {
        let form = text_message(n as u64, "hi");
        let rest = target.strip_prefix("/bot").unwrap_or(target);
        let mut request = request(target, &form);
        let signed = sign(&Secret::new(crate::support::TOKEN), &format!("{public}{rest}"), &form);
        request.headers_mut().insert("x-twilio-signature", signed.parse().expect("a header"));
        assert_eq!(ask(&gateway, request).await.status, StatusCode::OK, "{target}");
    }
    assert_eq!(queue.jobs().await.len(), 3);
}

#[tokio::test]
async fn health_is_what_the_process_says() {
    let queue = Queue::new() as Arc<dyn Backend>;
    for ready in [true, false] {
        let health = move || HealthReport {
            ready,
            body: serde_json::json!({"status": "degraded", "redis": "disconnected"}),
        };
        let gateway = Gateway::new(config(), Arc::clone(&queue), ManualClock::at(0), Arc::new(health));
        let expected = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let answered = ask(&gateway, empty(Method::GET, "/health")).await;
        assert_eq!((answered.status, answered.header("content-type")), (expected, "application/json"));
        let body: Value = serde_json::from_str(&answered.body).expect("JSON");
        assert_eq!(body["redis"], "disconnected");
        assert_eq!(ask(&gateway, empty(Method::GET, "/readyz")).await.status, expected);
        assert_eq!(ask(&gateway, empty(Method::GET, "/livez")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn an_account_that_is_not_served_is_refused_though_it_signs_well() {
    let queue = Queue::new();
    let account = |text: &str| AccountSid::parse(text).expect("an account");
    let served = GatewayConfig { account_sids: vec![account(&format!("AC{:032}", 9))], ..config() };
    let answered = ask(&gateway(served, &queue), request(WEBHOOK, &text_message(1, "hi"))).await;
    assert_eq!(
        (answered.status, answered.body.as_str()),
        (StatusCode::FORBIDDEN, "this account is not served here\n")
    );
    let served = GatewayConfig { account_sids: vec![account(ACCOUNT)], ..config() };
    assert_eq!(
        ask(&gateway(served, &queue), request(WEBHOOK, &text_message(1, "hi"))).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn without_a_public_url_the_host_header_is_signed_and_proxies_count_only_if_known() {
    let queue = Queue::new();
    let development = GatewayConfig {
        public_base_url: None,
        trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")],
        ..config()
    };
    let gateway = gateway(development, &queue);
    let form = text_message(1, "hi");
    let signed_for = |url: &str| {
        let mut request = request(WEBHOOK, &form);
        let signed = sign(&Secret::new(crate::support::TOKEN), url, &form);
        let headers = request.headers_mut();
        headers.insert("x-twilio-signature", signed.parse().expect("a header"));
        headers.insert("host", "localhost:3010".parse().expect("a header"));
        headers.insert("x-forwarded-host", "public.example".parse().expect("a header"));
        headers.insert("x-forwarded-proto", "https".parse().expect("a header"));
        request
    };
    let (direct, proxied) = ("http://localhost:3010/webhook/twilio", "https://public.example/webhook/twilio");
    assert_eq!(ask_from(&gateway, "192.0.2.1", signed_for(direct)).await.status, StatusCode::OK);
    assert_eq!(ask_from(&gateway, "192.0.2.1", signed_for(proxied)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask_from(&gateway, "10.1.2.3", signed_for(proxied)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_secret_nothing_is_believed() {
    let gateway = gateway(GatewayConfig { secrets: Secrets::default(), ..config() }, &Queue::new());
    assert_eq!(ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await.status, StatusCode::FORBIDDEN);
    assert_eq!(gateway.inspector().recent(1)[0].reason, Some("no_secret"));
}

#[tokio::test]
async fn the_inspector_remembers_how_it_was_signed() {
    let gateway = gateway(config(), &Queue::new());
    ask(&gateway, request(WEBHOOK, &text_message(0x2a, "hi"))).await;
    let verdict = gateway.inspector().recent(1).remove(0);
    assert_eq!(verdict.secret.as_deref(), Some("primary"));
    assert_eq!(verdict.spelling, Some("as_given"));
    assert_eq!(verdict.message_sid.as_deref(), Some("SM0000000000000000000000000000002a"));
    assert_eq!((verdict.status, verdict.kind, verdict.outcome), (200, "inbound", "new"));
    assert_eq!(verdict.correlation_id.len(), 32);
    // A refused one has the id that its message would have, as far as it names one.
    ask(&gateway, request(WEBHOOK, &without("From"))).await;
    let verdict = gateway.inspector().recent(1).remove(0);
    let seed = format!("{ACCOUNT}/SM00000000000000000000000000000001");
    assert_eq!(verdict.correlation_id, CorrelationId::derived_from(&seed).as_str());
    assert_eq!((verdict.reason, verdict.explanation.as_deref()), (Some("field"), Some("From is missing")));
    ask(&gateway, request(WEBHOOK, &pairs(&[("a", "b")]))).await;
    assert_eq!(gateway.inspector().recent(1)[0].correlation_id.len(), 32);
}
