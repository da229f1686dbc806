//! What tests look at, and what the chat page shows.

use crate::error::ApiError;
use crate::message::Message;
use crate::request::read_query;
use crate::twilio::FakeTwilio;
use crate::weblog::WebhookQuery;
use axum::Json;
use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;

const PAGE: usize = 1_000;
const PAGE_MAX: usize = 10_000;
const CHATS: usize = 50;
const CHAT_MESSAGES: usize = 300;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessagesQuery {
    to: Option<String>,
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
    format: Option<String>,
}

/// `GET /fake/messages?to=&after=&limit=&format=ndjson`: outbound messages as accepted, oldest first. `next_after`
/// is the place to go on from; a page that is not full is the last so far.
pub(crate) async fn messages(State(twilio): State<Arc<FakeTwilio>>, uri: Uri) -> Result<Response, ApiError> {
    let query: MessagesQuery = read_query(uri.query())?;
    let limit = query.limit.unwrap_or(PAGE).min(PAGE_MAX);
    let found: Vec<Message> = {
        let state = twilio.state();
        state.store.outbound_after(query.to.as_deref(), query.after, limit).into_iter().cloned().collect()
    };
    let next_after = found.last().map_or(query.after, |message| message.seq);
    match query.format.as_deref() {
        None | Some("json") => {
            let messages: Vec<Value> = found.iter().map(Message::to_fake).collect();
            Ok(Json(json!({ "messages": messages, "next_after": next_after })).into_response())
        }
        Some("ndjson") => {
            let mut lines = String::new();
            for message in &found {
                // Writing into a String does not fail.
                let _ = writeln!(lines, "{}", message.to_fake());
            }
            Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], lines).into_response())
        }
        Some(_) => Err(ApiError::bad("format must be json or ndjson")),
    }
}

/// `GET /fake/stats`.
pub(crate) async fn stats(State(twilio): State<Arc<FakeTwilio>>) -> Json<Value> {
    Json(twilio.stats())
}

/// `GET /fake/webhooks?kind=&sid=&after=&limit=&newest=`: deliveries with their tries and answers.
pub(crate) async fn webhooks(
    State(twilio): State<Arc<FakeTwilio>>,
    uri: Uri,
) -> Result<Json<Value>, ApiError> {
    let query: WebhookQuery = read_query(uri.query())?;
    let state = twilio.state();
    Ok(Json(json!({ "webhooks": state.webhooks.query(&query), "dropped": state.webhooks.dropped() })))
}

/// `GET /fake/chats`: the liveliest chats, each with its newest message.
pub(crate) async fn chats(State(twilio): State<Arc<FakeTwilio>>) -> Json<Value> {
    let state = twilio.state();
    let chats: Vec<Value> = state.store.recent(CHATS).into_iter().map(Message::to_fake).collect();
    Json(json!({ "chats": chats, "webhook_url": state.webhook_url.as_deref() }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChatQuery {
    #[serde(default)]
    number: String,
}

/// `GET /fake/chat?number=`: the last messages of one chat, oldest first, and the script set for it.
pub(crate) async fn chat(State(twilio): State<Arc<FakeTwilio>>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let query: ChatQuery = read_query(uri.query())?;
    let now_ms = twilio.clock.now_ms();
    let state = twilio.state();
    let messages: Vec<Value> =
        state.store.chat(&query.number, CHAT_MESSAGES).into_iter().map(Message::to_fake).collect();
    Ok(Json(json!({
        "run": twilio.run,
        "number": query.number,
        "messages": messages,
        "behaviour": state.scripts.set_behaviour(&query.number),
        "window_open": state.store.window_open(&query.number, twilio.config.window, now_ms),
    })))
}
