//! From how an attempt ended to what the store is told. Pure.

use crate::backend::Rejection;
use crate::handler::Outcome;
use crate::job::{Job, JobId, NewJob};
use crate::policy::Failure;
use crate::state::Verdict;
use crate::worker::report::JobOutcome;
use std::any::Any;
use std::time::Duration;

/// How the handler's future ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It said something.
    Said(Outcome),
    /// It panicked, with this message.
    Panicked(String),
    /// It never ran, or was dropped before it said anything.
    Silent,
}

/// What cut an attempt short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Interrupt {
    /// It took longer than it may.
    TimedOut,
    /// Somebody called the job off.
    Cancelled,
    /// Somebody else may hold the job.
    LeaseLost,
    /// The worker stops and is out of patience.
    Draining,
    /// The worker stops now.
    Aborted,
}

/// What the store is told.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    pub(crate) follow_ups: Vec<NewJob>,
    /// What this is called in reports, unless the store's answer says more.
    pub(crate) outcome: JobOutcome,
}

impl Decision {
    fn plain(verdict: Verdict) -> Self {
        let outcome = match &verdict {
            Verdict::Complete => JobOutcome::Completed,
            Verdict::Retry { .. } => JobOutcome::Retried,
            Verdict::Snooze { .. } | Verdict::PutOff { .. } => JobOutcome::Snoozed,
            Verdict::Dead { .. } => JobOutcome::Dead,
            Verdict::Release => JobOutcome::Released,
        };
        Self { verdict, follow_ups: Vec::new(), outcome }
    }

    /// Given back, no attempt spent.
    pub(crate) fn release() -> Self {
        Self::plain(Verdict::Release)
    }

    /// Later, no attempt spent: it ran.
    pub(crate) fn snooze(after: Duration) -> Self {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        Self::plain(Verdict::Snooze { after_ms })
    }

    /// Later, no attempt spent: it did not run.
    pub(crate) fn put_off(after: Duration) -> Self {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        Self::plain(Verdict::PutOff { after_ms })
    }

    /// Nobody here knows the kind. Dead at once: waiting would not teach anybody.
    pub(crate) fn unknown_kind(kind: &str) -> Self {
        let message = format!("no handler for kind {kind:?} is registered with this worker");
        Self::plain(Verdict::Dead { failure: Failure::new("unknown_kind", message) })
    }
}

/// What follows from `end` under `interrupt`; `None`: the lease is lost, nothing may be said.
///
/// What a handler still finishes within its grace counts: the work is done, and doing it again helps
/// nobody. Anything else it says after an interrupt is an echo of the interrupt.
pub(crate) fn decide(job: &Job, interrupt: Option<Interrupt>, end: End) -> Option<Decision> {
    if interrupt == Some(Interrupt::LeaseLost) {
        return None;
    }
    let retry = |error: &str, message: String| {
        Decision::plain(Verdict::Retry { failure: Failure::new(error, message), after_ms: None })
    };
    let decision = match (end, interrupt) {
        (End::Said(Outcome::Complete(follow_ups)), _) => {
            Decision { follow_ups: adopt(job, follow_ups), ..Decision::plain(Verdict::Complete) }
        }
        (End::Said(Outcome::Dead(failure)), None | Some(Interrupt::TimedOut)) => {
            Decision::plain(Verdict::Dead { failure })
        }
        (End::Panicked(message), None | Some(Interrupt::TimedOut)) => retry("panic", message),
        (End::Said(Outcome::Retry(failure, after_ms)), None) => {
            Decision::plain(Verdict::Retry { failure, after_ms })
        }
        (End::Said(Outcome::Snooze(after_ms)), None) => Decision::plain(Verdict::Snooze { after_ms }),
        (End::Said(Outcome::PutOff(after_ms)), None) => Decision::plain(Verdict::PutOff { after_ms }),
        (_, Some(Interrupt::TimedOut)) => {
            retry("timeout", format!("the attempt took longer than {} ms", job.timeout_ms))
        }
        // The store knows that it was called off, and makes this its end.
        (_, Some(Interrupt::Cancelled)) => Decision { outcome: JobOutcome::Cancelled, ..Decision::release() },
        (End::Said(_) | End::Panicked(_), Some(_)) | (End::Silent, _) => Decision::release(),
    };
    Some(decision)
}

/// What to say instead, after a follow-up was turned away. Room comes back, so the job runs again later
/// at no cost; a follow-up that can never be taken makes the job a dead letter.
pub(crate) fn after_rejection(rejection: Rejection, wait: Duration) -> Decision {
    match rejection {
        Rejection::QueueFull { .. } | Rejection::BytesFull { .. } | Rejection::Draining => {
            Decision::snooze(wait)
        }
        Rejection::TooLarge { .. }
        | Rejection::BadName
        | Rejection::BadBatch
        | Rejection::BatchUnknown
        | Rejection::BatchOver => {
            let failure = Failure::new("follow_up_rejected", format!("a job that follows it: {rejection}"));
            Decision::plain(Verdict::Dead { failure })
        }
    }
}

/// Gives follow-ups what they lack: the parent, its correlation id, and an id that is the same at every
/// run of the parent.
fn adopt(parent: &Job, mut follow_ups: Vec<NewJob>) -> Vec<NewJob> {
    for (index, follow_up) in follow_ups.iter_mut().enumerate() {
        follow_up.parent.get_or_insert(parent.id);
        if follow_up.correlation_id.is_empty() {
            follow_up.correlation_id.clone_from(&parent.correlation_id);
        }
        if follow_up.unique.is_none() && follow_up.id.is_none() {
            follow_up.id = Some(JobId::of_follow_up(parent.id, &format!("follow-up {index}")));
        }
    }
    follow_ups
}

/// The longest panic message kept, in characters.
const PANIC_CHARS_MAX: usize = 300;

/// What a panic said, fit to be kept: cut, and with longer runs of digits masked, since a panic quotes
/// whatever value surprised it.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let said =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    said.map_or_else(|| "the panic carried no text".to_owned(), mask_digits)
}

fn mask_digits(said: &str) -> String {
    const RUN_MAX: usize = 4;
    let text: Vec<char> = said.trim().chars().take(PANIC_CHARS_MAX).collect();
    let runs = text.chunk_by(|a, b| a.is_numeric() == b.is_numeric());
    runs.flat_map(|run| {
        let mask = run.len() > RUN_MAX && run[0].is_numeric();
        run.iter().map(move |&c| if mask { '#' } else { c })
    })
    .collect()
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
