//! A rightly signed request with anything in it, through the whole gateway into a queue.

use crate::input::{line, text_line};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::sync::Arc;
use steadfast_clock::ManualClock;
use steadfast_core::message::{InboundMessage, StatusCallback};
use steadfast_core::queues::{KIND_INBOUND, KIND_STATUS, WEBHOOKS};
use steadfast_gateway::signature::{Secrets, sign};
use steadfast_gateway::{Gateway, GatewayConfig, HealthReport, Limits, Secret, TWIML_EMPTY, form};
use steadfast_queue::backend::Filter;
use steadfast_queue::backend::memory::MemoryBackend;
use steadfast_queue::{Backend, Job};

const TOKEN: &str = "6c7d8e9f0a1b2c3d4e5f60718293a4b5";
const BASE: &str = "https://bot.example.com";
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4242);

/// Lines: path and query; `form` or `json`; and the body. A signed request is taken (200, 204) or told what
/// is wrong with it (400), and never put off (429, 503); what is taken is exactly one job that can be read.
pub fn webhook(data: &[u8]) {
    let (target, rest) = text_line(data);
    let (kind, body) = line(rest);
    let Some(request) = signed(target, kind.starts_with(b"j"), body) else { return };
    let is_form = !kind.starts_with(b"j");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without I/O").block_on(async {
        let queue = MemoryBackend::new(ManualClock::at(1_700_000_000_000));
        let answer = gateway(&queue).handle(request, PEER).await;
        let (head, body) = answer.into_parts();
        let said = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let jobs = queue.list(Filter::default(), None, 10).await.expect("the model answers").jobs;
        match head.status {
            StatusCode::OK => assert_eq!(said, TWIML_EMPTY),
            StatusCode::NO_CONTENT => assert!(said.is_empty()),
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {}
            // A second `bodySHA256` in the query stands before ours.
            StatusCode::FORBIDDEN => assert!(!is_form, "a signed form was not believed"),
            other => panic!("a signed webhook was answered {other}"),
        }
        assert_eq!(jobs.len(), usize::from(head.status.is_success()), "one job for one acknowledgement");
        jobs.iter().for_each(|job| readable(job, head.status));
    });
}

fn signed(target: &str, json: bool, body: &[u8]) -> Option<Request<Full<Bytes>>> {
    if body.len() > Limits::default().form_bytes_max || !target.starts_with('/') {
        return None;
    }
    let target = if json {
        let join = if target.contains('?') { '&' } else { '?' };
        format!("{target}{join}bodySHA256={}", hex::encode(Sha256::digest(body)))
    } else {
        target.to_owned()
    };
    let uri: http::Uri = target.parse().ok()?;
    // What HTTP does not carry (a fragment) is not signed either.
    let carried = uri.path_and_query()?.as_str().to_owned();
    let pairs = if json { Vec::new() } else { form::parse(body, usize::MAX).unwrap_or_default() };
    let content_type = if json { "application/json" } else { "application/x-www-form-urlencoded" };
    Request::post(uri)
        .header("content-type", content_type)
        .header("content-length", body.len())
        .header("x-twilio-signature", sign(&Secret::new(TOKEN), &format!("{BASE}{carried}"), &pairs))
        .body(Full::new(Bytes::copy_from_slice(body)))
        .ok()
}

fn gateway(queue: &Arc<MemoryBackend>) -> Arc<Gateway> {
    let config = GatewayConfig {
        public_base_url: Some(BASE.parse().expect("a URL")),
        secrets: Secrets::token(TOKEN),
        group_secret: Secret::new("group"),
        ..GatewayConfig::default()
    };
    let health = || HealthReport { ready: true, body: serde_json::Value::Null };
    let clock = ManualClock::at(1_700_000_000_000);
    Gateway::new(config, Arc::clone(queue) as Arc<dyn Backend>, clock, Arc::new(health))
}

/// The worker can read what was stored, and writing it again changes nothing.
fn readable(job: &Job, status: StatusCode) {
    assert_eq!(job.queue.as_str(), WEBHOOKS);
    assert!(job.group.is_some() && !job.correlation_id.is_empty());
    assert!(!job.payload.contains(&0), "NUL in a payload");
    let again = match job.kind.as_str() {
        KIND_INBOUND => {
            assert_eq!(status, StatusCode::OK);
            let message: InboundMessage = serde_json::from_slice(&job.payload).expect("a message");
            assert!(!message.body.contains('\0'), "NUL in a text");
            serde_json::to_vec(&message)
        }
        KIND_STATUS => {
            assert_eq!(status, StatusCode::NO_CONTENT);
            let callback: StatusCallback = serde_json::from_slice(&job.payload).expect("a callback");
            serde_json::to_vec(&callback)
        }
        other => panic!("a job of kind {other}"),
    };
    assert_eq!(again.expect("written"), job.payload.as_ref(), "writing it again changes it");
}
