//! What the monitor answers instead of what was asked: always JSON, always what, why and what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use std::error::Error as StdError;
use steadfast_core::ports::RecordsError;
use steadfast_queue::QueueError;

/// Why the monitor could not be built or could not go on serving.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// It may not run like this.
    #[error("the monitor's configuration is refused")]
    Config(#[from] crate::config::ConfigError),
    /// The listener does not tell its address.
    #[error("the monitor's listener has no address")]
    Listener(#[source] std::io::Error),
}

type Text = Cow<'static, str>;

/// An error answer.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: Words,
}

#[derive(Debug, Serialize)]
struct Words {
    what: Text,
    why: Text,
    todo: Text,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a Words,
}

impl ApiError {
    pub(crate) fn new(
        status: StatusCode,
        what: impl Into<Text>,
        why: impl Into<Text>,
        todo: impl Into<Text>,
    ) -> Self {
        Self { status, body: Words { what: what.into(), why: why.into(), todo: todo.into() } }
    }

    /// 400: what was asked makes no sense as it stands.
    pub(crate) fn bad(what: impl Into<Text>, why: impl Into<Text>, todo: impl Into<Text>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, what, why, todo)
    }

    /// 404: no such thing.
    pub(crate) fn missing(what: impl Into<Text>, why: impl Into<Text>, todo: impl Into<Text>) -> Self {
        Self::new(StatusCode::NOT_FOUND, what, why, todo)
    }

    /// 409: the thing is not in a state for this.
    pub(crate) fn conflict(what: impl Into<Text>, why: impl Into<Text>, todo: impl Into<Text>) -> Self {
        Self::new(StatusCode::CONFLICT, what, why, todo)
    }

    #[cfg(test)]
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Envelope { error: &self.body })).into_response();
        let headers = response.headers_mut();
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers
                    .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"steadfast\""));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let (status, todo) = match &error {
            QueueError::Overloaded { .. } => (StatusCode::SERVICE_UNAVAILABLE, "Try again in a second."),
            QueueError::Unavailable { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Look at the disk of the data folder (space, errors) and at the log, then try again.",
            ),
            QueueError::Closed => {
                (StatusCode::SERVICE_UNAVAILABLE, "It is shutting down: try again when it is back.")
            }
            QueueError::Schedule(_) | QueueError::Settings(_) | QueueError::TooMany { .. } => {
                let todo = "Mend what is named; nothing was changed.";
                return Self::bad("The queue cannot take this.", chain(&error), todo);
            }
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "Look at the log; keep a copy of the data folder."),
        };
        Self::new(status, "The queue did not answer.", chain(&error), todo)
    }
}

impl From<RecordsError> for ApiError {
    fn from(error: RecordsError) -> Self {
        let (status, todo) = match &error {
            RecordsError::Unavailable { .. } | RecordsError::Conflict => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Try again; if it stays, look at the records' disk or database.",
            ),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "Look at the log; keep a copy of the data folder."),
        };
        Self::new(status, "The records did not answer.", chain(&error), todo)
    }
}
