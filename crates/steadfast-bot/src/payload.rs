//! What the bot's jobs carry, as JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use steadfast_core::message::InboundMessage;
use steadfast_core::outbox::OutboxId;
use steadfast_core::queues::CODEC_JSON_V1;
use steadfast_queue::Job;
use steadfast_queue::policy::Failure;

/// Payload of `order-message`: the inbound message itself.
pub type OrderJob = InboundMessage;
/// Payload of `check-text`: the inbound message that holds the ad.
pub type CheckJob = InboundMessage;

/// Payload of `send-reply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyJob {
    /// The outbox entry to send.
    pub outbox_id: OutboxId,
    /// When the message that it answers was received, in milliseconds since the Unix epoch.
    #[serde(default)]
    pub received_ms: Option<i64>,
    /// It confirms an opt-out: the one text that goes out to somebody who has just opted out.
    #[serde(default)]
    pub confirms_opt_out: bool,
}

/// Reads a job's payload. What cannot be read now can never be read: the failure is for the dead letters.
pub(crate) fn decode<T: DeserializeOwned>(job: &Job) -> Result<T, Failure> {
    if job.codec != CODEC_JSON_V1 {
        let message =
            format!("payload codec {} is unknown; this version reads {CODEC_JSON_V1} (JSON)", job.codec);
        return Err(Failure::new("corrupt_payload", message));
    }
    serde_json::from_slice(&job.payload).map_err(|error| {
        // serde_json quotes values of the payload in its messages: only where and what kind may be told.
        let message = format!(
            "the payload of kind {} is not the JSON it should be ({:?} error at line {}, column {})",
            job.kind,
            error.classify(),
            error.line(),
            error.column()
        );
        Failure::new("corrupt_payload", message)
    })
}
