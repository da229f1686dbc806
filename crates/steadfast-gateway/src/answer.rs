//! Everything the gateway says.

use crate::fields::FieldError;
use crate::form::FormError;
use crate::json::JsonError;
use crate::signature::Failure;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use http_body_util::Full;
use steadfast_queue::QueueError;
use steadfast_queue::backend::Rejection;

/// The answer to an inbound message, byte for byte: TwiML that sends nothing. Replies go out on their own.
pub const TWIML_EMPTY: &str = r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#;

/// An answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// What a request tells of whoever holds its connection; an answer carries it among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bearing {
    /// It was rightly signed.
    Believed,
    /// It was one of too many that were refused.
    Flood,
}

/// Why a webhook was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("send a Content-Length")]
    LengthRequired,
    #[error("the body is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("the body took longer than {0:?} to arrive")]
    SlowBody(std::time::Duration),
    #[error("too many large bodies are arriving at once; send it again")]
    CrowdedOut,
    #[error("the body ended early or is badly framed")]
    BrokenBody,
    #[error("send application/x-www-form-urlencoded, or application/json signed with bodySHA256")]
    ContentType,
    #[error("send the body without a Content-Encoding")]
    ContentEncoding,
    #[error(transparent)]
    Form(#[from] FormError),
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(transparent)]
    Field(#[from] FieldError),
    #[error("the request's signature could not be verified")]
    Signature(Failure),
    /// The same, known from the head alone.
    #[error("the request's signature could not be verified")]
    Unsigned(Failure),
    #[error("too many requests with a bad signature from this address")]
    SignatureFlood(Failure),
    #[error("this account is not served here")]
    Account,
    #[error("the webhook could not be stored; send it again")]
    Store(#[from] StoreError),
}

/// Why nothing durable could be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the queue does not take it")]
    Queue(#[source] QueueError),
    #[error("the queue rejects it")]
    Rejected(#[source] Rejection),
    #[error("the queue did not answer within its budget")]
    Deadline,
    #[error("the queue gave no verdict")]
    NoVerdict,
    #[error("the message cannot be encoded")]
    Encode(#[source] serde_json::Error),
}

impl Refusal {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody(_) => StatusCode::REQUEST_TIMEOUT,
            Self::ContentType | Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BrokenBody | Self::Form(_) | Self::Json(_) | Self::Field(_) => StatusCode::BAD_REQUEST,
            Self::Signature(_) | Self::Unsigned(_) | Self::Account => StatusCode::FORBIDDEN,
            Self::SignatureFlood(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::CrowdedOut | Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A short word for labels.
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::LengthRequired => "length_required",
            Self::TooLarge { .. } => "too_large",
            Self::SlowBody(_) => "slow_body",
            Self::CrowdedOut => "crowded_out",
            Self::BrokenBody => "broken_body",
            Self::ContentType => "content_type",
            Self::ContentEncoding => "content_encoding",
            Self::Form(_) => "form",
            Self::Json(_) => "json",
            Self::Field(_) => "field",
            Self::Signature(failure) | Self::Unsigned(failure) => failure.as_str(),
            Self::SignatureFlood(_) => "signature_flood",
            Self::Account => "account",
            Self::Store(error) => error.reason(),
        }
    }

    /// Whether the rest of the connection cannot be read any more, or is not worth it.
    const fn closes(&self) -> bool {
        matches!(
            self,
            Self::LengthRequired
                | Self::TooLarge { .. }
                | Self::SlowBody(_)
                | Self::CrowdedOut
                | Self::BrokenBody
                | Self::Unsigned(_)
        )
    }

    /// The answer: a status and one line that says what is wrong, and nothing of the request.
    pub(crate) fn answer(&self) -> Answer {
        let mut answer = text(self.status(), &self.to_string());
        let headers = answer.headers_mut();
        if self.closes() {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if matches!(self, Self::Store(_) | Self::CrowdedOut | Self::SignatureFlood(_)) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

impl StoreError {
    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Queue(QueueError::Overloaded { .. }) => "queue_overloaded",
            Self::Queue(QueueError::Closed) => "queue_closed",
            Self::Queue(_) => "queue_unavailable",
            Self::Rejected(Rejection::QueueFull { .. } | Rejection::BytesFull { .. }) => "queue_full",
            Self::Rejected(Rejection::Draining) => "queue_draining",
            Self::Rejected(_) => "queue_rejected",
            Self::Deadline => "queue_deadline",
            Self::NoVerdict => "queue_no_verdict",
            Self::Encode(_) => "encode",
        }
    }
}

/// The answer to a stored inbound message, new or known.
pub(crate) fn twiml() -> Answer {
    with_type(StatusCode::OK, "text/xml", Bytes::from_static(TWIML_EMPTY.as_bytes()))
}

/// The answer to a stored status callback.
pub(crate) fn no_content() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

pub(crate) fn text(status: StatusCode, line: &str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", Bytes::from(format!("{line}\n")))
}

pub(crate) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    let mut answer = with_type(status, "application/json", Bytes::from(value.to_string()));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

pub(crate) fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "there is nothing here; webhooks go to /webhook/twilio")
}

pub(crate) fn wrong_method(allow: &'static str) -> Answer {
    let line = match allow {
        "POST" => "webhooks are sent with POST: set the webhook's method to HTTP POST at Twilio",
        _ => "this can only be read: use GET",
    };
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, line);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
