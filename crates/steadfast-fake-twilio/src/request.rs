//! Reading requests: bodies under a limit and a deadline, credentials, forms and JSON.

use crate::error::ApiError;
use crate::twilio::FakeTwilio;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A form of the Messages API.
const FORM_BYTES_MAX: usize = 64 * 1024;
/// `/fake/inbound` may carry a media file of 16 MB in base64.
const JSON_BYTES_MAX: usize = 24 << 20;
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

async fn read(body: Body, bytes_max: usize) -> Result<Bytes, ApiError> {
    match tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, bytes_max)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => {
            Err(ApiError::new(413, 20001, format!("The body has more than {bytes_max} bytes or was cut off")))
        }
        Err(_) => Err(ApiError::new(408, 20001, "The body did not arrive within 10 s")),
    }
}

/// A form's fields; of repeated ones the last counts.
#[derive(Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    pub(crate) async fn read(body: Body) -> Result<Self, ApiError> {
        Ok(Self::parse(&read(body, FORM_BYTES_MAX).await?))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// The field's value, if it is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// How often a field comes.
    pub(crate) fn count(&self, name: &str) -> u32 {
        u32::try_from(self.0.iter().filter(|(known, _)| known == name).count()).unwrap_or(u32::MAX)
    }
}

/// JSON, whatever its content type says: people use curl.
pub(crate) async fn read_json<T: DeserializeOwned>(body: Body) -> Result<T, ApiError> {
    let bytes = read(body, JSON_BYTES_MAX).await?;
    // The error may quote the text; it goes back to whoever sent it and nowhere else.
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::bad(format!("The body is not the JSON expected: {error}")))
}

/// The parameters behind `?`.
pub(crate) fn read_query<T: DeserializeOwned + Default>(query: Option<&str>) -> Result<T, ApiError> {
    match query {
        None | Some("") => Ok(T::default()),
        Some(text) => axum::extract::Query::<T>::try_from_uri(&uri_with(text)?)
            .map(|query| query.0)
            .map_err(|error| ApiError::bad(format!("The query is not understood: {}", error.body_text()))),
    }
}

fn uri_with(query: &str) -> Result<axum::http::Uri, ApiError> {
    format!("/?{query}").parse().map_err(|_| ApiError::bad("The query is not understood"))
}

impl FakeTwilio {
    /// Checks user name and password against the account, and the account in the path.
    pub(crate) fn authenticate(
        &self,
        headers: &HeaderMap,
        account: &str,
        path: &str,
    ) -> Result<(), ApiError> {
        let expected = format!("{}:{}", self.config.account_sid, self.config.auth_token);
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))
            .and_then(|(_, encoded)| STANDARD.decode(encoded.trim()).ok());
        // A pretend account guards pretend messages: no constant-time comparison is needed.
        if given.as_deref() != Some(expected.as_bytes()) {
            return Err(ApiError::authenticate());
        }
        if account != self.config.account_sid {
            return Err(ApiError::not_found(path));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_repeated_fields_counts_and_empty_is_absent() {
        let form = Form::parse(b"To=a&To=b&Body=&MediaUrl=x&MediaUrl=y");
        assert_eq!((form.get("To"), form.get("Body"), form.count("MediaUrl")), (Some("b"), None, 2));
    }
}
