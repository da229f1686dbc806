//! Runs a typed handler on an untyped job: reads the payload, calls, collects what follows.

use crate::handler::{Handler, JobContext, Outcome};
use crate::job::{Job, JobId, NewJob};
use crate::policy::Failure;
use crate::typed::context::Context;
use crate::typed::draft::Draft;
use crate::typed::error::ms;
use crate::typed::handler::JobHandler;
use crate::typed::job_type::{JobType, VERSION_MAX};
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use steadfast_clock::SharedClock;

/// How long to wait before looking again whether a newer worker has taken a job that this one does not know.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// The most versions and kinds remembered; beyond it those met first are forgotten, which only prolongs patience.
const MET_MAX: usize = 256;

/// How long to leave what only a newer worker can know to that worker.
///
/// During a rolling upgrade old and new workers share a queue, so an old one meets kinds and versions that it
/// does not know. It puts them off without an attempt: a new worker will get them. If none comes, waiting
/// would hide the fault: a job becomes a dead letter, which an operator can retry, when both it is older than
/// this and this process has met its like for longer than this. So neither a delayed job nor a long upgrade
/// loses its chance.
#[derive(Debug)]
pub(crate) struct Patience {
    span: Duration,
    clock: SharedClock,
    met: Mutex<BTreeMap<String, u64>>,
}

impl Patience {
    pub(crate) fn new(span: Duration, clock: SharedClock) -> Self {
        Self { span, clock, met: Mutex::default() }
    }

    /// What to do with a job that is as unknown as others of `like`.
    fn judge(&self, job: &Job, like: String, failure: Failure) -> Outcome {
        let now_ms = self.clock.mono_ms();
        let met_ms = {
            let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
            if met.len() >= MET_MAX && !met.contains_key(&like) {
                let first = met.iter().min_by_key(|(_, at_ms)| **at_ms).map(|(like, _)| like.clone());
                first.and_then(|first| met.remove(&first));
            }
            *met.entry(like).or_insert(now_ms)
        };
        let span_ms = ms(self.span);
        let age_ms = u64::try_from(self.clock.now_ms().saturating_sub(job.enqueued_ms)).unwrap_or(0);
        if age_ms >= span_ms && now_ms.saturating_sub(met_ms) >= span_ms {
            return Outcome::Dead(failure);
        }
        tracing::warn!(
            job.kind = job.kind,
            version = job.codec,
            error = failure.error,
            "a job for a newer worker is put off"
        );
        Outcome::PutOff(ms(LOOK_AGAIN.min(self.span).max(Duration::from_millis(1))))
    }
}

/// Handles the kinds that nobody here knows.
#[derive(Debug)]
pub(crate) struct Unknown(pub(crate) Patience);

#[async_trait]
impl Handler for Unknown {
    async fn run(&self, job: &Job, _context: &JobContext) -> Outcome {
        let message = format!(
            "no handler for kind {:?} is registered with the worker of queue {:?}",
            job.kind, job.queue
        );
        self.0.judge(job, job.kind.clone(), Failure::new("unknown_kind", message))
    }
}

/// One typed handler with its state.
pub(crate) struct Typed<H, Args, S> {
    pub(crate) handler: H,
    pub(crate) state: S,
    pub(crate) patience: Patience,
    pub(crate) args: PhantomData<fn() -> Args>,
}

#[async_trait]
impl<H, Args, S> Handler for Typed<H, Args, S>
where
    H: JobHandler<Args, S>,
    Args: 'static,
    S: Clone + Send + Sync + 'static,
{
    async fn run(&self, job: &Job, run: &JobContext) -> Outcome {
        let payload = match read::<H::Job>(job, &self.patience) {
            Ok(payload) => payload,
            Err(outcome) => return outcome,
        };
        let context = Context::new(job, run);
        match self.handler.call(payload, context.clone(), self.state.clone()).await {
            Ok(follow) => {
                let mut drafts = context.take_follow_ups();
                drafts.extend(follow.into_drafts());
                complete(job.id, drafts)
            }
            Err(error) => error.into_outcome(),
        }
    }
}

/// The job's value, or what its attempt ends with at once.
fn read<J: JobType>(job: &Job, patience: &Patience) -> Result<J, Outcome> {
    let corrupt = |message: String| Outcome::Dead(Failure::new("corrupt_payload", message));
    if job.codec > VERSION_MAX {
        let message = "the payload is encrypted: give this worker the key ring it was sealed with".to_owned();
        return Err(corrupt(message));
    }
    if job.codec > J::VERSION {
        let message = format!(
            "the payload of kind {} has version {}, this worker knows up to {}: run a newer worker, then retry",
            job.kind,
            job.codec,
            J::VERSION
        );
        let like = format!("{}\0{}", job.kind, job.codec);
        return Err(patience.judge(job, like, Failure::new("newer_version", message)));
    }
    let read =
        if job.codec == J::VERSION { J::decode(&job.payload) } else { J::upgrade(job.codec, &job.payload) };
    read.map_err(|error| {
        corrupt(format!("the payload of kind {}, version {}, cannot be read: {error}", job.kind, job.codec))
    })
}

/// Completes with what follows. A follow-up that can never be stored, or that would silently be taken for
/// another one, is a defect of the handler: the job is dead rather than half done.
fn complete(parent: JobId, drafts: Vec<Draft>) -> Outcome {
    let mut follow_ups: Vec<NewJob> = Vec::with_capacity(drafts.len());
    let mut ids = BTreeSet::new();
    for draft in drafts {
        let kind = draft.kind().to_owned();
        let defect = |word: &str, what: &str| {
            Outcome::Dead(Failure::new(word, format!("a job of kind {kind} that was to follow {what}")))
        };
        match draft.follow(parent) {
            Err(error) => return defect("follow_up_rejected", &format!("cannot be encoded: {error}")),
            Ok(new) => {
                let named = new.unique.is_none().then_some(new.id).flatten();
                if named.is_some_and(|id| !ids.insert(id)) {
                    return defect("follow_up_step_twice", "has the step's name of another one");
                }
                follow_ups.push(new);
            }
        }
    }
    Outcome::Complete(follow_ups)
}
