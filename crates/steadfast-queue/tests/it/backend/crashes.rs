//! A restart at every write: whatever was answered stands, whatever was not is done again, and nothing is done
//! twice.

use super::rig::{Rig, START_MS, job, options};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{Faults, LocalBackend, LocalOptions};
use steadfast_queue::backend::{Reservation, Settle, Settled};
use steadfast_queue::batch::{OnDead, WaitsFor};
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, JobId, NewJob, QueueError, State};
use tempfile::TempDir;

/// What happens at a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Crash {
    /// It does not reach the disk.
    Before,
    /// It reaches the disk, and nobody hears of it.
    After,
}

/// A store that dies at one of its writes and is opened again.
pub(super) struct Mortal {
    folder: TempDir,
    pub(super) clock: Arc<ManualClock>,
    store: Arc<LocalBackend>,
    faults: Faults,
    /// Writes until the crash.
    left: usize,
    crash: Crash,
}

impl Mortal {
    pub(super) fn new(left: usize, crash: Crash) -> Self {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::at(START_MS));
        let (store, faults) = open(&folder, &clock);
        Self { folder, clock, store, faults, left, crash }
    }

    pub(super) fn rig(&self) -> Rig {
        Rig::around(self.store.clone(), self.clock.clone())
    }

    /// Whether the crash has come.
    pub(super) fn has_crashed(&self) -> bool {
        self.left == 0
    }

    /// Makes a call that writes; `None` if the store died of it, and is there again.
    pub(super) async fn write<T>(
        &mut self,
        call: impl AsyncFnOnce(Arc<LocalBackend>) -> Result<T, QueueError>,
    ) -> Option<T> {
        if self.left == 1 {
            let fault = match self.crash {
                Crash::Before => &self.faults.commits_lost,
                Crash::After => &self.faults.commits_unsure,
            };
            fault.store(1, Ordering::SeqCst);
        }
        self.left = self.left.saturating_sub(1);
        if let Ok(answer) = call(self.store.clone()).await {
            return Some(answer);
        }
        self.store.abandon().await.expect("ends");
        (self.store, self.faults) = open(&self.folder, &self.clock);
        None
    }
}

fn open(folder: &TempDir, clock: &Arc<ManualClock>) -> (Arc<LocalBackend>, Faults) {
    let options: LocalOptions = options(folder);
    let (faults, clock) = (options.faults.clone(), clock.clone() as SharedClock);
    (LocalBackend::open(options, clock).expect("opens"), faults)
}

/// Works off whatever is ready: of the callback's runs, those that were stored as completed.
async fn work(mortal: &mut Mortal, callback: JobId) -> u32 {
    let mut runs = 0;
    for _ in 0..40 {
        let rig = mortal.rig();
        let Some(held) = rig.take(1).await.pop() else { continue };
        let Some(settled) = complete(mortal, &held).await else { continue };
        if settled == Settled::Now(State::Completed) && held.job.id == callback {
            let batch = held.job.waits_for.expect("a callback");
            assert_eq!((batch.completed, batch.waiting), (3, false));
            runs += 1;
        }
    }
    runs
}

async fn complete(mortal: &mut Mortal, held: &Reservation) -> Option<Settled> {
    let settle = Settle { lease: held.lease, verdict: Verdict::Complete, follow_ups: Vec::new(), note: None };
    mortal.write(async |store| Ok(store.settle(vec![settle]).await?[0])).await
}

/// The whole life of a batch, with a crash at its `left`th write. Returns whether there was one.
async fn a_batch_lives(left: usize, crash: Crash) -> bool {
    let mut mortal = Mortal::new(left, crash);
    let callback = JobId([1; 16]);
    let new = |id: u8, new: NewJob| NewJob { id: Some(JobId([id; 16])), ..new };
    let waits_for = Some(WaitsFor { jobs: 3, on_dead: OnDead::Continue });
    let jobs = vec![
        new(1, NewJob { waits_for, ..job() }),
        new(2, NewJob { batch: Some(callback), ..job() }),
        new(3, NewJob { batch: Some(callback), ..job() }),
        new(4, NewJob { batch: Some(callback), ..job() }),
    ];
    while mortal.write(async |store| store.enqueue(jobs.clone()).await).await.is_none() {}
    let runs = work(&mut mortal, callback).await;
    let job = mortal.rig().job(callback).await;
    assert_eq!(job.state, State::Completed, "{left} {crash:?}");
    let unheard = mortal.has_crashed() && crash == Crash::After && runs == 0;
    assert!(runs == 1 || unheard, "{left} {crash:?}: it ran to its end {runs} times");
    let stats = mortal.rig().stats().await;
    assert_eq!((stats.completed, stats.available, stats.scheduled, stats.running), (4, 0, 0, 0));
    mortal.has_crashed()
}

#[tokio::test]
async fn s35_a_callback_runs_once_whatever_write_the_crash_comes_at() {
    for crash in [Crash::Before, Crash::After] {
        let mut left = 1;
        while a_batch_lives(left, crash).await {
            left += 1;
        }
        assert!(left > 5, "every write had its crash: {left}");
    }
}
