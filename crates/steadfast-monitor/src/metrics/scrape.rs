//! What a scrape sets before it shows everything.

use super::names;
use super::process;
use super::rates::{Flow, sum_of};
use crate::Monitor;
use metrics::gauge;
use metrics_exporter_prometheus::PrometheusHandle;
use steadfast_queue::State;
use steadfast_queue::backend::{QueueStats, Stats};
use tracing::debug;

/// Sets the computed gauges and renders all metrics as Prometheus text. A queue that does not answer in
/// time shows as `steadfast_queue_up 0`; the scrape itself goes on.
pub(crate) async fn render(monitor: &Monitor, handle: &PrometheusHandle) -> String {
    match monitor.stats().await {
        Ok(stats) => {
            gauge!(names::QUEUE_UP).set(1.0);
            set_queues(&stats, monitor.clock().now_ms());
            monitor.sample(&stats);
        }
        Err(error) => {
            debug!(error = ?error, "the queue did not answer a scrape");
            gauge!(names::QUEUE_UP).set(0.0);
        }
    }
    set_rates(monitor);
    set_process(monitor).await;
    handle.render()
}

/// The recorder's own counters that rates are made of.
pub(crate) fn flow(handle: &PrometheusHandle) -> Flow {
    let text = handle.render();
    Flow {
        webhooks: sum_of(&text, names::WEBHOOKS_RECEIVED),
        webhook_errors: sum_of(&text, names::WEBHOOK_ERRORS),
        messages: sum_of(&text, names::MESSAGES_PROCESSED),
    }
}

/// The count of `state`.
pub(crate) fn count_of(stats: &QueueStats, state: State) -> u64 {
    match state {
        State::Scheduled => stats.scheduled,
        State::Available => stats.available,
        State::Running => stats.running,
        State::Retryable => stats.retryable,
        State::Completed => stats.completed,
        State::Dead => stats.dead,
        State::Cancelled => stats.cancelled,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts beyond 2^52 are not met")]
fn set_queues(stats: &Stats, now_ms: i64) {
    let mut dead = 0_u64;
    for (queue, stats) in &stats.queues {
        for state in State::ALL {
            let count = count_of(stats, state) as f64;
            gauge!(names::QUEUE_SIZE, "queue" => queue.clone(), "state" => state.as_str()).set(count);
        }
        let waited_ms = stats.oldest_ms.map_or(0, |oldest| now_ms.saturating_sub(oldest).max(0));
        gauge!(names::OLDEST_WAITING, "queue" => queue.clone()).set(waited_ms as f64 / 1_000.0);
        dead = dead.saturating_add(stats.dead);
    }
    gauge!(names::DEAD_LETTERS).set(dead as f64);
    gauge!(names::STORE_BYTES).set(stats.store_bytes as f64);
}

fn set_rates(monitor: &Monitor) {
    let (rates, throughput) = monitor.rates();
    for (component, rate) in rates {
        gauge!(names::ERROR_RATE, "component" => component).set(rate);
    }
    gauge!(names::THROUGHPUT).set(throughput);
}

async fn set_process(monitor: &Monitor) {
    let reading = tokio::task::spawn_blocking(process::read);
    let used = match tokio::time::timeout(monitor.config().check_timeout, reading).await {
        Ok(Ok(used)) => used,
        _ => process::ProcessUse::default(),
    };
    for (name, value) in [
        (names::RESIDENT, used.resident_bytes),
        (names::CPU, used.cpu_seconds),
        (names::OPEN_FDS, used.open_fds),
    ] {
        if let Some(value) = value {
            gauge!(name).set(value);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "milliseconds far below 2^52")]
    gauge!(names::UPTIME).set(monitor.uptime_ms() as f64 / 1_000.0);
    gauge!(names::BUILD_INFO, "version" => monitor.config().version.clone()).set(1.0);
}
