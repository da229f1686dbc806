//! The names of everything that is counted here.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// Webhooks by kind (`inbound`, `status`, `unknown`) and outcome (`new`, `duplicate`, `refused`, `unavailable`).
pub const WEBHOOKS_RECEIVED: &str = "whatsapp_webhooks_received_total";
/// Seconds from the head of a believed webhook to its answer.
pub const WEBHOOK_DURATION: &str = "whatsapp_webhook_duration_seconds";
/// Webhooks not taken, by reason.
pub const WEBHOOK_ERRORS: &str = "whatsapp_webhook_errors_total";
/// Webhooks that were stored already.
pub const DUPLICATES: &str = "whatsapp_duplicate_messages_total";
/// Seconds of one step (`read`, `verify`, `store`, `answer`) of a believed webhook.
pub const STEP_DURATION: &str = "steadfast_gateway_step_seconds";
/// Verified requests by secret (label or key id) and spelling of the URL.
pub const SIGNATURE_MATCHES: &str = "steadfast_gateway_signature_matches_total";
/// Requests processed in observe mode that enforce mode would refuse, by reason.
pub const OBSERVED_FAILURES: &str = "steadfast_gateway_observed_failures_total";
/// When the last inbound message was stored, in seconds since the Unix epoch.
pub const LAST_INBOUND: &str = "steadfast_gateway_last_inbound_timestamp_seconds";
/// Open connections.
pub const CONNECTIONS: &str = "steadfast_gateway_connections";
/// Connections turned away or closed early, by reason (`full`, `peer_full`, `shed`).
pub const CONNECTIONS_DROPPED: &str = "steadfast_gateway_connections_dropped_total";

/// Describes them to the recorder. Call once, after installing it.
pub fn describe() {
    describe_counter!(WEBHOOKS_RECEIVED, Unit::Count, "Webhooks by kind and outcome");
    describe_histogram!(WEBHOOK_DURATION, Unit::Seconds, "From the head of a believed webhook to its answer");
    describe_counter!(WEBHOOK_ERRORS, Unit::Count, "Webhooks not taken, by reason");
    describe_counter!(DUPLICATES, Unit::Count, "Webhooks that were stored already");
    describe_histogram!(STEP_DURATION, Unit::Seconds, "One step of a believed webhook");
    describe_counter!(SIGNATURE_MATCHES, Unit::Count, "Verified requests by secret and spelling of the URL");
    describe_counter!(OBSERVED_FAILURES, Unit::Count, "Processed requests that enforce mode would refuse");
    describe_gauge!(LAST_INBOUND, Unit::Seconds, "When the last inbound message was stored");
    describe_gauge!(CONNECTIONS, Unit::Count, "Open connections");
    describe_counter!(CONNECTIONS_DROPPED, Unit::Count, "Connections turned away or closed early");
}
