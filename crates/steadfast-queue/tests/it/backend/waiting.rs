//! Waiting for a job.

use super::rig::{Choice, LEASE_MS, Make, QUEUE, delayed, ids, job, over_every_backend};
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_queue::Backend;
use steadfast_queue::backend::{Control, Enqueued, Reserve, Sweep, WorkerId};
use tempfile::TempDir;
use tokio::time::timeout;

over_every_backend!(
    an_enqueue_wakes_who_waits,
    a_scheduled_job_wakes_who_waits,
    a_release_wakes_who_waits,
    resuming_wakes_who_waits,
    a_wait_ends,
    everybody_gets_one,
    nobody_waits_when_there_is_something,
);

/// Longer than any of this takes, far shorter than the wait that is asked for.
const SOON: Duration = Duration::from_secs(20);

fn store(make: Make) -> (Arc<dyn Backend>, Option<TempDir>) {
    make(SystemClock::shared(), Choice::default())
}

fn waiting(wait: Duration) -> Reserve {
    Reserve {
        queue: QUEUE.to_owned(),
        max: 1,
        lease_ms: LEASE_MS,
        worker: WorkerId::fresh(),
        wait,
        no_suspects: false,
    }
}

/// Waits for a job while `act` makes one available.
async fn woken_by<F: Future<Output = ()>>(store: &Arc<dyn Backend>, act: F) {
    let wait = async {
        let taken = timeout(SOON, store.reserve(waiting(Duration::from_secs(600)))).await;
        assert_eq!(taken.expect("woken in time").expect("reserves").len(), 1);
    };
    tokio::join!(wait, act);
}

async fn an_enqueue_wakes_who_waits(make: Make) {
    let (store, _folder) = store(make);
    woken_by(&store, async {
        store.enqueue(vec![job()]).await.expect("enqueues");
    })
    .await;
}

async fn a_scheduled_job_wakes_who_waits(make: Make) {
    let (store, _folder) = store(make);
    store.enqueue(vec![delayed(40)]).await.expect("enqueues");
    woken_by(&store, async {}).await;
    // Also one that is scheduled while somebody waits.
    woken_by(&store, async {
        // Answered after the look of the one who waits.
        store.sweep(Sweep::Promote, 1).await.expect("promotes");
        store.enqueue(vec![delayed(40)]).await.expect("enqueues");
    })
    .await;
}

async fn a_release_wakes_who_waits(make: Make) {
    let (store, _folder) = store(make);
    store.enqueue(vec![job()]).await.expect("enqueues");
    let held = store.reserve(waiting(Duration::ZERO)).await.expect("reserves").pop().expect("ready");
    woken_by(&store, async {
        let verdict = steadfast_queue::state::Verdict::Release;
        let settle = steadfast_queue::backend::Settle {
            lease: held.lease,
            verdict,
            follow_ups: Vec::new(),
            note: None,
        };
        store.settle(vec![settle]).await.expect("settles");
    })
    .await;
}

async fn resuming_wakes_who_waits(make: Make) {
    let (store, _folder) = store(make);
    store.control(Control::Pause(QUEUE.into())).await.expect("pauses");
    store.enqueue(vec![job()]).await.expect("enqueues");
    woken_by(&store, async {
        store.control(Control::Resume(QUEUE.into())).await.expect("resumes");
    })
    .await;
}

async fn a_wait_ends(make: Make) {
    let (store, _folder) = store(make);
    let taken = timeout(SOON, store.reserve(waiting(Duration::from_millis(20)))).await;
    assert!(taken.expect("ends").expect("reserves").is_empty());
    // The longest wait there is does not overflow.
    let forever = timeout(Duration::from_millis(50), store.reserve(waiting(Duration::MAX))).await;
    assert!(forever.is_err());
}

async fn everybody_gets_one(make: Make) {
    let (store, _folder) = store(make);
    let waiters = (0..8).map(|_| store.reserve(waiting(Duration::from_secs(600))));
    let everybody = futures::future::join_all(waiters);
    let work = async {
        let answers = store.enqueue(vec![job(); 8]).await.expect("enqueues");
        assert!(answers.iter().all(|answer| matches!(answer, Enqueued::New(_))));
    };
    let (taken, ()) = timeout(SOON, async { tokio::join!(everybody, work) }).await.expect("in time");
    let mut all: Vec<_> = taken.into_iter().flat_map(|taken| ids(&taken.expect("reserves"))).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 8);
}

async fn nobody_waits_when_there_is_something(make: Make) {
    let (store, _folder) = store(make);
    store.enqueue(vec![job()]).await.expect("enqueues");
    let taken = timeout(SOON, store.reserve(waiting(Duration::from_secs(600)))).await;
    assert_eq!(taken.expect("at once").expect("reserves").len(), 1);
}
