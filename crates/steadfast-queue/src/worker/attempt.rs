//! One attempt at one job: the handler's future, and all that can cut it short.

use crate::handler::Outcome;
use crate::handler::{Handler, JobContext};
use crate::job::Job;
use crate::worker::lane::Lane;
use crate::worker::table::{Held, Stop};
use crate::worker::verdict::{End, Interrupt, panic_message};
use futures::FutureExt as _;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Runs `handler` on `job` until it ends, or until its token has fired and its grace is over.
pub(crate) async fn run(
    handler: &dyn Handler,
    job: &Job,
    held: &Held,
    lane: &Lane,
    grace: Duration,
) -> (Option<Interrupt>, End) {
    // A child: a handler that fires its own token tells nobody but itself.
    let (cancel, last_attempt) = (held.stop.child_token(), held.last_attempt);
    let notes = Arc::clone(&held.notes);
    let context = JobContext { cancel, fence: held.lease.fence, last_attempt, notes };
    let attempt = async { handler.run(job, &context).await };
    let mut attempt = Box::pin(AssertUnwindSafe(attempt).catch_unwind());
    let interrupt = tokio::select! {
        biased;
        end = &mut attempt => return (None, ended(end)),
        interrupt = interruption(held, lane) => interrupt,
        () = tokio::time::sleep(Duration::from_millis(job.timeout_ms)) => Interrupt::TimedOut,
    };
    held.stop.cancel();
    let end = tokio::select! {
        biased;
        end = &mut attempt, if interrupt != Interrupt::Aborted => ended(end),
        () = lane.abort.cancelled() => End::Silent,
        () = tokio::time::sleep(grace) => End::Silent,
    };
    // What is dropped may panic too.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(move || drop(attempt))) {
        return (Some(interrupt), End::Panicked(panic_message(&*panic)));
    }
    // While it wound down, the lease may have gone as well.
    let interrupt = if held.is_lost() { Interrupt::LeaseLost } else { interrupt };
    (Some(interrupt), end)
}

fn ended(end: Result<Outcome, Box<dyn Any + Send>>) -> End {
    match end {
        Ok(outcome) => End::Said(outcome),
        Err(panic) => End::Panicked(panic_message(&*panic)),
    }
}

/// Waits for a reason to stop a job that has a place, running or not yet.
pub(crate) async fn interruption(held: &Held, lane: &Lane) -> Interrupt {
    tokio::select! {
        biased;
        () = lane.abort.cancelled() => Interrupt::Aborted,
        () = held.stop.cancelled() => match held.why() {
            Some(Stop::Cancelled) => Interrupt::Cancelled,
            Some(Stop::LeaseLost) | None => Interrupt::LeaseLost,
        },
        () = lane.drained.cancelled() => Interrupt::Draining,
    }
}
