//! Full disks and failing ones.

use super::rig::{QUEUE, Rig, START_MS, ids, job, options, retry, unique, urgent};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{Bounds, Faults, LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::LOW_TURN_EVERY;
use steadfast_queue::backend::{Backend, Control, Enqueued, Reserve, Settle, Settled, Sweep};
use steadfast_queue::schedule::{AGAIN_MS, MISSED_AFTER_MS, Schedule};
use steadfast_queue::state::Verdict;
use steadfast_queue::{NewJob, Priority, QueueError, State};
use tempfile::TempDir;

fn store() -> (Rig, Faults, Arc<LocalBackend>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = Faults::default();
    let clock = ManualClock::at(START_MS);
    let shared: SharedClock = clock.clone();
    let opened = LocalOptions { faults: faults.clone(), ..options(&folder) };
    let store = LocalBackend::open(opened, shared).expect("opens");
    (Rig::around(store.clone(), clock), faults, store, folder)
}

fn is_unavailable<T: std::fmt::Debug>(answer: Result<T, QueueError>) -> QueueError {
    match answer {
        Err(error @ QueueError::Unavailable { .. }) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s35_a_full_disk_refuses_and_loses_nothing() {
    let (rig, faults, store, folder) = store();
    rig.add(job()).await;
    let first = rig.next().await;
    faults.pages_max.store(60, Ordering::SeqCst);
    let large = || NewJob::new(QUEUE, "kind", vec![7; 10_000]);
    let mut kept = Vec::new();
    let error = loop {
        match rig.store.enqueue(vec![large()]).await {
            Ok(answers) => match answers[0] {
                Enqueued::New(id) => kept.push(id),
                other => panic!("{other:?}"),
            },
            Err(error) => break error,
        }
        assert!(kept.len() < 100, "the disk never fills");
    };
    assert!(error.to_string().contains("disk is full"), "{error}");
    assert!(error.source().is_some());
    assert!(!kept.is_empty());
    // Everything there can still be read, handed out and finished: that makes room again.
    assert_eq!(rig.stats().await.available, kept.len() as u64);
    is_unavailable(rig.store.enqueue(vec![large()]).await);
    let held = rig.take(2).await;
    assert_eq!(ids(&held), kept[..2]);
    rig.complete(&first).await;
    rig.settle(&held[0], Verdict::Release).await;
    faults.pages_max.store(1_000_000, Ordering::SeqCst);
    kept.push(rig.add(large()).await);
    rig.complete(&held[1]).await;
    store.close().await.expect("closes");
    let clock: SharedClock = rig.clock.clone();
    let store = LocalBackend::open(options(&folder), clock).expect("opens");
    let rig = Rig::around(store, rig.clock.clone());
    let mut expected = kept;
    expected.remove(1);
    assert_eq!(ids(&rig.take(100).await), expected);
}

#[tokio::test]
async fn of_a_batch_only_what_does_not_fit_fails() {
    let (rig, faults, _store, _folder) = store();
    for _ in 0..3 {
        rig.add(job()).await;
    }
    let held = rig.take(3).await;
    faults.pages_max.store(40, Ordering::SeqCst);
    let large = NewJob::new(QUEUE, "kind", vec![7; 500_000]);
    let settle = |at: usize| {
        let settle =
            Settle { lease: held[at].lease, verdict: Verdict::Complete, follow_ups: Vec::new(), note: None };
        rig.store.settle(vec![settle])
    };
    // Asked at the same time, they share a transaction, or are tried alone after it failed.
    let (first, refused, second, third) =
        tokio::join!(settle(0), rig.store.enqueue(vec![large]), settle(1), settle(2));
    is_unavailable(refused);
    for settled in [first, second, third] {
        assert_eq!(settled.expect("settles"), [Settled::Now(State::Completed)]);
    }
    assert_eq!(rig.stats().await.completed, 3);
}

#[tokio::test]
async fn s35_after_a_failed_fsync_nothing_is_taken_for_stored() {
    let (rig, faults, store, folder) = store();
    rig.add(job()).await;
    let held = rig.next().await;
    faults.commits_lost.store(1, Ordering::SeqCst);
    is_unavailable(rig.store.enqueue(vec![unique("m1", 60_000)]).await);
    // Nothing of it is there, and what was there before is: the lease too.
    let stats = rig.stats().await;
    assert_eq!((stats.available, stats.running, stats.enqueued_total), (0, 1, 1));
    assert!(matches!(rig.enqueue(unique("m1", 60_000)).await, Enqueued::New(_)));
    rig.complete(&held).await;
    let stats = rig.stats().await;
    assert_eq!((stats.available, stats.running, stats.completed, stats.enqueued_total), (1, 0, 1, 2));
    store.close().await.expect("closes");
    check_file(&folder);
}

#[tokio::test]
async fn s35_a_commit_that_may_have_happened_is_looked_up() {
    let (rig, faults, _store, _folder) = store();
    for _ in 0..3 {
        rig.add(job()).await;
    }
    let held = rig.take(2).await;
    faults.commits_unsure.store(1, Ordering::SeqCst);
    let settle =
        Settle { lease: held[0].lease, verdict: Verdict::Complete, follow_ups: Vec::new(), note: None };
    is_unavailable(rig.store.settle(vec![settle.clone()]).await);
    // It did happen: saying it again changes nothing, and the other lease holds.
    assert_eq!(rig.store.settle(vec![settle]).await.expect("settles"), [Settled::Lost]);
    assert_eq!(rig.state(held[0].job.id).await, Some(State::Completed));
    let stats = rig.stats().await;
    assert_eq!((stats.available, stats.running, stats.completed), (1, 1, 1));
    faults.commits_unsure.store(1, Ordering::SeqCst);
    is_unavailable(rig.store.enqueue(vec![unique("m1", 60_000)]).await);
    assert!(matches!(rig.enqueue(unique("m1", 60_000)).await, Enqueued::Duplicate(_)));
    rig.complete(&held[1]).await;
    assert_eq!(rig.take(10).await.len(), 2);
}

#[tokio::test]
async fn s35_while_the_store_is_broken_nothing_is_acknowledged() {
    let (rig, faults, _store, _folder) = store();
    rig.add(job()).await;
    faults.reopens_lost.store(3, Ordering::SeqCst);
    faults.commits_lost.store(1, Ordering::SeqCst);
    for _ in 0..3 {
        is_unavailable(rig.store.enqueue(vec![job()]).await);
    }
    is_unavailable(rig.store.reserve(rig.request(QUEUE, 1)).await);
    assert_eq!(rig.take(10).await.len(), 1, "and then it works again");
    rig.add(job()).await;
}

#[tokio::test]
async fn s35_leases_and_order_outlive_a_reopening() {
    let (rig, faults, _store, _folder) = store();
    let mut added = Vec::new();
    for _ in 0..8 {
        added.push(rig.add(job()).await);
    }
    let held = rig.take(3).await;
    faults.commits_lost.store(1, Ordering::SeqCst);
    is_unavailable(rig.store.enqueue(vec![job()]).await);
    assert_eq!(ids(&rig.take(2).await), added[3..5]);
    rig.settle(&held[1], Verdict::Release).await;
    rig.complete(&held[0]).await;
    assert_eq!(ids(&rig.take(10).await), [added[1], added[5], added[6], added[7]]);
    rig.pass(super::rig::LEASE_MS);
    assert_eq!(rig.reclaim().await, 7);
    rig.nothing_else_than(&added[1..]).await;
}

/// That a row could not be read once says nothing of the job.
#[tokio::test]
async fn s35_a_read_that_fails_buries_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = Faults::default();
    let clock = ManualClock::at(START_MS);
    let shared: SharedClock = clock.clone();
    // Room for the first job alone: the others are read from disk.
    let bounds = Bounds { cache_bytes_max: 600, ..Bounds::default() };
    let opened = LocalOptions { faults: faults.clone(), bounds, ..options(&folder) };
    let rig = Rig::around(LocalBackend::open(opened, shared).expect("opens"), clock);
    let mut added = Vec::new();
    for _ in 0..4 {
        added.push(rig.add(job()).await);
    }
    faults.rows_lost.store(1, Ordering::SeqCst);
    assert_eq!(ids(&rig.take(3).await), added[..1], "what could be read is handed out");
    faults.rows_lost.store(1, Ordering::SeqCst);
    is_unavailable(rig.store.reserve(rig.request(QUEUE, 2)).await);
    let stats = rig.stats().await;
    assert_eq!((stats.available, stats.running, stats.dead), (3, 1, 0));
    let taken = rig.take(9).await;
    assert_eq!(ids(&taken), added[1..]);
    assert!(taken.iter().all(|held| (held.job.attempt, held.job.crash_count) == (1, 0)));
}

/// What waits behind those in memory is read with its contents, many at a time: handing one out needs no look at its row.
/// Large ones, and those that have begun before, are left where they are.
#[tokio::test]
async fn s35_small_jobs_come_into_memory_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let (faults, clock) = (Faults::default(), ManualClock::at(START_MS));
    let shared: SharedClock = clock.clone();
    let bounds = Bounds { window_max: 2, ..Bounds::default() };
    let opened = LocalOptions { faults: faults.clone(), bounds, ..options(&folder) };
    let rig = Rig::around(LocalBackend::open(opened, shared).expect("opens"), clock);
    for number in 0..6_u8 {
        let mut new = NewJob::new(QUEUE, "kind", vec![number; if number == 4 { 3_000 } else { 30 }]);
        new.metadata.insert("number".to_owned(), number.to_string());
        rig.add(new).await;
    }
    faults.rows_lost.store(1, Ordering::SeqCst);
    for number in 0..4 {
        let held = rig.next().await;
        assert_eq!((held.job.payload[0], held.job.payload.len()), (number, 30));
        assert_eq!(held.job.metadata["number"], number.to_string());
        if number == 3 {
            rig.settle(&held, retry()).await;
        }
    }
    is_unavailable(rig.store.reserve(rig.request(QUEUE, 1)).await);
    assert_eq!(rig.next().await.job.payload.len(), 3_000);
    assert_eq!(rig.next().await.job.payload[0], 5);
    rig.pass(60_000);
    rig.promote().await;
    faults.rows_lost.store(1, Ordering::SeqCst);
    is_unavailable(rig.store.reserve(rig.request(QUEUE, 1)).await);
    let again = rig.next().await;
    assert_eq!((again.job.payload[0], again.job.attempt, again.job.history.len()), (3, 2, 1));
}

/// After a crash, marks come before their jobs are handed out. While the disk has no room for them, who asks
/// for jobs is told so, and does not ask again at once.
/// The sixteenth turn is the lowest priority's, also if whoever had it could not be served.
#[tokio::test]
async fn s35_a_turn_that_failed_is_still_to_come() {
    let (folder, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::at(START_MS));
    let (shared, faults): (SharedClock, _) = (clock.clone(), Faults::default());
    // Nothing is served without a look at its row.
    let bounds = Bounds { cache_bytes_max: 0, ..Bounds::default() };
    let opened = LocalOptions { bounds, faults: faults.clone(), ..options(&folder) };
    let rig = Rig::around(LocalBackend::open(opened, shared).expect("opens"), clock);
    for _ in 0..LOW_TURN_EVERY {
        rig.add(urgent(Priority::High)).await;
    }
    let low = rig.add(urgent(Priority::Low)).await;
    for _ in 1..LOW_TURN_EVERY {
        assert_ne!(rig.next().await.job.id, low);
    }
    for _ in 0..3 {
        faults.rows_lost.store(1, Ordering::SeqCst);
        is_unavailable(rig.store.reserve(rig.request(QUEUE, 1)).await);
    }
    assert_eq!(rig.next().await.job.id, low);
}

/// What found no room is owed, and not asked for in a loop, whatever the disk does meanwhile.
#[tokio::test]
async fn s35_what_a_schedule_owes_outlives_a_reopening() {
    let (rig, faults, store, _folder) = store();
    let schedule = Schedule::new("tick", "* * * * *", QUEUE, "kind", "payload");
    rig.control(Control::PutSchedule(Box::new(schedule))).await;
    rig.control(Control::Drain(QUEUE.to_owned())).await;
    rig.pass(60_000);
    assert_eq!(rig.promote().await, 0, "there is no room");
    let owed = store.sweep(Sweep::Promote, 10).await.expect("sweeps").next_in_ms;
    assert_eq!(owed, Some(AGAIN_MS));
    faults.commits_lost.store(1, Ordering::SeqCst);
    is_unavailable(rig.store.enqueue(vec![unique("m1", 60_000)]).await);
    rig.control(Control::Resume(QUEUE.to_owned())).await;
    assert_eq!(rig.promote().await, 0, "asked again at once");
    // By now it would be missed, were it not owed.
    rig.pass(2 * MISSED_AFTER_MS + AGAIN_MS);
    assert_eq!(rig.promote().await, 2, "the one that is owed, and the latest");
}

#[tokio::test]
async fn s35_a_disk_too_full_for_marks_is_not_asked_in_a_loop() {
    let (rig, _faults, store, folder) = store();
    let id = rig.add(job()).await;
    store.abandon().await.expect("ends");
    let faults = Faults::default();
    let clock: SharedClock = rig.clock.clone();
    let opened = LocalOptions { faults: faults.clone(), ..options(&folder) };
    let rig = Rig::around(LocalBackend::open(opened, clock).expect("opens"), rig.clock.clone());
    let tries = 1_000_000;
    faults.marks_lost.store(tries, Ordering::SeqCst);
    let wait = Duration::from_millis(300);
    let error = is_unavailable(rig.store.reserve(Reserve { wait, ..rig.request(QUEUE, 1) }).await);
    assert!(error.to_string().contains("disk is full"), "{error}");
    let tried = tries - faults.marks_lost.swap(0, Ordering::SeqCst);
    assert!(tried <= 2, "{tried} times");
    let held = rig.next().await;
    assert_eq!((held.job.id, held.job.attempt), (id, 1));
}

fn check_file(folder: &TempDir) {
    let conn = rusqlite::Connection::open(options(folder).path).expect("opens");
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(verdict, "ok");
}

impl Rig {
    async fn nothing_else_than(&self, expected: &[steadfast_queue::JobId]) {
        let mut left = ids(&self.take(100).await);
        left.sort();
        let mut expected = expected.to_vec();
        expected.sort();
        assert_eq!(left, expected);
    }
}
