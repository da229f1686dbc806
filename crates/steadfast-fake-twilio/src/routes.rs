//! Which path is answered by what.

use crate::error::ApiError;
use crate::twilio::FakeTwilio;
use crate::{api, fake, page};
use axum::Router;
use axum::http::Uri;
use axum::routing::{get, post};
use std::sync::Arc;

pub(crate) fn router(twilio: Arc<FakeTwilio>) -> Router {
    const ACCOUNT: &str = "/2010-04-01/Accounts/{account}";
    Router::new()
        .route(&format!("{ACCOUNT}/{{resource}}"), post(api::create).get(api::list))
        .route(&format!("{ACCOUNT}/Messages/{{file}}"), get(api::fetch))
        .route(&format!("{ACCOUNT}/Messages/{{message}}/{{file}}"), get(api::fetch_media))
        .route(
            &format!("{ACCOUNT}/Messages/{{message}}/Media/{{file}}"),
            get(api::fetch_media).delete(api::delete_media),
        )
        .route("/fake/cdn/{file}", get(api::download))
        .route("/fake/inbound", post(fake::post_inbound))
        .route("/fake/script", get(fake::get_script).post(fake::post_script).delete(fake::remove_script))
        .route("/fake/window", post(fake::post_window))
        .route("/fake/read", post(fake::post_read))
        .route("/fake/webhook-url", post(fake::post_webhook_url))
        .route("/fake/reset", post(fake::post_reset))
        .route("/fake/messages", get(fake::messages))
        .route("/fake/stats", get(fake::stats))
        .route("/fake/webhooks", get(fake::webhooks))
        .route("/fake/chats", get(fake::chats))
        .route("/fake/chat", get(fake::chat))
        .route("/fake/events", get(fake::events))
        .route("/fake", get(page::about_page))
        .route("/", get(page::chat_page))
        .route("/chat", get(page::chat_page))
        .route("/chat.css", get(page::style))
        .route("/chat.js", get(page::script))
        .route("/draw.js", get(page::drawing))
        .route("/favicon.svg", get(page::icon))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(axum::Extension(fake::Listeners::default()))
        .with_state(twilio)
}

async fn unknown(uri: Uri) -> ApiError {
    ApiError::not_found(uri.path())
}

async fn wrong_method() -> ApiError {
    ApiError::new(405, 20004, "Method not allowed")
}
