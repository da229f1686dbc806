//! What one call went through, for the figures and for health.

use super::{Call, Client};
use crate::command::Operation;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::fault::Fault;
use crate::lane::Answer;
use crate::metrics::{Called, Ending};
use crate::node::Node;
use crate::resp::Reply;
use crate::vitals::Vitals;
use std::sync::Arc;
use tokio::time::Instant;

/// What one call went through.
#[derive(Debug)]
pub(super) struct Course {
    /// `None`: nothing is measured.
    since: Option<Instant>,
    /// The last node it was for.
    pub(super) node: Option<Arc<Node>>,
    pub(super) attempts: u32,
    pub(super) redirects: u32,
}

impl Course {
    pub(super) fn begin(vitals: &Vitals) -> Self {
        Self { since: vitals.metrics.begin(), node: None, attempts: 0, redirects: 0 }
    }

    /// The call is over.
    pub(super) fn end(&self, vitals: &Vitals, call: &Call, is_pipeline: bool, result: &Result<Answer>) {
        let refusal = result.as_ref().ok().and_then(refusal);
        if let Some(node) = &self.node {
            match (&refusal, result) {
                (Some((fault, text)), _) => node.vitals.health.note_fault(fault, text),
                (None, Ok(_)) => node.vitals.health.note_success(call.access),
                // Noted attempt by attempt.
                (None, Err(_)) => {}
            }
        }
        let Some(since) = self.since else { return };
        // The script is sent again with its text, and that counts.
        if refusal.as_ref().is_some_and(|(fault, _)| *fault == Fault::NoScript) {
            return;
        }
        let operation = if is_pipeline { Operation::PIPELINE } else { call.operation };
        let ending = match (&refusal, result) {
            (Some((fault, text)), _) => Ending::Failed(fault.kind(), outcome(fault, text, call)),
            (None, Ok(answer)) if is_oversized(answer) => {
                Ending::Failed(ErrorKind::Validation, Outcome::Ambiguous)
            }
            (None, Ok(_)) => Ending::Succeeded,
            (None, Err(error)) => Ending::Failed(error.kind(), error.outcome()),
        };
        if ending != Ending::Succeeded {
            self.keep_error(vitals, operation, refusal.as_ref().map(|(_, text)| &**text), result);
        }
        let elapsed = Some(since.elapsed());
        let retries = self.attempts.saturating_sub(1 + self.redirects);
        let called = Called { operation, ending, elapsed, retries, redirects: self.redirects };
        vitals.metrics.called(self.node.as_ref().map(|node| &*node.counters), &called);
    }

    fn keep_error(&self, vitals: &Vitals, operation: Operation, text: Option<&str>, result: &Result<Answer>) {
        let error = || match (text, result) {
            (_, Err(error)) => error.clone(),
            (text, Ok(_)) => {
                let error = Error::from_server(text.unwrap_or("ERR the reply was too large"), false);
                self.node.iter().fold(error, |error, node| error.on(&node.name))
            }
        };
        vitals.metrics.keep_error(error, operation.name());
    }
}

impl Client {
    /// Counts a call on a connection of its own. Without `since` it is not timed: how long a blocking call takes is what it
    /// was asked to wait.
    pub(crate) fn count(
        &self,
        node: &Arc<Node>,
        operation: Operation,
        since: Option<Instant>,
        error: Option<&Error>,
    ) {
        let metrics = &self.inner.vitals.metrics;
        if metrics.begin().is_none() {
            return;
        }
        if let Some(error) = error {
            metrics.keep_error(|| error.clone(), operation.name());
        }
        let ending = error.map_or(Ending::Succeeded, |error| Ending::Failed(error.kind(), error.outcome()));
        let elapsed = since.map(|since| since.elapsed());
        metrics
            .called(Some(&node.counters), &Called { operation, ending, elapsed, retries: 0, redirects: 0 });
    }
}

/// The first error among the answers.
fn refusal(answer: &Answer) -> Option<(Fault, Arc<str>)> {
    let error = |reply: &Reply| match reply {
        Reply::Error(text) => Some((Fault::classify(text), Arc::from(text.as_ref()))),
        _ => None,
    };
    match answer {
        Answer::One(reply) => error(reply),
        Answer::Many(replies) => replies.iter().find_map(error),
    }
}

fn is_oversized(answer: &Answer) -> bool {
    matches!(answer, Answer::One(Reply::Oversized { .. }))
}

/// A script that failed on its own may have written.
fn outcome(fault: &Fault, text: &str, call: &Call) -> Outcome {
    match call.access == crate::command::Access::Script && !fault.refuses_script(text) {
        true => Outcome::Ambiguous,
        false => Outcome::Rejected,
    }
}
