//! Scenario 20: damaged rows take nobody else down.

use super::rig::{QUEUE, Rig, START_MS, grouped, ids, job, options, unique};
use rusqlite::Connection;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::{Control, Enqueued, Filter};
use steadfast_queue::{JobId, State};
use tempfile::TempDir;

async fn damaged(damage: &str) -> (Rig, Vec<JobId>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at(START_MS);
    let shared: SharedClock = clock.clone();
    let store = LocalBackend::open(options(&folder), shared.clone()).expect("opens");
    let rig = Rig::around(store.clone(), clock.clone());
    let added = vec![
        rig.add(job()).await,
        rig.add(grouped(1)).await,
        rig.add(grouped(1)).await,
        rig.add(job()).await,
    ];
    store.close().await.expect("closes");
    let conn = Connection::open(options(&folder).path).expect("opens");
    assert_eq!(conn.execute(damage, [added[1].0]).expect("damages"), 1);
    drop(conn);
    let store = LocalBackend::open(options(&folder), shared).expect("opens");
    (Rig::around(store, clock), added, folder)
}

#[tokio::test]
async fn s20_a_row_of_a_newer_version_is_buried_alone() {
    let (rig, added, _folder) = damaged("UPDATE job SET head = x'63ffff' WHERE id = ?1").await;
    assert_eq!(rig.all(Filter::default()).await.len(), 4, "a search shows it as far as it can");
    assert_eq!(ids(&rig.take(10).await), [added[0], added[3]]);
    // Its group goes on when it is buried, which the writer does by itself.
    let next = rig.next().await;
    assert_eq!(next.job.id, added[2]);
    rig.complete(&next).await;
    let dead = rig.job(added[1]).await;
    assert_eq!((dead.state, dead.kind.as_str()), (State::Dead, "(unreadable)"));
    assert_eq!(dead.payload, "payload", "what can be read is kept");
    let last = dead.history.last().expect("a reason");
    assert_eq!(last.error, "unreadable");
    assert!(last.message.contains("newer version"), "{}", last.message);
    // Retried by hand, it dies again, and takes nobody along. The second look comes after the burial.
    rig.control(Control::Retry(vec![added[1]])).await;
    rig.nothing_is_ready().await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.state(added[1]).await, Some(State::Dead));
    assert_eq!(rig.stats_of(QUEUE).await.running, 2);
}

#[tokio::test]
async fn s20_a_lost_history_costs_the_job_its_run_and_no_other() {
    let (rig, added, _folder) = damaged("UPDATE job SET history = x'01ff' WHERE id = ?1").await;
    assert_eq!(ids(&rig.take(10).await), [added[0], added[3]]);
    assert_eq!(ids(&rig.take(10).await), [added[2]]);
    assert_eq!(rig.state(added[1]).await, Some(State::Dead));
}

#[tokio::test]
async fn s20_an_impossible_row_is_left_alone() {
    let (rig, added, _folder) = damaged("UPDATE job SET prio = 9 WHERE id = ?1").await;
    assert_eq!(ids(&rig.take(10).await), [added[0], added[3]]);
    rig.add(job()).await;
    assert_eq!(rig.take(10).await.len(), 1);
}

/// Whether its job waits or is done: a second delivery of the same message is not taken for a new one.
#[tokio::test]
async fn s20_the_key_of_an_impossible_row_still_counts() {
    for (done, damage) in [(false, "UPDATE job SET prio = 9"), (true, "UPDATE done SET prio = 9")] {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::at(START_MS));
        let shared: SharedClock = clock.clone();
        let store = LocalBackend::open(options(&folder), shared.clone()).expect("opens");
        let rig = Rig::around(store.clone(), clock.clone());
        let first = rig.add(unique("m1", 3_600_000)).await;
        if done {
            rig.complete(&rig.next().await).await;
        }
        store.close().await.expect("closes");
        let conn = Connection::open(options(&folder).path).expect("opens");
        assert_eq!(conn.execute(damage, []).expect("damages"), 1);
        drop(conn);
        let rig = Rig::around(LocalBackend::open(options(&folder), shared).expect("opens"), clock);
        assert_eq!(rig.enqueue(unique("m1", 3_600_000)).await, Enqueued::Duplicate(first));
        rig.nothing_is_ready().await;
        let other = rig.add(unique("m2", 3_600_000)).await;
        assert_eq!(rig.next().await.job.id, other);
    }
}
