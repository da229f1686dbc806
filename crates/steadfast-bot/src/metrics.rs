//! The bot's metrics: every name in one place, labels bounded to words this crate chooses.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

/// Messages processed, by `kind` (the route taken).
pub const MESSAGES_PROCESSED: &str = "whatsapp_messages_processed_total";
/// Replies that came to an end or a turn, by `outcome`.
pub const REPLIES_SENT: &str = "whatsapp_replies_sent_total";
/// Seconds from the receipt of a message to Twilio's acceptance of a reply to it.
pub const RESPONSE_TIME: &str = "whatsapp_response_time_seconds";
/// Reality checks, by `class`.
pub const CHECKS: &str = "steadfast_bot_checks_total";
/// Work deferred because one person asked for too much, by `queue`.
pub const DEFERRED: &str = "steadfast_bot_deferred_total";
/// Status callbacks, by `status`; words unknown to this version count as `other`.
pub const STATUS_CALLBACKS: &str = "steadfast_bot_status_callbacks_total";
/// Replies that the channel failed to deliver, by `class` of the error.
pub const DELIVERY_FAILURES: &str = "steadfast_bot_delivery_failures_total";
/// Sends in doubt that were resolved, by `evidence`: `list`, `absent`.
pub const AMBIGUOUS_RESOLVED: &str = "steadfast_bot_ambiguous_resolved_total";
/// Calls to Twilio in seconds, by `call` and `outcome`.
pub const TWILIO_CALL: &str = "steadfast_bot_twilio_call_seconds";

/// Tells the recorder what the metrics mean. Call once, after the recorder is installed.
pub fn describe() {
    describe_counter!(MESSAGES_PROCESSED, "Inbound messages processed, by the route they took");
    describe_counter!(REPLIES_SENT, "Replies by what became of them");
    describe_histogram!(
        RESPONSE_TIME,
        Unit::Seconds,
        "From receipt of a message to acceptance of a reply to it"
    );
    describe_counter!(CHECKS, "Reality checks by class");
    describe_counter!(DEFERRED, "Jobs deferred by the per-person limits");
    describe_counter!(STATUS_CALLBACKS, "Status callbacks by status");
    describe_counter!(DELIVERY_FAILURES, "Replies not delivered, by class of error");
    describe_counter!(AMBIGUOUS_RESOLVED, "Sends in doubt that were resolved, by evidence");
    describe_histogram!(TWILIO_CALL, Unit::Seconds, "Calls to Twilio by call and outcome");
}

pub(crate) fn processed(kind: &'static str) {
    counter!(MESSAGES_PROCESSED, "kind" => kind).increment(1);
}

pub(crate) fn reply(outcome: &'static str) {
    counter!(REPLIES_SENT, "outcome" => outcome).increment(1);
}

pub(crate) fn response_time(received_ms: i64, accepted_ms: i64) {
    // Clocks of two nodes may disagree; a negative span says nothing.
    let span_ms = u32::try_from((accepted_ms - received_ms).max(0)).unwrap_or(u32::MAX);
    histogram!(RESPONSE_TIME).record(f64::from(span_ms) / 1_000.0);
}

pub(crate) fn checked(class: &'static str) {
    counter!(CHECKS, "class" => class).increment(1);
}

pub(crate) fn deferred(queue: &'static str) {
    counter!(DEFERRED, "queue" => queue).increment(1);
}

pub(crate) fn status_callback(status: &'static str) {
    counter!(STATUS_CALLBACKS, "status" => status).increment(1);
}

pub(crate) fn delivery_failure(class: &'static str) {
    counter!(DELIVERY_FAILURES, "class" => class).increment(1);
}

pub(crate) fn ambiguous_resolved(evidence: &'static str) {
    counter!(AMBIGUOUS_RESOLVED, "evidence" => evidence).increment(1);
}

pub(crate) fn twilio_call(call: &'static str, outcome: &'static str, took: std::time::Duration) {
    histogram!(TWILIO_CALL, "call" => call, "outcome" => outcome).record(took.as_secs_f64());
}
