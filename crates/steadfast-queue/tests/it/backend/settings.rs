//! Settings of queues: refused or taken, at work from the next call on, and remembered.

use super::flow_rig::{configure, schedule};
use super::rig::{Make, QUEUE, Rig, grouped, job, job_in, options, over_every_backend, retry, unique};
use rusqlite::Connection;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::backend::{Control, Enqueued, Rejection, Settled, Sweep};
use steadfast_queue::settings::{RetentionSettings, SettingsProblem};
use steadfast_queue::{JobId, NewJob, QueueError, QueueSettings, Rate, State};

over_every_backend!(
    settings_that_cannot_be_kept_to_are_refused_whole,
    settings_declare_a_queue_and_can_be_read,
    a_schedule_acts_on_jobs_that_wait_already,
    a_job_with_a_schedule_of_its_own_keeps_it,
    who_holds_the_last_attempt_is_told,
    bounds_of_one_queue_are_its_own,
    less_retention_is_reached_by_pruning;
    counting bytes:
    bounds_are_changed_while_jobs_wait,
    s33_count_bytes_and_age_hold_together,
);

async fn settings_that_cannot_be_kept_to_are_refused_whole(make: Make) {
    let rig = Rig::new(make);
    let bad = QueueSettings {
        waiting_max: Some(0),
        rate: Some(Rate::new(0, 0)),
        group_concurrency: Some(0),
        concurrency_max: Some(3),
        ..QueueSettings::default()
    };
    for command in [configure(QUEUE, bad.clone()), Control::Count(Box::new(configure(QUEUE, bad)))] {
        match rig.store.control(command).await {
            Err(QueueError::Settings(error)) => {
                assert_eq!(error.0.len(), 3, "{error}");
                assert!(error.0.contains(&SettingsProblem::GroupConcurrency));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(rig.store.stats().await.expect("counts").settings.is_empty(), "nothing of it was taken");
}

async fn settings_declare_a_queue_and_can_be_read(make: Make) {
    let rig = Rig::new(make);
    let settings = QueueSettings { concurrency_max: Some(3), ..QueueSettings::default() };
    assert_eq!(rig.control(configure("young", settings.clone())).await.affected, 1);
    assert_eq!(rig.control(configure("young", settings.clone())).await.skipped, 1);
    let stats = rig.store.stats().await.expect("counts");
    assert_eq!(stats.settings.get("young"), Some(&settings));
    assert!(stats.queues.contains_key("young"));
    rig.control(configure("young", QueueSettings::default())).await;
    assert!(rig.store.stats().await.expect("counts").settings.is_empty());
    assert_eq!(rig.control(configure("", settings)).await.skipped, 1);
}

fn plain() -> NewJob {
    NewJob { retry: None, ..job() }
}

async fn a_schedule_acts_on_jobs_that_wait_already(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(plain()).await;
    assert_eq!(rig.job(id).await.retry, None);
    let retries = |delays: &[u64]| QueueSettings { retry: schedule(delays), ..QueueSettings::default() };
    rig.configure(retries(&[5_000, 7_000, 9_000])).await;
    let held = rig.next().await;
    assert_eq!(rig.settle(&held, retry()).await, Settled::Now(State::Retryable));
    let failed = rig.job(id).await;
    assert_eq!(failed.run_at_ms, failed.history[0].at_ms + 5_000);
    rig.pass(5_000);
    let held = rig.next().await;
    // Changed while it runs.
    rig.configure(retries(&[1, 2_000])).await;
    assert_eq!(rig.settle(&held, retry()).await, Settled::Now(State::Retryable));
    rig.pass(2_000);
    let held = rig.next().await;
    rig.configure(retries(&[])).await;
    assert_eq!(rig.settle(&held, retry()).await, Settled::Now(State::Dead));
}

async fn a_job_with_a_schedule_of_its_own_keeps_it(make: Make) {
    let rig = Rig::new(make);
    rig.configure(QueueSettings { retry: schedule(&[]), ..QueueSettings::default() }).await;
    let id = rig.add(NewJob { retry: schedule(&[3_000]), ..job() }).await;
    let held = rig.next().await;
    assert_eq!(rig.settle(&held, retry()).await, Settled::Now(State::Retryable));
    let failed = rig.job(id).await;
    assert_eq!(failed.run_at_ms, failed.history[0].at_ms + 3_000);
}

async fn who_holds_the_last_attempt_is_told(make: Make) {
    let rig = Rig::new(make);
    rig.configure(QueueSettings { retry: schedule(&[10]), ..QueueSettings::default() }).await;
    rig.add(plain()).await;
    let first = rig.next().await;
    assert!(!first.last_attempt);
    rig.settle(&first, retry()).await;
    rig.pass(10);
    let second = rig.next().await;
    assert!(second.last_attempt);
    assert_eq!(rig.settle(&second, retry()).await, Settled::Now(State::Dead));
}

async fn bounds_are_changed_while_jobs_wait(make: Make) {
    let rig = Rig::new(make);
    let bounds =
        |waiting_max, bytes_max| QueueSettings { waiting_max, bytes_max, ..QueueSettings::default() };
    rig.add(job()).await;
    rig.add(job()).await;
    rig.configure(bounds(Some(2), None)).await;
    assert_eq!(rig.enqueue(job()).await, Enqueued::Rejected(Rejection::QueueFull { waiting: 2, max: 2 }));
    rig.configure(bounds(Some(1), None)).await;
    assert_eq!(rig.enqueue(job()).await, Enqueued::Rejected(Rejection::QueueFull { waiting: 2, max: 1 }));
    rig.configure(bounds(None, Some(20))).await;
    assert_eq!(rig.enqueue(job()).await, Enqueued::Rejected(Rejection::BytesFull { bytes: 14, max: 20 }));
    rig.configure(bounds(Some(3), Some(21))).await;
    rig.add(job()).await;
}

async fn bounds_of_one_queue_are_its_own(make: Make) {
    let rig = Rig::new(make);
    rig.configure(QueueSettings { waiting_max: Some(1), ..QueueSettings::default() }).await;
    for _ in 0..3 {
        rig.add(job_in("other")).await;
    }
    rig.add(job()).await;
    assert!(matches!(rig.enqueue(job()).await, Enqueued::Rejected(Rejection::QueueFull { .. })));
}

async fn kept(rig: &Rig, ids: &[JobId]) -> Vec<bool> {
    let mut kept = Vec::new();
    for &id in ids {
        kept.push(rig.state(id).await.is_some());
    }
    kept
}

async fn s33_count_bytes_and_age_hold_together(make: Make) {
    const MIB: usize = 1 << 20;
    let rig = Rig::new(make);
    let retention = RetentionSettings {
        completed_max: Some(4),
        cancelled_max: Some(2),
        bytes_max: Some(3 << 20),
        age_max_ms: Some(60_000),
    };
    rig.configure(QueueSettings { retention, ..QueueSettings::default() }).await;
    let mut ids = Vec::new();
    for bytes in [0, 0, 0, 0, 0, MIB, MIB, MIB, MIB] {
        ids.push(rig.add(NewJob { payload: vec![7; bytes].into(), ..job() }).await);
        let held = rig.next().await;
        rig.complete(&held).await;
        let stats = rig.stats().await;
        assert!(stats.completed <= 4, "the count holds after each");
        rig.pass(1_000);
    }
    // By bytes only three of a mebibyte; the small one before them went first.
    let expected = [false, false, false, false, false, false, true, true, true];
    assert_eq!(kept(&rig, &ids).await, expected);
    let called_off = [rig.add(job()).await, rig.add(job()).await, rig.add(job()).await];
    rig.control(Control::Cancel(called_off.to_vec())).await;
    assert_eq!(kept(&rig, &called_off).await, [false, true, true], "each state for itself");
    let doomed = rig.add(unique("dead", 1)).await;
    let held = rig.next().await;
    rig.settle(&held, super::rig::dead()).await;
    // The eldest that is kept was completed 60 s ago.
    rig.pass(57_000);
    rig.store.sweep(Sweep::Prune, 1_000).await.expect("prunes");
    assert_eq!(kept(&rig, &ids[6..]).await, [false, true, true]);
    rig.pass(600_000);
    rig.store.sweep(Sweep::Prune, 1_000).await.expect("prunes");
    let stats = rig.stats().await;
    assert_eq!((stats.completed, stats.cancelled, stats.dead), (0, 0, 1), "the dead are never trimmed");
    assert_eq!(rig.state(doomed).await, Some(State::Dead));
}

async fn less_retention_is_reached_by_pruning(make: Make) {
    let rig = Rig::new(make);
    let mut ids = Vec::new();
    for _ in 0..10 {
        ids.push(rig.add(job()).await);
    }
    rig.drain().await;
    let retention = RetentionSettings { completed_max: Some(3), ..RetentionSettings::default() };
    rig.configure(QueueSettings { retention, ..QueueSettings::default() }).await;
    assert_eq!(rig.stats().await.completed, 10);
    let swept = rig.store.sweep(Sweep::Prune, 4).await.expect("prunes");
    assert_eq!((swept.moved, rig.stats().await.completed), (4, 6), "in chunks");
    rig.store.sweep(Sweep::Prune, 100).await.expect("prunes");
    assert_eq!(rig.stats().await.completed, 3);
    assert_eq!(kept(&rig, &ids[6..]).await, [false, true, true, true]);
}

/// A store in a folder, and a clock.
fn open(folder: &tempfile::TempDir) -> (Rig, std::sync::Arc<LocalBackend>) {
    let clock = ManualClock::at(super::rig::START_MS);
    let shared: SharedClock = clock.clone();
    let store = LocalBackend::open(LocalOptions { ..options(folder) }, shared).expect("opens");
    (Rig::around(store.clone(), clock), store)
}

#[tokio::test]
async fn settings_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rig, store) = open(&folder);
    let settings = QueueSettings {
        retry: schedule(&[7]),
        concurrency_max: Some(1),
        group_concurrency: Some(2),
        waiting_max: Some(2),
        ..QueueSettings::default()
    };
    rig.configure(settings.clone()).await;
    store.abandon().await.expect("ends");
    let (rig, store) = open(&folder);
    assert_eq!(rig.store.stats().await.expect("counts").settings.get(QUEUE), Some(&settings));
    rig.add(grouped(1)).await;
    rig.add(grouped(1)).await;
    assert!(matches!(rig.enqueue(job()).await, Enqueued::Rejected(_)));
    assert_eq!(rig.take(5).await.len(), 1);
    store.close().await.expect("closes");
}

#[tokio::test]
async fn a_store_from_before_settings_is_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let (rig, store) = open(&folder);
    let first = rig.add(grouped(1)).await;
    let later = rig.add(super::rig::delayed(1_000)).await;
    rig.control(Control::Pause("other".into())).await;
    store.close().await.expect("closes");
    let conn = Connection::open(options(&folder).path).expect("opens");
    conn.execute_batch(
        "ALTER TABLE queue DROP COLUMN settings;
         ALTER TABLE queue DROP COLUMN spread;
         DROP TABLE block;
         DROP INDEX job_wait;
         DROP INDEX job_paced;
         CREATE INDEX job_due ON job(run_at) WHERE state IN (1, 3);
         CREATE INDEX job_time ON job(run_at) WHERE state IN (1, 2, 3);",
    )
    .expect("as it was");
    drop(conn);
    let (rig, store) = open(&folder);
    let conn = Connection::open(options(&folder).path).expect("opens");
    let old = "SELECT count(*) FROM sqlite_schema WHERE name IN ('job_due', 'job_time')";
    assert_eq!(conn.query_row(old, [], |row| row.get::<_, i64>(0)), Ok(0), "their work is done twice");
    drop(conn);
    assert!(rig.stats_of("other").await.mode.is_paused());
    rig.configure(QueueSettings { concurrency_max: Some(1), ..QueueSettings::default() }).await;
    let held = rig.take(5).await;
    assert_eq!(super::rig::ids(&held), [first]);
    rig.pass(1_000);
    rig.nothing_is_ready().await;
    rig.complete(&held[0]).await;
    assert_eq!(super::rig::ids(&rig.take(5).await), [later]);
    store.close().await.expect("closes");
}
