//! The chat page and the page that explains it. Server-rendered, with a small script and a style sheet, nothing inline.

use crate::number::SCRIPTED;
use crate::script::SUFFIXES;
use crate::twilio::FakeTwilio;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write;
use std::sync::Arc;

const CHAT_HTML: &str = include_str!("../assets/chat.html");
const ABOUT_HTML: &str = include_str!("../assets/about.html");
const CHAT_CSS: &str = include_str!("../assets/chat.css");
const CHAT_JS: &str = include_str!("../assets/chat.js");
const DRAW_JS: &str = include_str!("../assets/draw.js");
const ICON_SVG: &str = include_str!("../assets/icon.svg");

/// What every answer says about what a browser may do with it.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn chat_page(State(twilio): State<Arc<FakeTwilio>>) -> Html<String> {
    Html(fill(CHAT_HTML, &twilio, ""))
}

pub(crate) async fn about_page(State(twilio): State<Arc<FakeTwilio>>) -> Html<String> {
    let mut rows = String::new();
    for (suffix, _, _, what) in SUFFIXES {
        // Writing into a String does not fail.
        let _ = write!(rows, "<tr><td><code>{SCRIPTED}{suffix}</code></td><td>{}</td></tr>", escape(what));
    }
    Html(fill(ABOUT_HTML, &twilio, &rows))
}

pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", CHAT_CSS)
}

pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", CHAT_JS)
}

pub(crate) async fn drawing() -> Response {
    asset("text/javascript; charset=utf-8", DRAW_JS)
}

pub(crate) async fn icon() -> Response {
    asset("image/svg+xml", ICON_SVG)
}

fn asset(content_type: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text).into_response()
}

fn fill(template: &str, twilio: &FakeTwilio, suffixes: &str) -> String {
    let sender = escape(&twilio.config.sender);
    let number = escape(crate::number::split(&twilio.config.sender).1);
    template
        .replace("{{sender}}", &sender)
        .replace("{{number}}", &number)
        .replace("{{account}}", &escape(&twilio.config.account_sid))
        .replace("{{suffixes}}", suffixes)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
