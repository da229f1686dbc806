//! What a handler says when it cannot finish.

use crate::handler::Outcome;
use crate::policy::Failure;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why an attempt did not succeed, and what is to happen.
///
/// Every `std` error converts into one with `?`: the job is then tried again by its schedule, with a word made
/// from the error's type and the error's text as the message. Where that is not what is meant, say so:
///
/// ```
/// # use std::time::Duration;
/// # use steadfast_queue::typed::JobError;
/// # fn charge(balance: i64, provider_up: bool) -> Result<(), JobError> {
/// if balance < 0 {
///     return Err(JobError::dead("no_funds", "the account is overdrawn"));
/// }
/// if !provider_up {
///     return Err(JobError::snooze(Duration::from_secs(30)));
/// }
/// std::fs::read("/var/lib/rates").map_err(|error| JobError::from(error).word("rates").after(Duration::from_secs(5)))?;
/// # Ok(())
/// # }
/// ```
///
/// The message is kept with the job and shown to operators, but not logged. It must hold nothing private; what
/// an error of another crate quotes is this crate's to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobError {
    act: Act,
    failure: Failure,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Retry(Option<Duration>),
    Snooze(Duration),
    Dead,
}

impl JobError {
    fn new(act: Act, word: &str, message: &dyn fmt::Display) -> Self {
        Self { act, failure: Failure::new(word, message.to_string()) }
    }

    /// Failed: again by the schedule, dead after its last entry. `word` is short and stable: it groups equal
    /// failures.
    pub fn retry(word: &str, message: impl fmt::Display) -> Self {
        Self::new(Act::Retry(None), word, &message)
    }

    /// Failed: again after `after`, as a server's `Retry-After` asks; still counts as an attempt.
    pub fn retry_after(word: &str, message: impl fmt::Display, after: Duration) -> Self {
        Self::new(Act::Retry(Some(after)), word, &message)
    }

    /// Failed for good: a dead letter at once.
    pub fn dead(word: &str, message: impl fmt::Display) -> Self {
        Self::new(Act::Dead, word, &message)
    }

    /// Not now, and not the job's fault (what it depends on is down): again after `after`, no attempt spent.
    pub fn snooze(after: Duration) -> Self {
        Self::new(Act::Snooze(after), "snoozed", &"")
    }

    /// With another word.
    #[must_use]
    pub fn word(mut self, word: &str) -> Self {
        word.clone_into(&mut self.failure.error);
        self
    }

    /// Tried again after `after`.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        Self { act: Act::Retry(Some(after)), ..self }
    }

    /// Not tried again.
    #[must_use]
    pub fn for_good(self) -> Self {
        Self { act: Act::Dead, ..self }
    }

    /// The word and the message.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    pub(crate) fn into_outcome(self) -> Outcome {
        match self.act {
            Act::Retry(after) => Outcome::Retry(self.failure, after.map(ms)),
            Act::Snooze(after) => Outcome::Snooze(ms(after)),
            Act::Dead => Outcome::Dead(self.failure),
        }
    }
}

impl<E: Error> From<E> for JobError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(Act::Retry(None), &word_of(std::any::type_name::<E>()), &message)
    }
}

/// A span in whole milliseconds, rounded up so that it is never shorter than asked.
pub(crate) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// From `crate::mail::SmtpError` to `smtp_error`. A type that is only called `Error` is named after where it
/// lies: `std::io::error::Error` is `io_error`.
fn word_of(type_name: &str) -> String {
    let path = type_name.split('<').next().unwrap_or(type_name);
    let mut parts = path.rsplit("::");
    let name = snake(parts.next().unwrap_or("error"));
    if name != "error" {
        return name;
    }
    let place = parts.map(snake).find(|part| part != "error" && part != "errors");
    place.map_or_else(|| name.clone(), |place| format!("{place}_error"))
}

fn snake(name: &str) -> String {
    let mut word = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    for letter in name.chars().take(60) {
        if letter.is_ascii_uppercase() && after_lower {
            word.push('_');
        }
        after_lower = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        word.push(letter.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the mail server hung up")]
    struct SmtpError(#[source] std::io::Error);

    fn failing() -> Result<(), JobError> {
        Err(SmtpError(std::io::Error::other("reset by peer")))?;
        Ok(())
    }

    #[test]
    fn any_error_is_retried_with_its_word_and_its_causes() {
        let error = failing().expect_err("fails");
        assert_eq!(error.failure().error, "smtp_error");
        assert_eq!(error.failure().message, "the mail server hung up: reset by peer");
        assert!(matches!(error.into_outcome(), Outcome::Retry(_, None)));
    }

    #[test]
    fn words_come_from_types() {
        assert_eq!(word_of("std::io::error::Error"), "io_error");
        assert_eq!(word_of("serde_json::error::Error"), "serde_json_error");
        assert_eq!(word_of("my_shop::HTTPFailure<u8>"), "httpfailure");
        assert_eq!(word_of("std::num::error::ParseIntError"), "parse_int_error");
        assert_eq!(word_of("Error"), "error");
    }

    #[test]
    fn what_is_to_happen_can_be_said() {
        let after = Duration::from_micros(1_500);
        let outcome = |error: JobError| error.into_outcome();
        assert!(matches!(outcome(JobError::retry_after("busy", "later", after)), Outcome::Retry(_, Some(2))));
        assert!(matches!(outcome(JobError::snooze(after)), Outcome::Snooze(2)));
        assert!(matches!(outcome(JobError::retry("a", "b").for_good()), Outcome::Dead(_)));
        assert!(matches!(outcome(JobError::dead("a", "b").after(after)), Outcome::Retry(_, Some(2))));
    }
}
