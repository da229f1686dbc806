//! Who may do what, from where.

use crate::client::{curl, curl_post, curl_post_with, get_with};
use crate::world::World;
use serde_json::json;
use std::time::Duration;
use steadfast_core::queues::WEBHOOKS;
use steadfast_monitor::{ApiToken, ConfigError, Monitor, MonitorConfig, MonitorDeps, MonitorError, Role};
use steadfast_queue::JobId;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn secret(role: Role) -> String {
    format!("0123456789-{}", role.as_str())
}

fn guarded() -> MonitorConfig {
    let tokens = [Role::Viewer, Role::Operator, Role::Admin]
        .map(|role| ApiToken::new(role.as_str(), role, &secret(role)).expect("a token"));
    MonitorConfig { tokens: tokens.to_vec(), ..MonitorConfig::default() }
}

#[tokio::test]
async fn a_foreign_page_can_neither_post_nor_pose_as_us() {
    let world = World::new().await;
    world.bury(WEBHOOKS, "boom", &["1"]).await;
    for header in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        let answer = curl_post_with(world.addr, "/dlq/retry", r#"{"retryAll": true}"#, &[header]).await;
        assert_eq!(answer.status, 403, "{header:?}");
        assert!(answer.error().0.contains("other sites"));
    }
    let rebound = get_with(world.addr, "/dlq", &[("Host", "evil.example:9091")]).await;
    assert_eq!(rebound.status, 421);
    assert!(!rebound.body.contains("boom"));
    assert_eq!(get_with(world.metrics_addr, "/metrics", &[("Host", "evil.example")]).await.status, 421);
    assert_eq!(curl(world.addr, "/dlq").await.json()["total"], 1, "nothing was retried");
    let own = [("Origin", "http://localhost:9091"), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(
        curl_post_with(world.addr, "/dlq/retry", r#"{"retryAll": true}"#, &own).await.json()["retried"],
        1
    );
    world.close().await;
}

#[tokio::test]
async fn no_answer_invites_another_site() {
    let world = World::new().await;
    let answer = get_with(world.addr, "/queues", &[("Origin", "http://localhost:9091")]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    world.close().await;
}

#[tokio::test]
async fn roles() {
    let world = World::configured(guarded()).await;
    let id = JobId::fresh();
    let ids = json!({ "jobIds": [id] }).to_string();
    // Path, body, and the least role that may.
    let calls: &[(&str, Option<&str>, Role)] = &[
        ("/queues", None, Role::Viewer),
        ("/dlq", None, Role::Viewer),
        ("/metrics", None, Role::Viewer),
        ("/dlq?payload=1", None, Role::Operator),
        ("/queues/whatsapp-webhooks/pause", Some(""), Role::Operator),
        ("/queues/whatsapp-webhooks/resume", Some(""), Role::Operator),
        ("/dlq/retry", Some(&ids), Role::Operator),
        ("/dlq/discard", Some(&ids), Role::Admin),
        ("/queues/whatsapp-webhooks/purge", Some(r#"{"status":"completed"}"#), Role::Admin),
    ];
    for (path, body, least) in calls {
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            let bearer = format!("Bearer {}", secret(role));
            let headers = [("Authorization", bearer.as_str())];
            let answer = match body {
                Some(body) => curl_post_with(world.addr, path, body, &headers).await,
                None => get_with(world.addr, path, &headers).await,
            };
            let expected = if role >= *least { 200 } else { 403 };
            assert_eq!(answer.status, expected, "{role:?} {path} {answer:?}");
        }
    }
    for (path, body) in [
        ("/queues/whatsapp-webhooks/scale", r#"{"concurrency":1}"#),
        (&format!("/jobs/{id}/retry"), ""),
        (&format!("/jobs/{id}/cancel"), ""),
        (&format!("/jobs/{id}/discard"), ""),
    ] {
        let bearer = format!("Bearer {}", secret(Role::Viewer));
        assert_eq!(
            curl_post_with(world.addr, path, body, &[("Authorization", &bearer)]).await.status,
            403,
            "{path}"
        );
    }
    world.close().await;
}

#[tokio::test]
async fn without_a_token_only_supervisors_get_words() {
    let world = World::configured(guarded()).await;
    for path in ["/queues", "/dlq", "/metrics", "/webhooks/recent", "/queues/whatsapp-webhooks"] {
        let answer = curl(world.addr, path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")));
    }
    assert_eq!(curl_post(world.addr, "/dlq/retry", r#"{"retryAll": true}"#).await.status, 401);
    let wrong = get_with(world.addr, "/queues", &[("Authorization", "Bearer 0123456789-nobody")]).await;
    assert_eq!(wrong.status, 401);
    assert!(!wrong.body.contains("0123456789"));
    let health = curl(world.addr, "/health").await;
    assert_eq!((health.status, &health.json()["status"]), (200, &json!("healthy")));
    assert!(health.json().get("dependencies").is_none() && health.json().get("version").is_none());
    let bearer = format!("Bearer {}", secret(Role::Viewer));
    let health = get_with(world.addr, "/health", &[("Authorization", &bearer)]).await;
    assert!(health.json().get("dependencies").is_some());
    assert_eq!(curl(world.addr, "/livez").await.status, 200);
    // A scraper on the same machine needs no token.
    assert_eq!(curl(world.metrics_addr, "/metrics").await.status, 200);
    assert_eq!(curl(world.metrics_addr, "/queues").await.status, 404);
    world.close().await;
}

#[tokio::test]
async fn it_does_not_listen_to_the_network_without_a_token() {
    let world = World::new().await;
    let deps = MonitorDeps {
        backend: world.queue.clone(),
        records: world.records.clone(),
        clock: world.clock.clone(),
        metrics: None,
        workers: None,
        webhooks: None,
        probes: Vec::new(),
    };
    let monitor = Monitor::new(deps, MonitorConfig::default()).expect("a monitor");
    for metrics in [false, true] {
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port");
        let stop = CancellationToken::new();
        let served = async {
            if metrics {
                monitor.clone().serve_metrics(listener, stop).await
            } else {
                monitor.clone().serve(listener, stop).await
            }
        };
        let refused = tokio::time::timeout(Duration::from_secs(5), served).await.expect("at once");
        assert!(
            matches!(refused, Err(MonitorError::Config(ConfigError::OpenToTheNetwork { .. }))),
            "{refused:?}"
        );
    }
    world.close().await;
}
