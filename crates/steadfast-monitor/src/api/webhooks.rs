//! `GET /webhooks/recent`: the gateway's inspector.

use crate::Monitor;
use crate::error::ApiError;
use crate::input::{limit, query};
use axum::Json;
use axum::extract::State as Shared;
use axum::http::Uri;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const LIST_DEFAULT: usize = 50;
const LIST_MAX: usize = 200;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecentQuery {
    limit: Option<usize>,
}

/// The last webhooks and what was decided about them, newest first.
pub(crate) async fn recent(Shared(monitor): Shared<Arc<Monitor>>, uri: Uri) -> Result<Json<Value>, ApiError> {
    let asked: RecentQuery = query(&uri)?;
    let size = limit(asked.limit, LIST_DEFAULT, LIST_MAX)?;
    let Some(log) = &monitor.deps().webhooks else {
        return Err(ApiError::missing(
            "There is no inspector here.",
            "This process runs no gateway.",
            "Ask the monitor of a node with the gateway role.",
        ));
    };
    let mut entries = log.recent(size);
    entries.truncate(size);
    Ok(Json(json!({ "count": entries.len(), "webhooks": entries })))
}
