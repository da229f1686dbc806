//! Takes jobs from the store whenever a place is free.

use crate::backend::{Reservation, Reserve};
use crate::error::QueueError;
use crate::metrics;
use crate::worker::attempt::interruption;
use crate::worker::backoff::Backoff;
use crate::worker::call::{Trouble, bounded};
use crate::worker::gate::Pass;
use crate::worker::lane::{Lane, Taken};
use crate::worker::renew;
use crate::worker::table::Stop;
use crate::worker::verdict::{Decision, End, decide};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Beyond the asked wait, how long a stop waits for the answer of a reservation under way: dropping the
/// call could strand jobs under leases that nobody serves.
const STOP_MARGIN: Duration = Duration::from_millis(250);

pub(crate) struct Fetcher {
    pub(crate) lane: Lane,
    pub(crate) stop: CancellationToken,
}

/// What one call brought.
struct Batch {
    reservations: Vec<Reservation>,
    sent: Instant,
}

impl Fetcher {
    /// Takes jobs until the soft or the hard stop.
    pub(crate) async fn run(self) {
        let config = &self.lane.shared.config;
        let mut trouble = Trouble::new("reserve", Duration::from_millis(50), config.retry_wait_max);
        // A store that answers "nothing" without waiting (a paused queue) must not be asked in a loop.
        let mut idle = Backoff::new(Duration::from_millis(1), config.reserve_wait);
        while let Some((free, pass)) = self.place().await {
            let asked = Instant::now();
            let pause = match self.reserve(free).await {
                Some(Ok(batch)) => {
                    trouble.over(&self.lane.shared.queue);
                    let waited = asked.elapsed() >= config.reserve_wait / 2;
                    let empty = batch.reservations.is_empty();
                    if !empty || waited {
                        idle.reset();
                    }
                    self.dispatch(batch, pass).await;
                    if empty && !waited { idle.next_pause() } else { Duration::ZERO }
                }
                Some(Err(error)) => {
                    metrics::store_error(&self.lane.shared.queue, "reserve");
                    drop(pass);
                    trouble.failed(&self.lane.shared.queue, &error)
                }
                None => return,
            };
            if !pause.is_zero() {
                tokio::select! {
                    () = self.stopped() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }

    /// Waits until a job may be taken; `None` at a stop.
    async fn place(&self) -> Option<(usize, Arc<Pass>)> {
        let shared = &self.lane.shared;
        let place = async {
            loop {
                shared.slots.free().await;
                // In this order: a pass held while waiting for a place would keep a suspect out.
                let pass = shared.gate.enter().await;
                let free = shared.slots.free_now();
                if free > 0 {
                    return (free, Arc::new(pass));
                }
            }
        };
        tokio::select! {
            biased;
            () = self.stopped() => None,
            place = place => Some(place),
        }
    }

    async fn stopped(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = self.lane.abort.cancelled() => {}
        }
    }

    /// Asks for jobs; `None` at a hard stop, or if a soft stop has waited long enough.
    async fn reserve(&self, free: usize) -> Option<Result<Batch, QueueError>> {
        let shared = &self.lane.shared;
        let config = &shared.config;
        let request = Reserve {
            queue: config.queue.clone(),
            max: free.min(config.reserve_batch_max),
            lease_ms: config.lease_ms,
            worker: shared.worker,
            wait: config.reserve_wait,
            no_suspects: shared.gate.has_suspect(),
        };
        let sent = Instant::now();
        let timeout = config.reserve_wait + config.call_timeout;
        let call = bounded("reserve", timeout, shared.backend.reserve(request));
        let patience = async {
            self.stop.cancelled().await;
            tokio::time::sleep_until((sent + config.reserve_wait).max(Instant::now()) + STOP_MARGIN).await;
        };
        tokio::select! {
            biased;
            answer = call => Some(answer.map(|reservations| Batch { reservations, sent })),
            () = self.lane.abort.cancelled() => None,
            () = patience => None,
        }
    }

    /// Starts what came, side by side; a suspect alone, after the others.
    async fn dispatch(&self, batch: Batch, pass: Arc<Pass>) {
        let lane = &self.lane;
        let lease = lane.shared.config.lease();
        let late = batch.sent.elapsed() > lease / 2;
        let mut ordinary = Vec::with_capacity(batch.reservations.len());
        let mut suspects = Vec::new();
        for reservation in batch.reservations {
            let alone = reservation.alone;
            let taken = lane.take(reservation, batch.sent + lease);
            if alone { suspects.push(taken) } else { ordinary.push(taken) }
        }
        if late {
            self.confirm(ordinary.iter().chain(&suspects)).await;
        }
        for taken in ordinary {
            if self.stop.is_cancelled() || lane.abort.is_cancelled() {
                lane.turn_away(taken, Some(Decision::release()), Some(Arc::clone(&pass))).await;
            } else {
                lane.start(taken, Arc::clone(&pass));
            }
        }
        let mut suspects = suspects.into_iter();
        let first = suspects.next();
        for taken in suspects {
            lane.turn_away(taken, Some(Decision::release()), Some(Arc::clone(&pass))).await;
        }
        drop(pass);
        if let Some(taken) = first {
            self.run_alone(taken).await;
        }
    }

    /// The answer came so late that the leases may be gone: asks before anything runs.
    async fn confirm(&self, taken: impl Iterator<Item = &Taken>) {
        let held: Vec<_> = taken.map(|taken| Arc::clone(&taken.held)).collect();
        if let Err(error) = renew::extend(&self.lane.shared, &held).await {
            tracing::debug!(queue.name = &*self.lane.shared.queue, %error, "leases that came late could not be confirmed");
        }
        let now = Instant::now();
        for held in held.iter().filter(|held| held.expires() <= now) {
            held.stop_for(Stop::LeaseLost);
        }
    }

    /// Waits until the process has nothing else under a lease, then starts the suspect. Nothing is
    /// reserved meanwhile: by this worker because it waits here, by others because the gate is shut.
    async fn run_alone(&self, taken: Taken) {
        let lane = &self.lane;
        let Some(seat) = lane.shared.gate.claim_seat() else {
            // Another suspect waits or runs: if that one takes the process down, this one must not pay.
            return lane.turn_away(taken, Some(Decision::release()), None).await;
        };
        let wait_max = lane.shared.config.suspect_wait_max;
        let decision = tokio::select! {
            biased;
            () = self.stop.cancelled() => Some(Decision::release()),
            why = interruption(&taken.held, lane) => decide(&taken.job, Some(why), End::Silent),
            pass = seat.alone() => return lane.start(taken, Arc::new(pass)),
            () = tokio::time::sleep(wait_max) => Some(Decision::put_off(wait_max)),
        };
        lane.turn_away(taken, decision, None).await;
    }
}
