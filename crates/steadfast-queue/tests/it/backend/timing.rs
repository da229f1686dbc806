//! What time does by itself.

use super::rig::{Make, Rig, delayed, expiring, ids, job, over_every_backend, retry};
use steadfast_queue::State;
use steadfast_queue::state::Verdict;

over_every_backend!(
    an_unstarted_job_expires_into_the_dead,
    time_to_live_runs_while_snoozed,
    a_started_job_expires_no_more,
    a_running_job_does_not_expire,
    a_released_job_expires_at_its_next_look,
    promote_says_when_to_come_back,
    promote_heeds_its_limit,
);

async fn an_unstarted_job_expires_into_the_dead(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(expiring(100)).await;
    rig.pass(99);
    assert_eq!(rig.promote().await, 0);
    rig.pass(1);
    rig.nothing_is_ready().await;
    let job = rig.job(id).await;
    assert_eq!((job.state, job.attempt), (State::Dead, 0));
    assert_eq!(job.history.last().map(|record| record.error.as_str()), Some("expired"));
    let stats = rig.stats().await;
    assert_eq!((stats.dead, stats.dead_total, stats.failed_total, stats.bytes), (1, 1, 0, 0));
}

async fn time_to_live_runs_while_snoozed(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(expiring(100)).await;
    let held = rig.next().await;
    rig.settle(&held, Verdict::Snooze { after_ms: 1_000 }).await;
    rig.pass(100);
    assert_eq!(rig.promote().await, 1);
    assert_eq!(rig.state(id).await, Some(State::Dead));
}

async fn a_started_job_expires_no_more(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(expiring(100)).await;
    let held = rig.next().await;
    rig.settle(&held, retry()).await;
    rig.pass(5_000);
    assert_eq!(ids(&rig.take(1).await), [id]);
}

async fn a_running_job_does_not_expire(make: Make) {
    let rig = Rig::new(make);
    rig.add(expiring(100)).await;
    let held = rig.next().await;
    rig.pass(100);
    assert_eq!(rig.promote().await, 0);
    rig.complete(&held).await;
}

async fn a_released_job_expires_at_its_next_look(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(expiring(100)).await;
    let other = rig.add(job()).await;
    let held = rig.next().await;
    rig.pass(100);
    assert_eq!(rig.promote().await, 0);
    rig.settle(&held, Verdict::Release).await;
    assert_eq!(ids(&rig.take(5).await), [other]);
    assert_eq!(rig.state(id).await, Some(State::Dead));
}

async fn promote_says_when_to_come_back(make: Make) {
    let rig = Rig::new(make);
    assert_eq!(rig.store.promote(10).await.expect("promotes").next_in_ms, None);
    rig.add(delayed(500)).await;
    rig.add(expiring(300)).await;
    assert_eq!(rig.store.promote(10).await.expect("promotes").next_in_ms, Some(300));
    rig.pass(300);
    assert_eq!(rig.store.promote(10).await.expect("promotes").next_in_ms, Some(200));
}

async fn promote_heeds_its_limit(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..5 {
        rig.add(delayed(100)).await;
    }
    rig.pass(100);
    let swept = rig.store.promote(3).await.expect("promotes");
    assert_eq!((swept.moved, swept.next_in_ms), (3, Some(0)));
    assert_eq!(rig.stats().await.scheduled, 2);
    let swept = rig.store.promote(3).await.expect("promotes");
    assert_eq!((swept.moved, swept.next_in_ms), (2, None));
}
