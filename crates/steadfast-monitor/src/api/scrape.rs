//! `GET /metrics`.

use crate::Monitor;
use crate::error::ApiError;
use crate::metrics::scrape;
use axum::extract::State as Shared;
use axum::http::header;
use axum::response::IntoResponse;
use std::sync::Arc;

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics as Prometheus text.
pub(crate) async fn metrics(Shared(monitor): Shared<Arc<Monitor>>) -> Result<impl IntoResponse, ApiError> {
    let Some(handle) = &monitor.deps().metrics else {
        return Err(ApiError::missing(
            "There are no metrics here.",
            "They are switched off.",
            "Set METRICS_ENABLED=true and start again.",
        ));
    };
    Ok(([(header::CONTENT_TYPE, TEXT)], scrape::render(&monitor, handle).await))
}
