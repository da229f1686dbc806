//! What all tasks of one run of a worker share, and the path of a job through it.

use crate::backend::{Backend, Reservation, Settle, WorkerId};
use crate::handler::Handler;
use crate::job::Job;
use crate::state::Verdict;
use crate::worker::adaptive::Adaptive;
use crate::worker::attempt;
use crate::worker::config::WorkerConfig;
use crate::worker::gate::{Pass, RunGate};
use crate::worker::notes::Notes;
use crate::worker::report::{JobObserver, JobOutcome, JobReport};
use crate::worker::slots::Slots;
use crate::worker::table::{Held, Stop, Table};
use crate::worker::verdict::{Decision, End, decide};
use futures::FutureExt as _;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// What outlives a run and is shared with handles.
pub(crate) struct Shared {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) handlers: HashMap<String, Arc<dyn Handler>>,
    /// For kinds without one.
    pub(crate) fallback: Option<Arc<dyn Handler>>,
    pub(crate) config: WorkerConfig,
    pub(crate) queue: Arc<str>,
    pub(crate) clock: SharedClock,
    pub(crate) worker: WorkerId,
    pub(crate) slots: Arc<Slots>,
    pub(crate) table: Arc<Table>,
    pub(crate) gate: RunGate,
    /// A job has said something.
    pub(crate) news: Arc<Notify>,
    pub(crate) adaptive: Option<Arc<Adaptive>>,
    pub(crate) observer: Option<Arc<dyn JobObserver>>,
}

/// What the tasks of one run share. The settler ends when the last copy is dropped.
#[derive(Clone)]
pub(crate) struct Lane {
    pub(crate) shared: Arc<Shared>,
    /// Everything ends now.
    pub(crate) abort: CancellationToken,
    /// The patience for running jobs is over.
    pub(crate) drained: CancellationToken,
    pub(crate) attempts: TaskTracker,
    pub(crate) finished: mpsc::Sender<Finished>,
}

/// An attempt that is over, on its way to the store.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) held: Arc<Held>,
    pub(crate) settle: Settle,
    pub(crate) report: JobReport,
    /// Whether an earlier call to settle it may have been carried out.
    pub(crate) uncertain: bool,
    /// How often the store called it inconsistent.
    pub(crate) refusals: u8,
    /// Kept until the verdict is stored: until then, a crash would count against the job.
    pub(crate) _pass: Option<Arc<Pass>>,
}

/// A job taken from the store, not started yet.
pub(crate) struct Taken {
    pub(crate) job: Job,
    pub(crate) held: Arc<Held>,
    /// An older attempt of ours at the same job, which has lost its lease.
    pub(crate) earlier: Option<Arc<Held>>,
}

impl Lane {
    /// Starts an attempt on a task of its own.
    pub(crate) fn start(&self, taken: Taken, pass: Arc<Pass>) {
        let slot = self.shared.slots.take();
        let lane = self.clone();
        self.attempts.spawn(async move {
            let finished = lane.attempt(taken, pass).await;
            lane.hand_over(finished).await;
            // Only now: while the settler cannot keep up, nothing new is taken.
            drop(slot);
        });
    }

    async fn attempt(&self, taken: Taken, pass: Arc<Pass>) -> Finished {
        let Taken { job, held, earlier } = taken;
        let shared = &self.shared;
        let wait = self.waited(&job);
        let Some(handler) = shared.handlers.get(&job.kind).or(shared.fallback.as_ref()) else {
            held.end();
            let decision = Decision::unknown_kind(&job.kind);
            return self.finish(&job, held, Some(decision), wait, None, Some(pass));
        };
        // Error level, so that no filter drops it: it gives the handler's lines their correlation id.
        let span = tracing::error_span!(
            "job",
            queue.name = &*shared.queue,
            job.id = %job.id,
            job.kind = job.kind,
            job.attempt = job.attempt,
            correlation.id = job.correlation_id,
        );
        let (began, (interrupt, end)) = async {
            if let Some(earlier) = earlier {
                tokio::select! {
                    () = earlier.gone.cancelled() => {}
                    why = attempt::interruption(&held, self) => return (None, (Some(why), End::Silent)),
                }
            }
            // It may have been cancelled or lost between its reservation and now.
            if let Some(why) = attempt::interruption(&held, self).now_or_never() {
                return (None, (Some(why), End::Silent));
            }
            tracing::debug!("job starts");
            let began = Instant::now();
            let grace = shared.config.cancel_grace;
            (Some(began), attempt::run(handler.as_ref(), &job, &held, self, grace).await)
        }
        .instrument(span)
        .await;
        held.end();
        let ran = began.map(|began| began.elapsed());
        let decision = decide(&job, interrupt, end);
        self.finish(&job, held, decision, wait, ran, Some(pass))
    }

    /// A job that is not started after all.
    pub(crate) async fn turn_away(&self, taken: Taken, decision: Option<Decision>, pass: Option<Arc<Pass>>) {
        taken.held.end();
        let wait = self.waited(&taken.job);
        let finished = self.finish(&taken.job, taken.held, decision, wait, None, pass);
        self.hand_over(finished).await;
    }

    /// Notes a reservation. A lease of ours on the same job that is still in the table is lost: its
    /// attempt is told so, and the new one starts when it is gone.
    pub(crate) fn take(&self, reservation: Reservation, expires: Instant) -> Taken {
        let notes = Notes::new(Some(Arc::clone(&self.shared.news)));
        let held = Held::new(reservation.lease, reservation.last_attempt, expires, notes);
        let earlier = self.shared.table.insert(&held);
        if let Some(earlier) = &earlier {
            earlier.stop_for(Stop::LeaseLost);
        }
        Taken { job: reservation.job, held, earlier }
    }

    async fn hand_over(&self, finished: Finished) {
        if let Err(refused) = self.finished.send(finished).await {
            let report = refused.0.report;
            tracing::error!(queue.name = &*report.queue, job.id = %report.id, "nobody settles jobs any more; the lease will run out");
        }
    }

    fn waited(&self, job: &Job) -> Duration {
        let waited_ms = self.shared.clock.now_ms().saturating_sub(job.run_at_ms);
        Duration::from_millis(u64::try_from(waited_ms).unwrap_or(0))
    }

    fn finish(
        &self,
        job: &Job,
        held: Arc<Held>,
        decision: Option<Decision>,
        wait: Duration,
        ran: Option<Duration>,
        pass: Option<Arc<Pass>>,
    ) -> Finished {
        let lost = decision.is_none();
        let decision = decision.unwrap_or_else(Decision::release);
        let failure = match &decision.verdict {
            Verdict::Retry { failure, .. } | Verdict::Dead { failure } => Some(failure.clone()),
            Verdict::Complete | Verdict::Snooze { .. } | Verdict::PutOff { .. } | Verdict::Release => None,
        };
        let report = JobReport {
            queue: Arc::clone(&self.shared.queue),
            id: job.id,
            kind: job.kind.clone(),
            attempt: job.attempt,
            correlation_id: job.correlation_id.clone(),
            outcome: if lost { JobOutcome::Lost } else { decision.outcome },
            failure,
            wait,
            ran,
        };
        let Decision { verdict, follow_ups, .. } = decision;
        let settle = Settle { lease: held.lease, verdict, follow_ups, note: held.notes.take() };
        Finished { held, settle, report, uncertain: false, refusals: 0, _pass: pass }
    }
}
