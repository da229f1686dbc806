//! What time does by itself.

use super::rig::{Make, Rig, START_MS, delayed, expiring, ids, job, over_every_backend, retry};
use steadfast_queue::State;
use steadfast_queue::backend::Sweep;
use steadfast_queue::state::Verdict;

over_every_backend!(
    an_unstarted_job_expires_into_the_dead,
    time_to_live_runs_while_snoozed,
    a_started_job_expires_no_more,
    a_running_job_does_not_expire,
    a_released_job_expires_at_its_next_look,
    promote_says_when_to_come_back,
    promote_heeds_its_limit,
    s22_setting_the_clock_back_makes_nobody_wait_for_longer,
    s22_setting_the_clock_back_prolongs_no_life,
    s22_setting_the_clock_forward_only_brings_jobs_early,
    s22_small_corrections_of_the_clock_shift_nothing,
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
    assert_eq!(rig.store.sweep(Sweep::Promote, 10).await.expect("promotes").next_in_ms, None);
    rig.add(delayed(500)).await;
    rig.add(expiring(300)).await;
    assert_eq!(rig.store.sweep(Sweep::Promote, 10).await.expect("promotes").next_in_ms, Some(300));
    rig.pass(300);
    assert_eq!(rig.store.sweep(Sweep::Promote, 10).await.expect("promotes").next_in_ms, Some(200));
}

async fn promote_heeds_its_limit(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..5 {
        rig.add(delayed(100)).await;
    }
    rig.pass(100);
    let swept = rig.store.sweep(Sweep::Promote, 3).await.expect("promotes");
    assert_eq!((swept.moved, swept.next_in_ms), (3, Some(0)));
    assert_eq!(rig.stats().await.scheduled, 2);
    let swept = rig.store.sweep(Sweep::Promote, 3).await.expect("promotes");
    assert_eq!((swept.moved, swept.next_in_ms), (2, None));
}

const HOUR_MS: i64 = 3_600_000;

async fn s22_setting_the_clock_back_makes_nobody_wait_for_longer(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..2 {
        rig.add(job()).await;
    }
    let held = rig.take(2).await;
    rig.settle(&held[0], Verdict::Snooze { after_ms: 2_000 }).await;
    rig.settle(&held[1], retry()).await;
    let later = rig.add(delayed(10_000)).await;
    rig.clock.step_wall(-HOUR_MS);
    rig.pass(999);
    assert_eq!(rig.promote().await, 0, "nobody comes early");
    rig.pass(1);
    assert_eq!(ids(&rig.take(9).await), [held[1].job.id]);
    // What is put off after the step waits no shorter.
    let behind = rig.add(delayed(1_500)).await;
    rig.pass(999);
    rig.nothing_is_ready().await;
    rig.pass(1);
    assert_eq!(ids(&rig.take(9).await), [held[0].job.id]);
    rig.pass(500);
    assert_eq!(ids(&rig.take(9).await), [behind]);
    rig.pass(7_499);
    assert_eq!(rig.store.sweep(Sweep::Promote, 9).await.expect("promotes").next_in_ms, Some(1));
    rig.clock.step_wall(-HOUR_MS);
    rig.pass(1);
    assert_eq!(rig.promote().await, 1);
    assert_eq!(ids(&rig.take(9).await), [later]);
    assert_eq!(rig.job(later).await.run_at_ms, START_MS - 2 * HOUR_MS + 10_000);
}

async fn s22_setting_the_clock_back_prolongs_no_life(make: Make) {
    let rig = Rig::new(make);
    let waiting = rig.add(expiring(5_000)).await;
    let running = rig.add(expiring(5_000)).await;
    let held = rig.take(2).await;
    rig.settle(&held[0], Verdict::Snooze { after_ms: 60_000 }).await;
    let ready = rig.add(expiring(5_000)).await;
    let started = rig.add(expiring(5_000)).await;
    rig.clock.step_wall(-HOUR_MS);
    rig.pass(4_000);
    rig.settle(&held[1], Verdict::Release).await;
    let taken = rig.take(3).await;
    assert_eq!(ids(&taken), [running, ready, started]);
    assert_eq!(taken[1].job.expires_ms, Some(START_MS - HOUR_MS + 5_000));
    for held in &taken[..2] {
        rig.settle(held, Verdict::Release).await;
    }
    rig.settle(&taken[2], retry()).await;
    rig.pass(999);
    assert_eq!(rig.promote().await, 0);
    rig.pass(1);
    assert_eq!(rig.promote().await, 4);
    for id in [waiting, running, ready] {
        assert_eq!(rig.state(id).await, Some(State::Dead));
    }
    assert_eq!(ids(&rig.take(9).await), [started]);
}

async fn s22_setting_the_clock_forward_only_brings_jobs_early(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(delayed(2_000)).await;
    let far = rig.add(delayed(7_200_000)).await;
    rig.clock.step_wall(HOUR_MS);
    assert_eq!(ids(&rig.take(9).await), [first]);
    assert_eq!(rig.job(far).await.run_at_ms, START_MS + 7_200_000, "left alone");
    // Set right again, it is a step back like any other: what was asked for meanwhile does not wait an hour.
    let second = rig.add(delayed(2_000)).await;
    rig.clock.step_wall(-HOUR_MS);
    rig.pass(1_999);
    rig.nothing_is_ready().await;
    rig.pass(1);
    assert_eq!(ids(&rig.take(9).await), [second]);
}

async fn s22_small_corrections_of_the_clock_shift_nothing(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(delayed(5_000)).await;
    rig.clock.step_wall(-1_500);
    rig.pass(1_000);
    assert_eq!(rig.promote().await, 0);
    assert_eq!(rig.job(id).await.run_at_ms, START_MS + 5_000);
    // Together they are no longer small.
    rig.clock.step_wall(-1_500);
    assert_eq!(rig.promote().await, 0);
    assert_eq!(rig.job(id).await.run_at_ms, START_MS + 2_000);
    rig.pass(4_000);
    assert_eq!(ids(&rig.take(9).await), [id]);
}
