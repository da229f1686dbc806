//! `POST …/Messages.json`: the checks of Twilio, the scripts, and the message.

use crate::error::{ApiError, hang_up};
use crate::message::Direction;
use crate::number::{self, Invalid};
use crate::plan::Fate;
use crate::request::Form;
use crate::script::Behaviour;
use crate::twilio::{FakeTwilio, NewMessage};
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Characters in one message; Twilio refuses the next.
const BODY_CHARS_MAX: usize = 1_600;

pub(crate) async fn create(
    State(twilio): State<Arc<FakeTwilio>>,
    Path((account, resource)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if resource != "Messages.json" {
        return ApiError::not_found(uri.path()).into_response();
    }
    let Some(_at_work) = AtWork::enter(&twilio.creates_at_work, twilio.config.concurrency_max) else {
        return twilio.refused(ApiError::too_many());
    };
    if let Err(error) = twilio.authenticate(&headers, &account, uri.path()) {
        return twilio.refused(error);
    }
    match Form::read(body).await {
        Ok(form) => twilio.create(&form).await,
        Err(error) => twilio.refused(error),
    }
}

/// Counts a create as long as it is at work.
struct AtWork<'a>(&'a AtomicUsize);

impl<'a> AtWork<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let at_work = Self(count);
        if count.fetch_add(1, Ordering::Relaxed) < most { Some(at_work) } else { None }
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl FakeTwilio {
    async fn create(&self, form: &Form) -> Response {
        match self.try_create(form).await {
            Ok(response) => response,
            Err(refusal) => {
                let to = form.get("To").unwrap_or_default();
                self.events.note(to, &format!("A reply was refused: {} {}", refusal.code, refusal.message));
                self.refused(refusal)
            }
        }
    }

    async fn try_create(&self, form: &Form) -> Result<Response, ApiError> {
        let to = form.get("To").unwrap_or_default();
        let (verdict, latency) = {
            let mut state = self.state();
            let verdict = state.scripts.decide(to, self.config.transient_failures);
            (verdict, verdict.latency.unwrap_or(state.latency))
        };
        if !latency.is_zero() {
            self.wait(latency).await;
        }
        match verdict.behaviour {
            Behaviour::LostRequest => return Ok(self.refused_without_an_answer(to)),
            Behaviour::ServerError => return Ok(self.server_error(to)),
            Behaviour::TooManyRequests => return Err(ApiError::too_many()),
            Behaviour::AuthError => return Err(ApiError::authenticate()),
            _ => {}
        }
        let mut checked = self.check(form)?;
        match verdict.behaviour {
            Behaviour::OptedOut => {
                return Err(ApiError::new(400, 21610, "Attempt to send to unsubscribed recipient"));
            }
            Behaviour::QueueFull => {
                let why = "This 'From' number has exceeded the maximum number of queued messages";
                return Err(ApiError::new(400, 21611, why));
            }
            Behaviour::DailyLimit => {
                return Err(ApiError::new(429, 63038, "Account exceeded the daily messages limit"));
            }
            Behaviour::WindowClosed => checked.fate = Fate::Fail(63016),
            Behaviour::Unreachable => checked.fate = Fate::Undeliver(63024),
            Behaviour::Blocked => checked.fate = Fate::Undeliver(63014),
            Behaviour::Stuck => checked.fate = Fate::Stay,
            _ => {}
        }
        let message = self.accept(&checked.message, checked.fate);
        match verdict.behaviour {
            Behaviour::LostAnswer => {
                self.state().counters.answers_lost += 1;
                self.events.note(to, "The reply above was accepted, but the bot got no answer");
                return Ok(hang_up());
            }
            Behaviour::SlowAnswer => {
                self.state().counters.answers_lost += 1;
                self.events.note(to, "The reply above was accepted, but the bot's answer is held back");
                self.wait(self.config.slow_answer).await;
            }
            _ => {}
        }
        Ok((StatusCode::CREATED, Json(message.to_twilio(&self.config.account_sid))).into_response())
    }

    /// Twilio's checks, in its order.
    fn check<'a>(&'a self, form: &'a Form) -> Result<Checked<'a>, ApiError> {
        let to =
            form.get("To").ok_or_else(|| ApiError::new(400, 21604, "A 'To' phone number is required."))?;
        let service = form.get("MessagingServiceSid");
        let from = match (form.get("From"), service) {
            (Some(from), _) => from,
            (None, Some(_)) => self.config.sender.as_str(),
            (None, None) => return Err(ApiError::new(400, 21603, "A 'From' phone number is required.")),
        };
        if service.is_some_and(|sid| !sid.starts_with("MG")) {
            return Err(ApiError::new(400, 21701, "The Messaging Service does not exist"));
        }
        match number::check(to, from) {
            Ok(()) => {}
            Err(Invalid::Form) => {
                let why = format!("The 'To' number {to} is not a valid phone number.");
                return Err(ApiError::new(400, 21211, why));
            }
            Err(Invalid::Channel) => {
                let why = "Invalid From and To pair. From and To should be of the same channel";
                return Err(ApiError::new(400, 21910, why));
            }
        }
        if from != self.config.sender {
            let why = "Twilio could not find a Channel with the specified From address";
            return Err(ApiError::new(400, 63007, why));
        }
        if to == from {
            return Err(ApiError::new(400, 21266, "'To' and 'From' number cannot be the same"));
        }
        let template = form.get("ContentSid").is_some();
        let num_media = form.count("MediaUrl");
        let body = form.get("Body").unwrap_or_default();
        if body.is_empty() && !template && num_media == 0 {
            return Err(ApiError::new(400, 21602, "Message body is required."));
        }
        if body.chars().count() > BODY_CHARS_MAX {
            let why = "The concatenated message body exceeds the 1600 character limit";
            return Err(ApiError::new(400, 21617, why));
        }
        let callback = form.get("StatusCallback");
        if callback.is_some_and(|url| url::Url::parse(url).is_err()) {
            return Err(ApiError::new(400, 21609, "The 'StatusCallback' URL is not a valid URL."));
        }
        let window_open = self.state().store.window_open(to, self.config.window, self.clock.now_ms());
        let fate = if template || window_open { Fate::Deliver } else { Fate::Fail(63016) };
        let direction = Direction::OutboundApi;
        let message = NewMessage { to, from, service, body, callback, num_media, direction };
        Ok(Checked { message, fate })
    }

    fn refused(&self, error: ApiError) -> Response {
        self.state().counters.refuse(error.code.to_string());
        error.into_response()
    }

    fn refused_without_an_answer(&self, to: &str) -> Response {
        self.events.note(to, "A reply got lost on its way here: the connection was closed");
        self.state().counters.refuse("hangup");
        hang_up()
    }

    fn server_error(&self, to: &str) -> Response {
        self.events.note(to, "A reply was answered 500 with an HTML page");
        self.state().counters.refuse("html");
        let page = "<html><body><h1>500 Internal Server Error</h1>upstream connect error</body></html>";
        (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/html")], page).into_response()
    }

    /// Waits, but not through a shutdown.
    async fn wait(&self, span: Duration) {
        self.soft.run_until_cancelled(tokio::time::sleep(span)).await;
    }
}

/// A form that passed.
struct Checked<'a> {
    message: NewMessage<'a>,
    fate: Fate,
}
