//! What is to be said of one webhook once it is answered: timings, outcome, log line.

use crate::answer::Refusal;
use crate::inspector::WebhookVerdict;
use crate::job::Kind;
use crate::metrics as names;
use crate::signature::{Failure, MatchedSecret};
use std::error::Error;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;
use steadfast_core::CorrelationId;
use steadfast_core::message::MessageSid;
use tokio::time::Instant;

/// From here on an answer is late, and from there on very late.
const SLOW: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The steps that are timed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Read,
    Verify,
    Store,
    Answer,
}

const STEPS: [&str; 4] = ["read", "verify", "store", "answer"];

/// How a stored webhook was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    New,
    Duplicate,
}

/// One webhook on its way.
pub(crate) struct Report {
    started: Instant,
    last: Instant,
    steps: [Duration; STEPS.len()],
    pub(crate) client: IpAddr,
    pub(crate) kind: Kind,
    pub(crate) sid: Option<MessageSid>,
    pub(crate) correlation: Option<CorrelationId>,
    pub(crate) matched: Option<MatchedSecret>,
    /// Set where observe mode let a bad signature pass.
    pub(crate) observed: Option<Failure>,
    /// Whether the request may be spoken of, once that was asked: how many others were not.
    pub(crate) allowance: Option<Option<u64>>,
    pub(crate) explanation: Option<String>,
}

impl Report {
    pub(crate) fn begin(client: IpAddr) -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last: now,
            steps: [Duration::ZERO; STEPS.len()],
            client,
            kind: Kind::Unknown,
            sid: None,
            correlation: None,
            matched: None,
            observed: None,
            allowance: None,
            explanation: None,
        }
    }

    /// Ends `step`: everything since the last one was it.
    pub(crate) fn step(&mut self, step: Step) {
        let now = Instant::now();
        self.steps[step as usize] += now - self.last;
        self.last = now;
    }

    fn breakdown(&self) -> String {
        let mut text = String::new();
        for (name, span) in STEPS.iter().zip(self.steps) {
            // Writing to a String cannot fail.
            let _ = write!(text, "{name} {:.1} ms, ", span.as_secs_f64() * 1e3);
        }
        text.truncate(text.len().saturating_sub(2));
        text
    }

    /// Counts it, and says what is to be said. Refusals are said only as far as `allowance` goes.
    pub(crate) fn conclude(mut self, result: &Result<Stored, Refusal>, now_ms: i64) -> WebhookVerdict {
        let total = self.last - self.started;
        let outcome = match result {
            Ok(Stored::New) => "new",
            Ok(Stored::Duplicate) => "duplicate",
            Err(Refusal::Store(_)) => "unavailable",
            Err(_) => "refused",
        };
        if self.correlation.is_none() {
            // Nothing of a message was read: an id that only this log line and verdict share.
            let seed = format!("unread/{}/{now_ms}/{}", self.client, total.as_nanos());
            self.correlation = Some(CorrelationId::derived_from(&seed));
        }
        if let Err(refusal) = result {
            self.explanation.get_or_insert_with(|| with_causes(refusal));
        }
        self.count(outcome, result, total);
        match result {
            Ok(_) => self.say_taken(outcome, total),
            Err(refusal) => self.say_refused(outcome, refusal, total),
        }
        WebhookVerdict {
            at_ms: now_ms,
            kind: self.kind.as_str(),
            outcome,
            status: match result {
                Ok(_) if self.kind == Kind::Status => 204,
                Ok(_) => 200,
                Err(refusal) => refusal.status().as_u16(),
            },
            reason: result.as_ref().err().map(Refusal::reason),
            explanation: self.explanation.take(),
            message_sid: self.sid.as_ref().map(ToString::to_string),
            correlation_id: self.correlation_text().to_owned(),
            client: self.client,
            secret: self.matched.as_ref().map(|matched| matched.label.clone()),
            spelling: self.matched.as_ref().map(|matched| matched.spelling.as_str()),
            duration_us: u64::try_from(total.as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn correlation_text(&self) -> &str {
        self.correlation.as_ref().map_or("", CorrelationId::as_str)
    }

    fn sid_text(&self) -> &str {
        self.sid.as_ref().map_or("", MessageSid::as_str)
    }

    fn count(&self, outcome: &'static str, result: &Result<Stored, Refusal>, total: Duration) {
        let kind = self.kind.as_str();
        metrics::counter!(names::WEBHOOKS_RECEIVED, "kind" => kind, "outcome" => outcome).increment(1);
        match result {
            Ok(Stored::Duplicate) => metrics::counter!(names::DUPLICATES).increment(1),
            Ok(Stored::New) => {}
            Err(refusal) => {
                metrics::counter!(names::WEBHOOK_ERRORS, "reason" => refusal.reason()).increment(1);
            }
        }
        // The times of strangers say nothing about us.
        if self.matched.is_some() || self.observed.is_some() {
            metrics::histogram!(names::WEBHOOK_DURATION).record(total);
            for (name, span) in STEPS.into_iter().zip(self.steps) {
                metrics::histogram!(names::STEP_DURATION, "step" => name).record(span);
            }
        }
    }

    fn say_taken(&self, outcome: &'static str, total: Duration) {
        tracing::info!(
            message.sid = self.sid_text(),
            correlation.id = self.correlation_text(),
            webhook.kind = self.kind.as_str(),
            webhook.outcome = outcome,
            duration_ms = total.as_secs_f64() * 1e3,
            "webhook taken"
        );
        if let (Some(failure), Some(Some(unsaid))) = (self.observed, self.allowance) {
            tracing::warn!(
                message.sid = self.sid_text(),
                correlation.id = self.correlation_text(),
                client = %self.client,
                reason = failure.as_str(),
                unsaid,
                "taken in observe mode only: {}",
                self.explanation.as_deref().unwrap_or_default()
            );
        }
        self.say_if_slow(total);
    }

    fn say_if_slow(&self, total: Duration) {
        let (id, duration_ms) = (self.correlation_text(), total.as_secs_f64() * 1e3);
        if total > SLOW[1] {
            tracing::error!(
                correlation.id = id,
                duration_ms,
                "webhook answered very late: {}",
                self.breakdown()
            );
        } else if total > SLOW[0] {
            tracing::warn!(correlation.id = id, duration_ms, "webhook answered late: {}", self.breakdown());
        }
    }

    fn say_refused(&self, outcome: &'static str, refusal: &Refusal, total: Duration) {
        let Some(Some(unsaid)) = self.allowance else {
            return;
        };
        let why = self.explanation.as_deref().unwrap_or_default();
        if matches!(refusal, Refusal::Store(_)) {
            tracing::error!(
                message.sid = self.sid_text(),
                correlation.id = self.correlation_text(),
                webhook.kind = self.kind.as_str(),
                webhook.outcome = outcome,
                reason = refusal.reason(),
                duration_ms = total.as_secs_f64() * 1e3,
                unsaid,
                "webhook not stored: {why}"
            );
            self.say_if_slow(total);
        } else {
            tracing::warn!(
                message.sid = self.sid_text(),
                correlation.id = self.correlation_text(),
                webhook.outcome = outcome,
                reason = refusal.reason(),
                status = refusal.status().as_u16(),
                client = %self.client,
                duration_ms = total.as_secs_f64() * 1e3,
                unsaid,
                "webhook refused: {why}"
            );
        }
    }
}

/// An error with its causes, on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
