//! Every metric's name, kind and meaning, in one table. Names are an interface: a test pins the list.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use steadfast_core::queues;
use steadfast_queue::State;

/// Webhooks received, whatever was answered. Recorded by the gateway.
pub const WEBHOOKS_RECEIVED: &str = "whatsapp_webhooks_received_total";
/// Webhooks refused or failed. Recorded by the gateway.
pub const WEBHOOK_ERRORS: &str = "whatsapp_webhook_errors_total";
/// From the request to the answer. Recorded by the gateway.
pub const WEBHOOK_DURATION: &str = "whatsapp_webhook_duration_seconds";
/// Second deliveries recognised. Recorded by the gateway.
pub const DUPLICATES: &str = "whatsapp_duplicate_messages_total";
/// Messages handled. Recorded by the bot.
pub const MESSAGES_PROCESSED: &str = "whatsapp_messages_processed_total";
/// Replies handed to Twilio. Recorded by the bot.
pub const REPLIES_SENT: &str = "whatsapp_replies_sent_total";
/// From receiving a message to having its reply accepted by Twilio. Recorded by the bot.
pub const RESPONSE_TIME: &str = "whatsapp_response_time_seconds";
/// Attempts ended, by queue and status. Recorded by [`JobMetrics`](super::JobMetrics).
pub const JOBS_PROCESSED: &str = "whatsapp_jobs_processed_total";
/// How long an attempt took, by queue. Recorded by [`JobMetrics`](super::JobMetrics).
pub const JOB_DURATION: &str = "whatsapp_job_duration_seconds";
/// Jobs by queue and state. Set at each scrape.
pub const QUEUE_SIZE: &str = "whatsapp_queue_size";
/// Dead letters of all queues. Set at each scrape.
pub const DEAD_LETTERS: &str = "whatsapp_dead_letter_queue_size";
/// Share of failures by component, over five minutes. Set at each scrape.
pub const ERROR_RATE: &str = "whatsapp_error_rate";
/// Messages handled per second, over one minute. Set at each scrape.
pub const THROUGHPUT: &str = "whatsapp_throughput_messages_per_second";
/// Age of the job that waits longest, by queue. Set at each scrape.
pub const OLDEST_WAITING: &str = "steadfast_queue_oldest_waiting_seconds";
/// Whether the queue answered the last scrape. Set at each scrape.
pub const QUEUE_UP: &str = "steadfast_queue_up";
/// Size of the queue's store on disk. Set at each scrape.
pub const STORE_BYTES: &str = "steadfast_queue_store_bytes";
/// Calls that the monitor refused, by reason. Recorded by the monitor.
pub const REFUSED: &str = "steadfast_monitor_refused_total";
/// Memory of the process. Set at each scrape.
pub const RESIDENT: &str = "steadfast_process_resident_memory_bytes";
/// Processor time of the process. Set at each scrape.
pub const CPU: &str = "steadfast_process_cpu_seconds";
/// Open files and sockets of the process. Set at each scrape.
pub const OPEN_FDS: &str = "steadfast_process_open_fds";
/// Time since the monitor was made. Set at each scrape.
pub const UPTIME: &str = "steadfast_process_uptime_seconds";
/// Always 1; the version is its label.
pub const BUILD_INFO: &str = "steadfast_build_info";

/// Why the monitor refuses calls: the values of the label `reason` of [`REFUSED`].
pub(crate) const REFUSAL_REASONS: [&str; 4] = ["site", "token", "role", "overload"];

const COUNTERS: [(&str, &str); 7] = [
    (WEBHOOKS_RECEIVED, "Webhooks received, whatever was answered"),
    (WEBHOOK_ERRORS, "Webhooks refused or failed"),
    (DUPLICATES, "Second deliveries of a message that were recognised"),
    (MESSAGES_PROCESSED, "Messages handled"),
    (REPLIES_SENT, "Replies accepted by Twilio"),
    (JOBS_PROCESSED, "Attempts of jobs that ended, by queue and status"),
    (REFUSED, "Calls that the monitor refused, by reason"),
];

const HISTOGRAMS: [(&str, &str); 3] = [
    (WEBHOOK_DURATION, "From a webhook's request to its answer"),
    (JOB_DURATION, "How long one attempt of a job took, by queue"),
    (RESPONSE_TIME, "From receiving a message to its reply being accepted by Twilio"),
];

const GAUGES: [(&str, Option<Unit>, &str); 12] = [
    (QUEUE_SIZE, None, "Jobs by queue and state"),
    (DEAD_LETTERS, None, "Dead letters of all queues"),
    (ERROR_RATE, None, "Share of failures over five minutes, 0 to 1, by component"),
    (THROUGHPUT, None, "Messages handled per second over one minute"),
    (OLDEST_WAITING, Some(Unit::Seconds), "Age of the job that waits longest, by queue"),
    (QUEUE_UP, None, "1 if the queue answered this scrape"),
    (STORE_BYTES, Some(Unit::Bytes), "Size of the queue's store on disk"),
    (RESIDENT, Some(Unit::Bytes), "Resident memory of the process"),
    (OPEN_FDS, None, "Open files and sockets of the process"),
    (UPTIME, Some(Unit::Seconds), "Time since the start"),
    (BUILD_INFO, None, "Always 1; the version is its label"),
    (CPU, Some(Unit::Seconds), "User and system time of the process"),
];

/// Describes every metric and sets it to zero, so that the first scrape shows the whole list: call it once,
/// after the recorder is installed. Needs no Monitor.
pub fn register_all() {
    for (name, help) in COUNTERS {
        describe_counter!(name, help);
    }
    for (name, help) in HISTOGRAMS {
        describe_histogram!(name, Unit::Seconds, help);
    }
    for (name, unit, help) in GAUGES {
        match unit {
            Some(unit) => describe_gauge!(name, unit, help),
            None => describe_gauge!(name, help),
        }
        if ![QUEUE_SIZE, ERROR_RATE, OLDEST_WAITING, BUILD_INFO].contains(&name) {
            gauge!(name).set(0.0);
        }
    }
    for name in [WEBHOOKS_RECEIVED, WEBHOOK_ERRORS, DUPLICATES, MESSAGES_PROCESSED, REPLIES_SENT] {
        counter!(name).increment(0);
    }
    for reason in REFUSAL_REASONS {
        counter!(REFUSED, "reason" => reason).increment(0);
    }
    let _ = histogram!(WEBHOOK_DURATION);
    let _ = histogram!(RESPONSE_TIME);
    gauge!(ERROR_RATE, "component" => "gateway").set(0.0);
    gauge!(BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for queue in queues::ALL {
        register_queue(queue);
    }
}

fn register_queue(queue: &'static str) {
    let _ = histogram!(JOB_DURATION, "queue" => queue);
    for outcome in super::job::OUTCOMES {
        counter!(JOBS_PROCESSED, "queue" => queue, "status" => outcome.as_str()).increment(0);
    }
    for state in State::ALL {
        gauge!(QUEUE_SIZE, "queue" => queue, "state" => state.as_str()).set(0.0);
    }
    gauge!(OLDEST_WAITING, "queue" => queue).set(0.0);
    gauge!(ERROR_RATE, "component" => queue).set(0.0);
}

/// A builder of the recorder with buckets that fit: webhooks from half a millisecond to three seconds
/// (the alerts' bounds, 1 s and 3 s, are bucket bounds), jobs and replies from a millisecond to minutes.
///
/// # Errors
/// None in practice: the buckets are constants and not empty.
pub fn recorder_builder() -> Result<PrometheusBuilder, BuildError> {
    const FINE: [f64; 14] =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 2.5, 3.0];
    const WIDE: [f64; 15] =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];
    PrometheusBuilder::new()
        .set_buckets(&WIDE)?
        .set_buckets_for_metric(Matcher::Full(WEBHOOK_DURATION.to_owned()), &FINE)
}
