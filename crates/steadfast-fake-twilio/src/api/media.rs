//! Media as Twilio serves it: behind credentials, and by way of a redirect to a host that must not see them.

use crate::dates::rfc2822;
use crate::error::ApiError;
use crate::media::File;
use crate::sid::Sid;
use crate::twilio::FakeTwilio;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET …/Messages/{sid}/Media.json`, `…/Media/{sid}.json` and `…/Media/{sid}`.
pub(crate) async fn fetch_media(
    State(twilio): State<Arc<FakeTwilio>>,
    Path(parts): Path<Vec<String>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let account = parts.first().map(String::as_str).unwrap_or_default();
    if let Err(error) = twilio.authenticate(&headers, account, uri.path()) {
        return error.into_response();
    }
    let not_found = || ApiError::not_found(uri.path()).into_response();
    let Some(message) = parts.get(1).and_then(|sid| Sid::parse(sid)) else { return not_found() };
    let state = twilio.state();
    match parts.get(2).map(String::as_str) {
        Some("Media.json") => {
            let files = state.media.of(message);
            let list: Vec<Value> = files.iter().map(|(sid, file)| resource(account, *sid, file)).collect();
            Json(json!({ "media_list": list, "page": 0, "next_page_uri": null })).into_response()
        }
        Some(name) => {
            let Some(sid) = Sid::parse(name.trim_end_matches(".json")) else { return not_found() };
            match state.media.get(sid).filter(|file| file.message == message) {
                None => not_found(),
                Some(file) if name.ends_with(".json") => Json(resource(account, sid, file)).into_response(),
                Some(_) => {
                    let location = format!("{}/fake/cdn/{sid}", twilio.base_url());
                    (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response()
                }
            }
        }
        None => not_found(),
    }
}

/// `DELETE …/Messages/{sid}/Media/{sid}.json`.
pub(crate) async fn delete_media(
    State(twilio): State<Arc<FakeTwilio>>,
    Path((account, _message, file)): Path<(String, String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = twilio.authenticate(&headers, &account, uri.path()) {
        return error.into_response();
    }
    match Sid::parse(file.trim_end_matches(".json")) {
        Some(sid) if twilio.state().media.delete(sid) => StatusCode::NO_CONTENT.into_response(),
        _ => ApiError::not_found(uri.path()).into_response(),
    }
}

/// The storage host. Refuses credentials, as real storage hosts do, and counts who sent them.
pub(crate) async fn download(
    State(twilio): State<Arc<FakeTwilio>>,
    Path(sid): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let mut state = twilio.state();
    if headers.contains_key(header::AUTHORIZATION) {
        state.counters.credentials_leaked += 1;
        return ApiError::bad("The storage host takes no credentials: drop them when a redirect leads to it")
            .into_response();
    }
    match Sid::parse(&sid).and_then(|sid| state.media.get(sid)) {
        Some(file) => {
            let content_type = header::HeaderValue::from_str(&file.content_type)
                .unwrap_or(header::HeaderValue::from_static("application/octet-stream"));
            let disposition = header::HeaderValue::from_static("attachment");
            let headers = [(header::CONTENT_TYPE, content_type), (header::CONTENT_DISPOSITION, disposition)];
            (headers, file.bytes.clone()).into_response()
        }
        None => ApiError::not_found(uri.path()).into_response(),
    }
}

fn resource(account: &str, sid: Sid, file: &File) -> Value {
    let message = file.message;
    json!({
        "account_sid": account,
        "content_type": file.content_type,
        "date_created": rfc2822(file.created_ms),
        "date_updated": rfc2822(file.created_ms),
        "parent_sid": message.to_string(),
        "sid": sid.to_string(),
        "uri": format!("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{sid}.json"),
    })
}
