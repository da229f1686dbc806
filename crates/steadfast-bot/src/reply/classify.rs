//! What Twilio's answers and error codes mean for a reply. Pure.

use super::dates;
use serde_json::Value;
use steadfast_core::message::MessageSid;
use steadfast_core::ports::{Refusal, RefusalClass, SendOutcome};

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// A longer `Retry-After` is cut to this: a header must not silence a sender for a day.
pub const RETRY_AFTER_MS_MAX: u64 = HOUR_MS;

/// An answer as it came in, as far as it came.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// HTTP status.
    pub http_status: u16,
    /// The `Retry-After` header.
    pub retry_after: Option<&'a str>,
    /// The body; `None` if it broke off or was too long to read.
    pub body: Option<&'a [u8]>,
    /// When it came, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What an answer to "create a message" means.
pub fn classify_send(answer: Answer<'_>) -> SendOutcome {
    match answer.http_status {
        200..=299 => match accepted_sid(answer.body) {
            Some(sid) => SendOutcome::Accepted { sid },
            None => SendOutcome::Ambiguous {
                why: format!("Twilio answered {} without a usable message id", answer.http_status),
            },
        },
        // The request was written, and what became of it behind the gateway that answers 5xx is unknown.
        500..=599 => SendOutcome::Ambiguous { why: format!("Twilio answered {}", answer.http_status) },
        _ => SendOutcome::Refused(classify_refusal(answer)),
    }
}

/// What an answer that is no success means: to a read at any status, to a send below 500.
pub fn classify_refusal(answer: Answer<'_>) -> Refusal {
    let code = error_code(answer.body);
    let by_code = code.and_then(class_of);
    let retry_after_ms = retry_after_ms(answer.retry_after, answer.now_ms);
    let by_status = match answer.http_status {
        // Never processed, whatever the body says.
        429 | 408 | 425 | 500..=599 => RefusalClass::Retry,
        300..=399 | 401 | 403 | 404 | 407 => RefusalClass::Config,
        // An answer whose body broke off may have named a passing fault.
        _ if answer.body.is_none() => RefusalClass::Retry,
        _ => RefusalClass::Permanent,
    };
    Refusal {
        http_status: Some(answer.http_status),
        code,
        class: by_code.unwrap_or(by_status),
        retry_after_ms,
        message: describe(answer.http_status, code),
    }
}

/// What to tell an operator. Twilio's own words are left out: they quote addresses.
fn describe(http_status: u16, code: Option<u32>) -> String {
    match (code, http_status) {
        (Some(code), _) => {
            format!(
                "Twilio answered {http_status} with code {code}; see https://www.twilio.com/docs/errors/{code}"
            )
        }
        (None, 300..=399) => {
            format!("Twilio's base URL answered {http_status}, a redirect; correct the base URL")
        }
        (None, 401 | 403) => {
            format!("Twilio answered {http_status}; check the account id and the credentials")
        }
        (None, 404) => "Twilio answered 404; check the base URL and the account id".to_owned(),
        (None, _) => format!("Twilio answered {http_status} without an error code"),
    }
}

fn accepted_sid(body: Option<&[u8]>) -> Option<MessageSid> {
    let value: Value = serde_json::from_slice(body?).ok()?;
    MessageSid::parse(value.get("sid")?.as_str()?).ok()
}

/// Twilio's code, from its own form (`code`) or an RFC 9457 problem (`code`, or the end of `type`).
fn error_code(body: Option<&[u8]>) -> Option<u32> {
    let value: Value = serde_json::from_slice(body?).ok()?;
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_u64().and_then(|code| u32::try_from(code).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let from_type = || value.get("type")?.as_str()?.rsplit('/').next()?.parse().ok();
    value.get("code").and_then(number).or_else(from_type)
}

/// `Retry-After` in its two forms, seconds or a date, at most [`RETRY_AFTER_MS_MAX`].
pub fn retry_after_ms(header: Option<&str>, now_ms: i64) -> Option<u64> {
    let text = header?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(SECOND_MS),
        Err(_) => u64::try_from(dates::parse(text)?.saturating_sub(now_ms)).unwrap_or(0),
    };
    Some(wait.min(RETRY_AFTER_MS_MAX))
}

/// What one of Twilio's codes means, in an answer or in a status callback; `None` for codes unknown here.
pub fn class_of(code: u32) -> Option<RefusalClass> {
    use RefusalClass::{Config, OptedOut, PauseSender, Permanent, Retry, WindowClosed};
    Some(match code {
        // Credentials, account, sender, our own URLs.
        20003..=20008 | 20404 | 21212 | 21603 | 21606 | 21609 | 21626 | 21659 | 21660 | 30002 | 30010 => {
            Config
        }
        63001 | 63007 | 63020 | 63022 | 11200 | 11205 | 11206 | 11217 | 11220 | 12300 | 57012 => Config,
        // Passing.
        20429 | 20503 | 30001 | 63010 | 63012 | 63017 => Retry,
        // The sender is too fast, or its quota is used up. The daily one rolls over 24 hours: ask hourly.
        63018 => PauseSender { for_ms: 5 * SECOND_MS },
        21611 => PauseSender { for_ms: MINUTE_MS },
        60728 => PauseSender { for_ms: 15 * MINUTE_MS },
        63038 => PauseSender { for_ms: HOUR_MS },
        // The person does not want it.
        21610 | 63014 => OptedOut,
        63016 => WindowClosed,
        // This recipient or this text, now and for ever.
        20001 | 21211 | 21214 | 21217 | 21408 | 21602 | 21604 | 21605 | 21608 | 21612 | 21614 | 21617
        | 21619 | 21620 => Permanent,
        30003..=30008
        | 30034
        | 63003
        | 63005
        | 63013
        | 63015
        | 63019
        | 63021
        | 63024
        | 63025
        | 63027..=63030
        | 63032
        | 63049 => Permanent,
        _ => return None,
    })
}

/// A word for the class, for metrics.
pub const fn word(class: RefusalClass) -> &'static str {
    match class {
        RefusalClass::Retry => "retry",
        RefusalClass::PauseSender { .. } => "pause_sender",
        RefusalClass::Config => "config",
        RefusalClass::Permanent => "permanent",
        RefusalClass::OptedOut => "opted_out",
        RefusalClass::WindowClosed => "window_closed",
    }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
