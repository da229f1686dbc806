//! A job as a Rust type.

use crate::job::{GroupKey, Priority, Unique};
use crate::policy::RetryPolicy;
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The highest [`JobType::VERSION`]. Above it, the codec byte says that a payload is encrypted.
pub const VERSION_MAX: u8 = 0x7f;

/// A job that is a Rust type: a struct with a name, and the options it has unless an enqueue says otherwise.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use steadfast_queue::typed::JobType;
///
/// #[derive(Serialize, Deserialize)]
/// struct SendMail {
///     to: String,
///     /// Added later: jobs enqueued before have none.
///     #[serde(default)]
///     subject: Option<String>,
/// }
///
/// impl JobType for SendMail {
///     const KIND: &'static str = "send-mail";
///     const QUEUE: &'static str = "mail";
/// }
/// ```
///
/// # When the struct changes
/// Jobs outlive deployments, so a worker meets payloads written by older code, and during a rolling upgrade by
/// newer code as well.
/// - A change that serde bridges (a new field with `#[serde(default)]`, a field no longer read) needs nothing.
/// - A change that it does not bridge needs a higher [`VERSION`](Self::VERSION), and an
///   [`upgrade`](Self::upgrade) that reads the older ones.
/// - A worker that meets a *newer* version than its own puts the job off, for a worker that knows it, and gives
///   up only after a time ([`Router::patience`](crate::typed::Router::patience)); then the job is a dead letter
///   with the reason `newer_version`.
/// - A payload that cannot be read for good makes that job alone a dead letter, as `corrupt_payload`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "not a job",
    note = "a job is a type with a name: derive `Serialize` and `Deserialize`, then write `impl JobType for {Self} {{ const KIND: &'static str = \"…\"; }}`"
)]
pub trait JobType: Serialize + DeserializeOwned + Send + 'static {
    /// Its name, 1 to 64 bytes, unique within its queue. It is stored with each job: renaming it makes what
    /// waits unknown.
    const KIND: &'static str;
    /// The queue it goes to, 1 to 64 bytes.
    const QUEUE: &'static str = "default";
    /// The version of its payload, 0 to [`VERSION_MAX`]. Raise it when older payloads need
    /// [`upgrade`](Self::upgrade).
    const VERSION: u8 = 0;

    /// When a failed attempt is tried again; `None`: as the queue says.
    fn retry(&self) -> Option<RetryPolicy> {
        None
    }

    /// How long one attempt may take.
    fn timeout(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// How long it may wait before its first attempt; `None`: for ever.
    fn ttl(&self) -> Option<Duration> {
        None
    }

    /// How urgent it is.
    fn priority(&self) -> Priority {
        Priority::Normal
    }

    /// What makes it the same job as another one.
    fn unique(&self) -> Option<Unique> {
        None
    }

    /// Which jobs it must keep its order with.
    fn group(&self) -> Option<GroupKey> {
        None
    }

    /// Writes the payload: JSON unless overridden.
    ///
    /// # Errors
    /// If the value has no such form, for instance a map with keys that are no text.
    fn encode(&self) -> Result<Bytes, CodecError> {
        serde_json::to_vec(self).map(Bytes::from).map_err(|error| CodecError::json(&error))
    }

    /// Reads a payload of this version.
    ///
    /// # Errors
    /// If it is not one.
    fn decode(payload: &[u8]) -> Result<Self, CodecError> {
        serde_json::from_slice(payload).map_err(|error| CodecError::json(&error))
    }

    /// Reads a payload of an older version: as the current one unless overridden, which is right as long as
    /// serde's defaults bridge the difference.
    ///
    /// # Errors
    /// If it cannot be read.
    fn upgrade(version: u8, payload: &[u8]) -> Result<Self, CodecError> {
        let _ = version;
        Self::decode(payload)
    }
}

/// Why a payload cannot be written or read. Says where, and quotes nothing of the payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct CodecError {
    what: String,
}

impl CodecError {
    /// For a codec of one's own. The text is kept with the job and shown to operators: quote nothing private.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }

    /// From what serde_json says. Its messages quote the payload, save those on missing fields, which name the
    /// field of the type; only such are kept.
    pub fn json(error: &serde_json::Error) -> Self {
        let said = error.to_string();
        let at = format!("line {}, column {}", error.line(), error.column());
        Self::new(match error.classify() {
            serde_json::error::Category::Data if said.starts_with("missing field") => said,
            serde_json::error::Category::Data => format!("a value does not fit the type, at {at}"),
            serde_json::error::Category::Syntax => format!("no JSON, at {at}"),
            serde_json::error::Category::Eof => format!("the JSON ends too early, at {at}"),
            serde_json::error::Category::Io => "the JSON could not be written".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize)]
    struct Pay {
        amount: u32,
        secret: String,
    }

    impl JobType for Pay {
        const KIND: &'static str = "pay";
    }

    #[test]
    fn an_unreadable_payload_is_explained_and_not_quoted() {
        for (payload, expected) in [
            (
                r#"{"amount":"4711 hidden","secret":"x"}"#,
                "a value does not fit the type, at line 1, column 23",
            ),
            (r#"{"amount":1}"#, "missing field `secret` at line 1 column 12"),
            (r#"{"amount":"hidden"#, "the JSON ends too early, at line 1, column 17"),
            ("hidden", "no JSON, at line 1, column 1"),
        ] {
            let error = Pay::decode(payload.as_bytes()).expect_err("unreadable");
            assert_eq!(error.to_string(), expected);
        }
    }
}
