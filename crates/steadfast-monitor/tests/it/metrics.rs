//! Metrics: the list of names, and what the computed ones say.

use crate::client::{Answer, curl};
use crate::world::{Fault, World};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::queues::{ORDERS, REPLIES};
use steadfast_monitor::{JobMetrics, MonitorConfig};
use steadfast_queue::JobId;
use steadfast_queue::state::Verdict;
use steadfast_queue::worker::{JobObserver, JobOutcome, JobReport};

/// Names are an interface: alerts and dashboards are written against them.
const FAMILIES: [&str; 22] = [
    "steadfast_build_info gauge",
    "steadfast_monitor_refused_total counter",
    "steadfast_process_cpu_seconds gauge",
    "steadfast_process_open_fds gauge",
    "steadfast_process_resident_memory_bytes gauge",
    "steadfast_process_uptime_seconds gauge",
    "steadfast_queue_oldest_waiting_seconds gauge",
    "steadfast_queue_store_bytes gauge",
    "steadfast_queue_up gauge",
    "whatsapp_dead_letter_queue_size gauge",
    "whatsapp_duplicate_messages_total counter",
    "whatsapp_error_rate gauge",
    "whatsapp_job_duration_seconds histogram",
    "whatsapp_jobs_processed_total counter",
    "whatsapp_messages_processed_total counter",
    "whatsapp_queue_size gauge",
    "whatsapp_replies_sent_total counter",
    "whatsapp_response_time_seconds histogram",
    "whatsapp_throughput_messages_per_second gauge",
    "whatsapp_webhook_duration_seconds histogram",
    "whatsapp_webhook_errors_total counter",
    "whatsapp_webhooks_received_total counter",
];

fn lines<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(start)).collect()
}

/// The value of the series written exactly so.
fn value(scraped: &Answer, series: &str) -> Option<f64> {
    let rest = scraped.body.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    rest.map(|value| value.parse().expect("a number"))
}

#[tokio::test]
async fn the_first_scrape_shows_every_family_with_help() {
    let world = World::new().await;
    for addr in [world.metrics_addr, world.addr] {
        let scraped = curl(addr, "/metrics").await;
        let mut families = lines(&scraped.body, "# TYPE ");
        // The stores' own, which this crate does not promise and other tests of the process may bring.
        let of_a_store = |family: &str| {
            ["steadfast_records_", "steadfast_queue_"].iter().any(|prefix| family.starts_with(prefix))
        };
        families.retain(|family| FAMILIES.contains(family) || !of_a_store(family));
        assert_eq!(families.into_iter().collect::<Vec<_>>(), FAMILIES);
        let helped: BTreeSet<_> =
            lines(&scraped.body, "# HELP ").iter().filter_map(|line| line.split(' ').next()).collect();
        for family in FAMILIES {
            let name = family.split(' ').next().expect("a name");
            assert!(helped.contains(name), "{name} has no help");
        }
    }
    world.close().await;
}

#[tokio::test]
async fn queues_and_dead_letters_are_counted_at_the_scrape() {
    let world = World::new().await;
    world.bury(ORDERS, "boom", &["1", "2"]).await;
    world.enqueue(ORDERS, &["3"]).await;
    world.clock.advance(Duration::from_secs(3));
    let scraped = curl(world.metrics_addr, "/metrics").await;
    for (series, expected) in [
        (r#"whatsapp_queue_size{queue="order-processing",state="available"}"#, 1.0),
        (r#"whatsapp_queue_size{queue="order-processing",state="dead"}"#, 2.0),
        (r#"whatsapp_queue_size{queue="whatsapp-replies",state="available"}"#, 0.0),
        ("whatsapp_dead_letter_queue_size", 2.0),
        (r#"steadfast_queue_oldest_waiting_seconds{queue="order-processing"}"#, 3.0),
        ("steadfast_queue_up", 1.0),
        (r#"whatsapp_error_rate{component="order-processing"}"#, 1.0),
    ] {
        assert_eq!(value(&scraped, series), Some(expected), "{series}");
    }
    assert!(value(&scraped, "steadfast_process_resident_memory_bytes").is_some_and(|bytes| bytes > 1e6));
    assert!(value(&scraped, "steadfast_process_open_fds").is_some_and(|fds| fds > 3.0));
    assert!(scraped.body.contains("steadfast_build_info{version=\"0.1.0\"} 1"));

    // Five minutes later the failures are history.
    world.enqueue(ORDERS, &["4"]).await;
    world.settle_all(ORDERS, &Verdict::Complete).await;
    for _ in 0..7 {
        world.clock.advance(Duration::from_secs(60));
        curl(world.metrics_addr, "/metrics").await;
    }
    let scraped = curl(world.metrics_addr, "/metrics").await;
    assert_eq!(value(&scraped, r#"whatsapp_error_rate{component="order-processing"}"#), Some(0.0));
    world.close().await;
}

#[tokio::test]
async fn a_queue_that_does_not_answer_stops_no_scrape() {
    let config = MonitorConfig { check_timeout: Duration::from_millis(100), ..MonitorConfig::default() };
    let world = World::configured(config).await;
    world.fail_queue(Fault::Hangs).await;
    let scraped = curl(world.metrics_addr, "/metrics").await;
    assert_eq!((scraped.status, value(&scraped, "steadfast_queue_up")), (200, Some(0.0)));
    world.fail_queue(Fault::None).await;
    world.close().await;
}

#[tokio::test]
async fn the_observer_counts_attempts_and_times_them() {
    let world = World::new().await;
    let before = curl(world.metrics_addr, "/metrics").await;
    let series = r#"whatsapp_jobs_processed_total{queue="whatsapp-replies",status="retried"}"#;
    let count = r#"whatsapp_job_duration_seconds_count{queue="whatsapp-replies"}"#;
    assert_eq!((value(&before, series), value(&before, count)), (Some(0.0), Some(0.0)));
    let mut report = JobReport {
        queue: Arc::from(REPLIES),
        id: JobId::fresh(),
        kind: "send-reply".to_owned(),
        attempt: 1,
        correlation_id: String::new(),
        outcome: JobOutcome::Retried,
        failure: None,
        wait: Duration::ZERO,
        ran: Some(Duration::from_millis(40)),
    };
    JobMetrics.finished(&report);
    report.ran = None;
    JobMetrics.finished(&report);
    let after = curl(world.metrics_addr, "/metrics").await;
    assert_eq!((value(&after, series), value(&after, count)), (Some(2.0), Some(1.0)));
    let bucket = |le| {
        value(
            &after,
            &format!(r#"whatsapp_job_duration_seconds_bucket{{queue="whatsapp-replies",le="{le}"}}"#),
        )
    };
    assert_eq!((bucket("0.025"), bucket("0.05")), (Some(0.0), Some(1.0)));
    world.close().await;
}

#[tokio::test]
async fn webhook_buckets_reach_from_half_a_millisecond_to_three_seconds() {
    let world = World::new().await;
    metrics::histogram!("whatsapp_webhook_duration_seconds").record(0.0004);
    let scraped = curl(world.metrics_addr, "/metrics").await;
    for bound in ["0.0005", "0.5", "1", "3", "+Inf"] {
        let series = format!(r#"whatsapp_webhook_duration_seconds_bucket{{le="{bound}"}}"#);
        assert_eq!(value(&scraped, &series), Some(1.0), "{series}");
    }
    world.close().await;
}
