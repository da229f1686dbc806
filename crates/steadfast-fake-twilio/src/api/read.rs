//! `GET …/Messages.json` and `GET …/Messages/{sid}.json`.

use crate::dates::{Filter, parse_filter};
use crate::error::ApiError;
use crate::request::Form;
use crate::sid::Sid;
use crate::store::ListQuery;
use crate::twilio::FakeTwilio;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;

/// As Twilio has it: 50 unless told, 1,000 at most.
const PAGE_SIZE: usize = 50;
const PAGE_SIZE_MAX: usize = 1_000;

pub(crate) async fn fetch(
    State(twilio): State<Arc<FakeTwilio>>,
    Path((account, file)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = twilio.authenticate(&headers, &account, uri.path()) {
        return error.into_response();
    }
    let mut state = twilio.state();
    state.counters.fetches += 1;
    let found = file
        .strip_suffix(".json")
        .and_then(Sid::parse)
        .and_then(|sid| state.store.seq_of(sid))
        .and_then(|seq| state.store.get(seq));
    match found {
        Some(message) => Json(message.to_twilio(&account)).into_response(),
        None => ApiError::not_found(uri.path()).into_response(),
    }
}

pub(crate) async fn list(
    State(twilio): State<Arc<FakeTwilio>>,
    Path((account, resource)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if let Err(error) = twilio.authenticate(&headers, &account, uri.path()) {
        return error.into_response();
    }
    if resource != "Messages.json" {
        return ApiError::not_found(uri.path()).into_response();
    }
    let form = Form::parse(uri.query().unwrap_or_default().as_bytes());
    match twilio.list(&form, &account) {
        Ok(page) => Json(page).into_response(),
        Err(error) => error.into_response(),
    }
}

impl FakeTwilio {
    fn list(&self, form: &Form, account: &str) -> Result<serde_json::Value, ApiError> {
        let page_size = match form.get("PageSize").map(str::parse::<usize>) {
            None => PAGE_SIZE,
            Some(Ok(size @ 1..)) => size.min(PAGE_SIZE_MAX),
            Some(_) => return Err(ApiError::new(400, 20006, "PageSize must be a number from 1 to 1000")),
        };
        let page: u64 = form.get("Page").and_then(|page| page.parse().ok()).unwrap_or(0);
        let mut state = self.state();
        state.counters.lists += 1;
        let older_than = match form.get("PageToken") {
            None => None,
            Some(token) => {
                let sid = token.strip_prefix("PA").and_then(Sid::parse);
                let sid = sid.ok_or_else(|| ApiError::new(400, 20006, "Invalid page token"))?;
                // A message that was dropped meanwhile was older than all that are left.
                Some(state.store.seq_of(sid).unwrap_or(0))
            }
        };
        let lag_ms = i64::try_from(self.config.list_lag.as_millis()).unwrap_or(i64::MAX);
        let mut query = ListQuery {
            to: form.get("To").map(str::to_owned),
            from: form.get("From").map(str::to_owned),
            older_than,
            made_by_ms: (lag_ms > 0).then(|| self.clock.now_ms().saturating_sub(lag_ms)),
            limit: page_size,
            ..ListQuery::default()
        };
        if let Some(on) = date(form, "DateSent")? {
            (query.from_s, query.to_s) = (Some(on.from_s), Some(on.to_s));
        }
        if let Some(from) = date(form, "DateSent>")? {
            query.from_s = Some(from.from_s);
        }
        if let Some(to) = date(form, "DateSent<")? {
            query.to_s = Some(to.to_s);
        }
        let (messages, more) = state.store.list(&query, &self.config.sender);
        drop(state);
        let token = more.then(|| messages.last().map(|last| format!("PA{}", last.sid))).flatten();
        let uri = |page: u64, token: Option<&str>| page_uri(form, account, page_size, page, token);
        let start = page * page_size as u64;
        Ok(json!({
            "messages": messages.iter().map(|message| message.to_twilio(account)).collect::<Vec<_>>(),
            "page": page,
            "page_size": page_size,
            "start": start,
            "end": (start + messages.len() as u64).saturating_sub(1),
            "uri": uri(page, form.get("PageToken")),
            "first_page_uri": uri(0, None),
            "next_page_uri": token.map(|token| uri(page + 1, Some(&token))),
            "previous_page_uri": null,
        }))
    }
}

fn date(form: &Form, name: &str) -> Result<Option<Filter>, ApiError> {
    let Some(text) = form.get(name) else { return Ok(None) };
    let why = || ApiError::new(400, 20001, format!("{name} must be YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ"));
    parse_filter(text).map(Some).ok_or_else(why)
}

fn page_uri(form: &Form, account: &str, page_size: usize, page: u64, token: Option<&str>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in ["To", "From", "DateSent", "DateSent>", "DateSent<"] {
        if let Some(value) = form.get(name) {
            query.append_pair(name, value);
        }
    }
    query.append_pair("PageSize", &page_size.to_string()).append_pair("Page", &page.to_string());
    if let Some(token) = token {
        query.append_pair("PageToken", token);
    }
    format!("/2010-04-01/Accounts/{account}/Messages.json?{}", query.finish())
}
