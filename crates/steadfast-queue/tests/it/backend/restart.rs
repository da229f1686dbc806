//! What a durable store remembers.

use super::rig::{
    LEASE_MS, QUEUE, Rig, START_MS, dead, delayed, grouped, ids, job, job_in, options, retry, unique,
};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{Bounds, LocalBackend, LocalOptions, OpenError};
use steadfast_queue::backend::rules::Retention;
use steadfast_queue::backend::{Control, Enqueued, Extended, Settled};
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, NewJob, QueueError, State};
use steadfast_testkit::wait_for;
use tempfile::TempDir;

/// A store that can be closed and opened again.
struct House {
    folder: TempDir,
    clock: Arc<ManualClock>,
    retention: Retention,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, clock: ManualClock::at(START_MS), retention: Retention::default() }
    }

    fn options(&self) -> LocalOptions {
        LocalOptions { retention: self.retention, ..options(&self.folder) }
    }

    fn open(&self) -> (Rig, Arc<LocalBackend>) {
        let clock: SharedClock = self.clock.clone();
        let store = LocalBackend::open(self.options(), clock).expect("opens");
        (Rig::around(store.clone(), self.clock.clone()), store)
    }
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let house = House::new();
    let (rig, store) = house.open();
    let waiting = rig.add(job()).await;
    let scheduled = rig.add(delayed(5_000)).await;
    let failing = rig.add(job()).await;
    let doomed = rig.add(job()).await;
    let running = rig.add(job()).await;
    let completed = rig.add(unique("m1", 3_600_000)).await;
    let cancelled = rig.add(job()).await;
    rig.control(Control::Cancel(vec![cancelled])).await;
    let held = rig.take(10).await;
    assert_eq!(ids(&held), [waiting, failing, doomed, running, completed]);
    rig.settle(&held[0], Verdict::Release).await;
    rig.settle(&held[1], retry()).await;
    rig.settle(&held[2], dead()).await;
    rig.complete(&held[4]).await;
    rig.add(job_in("paused")).await;
    rig.control(Control::Pause("paused".into())).await;
    let before = rig.stats().await;
    store.close().await.expect("closes");

    let (rig, _store) = house.open();
    let after = rig.stats().await;
    assert_eq!((after.available, after.running), (before.available + 1, 0));
    assert_eq!((after.scheduled, after.retryable, after.dead), (1, 1, 1));
    assert_eq!((after.completed, after.cancelled, after.bytes), (1, 1, before.bytes));
    assert_eq!(after.oldest_ms, Some(START_MS));
    assert_eq!(rig.settle(&held[3], Verdict::Complete).await, Settled::Lost, "a lease ends with its process");
    assert_eq!(rig.extend(&held[3]).await, Extended::Lost);
    let again = rig.take(10).await;
    assert_eq!(ids(&again), [waiting, running]);
    assert!(again.iter().all(|held| (held.job.attempt, held.job.crash_count) == (1, 0)));
    assert!(again[0].lease.fence > held[4].lease.fence, "fences grow over restarts");
    assert_eq!(rig.enqueue(unique("m1", 3_600_000)).await, Enqueued::Duplicate(completed));
    assert!(rig.store.reserve(rig.request("paused", 1)).await.expect("reserves").is_empty());
    assert!(rig.stats_of("paused").await.mode.is_paused());
    let dead = rig.job(doomed).await;
    assert_eq!((dead.state, dead.history.len()), (State::Dead, 1));
    assert_eq!(rig.job(failing).await.history.len(), 1);
    rig.pass(5_000);
    assert_eq!(ids(&rig.take(10).await), [failing, scheduled]);
}

#[tokio::test]
async fn a_restart_keeps_order_and_turns() {
    let house = House::new();
    let (rig, store) = house.open();
    let mut order = Vec::new();
    for number in 0..8 {
        order.push(rig.add(if number % 2 == 0 { job() } else { grouped(1) }).await);
    }
    let held = rig.take(3).await;
    assert_eq!(ids(&held), [order[0], order[1], order[2]]);
    rig.complete(&held[1]).await;
    store.close().await.expect("closes");
    let (rig, _store) = house.open();
    // The second of the group got its turn when the first was done, behind those that were ready.
    assert_eq!(ids(&rig.take(10).await), [order[0], order[2], order[4], order[6], order[3]]);
}

#[tokio::test]
async fn only_an_unclean_end_counts_crashes() {
    let house = House::new();
    let (rig, store) = house.open();
    let poison = rig.add(job()).await;
    let bystander = rig.add(job()).await;
    assert_eq!(rig.next().await.job.id, poison);
    store.close().await.expect("closes");
    for crash in 0..3 {
        let (rig, store) = house.open();
        let held = rig.next().await;
        assert_eq!((held.job.id, held.job.crash_count, held.alone), (poison, crash, crash >= 2));
        if crash == 0 {
            // Without an earlier crash, the mark rides the next commit.
            rig.add(job_in("other")).await;
        }
        store.abandon().await.expect("ends");
    }
    let (rig, _store) = house.open();
    let job = rig.job(poison).await;
    assert_eq!((job.state, job.crash_count), (State::Dead, 3));
    assert_eq!(job.history.last().map(|record| record.error.as_str()), Some("crashed"));
    assert_eq!(rig.job(bystander).await.crash_count, 0, "who did not run did not crash");
    assert_eq!(ids(&rig.take(10).await), [bystander]);
}

/// An innocent job that happens to run at three unclean ends, over a long life.
#[tokio::test]
async fn crashes_fade_when_the_process_lives_through_an_attempt() {
    let house = House::new();
    let (rig, store) = house.open();
    let id = rig.add(job()).await;
    store.close().await.expect("closes");
    for crashes in [0, 1, 0, 1, 0] {
        let (rig, store) = house.open();
        let held = rig.next().await;
        assert_eq!(held.job.crash_count, crashes);
        if crashes == 1 {
            rig.settle(&held, Verdict::Snooze { after_ms: 0 }).await;
            store.close().await.expect("closes");
        } else {
            rig.add(job_in("other")).await;
            store.abandon().await.expect("ends");
        }
    }
    let (rig, _store) = house.open();
    assert_eq!((rig.state(id).await, rig.job(id).await.crash_count), (Some(State::Available), 1));
}

#[tokio::test]
async fn what_was_finished_before_the_crash_has_not_crashed() {
    let house = House::new();
    let (rig, store) = house.open();
    for _ in 0..4 {
        rig.add(job()).await;
    }
    let held = rig.take(4).await;
    rig.add(job_in("other")).await;
    rig.settle(&held[0], Verdict::Release).await;
    rig.settle(&held[1], retry()).await;
    rig.settle(&held[2], Verdict::Snooze { after_ms: 5 }).await;
    store.abandon().await.expect("ends");
    let (rig, _store) = house.open();
    rig.pass(10_000);
    let crashes: Vec<u32> = rig.take(10).await.iter().map(|held| held.job.crash_count).collect();
    assert_eq!(crashes.iter().sum::<u32>(), 1, "{crashes:?}");
    assert_eq!(rig.job(held[3].job.id).await.crash_count, 1);
}

#[tokio::test]
async fn a_job_called_off_while_it_ran_does_not_run_again() {
    for clean in [true, false] {
        let house = House::new();
        let (rig, store) = house.open();
        let id = rig.add(grouped(1)).await;
        let second = rig.add(grouped(1)).await;
        rig.next().await;
        rig.control(Control::Cancel(vec![id])).await;
        if clean { store.close().await } else { store.abandon().await }.expect("ends");
        let (rig, _store) = house.open();
        assert_eq!(rig.state(id).await, Some(State::Cancelled), "clean: {clean}");
        assert_eq!(ids(&rig.take(10).await), [second]);
    }
}

#[tokio::test]
async fn numbers_are_never_used_twice() {
    let mut house = House::new();
    let (rig, store) = house.open();
    let first = rig.add(unique("first", 3_600_000)).await;
    rig.drain().await;
    rig.control(Control::Discard(vec![first])).await;
    let second = rig.add(unique("second", 3_600_000)).await;
    store.close().await.expect("closes");
    house.retention.completed_max = 0;
    let (rig, store) = house.open();
    rig.drain().await;
    let third = rig.add(job()).await;
    assert_eq!(rig.state(second).await, None, "its key leads to no other job");
    assert_eq!(rig.state(third).await, Some(State::Available));
    store.close().await.expect("closes");
}

#[tokio::test]
async fn retention_holds_over_restarts_oldest_first() {
    let house = House { retention: Retention { completed_max: 3, ..Retention::default() }, ..House::new() };
    let mut done = Vec::new();
    for _ in 0..3 {
        let (rig, store) = house.open();
        for _ in 0..2 {
            rig.add(job()).await;
        }
        // Finished in another order than enqueued.
        let held = rig.take(2).await;
        for held in held.iter().rev() {
            rig.complete(held).await;
            done.push(held.job.id);
        }
        store.close().await.expect("closes");
    }
    let (rig, _store) = house.open();
    let mut states = Vec::new();
    for &id in &done {
        states.push(rig.state(id).await.is_some());
    }
    assert_eq!(states, [false, false, false, true, true, true]);
    assert_eq!(rig.stats().await.completed, 3);
}

#[tokio::test]
async fn one_process_at_a_time() {
    let house = House::new();
    let (_rig, store) = house.open();
    let clock: SharedClock = house.clock.clone();
    let second = LocalBackend::open(house.options(), clock.clone());
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    store.close().await.expect("closes");
    LocalBackend::open(house.options(), clock).expect("free again");
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let house = House::new();
    let (rig, store) = house.open();
    rig.add(job()).await;
    let mut long = rig.request("empty", 1);
    long.wait = std::time::Duration::from_secs(600);
    let (waited, closed) = tokio::join!(store_reserve(&rig, long), store.close());
    closed.expect("closes");
    assert!(matches!(waited, Err(QueueError::Closed)), "{waited:?}");
    assert!(matches!(rig.store.enqueue(vec![job()]).await, Err(QueueError::Closed)));
    assert!(matches!(rig.store.get(Vec::new()).await, Err(QueueError::Closed)));
    store.close().await.expect("closing twice is fine");
}

/// Across a restart nothing tells how long it took: jobs wait no longer than they would have, had it taken no time.
#[tokio::test]
async fn s22_a_clock_set_back_over_a_restart_makes_nobody_wait_for_longer() {
    for clean in [true, false] {
        let house = House::new();
        let (rig, store) = house.open();
        let mortal = rig.add(NewJob { ttl_ms: Some(4_000), ..delayed(3_000) }).await;
        let id = rig.add(delayed(2_000)).await;
        if clean { store.close().await } else { store.abandon().await }.expect("ends");
        house.clock.step_wall(-3_600_000);
        let (rig, store) = house.open();
        rig.pass(1_999);
        rig.nothing_is_ready().await;
        rig.pass(1);
        assert_eq!(ids(&rig.take(9).await), [id], "clean: {clean}");
        // A restart without a step shifts nothing once more, nor does a step forward.
        store.close().await.expect("ends");
        house.clock.step_wall(500);
        let (rig, _store) = house.open();
        assert_eq!(rig.job(mortal).await.run_at_ms, START_MS - 3_600_000 + 3_000);
        rig.pass(1_500);
        assert_eq!(rig.promote().await, 1);
        assert_eq!(rig.state(mortal).await, Some(State::Dead));
    }
}

#[tokio::test]
async fn a_store_from_before_the_clock_was_watched_opens() {
    let house = House::new();
    let (rig, store) = house.open();
    let id = rig.add(delayed(2_000)).await;
    store.close().await.expect("ends");
    let conn = rusqlite::Connection::open(house.options().path).expect("opens");
    conn.execute_batch("ALTER TABLE pulse DROP COLUMN seen").expect("drops");
    drop(conn);
    let (rig, _store) = house.open();
    assert_eq!(rig.job(id).await.run_at_ms, START_MS + 2_000);
    rig.pass(2_000);
    assert_eq!(ids(&rig.take(9).await), [id]);
}

async fn store_reserve(
    rig: &Rig,
    request: steadfast_queue::backend::Reserve,
) -> Result<Vec<steadfast_queue::backend::Reservation>, QueueError> {
    rig.store.reserve(request).await
}

#[tokio::test]
async fn declared_queues_are_there_from_the_start() {
    let house = House::new();
    let clock: SharedClock = house.clock.clone();
    let declared = LocalOptions { queues: vec!["a".into(), "b".into()], ..house.options() };
    let store = LocalBackend::open(declared, clock.clone()).expect("opens");
    let rig = Rig::around(store.clone(), house.clock.clone());
    let names: Vec<String> = rig.store.stats().await.expect("counts").queues.into_keys().collect();
    assert_eq!(names, ["a", "b"]);
    store.close().await.expect("closes");
    let bad = LocalOptions { queues: vec![String::new()], ..house.options() };
    assert!(matches!(LocalBackend::open(bad, clock), Err(OpenError::BadName(_))));
}

#[tokio::test]
async fn files_that_are_no_store_are_left_alone() {
    let house = House::new();
    let path = house.options().path;
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(&path, "a letter, not a database, and long enough to look like one if one does not look")
        .expect("written");
    let clock: SharedClock = house.clock.clone();
    let opened = LocalBackend::open(house.options(), clock.clone());
    assert!(matches!(opened, Err(OpenError::Foreign { .. })), "{opened:?}");
    std::fs::remove_file(&path).expect("removed");
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("CREATE TABLE letters(text)").expect("made");
    drop(other);
    let opened = LocalBackend::open(house.options(), clock.clone());
    assert!(matches!(opened, Err(OpenError::Foreign { .. })), "{opened:?}");
    std::fs::remove_file(&path).expect("removed");
    LocalBackend::open(house.options(), clock.clone()).expect("opens").close().await.expect("closes");
    let newer = rusqlite::Connection::open(&path).expect("opens");
    newer.pragma_update(None, "user_version", 99).expect("set");
    drop(newer);
    let opened = LocalBackend::open(house.options(), clock);
    assert!(matches!(opened, Err(OpenError::Newer { found: 99, .. })), "{opened:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let (rig, _store) = house.open();
    rig.add(job()).await;
    let path = house.options().path;
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().expect("a folder")), 0o700);
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        assert_eq!(mode(std::path::Path::new(&file)), 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_reservation_nobody_waits_for_goes_back() {
    let house = House::new();
    let (rig, _store) = house.open();
    let id = rig.add(job()).await;
    for _ in 0..50 {
        let reserve = rig.store.reserve(rig.request(QUEUE, 1));
        // Given up at once: the writer may or may not have seen it.
        drop(futures::future::select(reserve, futures::future::ready(())).await);
        let stats = rig.stats().await;
        assert_eq!(stats.available + stats.running, 1);
    }
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    // Who was still in line when that was answered is served after it; the next answer comes after that.
    rig.reclaim().await;
    assert_eq!(rig.state(id).await, Some(State::Available));
}

#[tokio::test]
async fn the_log_stays_short_under_constant_load() {
    let house = House::new();
    let clock: SharedClock = house.clock.clone();
    let bounds = Bounds { wal_pages_max: 50, ..Bounds::default() };
    let store = LocalBackend::open(LocalOptions { bounds, ..house.options() }, clock).expect("opens");
    let rig = Rig::around(store, house.clock.clone());
    for _ in 0..300 {
        rig.add(NewJob::new(QUEUE, "kind", vec![7; 30_000])).await;
        let held = rig.next().await;
        rig.complete(&held).await;
    }
    let mut log = house.options().path.into_os_string();
    log.push("-wal");
    let bytes = std::fs::metadata(log).expect("there").len();
    // Nearly forty megabytes went through it.
    assert!(bytes < 12_000_000, "{bytes}");
}

/// Whoever closes the last connection to a store removes its log. SQLite tells by locks on the file whether others have it
/// open, and a process that closes any handle of a file loses its locks on it: a look from outside, by an SQLite older
/// than ours, would then take the log away.
#[tokio::test]
async fn checkpoints_leave_the_locks_alone_by_which_others_know_of_us() {
    let house = House::new();
    let clock: SharedClock = house.clock.clone();
    let bounds = Bounds { wal_pages_max: 50, ..Bounds::default() };
    let store = LocalBackend::open(LocalOptions { bounds, ..house.options() }, clock).expect("opens");
    let database = || std::fs::metadata(house.options().path).expect("there");
    let empty = database().len();
    for _ in 0..60 {
        store.enqueue(vec![NewJob::new(QUEUE, "kind", vec![7; 30_000])]).await.expect("stored");
    }
    let moved = || std::future::ready(database().len() > empty);
    assert!(wait_for(Duration::from_secs(20), moved).await, "nothing was moved");
    let ours = format!(":{} ", database().ino());
    let locks = std::fs::read_to_string("/proc/locks").expect("the system's locks");
    assert!(locks.lines().any(|lock| lock.contains("POSIX") && lock.contains(&ours)), "{ours}\n{locks}");
}

#[tokio::test]
async fn too_many_callers_are_turned_away_and_nothing_of_theirs_is_stored() {
    let house = House::new();
    let clock: SharedClock = house.clock.clone();
    let admit_timeout = Duration::from_millis(1);
    let bounds = Bounds { calls_max: 1, in_flight_bytes_max: 1, admit_timeout, ..Bounds::default() };
    let store = LocalBackend::open(LocalOptions { bounds, ..house.options() }, clock).expect("opens");
    let answers = futures::future::join_all((0..300).map(|_| store.enqueue(vec![job()]))).await;
    let stored = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused =
        answers.iter().filter(|answer| matches!(answer, Err(QueueError::Overloaded { .. }))).count();
    assert_eq!(stored + refused, 300);
    assert!(stored > 0 && refused > 0, "{stored} {refused}");
    let rig = Rig::around(store, house.clock.clone());
    assert_eq!(rig.stats().await.available, stored as u64);
    rig.add(job()).await;
}
