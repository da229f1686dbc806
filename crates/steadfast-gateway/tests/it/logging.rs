//! What an operator reads, and how often.

use crate::support::{
    Fault, Log, Queue, WEBHOOK, ask, config, gateway, gateway_at, pairs, request, text_message,
};
use http::StatusCode;
use std::time::Duration;
use steadfast_clock::ManualClock;
use steadfast_gateway::{GatewayConfig, Limits};
use steadfast_queue::QueueError;

#[tokio::test(start_paused = true)]
async fn late_answers_are_said_with_their_breakdown() {
    let slack = Duration::from_secs(10);
    let limits = Limits { enqueue_timeout: slack, request_timeout: slack, ..Limits::default() };
    for (seconds, level, words) in
        [(0, "", ""), (2, " WARN", "webhook answered late"), (4, "ERROR", "webhook answered very late")]
    {
        let queue = Queue::new();
        let gateway = gateway(GatewayConfig { limits: limits.clone(), ..config() }, &queue);
        queue.fail_next(Fault::Late(Duration::from_secs(seconds)));
        let (log, logging) = Log::capture();
        assert_eq!(ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await.status, StatusCode::OK);
        drop(logging);
        let log = log.text();
        let late: Vec<&str> = log.lines().filter(|line| line.contains("late")).collect();
        assert_eq!(late.len(), usize::from(seconds > 0), "{log}");
        for line in late {
            assert!(line.contains(level) && line.contains(words), "{line}");
            let store = format!("read 0.0 ms, verify 0.0 ms, store {}00", seconds * 10);
            assert!(line.contains(&store), "{line}");
        }
    }
}

#[tokio::test]
async fn a_flood_of_refusals_does_not_flood_the_log() {
    let clock = ManualClock::at(0);
    let gateway = gateway_at(config(), &Queue::new(), &clock);
    let (log, logging) = Log::capture();
    let bad = pairs(&[("a", "b")]);
    for _ in 0..500 {
        assert_eq!(ask(&gateway, request(WEBHOOK, &bad)).await.status, StatusCode::BAD_REQUEST);
    }
    let lines = log.text().lines().filter(|line| line.contains("webhook refused")).count();
    assert_eq!(lines, 20);
    clock.advance(Duration::from_secs(1));
    ask(&gateway, request(WEBHOOK, &bad)).await;
    drop(logging);
    let log = log.text();
    let last = log.lines().last().expect("a line");
    assert!(last.contains("unsaid=480") && last.contains("MessageSid is missing"), "{last}");
}

#[tokio::test]
async fn refusals_do_not_drown_the_queue_s_trouble() {
    let queue = Queue::new();
    let gateway = gateway(config(), &queue);
    let (log, logging) = Log::capture();
    for _ in 0..100 {
        ask(&gateway, request(WEBHOOK, &pairs(&[("a", "b")]))).await;
    }
    queue.fail_next(Fault::Error(QueueError::Unavailable {
        what: "committing".to_owned(),
        source: Some(std::sync::Arc::new(std::io::Error::other("no space left on device"))),
    }));
    ask(&gateway, request(WEBHOOK, &text_message(1, "hi"))).await;
    drop(logging);
    let log = log.text();
    let whole = "the webhook could not be stored; send it again: the queue does not take it: \
                 the queue cannot store anything durably: committing: no space left on device";
    assert!(log.lines().any(|line| line.contains("ERROR") && line.contains(whole)), "{log}");
}
