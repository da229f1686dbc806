//! What tests and the chat page change: scripts, windows, the webhook URL, read receipts.

use crate::error::ApiError;
use crate::request::{read_json, read_query};
use crate::script::{Behaviour, SUFFIXES};
use crate::twilio::FakeTwilio;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The longest latency that can be asked for.
const LATENCY_MS_MAX: u64 = 600_000;

/// A script to set. With `behaviour` and `to`: for that recipient, until taken back or for `times` creates. With
/// `behaviour` alone: for the next `times` creates, one unless told. With `latency_ms` alone: for all creates.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptRequest {
    behaviour: Option<Behaviour>,
    to: Option<String>,
    times: Option<u32>,
    latency_ms: Option<u64>,
}

pub(crate) async fn post_script(
    State(twilio): State<Arc<FakeTwilio>>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let script: ScriptRequest = read_json(body).await?;
    if script.latency_ms.is_some_and(|ms| ms > LATENCY_MS_MAX) {
        return Err(ApiError::bad(format!("latency_ms must be at most {LATENCY_MS_MAX}")));
    }
    let mut state = twilio.state();
    let full = |error: crate::script::TooManyScripts| ApiError::bad(error.to_string());
    match (script.behaviour, script.to) {
        (behaviour, Some(to)) => {
            let behaviour = behaviour.unwrap_or(Behaviour::Ok);
            state.scripts.set_for(&to, behaviour, script.times, script.latency_ms).map_err(full)?;
        }
        (Some(behaviour), None) => {
            let times = Some(script.times.unwrap_or(1));
            state.scripts.add_next(behaviour, times, script.latency_ms).map_err(full)?;
        }
        (None, None) => match script.latency_ms {
            Some(ms) => state.latency = Duration::from_millis(ms),
            None => return Err(ApiError::bad("Say behaviour, latency_ms, or both")),
        },
    }
    Ok(Json(state.scripts.to_json()))
}

/// `GET /fake/script`: what is set, and what the numbers' suffixes do.
pub(crate) async fn get_script(State(twilio): State<Arc<FakeTwilio>>) -> Json<Value> {
    let mut value = twilio.state().scripts.to_json();
    value["suffixes"] = SUFFIXES
        .iter()
        .map(|(suffix, behaviour, _, what)| json!({ "suffix": suffix, "behaviour": behaviour, "what": what }))
        .collect();
    Json(value)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptQuery {
    to: Option<String>,
}

/// `DELETE /fake/script?to=`: takes back one recipient's script, or all.
pub(crate) async fn remove_script(
    State(twilio): State<Arc<FakeTwilio>>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let query: ScriptQuery = read_query(uri.query())?;
    let mut state = twilio.state();
    state.scripts.clear(query.to.as_deref());
    Ok(Json(state.scripts.to_json()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WindowRequest {
    number: String,
    open: bool,
}

/// `POST /fake/window`: shuts a person's 24-hour window until they write again, or opens it.
pub(crate) async fn post_window(
    State(twilio): State<Arc<FakeTwilio>>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let request: WindowRequest = read_json(body).await?;
    if twilio.state().store.set_window_closed(&request.number, !request.open) {
        Ok(Json(json!({ "number": request.number, "open": request.open })))
    } else {
        Err(ApiError::new(404, 20404, "Nobody with this number has a chat here: let them write first"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadRequest {
    number: String,
}

/// `POST /fake/read`: the person looks at the chat, so what arrived is read.
pub(crate) async fn post_read(
    State(twilio): State<Arc<FakeTwilio>>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let request: ReadRequest = read_json(body).await?;
    Ok(Json(json!({ "read": twilio.read_all(&request.number) })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UrlRequest {
    url: Option<String>,
}

/// `POST /fake/webhook-url`: where inbound messages go from now on.
pub(crate) async fn post_webhook_url(
    State(twilio): State<Arc<FakeTwilio>>,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let request: UrlRequest = read_json(body).await?;
    if request.url.as_deref().is_some_and(|url| url::Url::parse(url).is_err()) {
        return Err(ApiError::bad("url is not a URL, such as http://127.0.0.1:3010/webhook/twilio"));
    }
    twilio.set_webhook_url(request.url.as_deref());
    Ok(Json(json!({ "url": request.url })))
}

/// `POST /fake/reset`: forgets everything but the webhook URL.
pub(crate) async fn post_reset(State(twilio): State<Arc<FakeTwilio>>) -> Json<Value> {
    twilio.reset();
    Json(json!({ "reset": true }))
}
