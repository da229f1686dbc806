//! Keeps the leases of all running jobs, and tells a job when it has lost its own.

use crate::backend::{BATCH_MAX, Extend, Extended};
use crate::error::QueueError;
use crate::metrics;
use crate::worker::backoff::spread;
use crate::worker::call::{Trouble, bounded, miscounted};
use crate::worker::lane::Shared;
use crate::worker::table::{Held, Stop};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Extends until `done` fires. A store that fails is tried again sooner than the next turn; a lease that
/// runs out meanwhile counts as lost at once, because somebody else may hold the job from then on.
pub(crate) async fn run(shared: Arc<Shared>, done: CancellationToken) {
    let config = &shared.config;
    let mut trouble =
        Trouble::new("extend", Duration::from_millis(100), config.retry_wait_max.min(config.extend_every));
    let mut pause = spread(config.extend_every, 0.1).min(config.lease() / 3);
    loop {
        tokio::select! {
            () = done.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let held = live(&shared);
        let failure = tokio::select! {
            () = done.cancelled() => return,
            failure = extend_all(&shared, &held) => failure,
        };
        pause = match failure {
            None => {
                // Nothing was asked if nothing is held: that says nothing about the store.
                if !held.is_empty() {
                    trouble.over(&shared.queue);
                }
                spread(config.extend_every, 0.1).min(config.lease() / 3)
            }
            Some(error) => {
                metrics::store_error(&shared.queue, "extend");
                let pause = trouble.failed(&shared.queue, &error);
                pause.min(until_first_expiry(&live(&shared)))
            }
        };
    }
}

/// Leases worth extending; those that ran out are lost.
fn live(shared: &Shared) -> Vec<Arc<Held>> {
    let now = Instant::now();
    let mut held = shared.table.all();
    held.retain(|held| {
        let expired = held.expires() <= now;
        if expired {
            lose(held);
        }
        !expired && !held.is_lost()
    });
    held
}

fn until_first_expiry(held: &[Arc<Held>]) -> Duration {
    let now = Instant::now();
    held.iter().map(|held| held.expires() - now).min().unwrap_or(Duration::MAX)
}

/// Extends all of `held`; returns the last failure, if any.
async fn extend_all(shared: &Shared, held: &[Arc<Held>]) -> Option<QueueError> {
    let mut failure = None;
    for chunk in held.chunks(BATCH_MAX) {
        if let Err(error) = extend(shared, chunk).await {
            failure = Some(error);
        }
    }
    failure
}

/// Extends one batch, and tells each job what its answer means.
pub(crate) async fn extend(shared: &Shared, held: &[Arc<Held>]) -> Result<(), QueueError> {
    let config = &shared.config;
    let sent = Instant::now();
    let leases: Vec<_> =
        held.iter().map(|held| Extend { lease: held.lease, note: held.notes.take() }).collect();
    let said: Vec<_> = leases.iter().map(|extend| extend.note.clone()).collect();
    // Never so long that a lease could run out unnoticed behind a silent store.
    let timeout = config.call_timeout.min(until_first_expiry(held)).max(Duration::from_millis(1));
    let answers = bounded("extend", timeout, shared.backend.extend(leases, config.lease_ms)).await;
    let answers = answers.and_then(|answers| match answers.len() == held.len() {
        true => Ok(answers),
        false => Err(miscounted("extend", held.len(), answers.len())),
    });
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => {
            // Said again with the next call: a line may come twice, and none is lost.
            for (held, note) in held.iter().zip(said) {
                note.into_iter().for_each(|note| held.notes.give_back(note));
            }
            return Err(error);
        }
    };
    for (held, answer) in held.iter().zip(answers) {
        match answer {
            Extended::Held { cancel } => {
                held.extended_to(sent + config.lease());
                if cancel {
                    held.stop_for(Stop::Cancelled);
                }
            }
            Extended::Lost => lose(held),
        }
    }
    Ok(())
}

/// An attempt that is over is left to the settler: its verdict may have been stored a moment ago, which
/// ends the lease as well.
fn lose(held: &Held) {
    if !held.has_ended() {
        held.stop_for(Stop::LeaseLost);
    }
}
