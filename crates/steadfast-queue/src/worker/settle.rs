//! Stores verdicts: one task, one call at a time. What finishes during a call is the next batch, so a
//! lone job waits for nothing and busy workers share their writes.

use crate::backend::{Settle, Settled};
use crate::error::QueueError;
use crate::metrics;
use crate::worker::call::{Trouble, bounded, miscounted};
use crate::worker::lane::{Finished, Shared};
use crate::worker::report::{JobOutcome, publish};
use crate::worker::verdict::after_rejection;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// After the hard stop, how long one last call may take.
const LAST_CALL: Duration = Duration::from_secs(1);
/// How often the store may call one verdict inconsistent before that is given up.
const REFUSALS_MAX: u8 = 5;

pub(crate) struct Settler {
    pub(crate) shared: Arc<Shared>,
    pub(crate) abort: CancellationToken,
}

impl Settler {
    /// Settles until all senders are gone and the last verdict is stored or given up.
    pub(crate) async fn run(self, mut finished: mpsc::Receiver<Finished>) {
        let limit = self.shared.config.settle_batch_max;
        let pause_max = self.shared.config.retry_wait_max;
        let mut trouble = Trouble::new("settle", Duration::from_millis(50), pause_max);
        let mut batch = Vec::with_capacity(limit);
        while finished.recv_many(&mut batch, limit).await > 0 {
            self.store(std::mem::take(&mut batch), &mut trouble).await;
        }
    }

    /// Stores a batch. Tries again while the store fails, for as long as each lease may still be held:
    /// until then nobody else runs the job, after that somebody else may.
    async fn store(&self, mut pending: Vec<Finished>, trouble: &mut Trouble) {
        loop {
            pending = self.drop_lost(pending);
            if pending.is_empty() {
                return;
            }
            let error = match self.call(&pending).await {
                Ok(answers) => {
                    trouble.over(&self.shared.queue);
                    pending = self.take_answers(pending, answers);
                    continue;
                }
                Err(error) => error,
            };
            metrics::store_error(&self.shared.queue, "settle");
            pending.iter_mut().for_each(|item| item.uncertain = true);
            if matches!(error, QueueError::Inconsistent { .. }) && !self.abort.is_cancelled() {
                // One of them may be what the store cannot take: it must not hold up the others.
                pending = self.store_singly(pending).await;
            }
            let pause = trouble.failed(&self.shared.queue, &error);
            let wake = (Instant::now() + pause).min(earliest(&pending));
            tokio::select! {
                () = tokio::time::sleep_until(wake) => {}
                () = self.abort.cancelled() => return pending.into_iter().for_each(|item| self.done(item, JobOutcome::Abandoned)),
            }
        }
    }

    /// One call each; returns those to be tried again. What the store has called inconsistent often enough is
    /// given up: its lease runs out, and after some crashes of that kind the job is a dead letter for all to
    /// see, rather than running for ever.
    async fn store_singly(&self, batch: Vec<Finished>) -> Vec<Finished> {
        let mut failed = Vec::new();
        let mut batch = batch.into_iter();
        while let Some(mut item) = batch.next() {
            match self.call(std::slice::from_ref(&item)).await {
                Ok(answers) => failed.extend(self.take_answers(vec![item], answers)),
                Err(QueueError::Inconsistent { what }) => {
                    item.refusals += 1;
                    if item.refusals < REFUSALS_MAX {
                        failed.push(item);
                    } else {
                        tracing::error!(queue.name = &*self.shared.queue, job.id = %item.report.id, what, "the store cannot take what became of this job");
                        self.done(item, JobOutcome::Abandoned);
                    }
                }
                Err(_the_store_is_away) => {
                    failed.push(item);
                    failed.extend(batch.by_ref());
                }
            }
        }
        failed
    }

    async fn call(&self, pending: &[Finished]) -> Result<Vec<Settled>, QueueError> {
        let settlements: Vec<Settle> = pending.iter().map(|item| item.settle.clone()).collect();
        let call =
            bounded("settle", self.shared.config.call_timeout, self.shared.backend.settle(settlements));
        let last_call = async {
            self.abort.cancelled().await;
            tokio::time::sleep(LAST_CALL).await;
        };
        let answers = tokio::select! {
            answers = call => answers?,
            () = last_call => return Err(QueueError::Unavailable { what: "settle: no answer before the hard stop".to_owned(), source: None }),
        };
        if answers.len() == pending.len() {
            Ok(answers)
        } else {
            Err(miscounted("settle", pending.len(), answers.len()))
        }
    }

    /// Drops what may no longer be said, because the lease is lost or has run out.
    fn drop_lost(&self, pending: Vec<Finished>) -> Vec<Finished> {
        let now = Instant::now();
        let mut kept = Vec::with_capacity(pending.len());
        for item in pending {
            if item.report.outcome == JobOutcome::Lost || item.held.is_lost() {
                self.done(item, JobOutcome::Lost);
            } else if item.held.expires() <= now {
                self.done(item, JobOutcome::Abandoned);
            } else {
                kept.push(item);
            }
        }
        kept
    }

    /// Acts on the store's answers; returns those that must be said differently.
    fn take_answers(&self, pending: Vec<Finished>, answers: Vec<Settled>) -> Vec<Finished> {
        let mut again = Vec::new();
        for (mut item, answer) in pending.into_iter().zip(answers) {
            match answer {
                Settled::Now(state) => {
                    let outcome = item.report.outcome.stored_as(state);
                    self.done(item, outcome);
                }
                Settled::Lost if item.uncertain => self.done(item, JobOutcome::Unconfirmed),
                Settled::Lost => self.done(item, JobOutcome::Lost),
                Settled::FollowUpRejected(rejection) => {
                    tracing::warn!(
                        queue.name = &*self.shared.queue,
                        job.id = %item.report.id,
                        correlation.id = item.report.correlation_id,
                        %rejection,
                        "a job that follows was turned away"
                    );
                    let instead = after_rejection(rejection, self.shared.config.follow_up_wait);
                    item.report.outcome = instead.outcome;
                    item.settle.verdict = instead.verdict;
                    item.settle.follow_ups = Vec::new();
                    again.push(item);
                }
            }
        }
        again
    }

    fn done(&self, item: Finished, outcome: JobOutcome) {
        self.shared.table.remove(&item.held.lease);
        let mut report = item.report;
        report.outcome = outcome;
        publish(&report, self.shared.observer.as_deref());
        if let Some(adaptive) = &self.shared.adaptive {
            adaptive.meter.note(&report);
        }
    }
}

fn earliest(pending: &[Finished]) -> Instant {
    let now = Instant::now();
    pending.iter().map(|item| item.held.expires()).min().unwrap_or(now)
}
