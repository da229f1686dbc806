//! Reading what callers send: JSON bodies whatever their content type, query strings, names in paths.

use crate::Monitor;
use crate::error::ApiError;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::http::{Request, StatusCode, Uri};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::sync::Arc;

/// The largest body accepted, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// A JSON body. The content type is not looked at: `curl -d` calls everything a form.
#[derive(Debug)]
pub(crate) struct Body64k<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<Monitor>> for Body64k<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request<Body>, monitor: &Arc<Monitor>) -> Result<Self, ApiError> {
        let read = to_bytes(request.into_body(), BODY_BYTES_MAX);
        let Ok(read) = tokio::time::timeout(monitor.config().body_timeout, read).await else {
            return Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "The body did not arrive in time.",
                format!("After {} ms it was still incomplete.", monitor.config().body_timeout.as_millis()),
                "Send the body at once, with the right Content-Length.",
            ));
        };
        parse_json(&read.map_err(unreadable)?).map(Self)
    }
}

fn unreadable(error: axum::Error) -> ApiError {
    let error = error.into_inner();
    if error.is::<LengthLimitError>() {
        return ApiError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is too large.",
            format!("At most {BODY_BYTES_MAX} bytes are accepted."),
            "Split the call: name fewer jobs at a time.",
        );
    }
    ApiError::bad("The body could not be read.", error.to_string(), "Send the request again.")
}

/// Reads `body` as JSON. Unknown fields are refused: a misspelt `olderThan` must not purge everything.
pub(crate) fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::bad(
            "The body is empty.",
            "This call needs a JSON object.",
            "Add it, for instance: curl -d '{\"…\": …}'. The fields are described in docs/api.md.",
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::bad(
            "The body is not the JSON that this call takes.",
            error.to_string(),
            "Mend it at the place named. The fields are described in docs/api.md.",
        )
    })
}

/// Reads the query string of `uri`.
pub(crate) fn query<T: DeserializeOwned>(uri: &Uri) -> Result<T, ApiError> {
    Query::try_from_uri(uri).map(|Query(value)| value).map_err(|error| {
        let why = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        ApiError::bad(
            "The query string is not what this call takes.",
            why,
            "The parameters are in docs/api.md.",
        )
    })
}

/// A bound on how many things are listed: `default` if absent, refused beyond `max`.
pub(crate) fn limit(asked: Option<usize>, default: usize, max: usize) -> Result<usize, ApiError> {
    match asked {
        None => Ok(default),
        Some(asked) if (1..=max).contains(&asked) => Ok(asked),
        Some(asked) => Err(ApiError::bad(
            "The limit is out of bounds.",
            format!("{asked} was asked for, 1 to {max} can be."),
            "Ask for less, and follow next_cursor for the rest.",
        )),
    }
}

/// One name out of the path.
#[derive(Debug)]
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(segment)) => Ok(Self(segment)),
            Err(error) => Err(ApiError::bad(
                "The path cannot be read.",
                error.body_text(),
                "Percent-encode it as UTF-8.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::dlq::{DiscardCall, RetryCall};
    use crate::api::purge::PurgeCall;
    use crate::api::queues::ScaleCall;
    use proptest::prelude::*;

    #[test]
    fn a_misspelt_field_is_refused_and_named() {
        let error =
            parse_json::<PurgeCall>(br#"{"status":"completed","olderthan":5}"#).expect_err("unknown field");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        assert!(format!("{error:?}").contains("olderthan"), "{error:?}");
    }

    #[test]
    fn limits_are_bounds() {
        assert_eq!(limit(None, 50, 200).expect("default"), 50);
        assert_eq!(limit(Some(200), 50, 200).expect("max"), 200);
        assert!(limit(Some(0), 50, 200).is_err() && limit(Some(201), 50, 200).is_err());
    }

    /// JSON that is nearly what the calls take: their fields with all kinds of values.
    fn near_json() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec![
            "status",
            "olderThan",
            "dryRun",
            "jobIds",
            "retryAll",
            "queue",
            "error",
            "concurrency",
            "limit",
            "x",
        ]);
        let value = prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            any::<f64>().prop_map(|n| n.to_string()),
            "[a-z\\\\\"é]{0,8}".prop_map(|text| format!("{text:?}")),
            Just("null".to_owned()),
            Just("true".to_owned()),
            Just("[\"a\", 1, []]".to_owned()),
            Just("[".repeat(400)),
        ];
        prop::collection::vec((name, value), 0..5).prop_map(|fields| {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        })
    }

    fn all_parsers(body: &[u8]) {
        let _ = parse_json::<PurgeCall>(body).map(|call| call.check());
        let _ = parse_json::<RetryCall>(body).map(|call| call.check(1_000));
        let _ = parse_json::<DiscardCall>(body);
        let _ = parse_json::<ScaleCall>(body);
    }

    proptest! {
        #[test]
        fn no_body_makes_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            all_parsers(&bytes);
        }

        #[test]
        fn no_nearly_right_body_does_either(text in near_json()) {
            all_parsers(text.as_bytes());
        }
    }
}
