//! The edge itself: wrong paths, slow callers, too much at once, and the end.

use crate::client::{PATIENCE, curl, curl_post, raw, read_answer};
use crate::world::{Fault, World};
use std::time::Duration;
use steadfast_monitor::MonitorConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn wrong_paths_and_methods_say_where_to_look() {
    let world = World::new().await;
    let answer = curl(world.addr, "/admin").await;
    assert_eq!(answer.status, 404);
    assert!(answer.error().2.contains("/queues/{name}"));
    let answer = curl_post(world.addr, "/queues", "{}").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    assert!(answer.error().1.contains("POST"));
    let answer = curl(world.addr, "/dlq/retry").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    let answer = curl(world.addr, "/jobs/%ff").await;
    assert_eq!(answer.status, 400, "{answer:?}");
    answer.error();
    world.close().await;
}

#[tokio::test]
async fn every_path_that_is_named_is_served() {
    let world = World::new().await;
    let named = curl(world.addr, "/admin").await.error().2;
    let paths: Vec<_> = named.split([' ', ',', ';']).map(|word| word.trim_end_matches('.')).collect();
    let paths: Vec<_> = paths.into_iter().filter(|word| word.starts_with('/')).collect();
    assert!(paths.len() >= 14, "{paths:?}");
    for path in paths {
        let real = path
            .replace("{name}", "whatsapp-webhooks")
            .replace("{id}", &"0".repeat(32))
            .replace("{sid}", &format!("SM{}", "0".repeat(32)));
        let answer = curl(world.addr, &real).await;
        assert!(!answer.body.contains("No such path"), "{path}");
    }
    world.close().await;
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let world = World::new().await;
    let answer = raw(world.addr, "HEAD /queues HTTP/1.1\r\nHost: localhost", b"").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert!(
        answer
            .header("content-length")
            .and_then(|length| length.parse::<usize>().ok())
            .is_some_and(|n| n > 100)
    );
    world.close().await;
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let config = MonitorConfig { body_timeout: Duration::from_millis(100), ..MonitorConfig::default() };
    let world = World::configured(config).await;
    let large = format!(r#"{{"jobIds": ["{}"]}}"#, "x".repeat(64 * 1024));
    let answer = curl_post(world.addr, "/dlq/retry", &large).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    let head = "POST /dlq/retry HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100";
    let answer = raw(world.addr, head, b"{").await;
    assert_eq!(answer.status, 408, "{answer:?}");
    world.close().await;
}

#[tokio::test]
async fn a_caller_who_never_finishes_the_header_is_hung_up_on() {
    let config = MonitorConfig { header_timeout: Duration::from_millis(200), ..MonitorConfig::default() };
    let world = World::configured(config).await;
    for sent in ["", "GET /queues HTTP/1.1\r\nHost: local"] {
        let mut stream = TcpStream::connect(world.addr).await.expect("connect");
        stream.write_all(sent.as_bytes()).await.expect("sent");
        let mut rest = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "after {sent:?} the connection stays open");
    }
    world.close().await;
}

/// Starts a request that hangs in the queue, and waits until it does.
async fn hanging_request(world: &World) -> TcpStream {
    world.fail_queue(Fault::Hangs).await;
    let mut hanging = world.queue.hanging.subscribe();
    let before = *hanging.borrow_and_update();
    let mut stream = TcpStream::connect(world.addr).await.expect("connect");
    let request = "GET /queues HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    timeout(PATIENCE, hanging.wait_for(|calls| *calls > before)).await.expect("it hangs").expect("open");
    stream
}

fn patient() -> MonitorConfig {
    MonitorConfig {
        check_timeout: Duration::from_secs(60),
        request_timeout: Duration::from_secs(60),
        requests_max: 1,
        ..MonitorConfig::default()
    }
}

#[tokio::test]
async fn too_much_at_once_is_turned_away_but_the_living_are_not_called_dead() {
    let world = World::configured(patient()).await;
    let mut stream = hanging_request(&world).await;
    let answer = curl(world.addr, "/queues").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(answer.error().0.contains("busy"));
    assert_eq!(curl(world.addr, "/livez").await.status, 200);
    world.fail_queue(Fault::None).await;
    assert_eq!(timeout(PATIENCE, read_answer(&mut stream)).await.expect("an answer").status, 200);
    assert_eq!(curl(world.addr, "/queues").await.status, 200);
    world.close().await;
}

#[tokio::test]
async fn a_request_has_its_time() {
    let config = MonitorConfig { request_timeout: Duration::from_millis(150), ..patient() };
    let world = World::configured(config).await;
    world.fail_queue(Fault::Hangs).await;
    assert_eq!(curl(world.addr, "/queues").await.status, 504);
    let answer = curl_post(world.addr, "/dlq/retry", r#"{"retryAll": true}"#).await;
    assert_eq!(answer.status, 504);
    assert!(answer.error().2.contains("may have happened"));
    world.fail_queue(Fault::None).await;
    world.close().await;
}

#[tokio::test]
async fn at_the_end_requests_at_work_are_answered() {
    let world =
        World::configured(MonitorConfig { drain_timeout: Duration::from_secs(15), ..patient() }).await;
    let mut stream = hanging_request(&world).await;
    world.stop.cancel();
    // The listener goes at once, the request stays.
    let gone = async {
        while TcpStream::connect(world.addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.expect("the listener is closed");
    world.fail_queue(Fault::None).await;
    assert_eq!(timeout(PATIENCE, read_answer(&mut stream)).await.expect("an answer").status, 200);
    world.close().await;
}

#[tokio::test]
async fn at_the_end_nobody_waits_for_ever() {
    let world =
        World::configured(MonitorConfig { drain_timeout: Duration::from_millis(100), ..patient() }).await;
    let mut stream = hanging_request(&world).await;
    let idle = TcpStream::connect(world.addr).await.expect("connect");
    world.close().await;
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok() && rest.is_empty());
    drop(idle);
}

#[tokio::test]
async fn at_the_end_idle_connections_hold_nobody_up() {
    let long = Duration::from_secs(600);
    let config = MonitorConfig { drain_timeout: long, header_timeout: long, ..MonitorConfig::default() };
    let world = World::configured(config).await;
    let mut kept = TcpStream::connect(world.addr).await.expect("connect");
    kept.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let mut first = [0; 12];
    timeout(PATIENCE, kept.read_exact(&mut first)).await.expect("an answer").expect("read");
    assert_eq!(&first, b"HTTP/1.1 200");
    let silent = TcpStream::connect(world.addr).await.expect("connect");
    assert_eq!(curl(world.addr, "/livez").await.status, 200, "the silent one is accepted by now");
    world.close().await;
    drop((kept, silent));
}
