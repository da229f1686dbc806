//! The defects of systems of this kind, each as a test of ours.

use crate::support::{
    Fault, Queue, Served, TWIML, WEBHOOK, ask, ask_from, config, gateway, pairs, read_answer, request, serve,
    sid, signature, text_message, wire,
};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use std::sync::Arc;
use steadfast_gateway::{Gateway, GatewayConfig, Limits, Mode, form};
use steadfast_queue::backend::{Enqueued, Rejection};
use steadfast_queue::{JobId, QueueError};
use tokio::io::AsyncWriteExt;
use tokio_util::task::TaskTracker;

fn with_signature(body: &[(String, String)], signature: &str) -> Request<Full<Bytes>> {
    let mut request = request(WEBHOOK, body);
    request.headers_mut().insert("x-twilio-signature", signature.parse().expect("a header"));
    request
}

#[tokio::test]
async fn defect_01_all_fields_are_signed_unknown_ones_too() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    let mut body = text_message(1, "hi ");
    body.push(("SomeNewField2027".to_owned(), " x ".to_owned()));
    assert_eq!(ask(&gateway, request(WEBHOOK, &body)).await.status, StatusCode::OK);
    let signed_without = signature(WEBHOOK, &body[..body.len() - 1]);
    assert_eq!(ask(&gateway, with_signature(&body, &signed_without)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(queue.jobs().await.len(), 1);
}

#[tokio::test]
async fn defect_02_a_repeat_is_verified_like_the_first() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    let body = text_message(1, "hi");
    assert_eq!(ask(&gateway, request(WEBHOOK, &body)).await.status, StatusCode::OK);
    let wrong = signature(WEBHOOK, &text_message(2, "hi"));
    assert_eq!(ask(&gateway, with_signature(&body, &wrong)).await.status, StatusCode::FORBIDDEN);
    let mut unsigned = request(WEBHOOK, &body);
    unsigned.headers_mut().remove("x-twilio-signature");
    assert_eq!(ask(&gateway, unsigned).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn defect_03_a_refusal_tells_nothing_of_the_right_signature() {
    let gateway = gateway(config(), &Queue::new());
    let body = text_message(1, "hi");
    let right = signature(WEBHOOK, &body);
    let answered = ask(&gateway, with_signature(&body, "AAAAAAAAAAAAAAAAAAAAAAAAAAA=")).await;
    assert_eq!(answered.status, StatusCode::FORBIDDEN);
    assert_eq!(answered.body, "the request's signature could not be verified\n");
    let seen = serde_json::to_string(&gateway.inspector().recent(10)).expect("JSON");
    assert!(seen.contains("mismatch") && !seen.contains(&right[..6]), "{seen}");
}

fn every_fault() -> Vec<(Fault, &'static str)> {
    let unavailable = QueueError::Unavailable { what: "disk full".to_owned(), source: None };
    let rejected = |rejection| Fault::Verdict(Enqueued::Rejected(rejection));
    vec![
        (Fault::Error(unavailable), "queue_unavailable"),
        (Fault::Error(QueueError::Overloaded { waiting: 9 }), "queue_overloaded"),
        (Fault::Error(QueueError::Closed), "queue_closed"),
        (Fault::Error(QueueError::Inconsistent { what: "torn page".to_owned() }), "queue_unavailable"),
        (rejected(Rejection::QueueFull { waiting: 1, max: 1 }), "queue_full"),
        (rejected(Rejection::BytesFull { bytes: 1, max: 1 }), "queue_full"),
        (rejected(Rejection::BadName), "queue_rejected"),
        (Fault::NoVerdict, "queue_no_verdict"),
        (Fault::Hang, "queue_deadline"),
    ]
}

#[tokio::test(start_paused = true)]
async fn defect_04_what_is_not_stored_is_not_acknowledged() {
    for (fault, reason) in every_fault() {
        let queue = Queue::new();
        let gateway = gateway(config(), &queue);
        queue.fail_next(fault);
        let began = tokio::time::Instant::now();
        let answered = ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await;
        assert!(began.elapsed().as_millis() <= 501, "{reason}: within the budget");
        assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE, "{reason}");
        assert_eq!(answered.header("retry-after"), "1");
        assert_eq!(answered.header("content-type"), "text/plain; charset=utf-8");
        let verdict = gateway.inspector().recent(1).remove(0);
        assert_eq!((verdict.reason, verdict.outcome), (Some(reason), "unavailable"));
    }
}

#[tokio::test(start_paused = true)]
async fn defect_05_the_retry_of_a_failed_webhook_is_new_and_succeeds() {
    for (fault, reason) in every_fault() {
        let queue = Queue::new();
        let gateway = gateway(config(), &queue);
        queue.fail_next(fault);
        ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await;
        assert!(queue.jobs().await.is_empty(), "{reason}");
        let retried = ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await;
        assert_eq!((retried.status, retried.body.as_str()), (StatusCode::OK, TWIML));
        assert_eq!(gateway.inspector().recent(1)[0].outcome, "new", "{reason}");
        assert_eq!(queue.jobs().await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn defect_05_a_lost_answer_of_the_queue_makes_the_retry_a_duplicate() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    queue.fail_next(Fault::StoreThenHang);
    let first = ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await;
    assert_eq!(first.status, StatusCode::SERVICE_UNAVAILABLE);
    let second = ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await;
    assert_eq!((second.status, second.body.as_str()), (StatusCode::OK, TWIML));
    assert_eq!(gateway.inspector().recent(1)[0].outcome, "duplicate");
    assert_eq!(queue.jobs().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_05_concurrent_duplicates_store_one_job_and_get_one_answer() {
    let queue = Queue::new();
    let served = serve(&gateway(config(), &queue)).await;
    let answers = burst(&served, 64, |_| wire(WEBHOOK, &text_message(7, "once"))).await;
    let bodies: Vec<&str> =
        answers.iter().map(|answer| answer.split_once("\r\n\r\n").expect("a body").1).collect();
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n")));
    assert!(bodies.iter().all(|body| *body == TWIML));
    let job = queue.only_job().await;
    assert_eq!(
        job.id,
        JobId::of_unique(&job.queue, format!("{}/{}", crate::support::ACCOUNT, sid(7)).as_bytes())
    );
    served.stop.cancel();
    served.ended().await;
}

#[tokio::test]
async fn defect_06_the_answer_is_empty_twiml_byte_for_byte() {
    let gateway = gateway(config(), &Queue::new());
    for path in Gateway::WEBHOOK_PATHS {
        for _ in 0..2 {
            let answered = ask(&gateway, request(path, &text_message(1, "hi"))).await;
            assert_eq!(answered.status, StatusCode::OK);
            assert_eq!(answered.header("content-type"), "text/xml");
            assert_eq!(answered.body.as_bytes(), br#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#);
        }
    }
}

async fn burst(served: &Served, count: u64, bytes: impl Fn(u64) -> Vec<u8>) -> Vec<String> {
    let tasks = TaskTracker::new();
    let handles: Vec<_> = (0..count)
        .map(|n| {
            let (address, bytes) = (served.address, bytes(n));
            tasks.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
                stream.write_all(&bytes).await.expect("sent");
                read_answer(&mut stream).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for handle in handles {
        answers.push(handle.await.expect("an answer"));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_07_a_burst_from_one_address_is_never_refused() {
    let queue = Queue::new();
    let served = serve(&gateway(config(), &queue)).await;
    let mut refused = Vec::new();
    // A hundred connections at a time, so that the test needs few file descriptors; one address all the same.
    for round in 0..10 {
        let answers = burst(&served, 100, |n| wire(WEBHOOK, &text_message(round * 100 + n, "burst"))).await;
        refused.extend(answers.into_iter().filter(|answer| !answer.starts_with("HTTP/1.1 200 OK\r\n")));
    }
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!(queue.jobs().await.len(), 1_000);
    served.stop.cancel();
    served.ended().await;
}

#[tokio::test]
async fn defect_07_bad_signatures_are_limited_and_never_the_good_ones_among_them() {
    let queue = Queue::new();
    let limits = Limits { refused_burst: 3, ..Limits::default() };
    let gateway = gateway(GatewayConfig { limits, ..config() }, &queue);
    let mut bad = Vec::new();
    for n in 0..20 {
        let forged = with_signature(&text_message(n, "hi"), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        bad.push(ask(&gateway, forged).await.status.as_u16());
        let good = ask(&gateway, request(WEBHOOK, &text_message(n, "hi"))).await;
        assert_eq!(good.status, StatusCode::OK, "a good one, {n} bad ones before");
    }
    assert_eq!(bad[..3], [403; 3]);
    assert!(bad[3..].iter().all(|status| *status == 429));
    let other = with_signature(&text_message(1, "hi"), "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_eq!(
        ask_from(&gateway, "192.0.2.77", other).await.status,
        StatusCode::FORBIDDEN,
        "others are not concerned"
    );
    assert_eq!(queue.jobs().await.len(), 20);
}

#[tokio::test]
async fn defect_01_a_wrong_setup_can_be_observed_before_it_is_enforced() {
    let queue = Queue::new();
    let config = GatewayConfig {
        mode: Mode::Observe,
        public_base_url: Some("http://bot.example.com".parse().expect("a URL")),
        ..config()
    };
    let gateway = gateway(config, &queue);
    assert_eq!(ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await.status, StatusCode::OK);
    let verdict = gateway.inspector().recent(1).remove(0);
    assert_eq!(verdict.outcome, "new");
    let explanation = verdict.explanation.expect("it says what enforce would do");
    assert!(explanation.contains("https instead of http"), "{explanation}");
    assert_eq!(queue.jobs().await.len(), 1);
}

#[tokio::test]
async fn defect_14_the_unique_key_is_the_message_and_nothing_else() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await;
    // The same message again, through another path and with other details.
    let mut again = text_message(1, "hi");
    again.push(("NumSegments".to_owned(), "2".to_owned()));
    assert_eq!(ask(&gateway, request("/webhook/whatsapp", &again)).await.body, TWIML);
    assert_eq!(queue.jobs().await.len(), 1);
    // Another account's message of the same id is another message.
    let mut other = text_message(1, "hi");
    other.iter_mut().find(|(name, _)| name == "AccountSid").expect("there").1 = format!("AC{:032}", 7);
    ask(&gateway, request(WEBHOOK, &other)).await;
    assert_eq!(queue.jobs().await.len(), 2);
}

#[tokio::test]
async fn defect_14_messages_of_one_conversation_share_a_group_that_is_no_number() {
    let queue = Queue::new();
    let gateway: Arc<Gateway> = gateway(config(), &queue);
    for n in 0..3 {
        ask(&gateway, request(WEBHOOK, &text_message(n, "hi"))).await;
    }
    let mut other = text_message(9, "hi");
    other.iter_mut().find(|(name, _)| name == "From").expect("there").1 = "whatsapp:+19995550000".to_owned();
    ask(&gateway, request(WEBHOOK, &other)).await;
    let jobs = queue.jobs().await;
    let groups: std::collections::HashSet<_> = jobs.iter().map(|job| job.group.expect("a group")).collect();
    assert_eq!((jobs.len(), groups.len()), (4, 2));
}

#[tokio::test]
async fn defect_01_json_is_verified_by_its_hash_and_read_if_it_is_flat() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    let send = |body: String, tampered: &str| {
        use sha2::{Digest, Sha256};
        let target = format!("{WEBHOOK}?bodySHA256={}", hex::encode(Sha256::digest(body.as_bytes())));
        Request::post(&target)
            .header("content-type", "application/json; charset=utf-8")
            .header("x-twilio-signature", signature(&target, &[]))
            .body(Full::new(Bytes::from(body + tampered)))
            .expect("a request")
    };
    let object: serde_json::Map<_, _> =
        text_message(1, "hi").into_iter().map(|(n, v)| (n, v.into())).collect();
    let object = serde_json::Value::Object(object).to_string();
    assert_eq!(ask(&gateway, send(object.clone(), " ")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(&gateway, send(object, "")).await.body, TWIML);
    assert_eq!(queue.jobs().await.len(), 1);
    let batch = ask(&gateway, send("[{}]".to_owned(), "")).await;
    assert_eq!(batch.status, StatusCode::BAD_REQUEST);
    assert!(batch.body.contains("event streams"), "{}", batch.body);
    // Without the hash it is a refusal, not a failure.
    let bare = Request::post(WEBHOOK)
        .header("content-type", "application/json")
        .header("x-twilio-signature", signature(WEBHOOK, &[]));
    let bare = bare.body(Full::new(Bytes::from("{}"))).expect("a request");
    assert_eq!(ask(&gateway, bare).await.status, StatusCode::FORBIDDEN);
    assert_eq!(form::encode(&pairs(&[("a", "b")])), "a=b");
}
