//! Where a message goes, from the message alone: no conversation is read here, so routing never waits for
//! anything but the records' write.

use super::job_ads::{self, Ask};
use super::words::{self, Command};
use crate::texts;
use steadfast_core::message::{Content, InboundMessage, Media};

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The welcome.
    Help,
    /// No more messages to this person.
    OptOut,
    /// Messages to this person again.
    OptIn,
    /// The order conversation, which knows the draft.
    Order,
    /// The reality check.
    Check,
    /// Answered with this text at once.
    Answer(Kind, &'static str),
    /// Recorded, and nothing more.
    Silent,
}

/// What kind of message got a fixed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file, a picture, a voice message.
    Media,
    /// Nothing to read.
    Empty,
    /// A type that we do not know.
    Unknown,
    /// A request for a check that brought no text.
    CheckWhat,
}

impl Route {
    /// A word for it, in metrics and timelines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::OptOut => "opt_out",
            Self::OptIn => "opt_in",
            Self::Order => "order",
            Self::Check => "check",
            Self::Answer(Kind::Media, _) => "media",
            Self::Answer(Kind::Empty, _) => "empty",
            Self::Answer(Kind::Unknown, _) => "unknown_type",
            Self::Answer(Kind::CheckWhat, _) => "check_what",
            Self::Silent => "silent",
        }
    }
}

/// Where `message` goes.
pub fn classify(message: &InboundMessage) -> Route {
    let body = message.body.trim();
    match &message.content {
        Content::Text => text(body),
        Content::Media { items } => media(items, body),
        Content::Location { .. } | Content::ListChoice { .. } => Route::Order,
        Content::Button { text, payload } => button(text, payload),
        Content::Other { message_type } => other(message_type, body),
    }
}

fn text(body: &str) -> Route {
    if body.is_empty() {
        return Route::Answer(Kind::Empty, texts::EMPTY);
    }
    match words::command(body) {
        Some(Command::Stop) => return Route::OptOut,
        Some(Command::Start) => return Route::OptIn,
        Some(Command::Help) => return Route::Help,
        None => {}
    }
    match job_ads::ask(body) {
        Ask::Check => Route::Check,
        Ask::ForWhat => Route::Answer(Kind::CheckWhat, texts::CHECK_WHAT),
        Ask::No => Route::Order,
    }
}

fn button(text_on_it: &str, payload: &str) -> Route {
    // Payloads of ours are "order:…"; a template's quick reply often repeats its text instead.
    if payload.starts_with("order:") {
        return Route::Order;
    }
    if text_on_it == "VOICE_CALL_REQUEST" {
        return Route::Silent;
    }
    match words::command(text_on_it).or_else(|| words::command(payload)) {
        Some(Command::Stop) => Route::OptOut,
        Some(Command::Start) => Route::OptIn,
        Some(Command::Help) => Route::Help,
        None => Route::Order,
    }
}

/// The MIME names under which PDFs travel.
const PDF_TYPES: [&str; 6] = [
    "application/pdf",
    "application/x-pdf",
    "application/acrobat",
    "applications/vnd.pdf",
    "text/pdf",
    "text/x-pdf",
];

fn media(items: &[Media], caption: &str) -> Route {
    let first = items.first().map_or("", |item| item.content_type.as_str());
    let essence = first.split(';').next().unwrap_or_default().trim();
    let pdf = PDF_TYPES.contains(&essence) || caption.to_lowercase().ends_with(".pdf");
    // A caption that says what is wanted counts; one that goes with the file ("here it is") does not. For a
    // document Twilio sends the file's name as the caption.
    if !pdf && !caption.is_empty() {
        match text(caption) {
            Route::Order if !starts_an_order(caption) => {}
            route => return route,
        }
    }
    let answer = match essence.split('/').next().unwrap_or_default() {
        _ if pdf => texts::PDF,
        "image" => texts::IMAGE,
        "audio" => texts::AUDIO,
        "video" => texts::VIDEO,
        _ => texts::DOCUMENT,
    };
    Route::Answer(Kind::Media, answer)
}

/// Whether a caption reads like an order by itself: a quantity with something to it.
fn starts_an_order(caption: &str) -> bool {
    let looks_like_a_file =
        caption.rsplit_once('.').is_some_and(|(_, end)| (2..=5).contains(&end.len()) && !end.contains(' '));
    let digits = caption.chars().any(char::is_numeric);
    let rest = caption.chars().any(char::is_alphabetic);
    digits && rest && !looks_like_a_file
}

fn other(message_type: &str, body: &str) -> Route {
    match (message_type, body.is_empty()) {
        ("reaction" | "ephemeral" | "poll_update", _) => Route::Silent,
        (_, false) => text(body),
        ("", true) => Route::Answer(Kind::Empty, texts::EMPTY),
        ("contacts", true) => Route::Answer(Kind::Unknown, texts::CONTACT),
        (_, true) => Route::Answer(Kind::Unknown, texts::UNKNOWN_TYPE),
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
