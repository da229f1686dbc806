//! A call: attempts until one succeeds, may not be repeated, or the deadline has come.

use super::course::Course;
use super::decide::{Step, step};
use super::{Call, Client};
use crate::command::Replay;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::fault::Fault;
use crate::lane::Answer;
use crate::node::{Node, Patience};
use crate::resp::Reply;
use crate::retry::SystemJitter;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

impl Client {
    /// Runs one call to its end, and counts it: the answer, which may be an error of the server's, and who gave it.
    pub(super) async fn run(
        &self,
        call: &Call,
        packed: impl Fn() -> Vec<u8>,
        pipeline: Option<usize>,
        deadline: Instant,
    ) -> Result<(Answer, Arc<Node>)> {
        let mut course = Course::begin(&self.inner.vitals);
        let result = self.attempts(call, packed, pipeline, deadline, &mut course).await;
        course.end(&self.inner.vitals, call, pipeline.is_some(), &result);
        let answer = result?;
        match course.node {
            Some(node) => Ok((answer, node)),
            None => Err(Error::new(
                ErrorKind::Connection,
                "PROTOCOL",
                Outcome::Ambiguous,
                "an answer from nowhere",
            )),
        }
    }

    async fn attempts(
        &self,
        call: &Call,
        packed: impl Fn() -> Vec<u8>,
        pipeline: Option<usize>,
        deadline: Instant,
        course: &mut Course,
    ) -> Result<Answer> {
        let router = &self.inner.router;
        let needs_primary = router.needs_primary(call.need);
        let (mut pauses, mut redirected) = (0, None);
        let mut shut: Option<Arc<Node>> = None;
        loop {
            let (node, asking) = match redirected.take() {
                Some(redirected) => redirected,
                None => (router.route(call.need, shut.as_ref(), deadline).await?, false),
            };
            let node = &*course.node.insert(node);
            node.guard.retries.record_call();
            // Another may answer what this one is not asked for now.
            let another = shut.is_none() && !needs_primary;
            let patience = match course.attempts {
                _ if another => Patience::None,
                0 => Patience::Verdict,
                _ => Patience::Deadline,
            };
            let leave = match node.leave(call.access, call.class, patience, deadline).await {
                Err(error) if error.kind() == ErrorKind::CircuitOpen && another => {
                    shut = Some(Arc::clone(node));
                    continue;
                }
                leave => leave?,
            };
            course.attempts += 1;
            let (since, mut taken) = (Instant::now(), None);
            let sent = if asking {
                ask(node, packed(), pipeline, deadline).await
            } else {
                node.send_noting(packed(), pipeline, needs_primary, deadline, &mut taken).await
            };
            let elapsed = taken.unwrap_or(since).elapsed();
            leave.report(&sent, sent.as_ref().is_ok_and(is_ill), elapsed);
            let error = match sent {
                Ok(answer) => match refusal(&answer) {
                    None => return Ok(answer),
                    Some(error) => error.on(&node.name),
                },
                Err(error) => error,
            };
            note(node, &error);
            node.vitals.health.note_silence(call.access, &error, elapsed);
            router.note(&error);
            match step(&error, call.replay) {
                Step::GiveUp => return Err(error),
                Step::Elsewhere { .. } if course.redirects >= self.inner.manner().redirects_max => {
                    return Err(error);
                }
                Step::Elsewhere { to, asking } => {
                    course.redirects += 1;
                    redirected = Some((router.redirected(node, &to, !asking)?, asking));
                }
                Step::WhenReady => {}
                Step::AfterPause => {
                    if !self.may_pause(node, &error, pauses, deadline).await {
                        return Err(error);
                    }
                    pauses += 1;
                }
            }
            if Instant::now() >= deadline {
                return Err(error);
            }
        }
    }

    /// True if a blocking command that failed so on `node` may be sent again: it was not executed.
    pub(crate) fn may_block_again(&self, node: &Arc<Node>, error: &Error) -> bool {
        let passes = error.fault().is_some_and(Fault::passes);
        self.may_watch_again(node, error) || (error.outcome() == Outcome::Rejected && passes)
    }

    /// The same for `WATCH`, and all else of which nothing was sent.
    pub(crate) fn may_watch_again(&self, node: &Arc<Node>, error: &Error) -> bool {
        note(node, error);
        self.inner.router.note(error);
        match step(error, Replay::Unsafe) {
            Step::WhenReady => true,
            // The map is told, and says so at the next look.
            Step::Elsewhere { to, asking: false } => self.inner.router.redirected(node, &to, true).is_ok(),
            _ => false,
        }
    }

    /// Waits before the next attempt; false if there is to be none: too many were made, by this call or by all of a node, or
    /// there is no time for one.
    async fn may_pause(&self, node: &Node, error: &Error, pauses: u32, deadline: Instant) -> bool {
        // What was refused before it was executed may be tried as long as there is time.
        if error.outcome() != Outcome::Rejected && pauses >= self.inner.manner().attempts_max {
            return false;
        }
        if !node.guard.retries.try_retry() {
            node.counters.retries_refused.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.pause(pauses, deadline).await
    }

    /// Waits before the next attempt; false if there is no time for one.
    async fn pause(&self, pauses: u32, deadline: Instant) -> bool {
        let remaining = deadline.saturating_duration_since(Instant::now());
        match self.inner.manner().pause.next(pauses + 1, remaining, &SystemJitter) {
            Some(pause) => {
                tokio::time::sleep(pause).await;
                true
            }
            None => false,
        }
    }
}

/// Sends one command, or a transaction, behind `ASKING`, which lets a node take what belongs to a slot on its way to it.
async fn ask(node: &Node, packed: Vec<u8>, pipeline: Option<usize>, deadline: Instant) -> Result<Answer> {
    let mut both = redis::cmd("ASKING").get_packed_command();
    both.extend(packed);
    // Its own reply comes first.
    match node.send(both, Some(pipeline.unwrap_or(1) + 1), false, deadline).await? {
        Answer::Many(mut replies) if pipeline.is_none() && replies.len() == 2 => {
            Ok(Answer::One(replies.swap_remove(1)))
        }
        Answer::Many(replies) => Ok(Answer::Many(replies.into_iter().skip(1).collect())),
        Answer::One(reply) => Ok(Answer::One(reply)),
    }
}

/// The error that the whole answer is, if it is one that may pass: of a pipeline, only if every command was refused; of a
/// transaction that was not executed, what was refused of it.
fn refusal(answer: &Answer) -> Option<Error> {
    let refused = |reply: &Reply| match reply {
        Reply::Error(text) if Fault::classify(text).passes() => Some(Error::from_server(text, false)),
        _ => None,
    };
    match answer {
        Answer::One(reply) => refused(reply),
        Answer::Many(replies) => {
            if let Some(Reply::Error(last)) = replies.last()
                && Fault::classify(last) == Fault::ExecAborted
            {
                return replies.iter().find_map(refused);
            }
            let first = replies.first().and_then(refused)?;
            replies.iter().all(|reply| refused(reply).is_some()).then_some(first)
        }
    }
}

/// True if the answer tells that the server is not well.
fn is_ill(answer: &Answer) -> bool {
    let ill = |reply: &Reply| matches!(reply, Reply::Error(text) if Fault::classify(text).is_ill_health());
    match answer {
        Answer::One(reply) => ill(reply),
        Answer::Many(replies) => replies.iter().any(ill),
    }
}

/// What a node's refusal says of the node.
fn note(node: &Arc<Node>, error: &Error) {
    match error.fault() {
        Some(Fault::ReadOnly) => node.is_read_only(),
        Some(Fault::Loading) => node.is_loading(),
        Some(Fault::MasterDown) => node.is_cut_off(),
        Some(Fault::ClusterDown) => node.cluster_is_down(),
        _ => {}
    }
    if let Some(fault) = error.fault() {
        node.vitals.health.note_fault(fault, error.why());
    }
    if error.kind() == ErrorKind::Connection && error.outcome() == Outcome::Ambiguous {
        tracing::debug!(node = &*node.name, %error, "what became of a command is not known");
    }
}
