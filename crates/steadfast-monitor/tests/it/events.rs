//! What happens, as pages and as a stream.

use crate::client::{PATIENCE, curl, get_with};
use crate::world::World;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use steadfast_core::queues::{ORDERS, WEBHOOKS};
use steadfast_monitor::MonitorConfig;
use steadfast_queue::Backend;
use steadfast_queue::backend::Control;
use steadfast_queue::state::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{timeout, timeout_at};

fn words(page: &Value) -> Vec<String> {
    let events = page["events"].as_array().expect("events");
    events.iter().map(|event| event["event"].as_str().expect("a word").to_owned()).collect()
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let world = World::new().await;
    let ids = world.bury(ORDERS, "boom", &[r#"{"body":"meet me at noon"}"#]).await;
    let page = curl(world.addr, "/events").await.json();
    assert_eq!(words(&page), ["enqueued", "started", "dead"]);
    let last = &page["events"][2];
    assert_eq!((&last["job"], &last["queue"]), (&json!(ids[0].to_string()), &json!(ORDERS)));
    assert_eq!((&last["error"], &last["attempt"]), (&json!("boom"), &json!(1)));
    assert_eq!(last["at"], "2026-01-31T09:05:03.251Z");
    assert_eq!(page["missed"], Value::Null);
    assert!(!page.to_string().contains("meet me") && !page.to_string().contains("it ended with"), "{page}");
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    assert_eq!(last["id"], *cursor);
    assert_eq!(words(&curl(world.addr, &format!("/events?cursor={cursor}")).await.json()), [""; 0]);
    world.enqueue(WEBHOOKS, &["1", "2", "3"]).await;
    let path = format!("/events?cursor={cursor}&limit=2");
    let page = curl(world.addr, &path).await.json();
    assert_eq!(words(&page).len(), 2);
    let rest = format!("/events?cursor={}", page["next_cursor"].as_str().expect("a cursor"));
    assert_eq!(words(&curl(world.addr, &rest).await.json()).len(), 1);
    world.close().await;
}

#[tokio::test]
async fn pages_are_filtered_and_wait() {
    let world = World::new().await;
    world.bury(ORDERS, "boom", &["1"]).await;
    let job = world.enqueue(WEBHOOKS, &["2"]).await[0];
    world.queue.control(Control::Pause(WEBHOOKS.to_owned())).await.expect("pauses");
    for (query, expected) in [
        ("queue=order-processing", vec!["enqueued", "started", "dead"]),
        ("kinds=dead,paused", vec!["dead", "paused"]),
        ("queue=whatsapp-webhooks&kinds=enqueued,dead", vec!["enqueued"]),
        (&format!("job={job}"), vec!["enqueued"]),
    ] {
        assert_eq!(words(&curl(world.addr, &format!("/events?{query}")).await.json()), expected, "{query}");
    }
    // Who waits for one kind is not answered by another.
    let waits = curl(world.addr, "/events?from=now&kinds=dead&wait_ms=5000");
    let acts = async {
        world.enqueue(ORDERS, &["3"]).await;
        world.settle_all(ORDERS, &Verdict::Complete).await;
        world.bury(ORDERS, "bang", &["4"]).await;
    };
    let (page, ()) = tokio::join!(waits, acts);
    let page = page.json();
    // If all of it happened before the call came in, the wait found nothing; what was found is right.
    assert!(words(&page).iter().all(|word| word == "dead"), "{page}");
    for (query, what) in [
        ("cursor=7", "cursor"),
        ("from=yesterday", "oldest or now"),
        ("kinds=deed", "kind of event"),
        ("job=x", "job id"),
        ("wait_ms=5001", "too long"),
        ("limit=0", "limit"),
    ] {
        let answer = curl(world.addr, &format!("/events?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.error().0.contains(what), "{query}: {answer:?}");
    }
    world.close().await;
}

#[tokio::test]
async fn a_cursor_from_elsewhere_is_told_that_something_is_missing() {
    let world = World::new().await;
    world.enqueue(ORDERS, &["1"]).await;
    let page = curl(world.addr, "/events?cursor=0123456789abcdef-5").await.json();
    assert_eq!((words(&page), &page["missed"]["events"]), (vec!["enqueued".to_owned()], &Value::Null));
    assert!(page["missed"]["why"].as_str().expect("why").contains("opened anew"));
    world.close().await;
}

/// A reader of server-sent events.
struct Reader {
    stream: TcpStream,
    text: String,
}

impl Reader {
    /// Over HTTP/1.0, so that the answer comes without chunks.
    async fn open(addr: SocketAddr, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(addr).await.expect("connects");
        let head =
            format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).await.expect("asks");
        Self { stream, text: String::new() }
    }

    /// Reads until `part` is there; returns all that came.
    async fn until(&mut self, part: &str) -> &str {
        let mut chunk = [0; 4_096];
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.text.contains(part) {
            let read = timeout_at(deadline, self.stream.read(&mut chunk)).await;
            let read = read.unwrap_or_else(|_| panic!("no {part:?} in {}", self.text)).expect("reads");
            assert_ne!(read, 0, "the end without {part:?}: {}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        &self.text
    }

    async fn ends(mut self) -> String {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("in time").expect("reads");
        self.text + &String::from_utf8_lossy(&rest)
    }
}

#[tokio::test]
async fn a_stream_tells_what_happens_and_is_resumed_by_its_last_id() {
    let world = World::new().await;
    world.enqueue(ORDERS, &["before"]).await;
    let mut reader = Reader::open(world.addr, "/events", "").await;
    reader.until("retry: 1000\nid: ").await;
    assert!(reader.text.contains("content-type: text/event-stream\r\n"), "{}", reader.text);
    assert!(!reader.text.contains("enqueued"), "from now on");
    let id = world.enqueue(WEBHOOKS, &["1"]).await[0];
    let text = reader.until("event: enqueued\ndata: ").await;
    let at = text.find("event: enqueued").expect("it is there");
    let head =
        text[..at].lines().last().and_then(|line| line.strip_prefix("id: ")).expect("an id").to_owned();
    reader.until("}\n\n").await;
    let data = reader.text[at..].lines().nth(1).and_then(|line| line.strip_prefix("data: ")).expect("data");
    let event: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!((&event["job"], &event["id"]), (&json!(id.to_string()), &json!(head)));
    drop(reader);
    world.settle_all(WEBHOOKS, &Verdict::Complete).await;
    let resume = format!("Last-Event-ID: {head}\r\n");
    let mut reader = Reader::open(world.addr, "/events?kinds=completed", &resume).await;
    let text = reader.until("event: completed\n").await;
    assert!(
        !text.contains("event: enqueued") && !text.contains("event: started") && !text.contains("missed")
    );
    let resume = "Last-Event-ID: 0123456789abcdef-5\r\n";
    let mut reader = Reader::open(world.addr, "/events", resume).await;
    reader.until("event: missed\n").await;
    reader.until("event: completed\n").await;
    let refused =
        get_with(world.addr, "/events", &[("Accept", "text/event-stream"), ("Last-Event-ID", "nonsense")]);
    assert_eq!(refused.await.status, 400);
    world.close().await;
}

#[tokio::test]
async fn streams_are_bounded_end_at_the_stop_and_take_no_request_s_place() {
    let config = MonitorConfig {
        streams_max: 2,
        requests_max: 1,
        drain_timeout: Duration::from_secs(600),
        ..MonitorConfig::default()
    };
    let world = World::configured(config).await;
    let mut readers = Vec::new();
    for _ in 0..2 {
        let mut reader = Reader::open(world.addr, "/events", "").await;
        reader.until("id: ").await;
        readers.push(reader);
    }
    let third = get_with(world.addr, "/events", &[("Accept", "text/event-stream")]).await;
    assert_eq!((third.status, third.header("retry-after")), (503, Some("1")));
    assert_eq!(curl(world.addr, "/queues").await.status, 200);
    // A place falls free when a reader goes.
    drop(readers.pop());
    let patience = tokio::time::Instant::now() + PATIENCE;
    let mut again = loop {
        let mut reader = Reader::open(world.addr, "/events", "").await;
        if reader.until("\r\n\r\n").await.contains(" 200 ") {
            break reader;
        }
        assert!(tokio::time::Instant::now() < patience, "no place falls free");
    };
    again.until("id: ").await;
    world.close().await;
    again.ends().await;
}
