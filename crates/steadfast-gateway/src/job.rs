//! A webhook's fields as the one job that they become.

use crate::answer::{Refusal, StoreError};
use crate::config::GatewayConfig;
use crate::group::{conversation_group, message_group};
use crate::{inbound, status};
use steadfast_core::CorrelationId;
use steadfast_core::message::{AccountSid, MessageSid};
use steadfast_core::queues::{CODEC_JSON_V1, KIND_INBOUND, KIND_STATUS, WEBHOOKS};
use steadfast_queue::{GroupKey, NewJob, Unique};

/// What a webhook is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Inbound,
    Status,
    /// Not read so far as to know.
    Unknown,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Status => "status",
            Self::Unknown => "unknown",
        }
    }
}

/// A webhook that was read.
pub(crate) struct Webhook {
    pub(crate) sid: MessageSid,
    pub(crate) account: AccountSid,
    pub(crate) correlation: CorrelationId,
    pub(crate) job: NewJob,
}

/// Reads `pairs` as a webhook of `kind`.
pub(crate) fn read(
    config: &GatewayConfig,
    kind: Kind,
    pairs: Vec<(String, String)>,
    query: &str,
    now_ms: i64,
) -> Result<Webhook, Refusal> {
    match kind {
        Kind::Status => read_status(config, pairs, query, now_ms),
        Kind::Inbound | Kind::Unknown => read_inbound(config, pairs, now_ms),
    }
}

fn read_inbound(
    config: &GatewayConfig,
    pairs: Vec<(String, String)>,
    now_ms: i64,
) -> Result<Webhook, Refusal> {
    let message = inbound::read(pairs, now_ms)?;
    let payload = encode(&message)?;
    let unique = format!("{}/{}", message.account, message.sid);
    let group = conversation_group(&config.group_secret, &message.account, &message.to, &message.from);
    let correlation = CorrelationId::of_message(&message.account, &message.sid);
    let job = job(config, KIND_INBOUND, payload, unique, group, &correlation);
    Ok(Webhook { sid: message.sid, account: message.account, correlation, job })
}

fn read_status(
    config: &GatewayConfig,
    pairs: Vec<(String, String)>,
    query: &str,
    now_ms: i64,
) -> Result<Webhook, Refusal> {
    let callback = status::read(pairs, query, now_ms)?;
    let payload = encode(&callback)?;
    // Not the message alone: each of its states is a callback of its own.
    let unique = match callback.error_code {
        Some(code) => format!("{}/{}/{code}", callback.sid, callback.status),
        None => format!("{}/{}", callback.sid, callback.status),
    };
    let group = message_group(&config.group_secret, &callback.sid);
    // The callback URL names the id of what the reply answers: one id from the first webhook to the last tick.
    let correlation = match crate::form::query_value(query, "c") {
        Some(id) => CorrelationId::adopt(&id),
        None => CorrelationId::of_message(&callback.account, &callback.sid),
    };
    let job = job(config, KIND_STATUS, payload, unique, group, &correlation);
    Ok(Webhook { sid: callback.sid, account: callback.account, correlation, job })
}

/// A payload, in one piece of memory from the start: most fit.
fn encode<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(1_024);
    serde_json::to_writer(&mut bytes, value).map_err(StoreError::Encode)?;
    bytes.shrink_to_fit();
    Ok(bytes)
}

fn job(
    config: &GatewayConfig,
    kind: &str,
    payload: Vec<u8>,
    unique: String,
    group: GroupKey,
    correlation: &CorrelationId,
) -> NewJob {
    NewJob {
        codec: CODEC_JSON_V1,
        unique: Some(Unique { key: unique.into_bytes(), window_ms: config.unique_window_ms }),
        group: Some(group),
        retry: config.retry.clone(),
        timeout_ms: config.job_timeout_ms,
        correlation_id: correlation.as_str().to_owned(),
        ..NewJob::new(WEBHOOKS, kind, payload)
    }
}
