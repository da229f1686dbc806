//! Order within a group: one at a time, as enqueued.

use super::rig::{
    LEASE_MS, Make, QUEUE, Rig, dead, delayed, expiring, grouped, ids, job, over_every_backend, retry, urgent,
};
use steadfast_queue::backend::{Control, Filter};
use steadfast_queue::state::Verdict;
use steadfast_queue::{GroupKey, Priority, State};

over_every_backend!(
    s24_a_group_waits_behind_its_failing_first,
    s25_a_crashed_holder_passes_the_group_on_once,
    one_at_a_time_and_others_beside,
    a_group_goes_on_after_the_dead,
    a_snoozed_first_holds_its_group,
    a_released_first_comes_first_again,
    a_delayed_first_holds_its_group,
    a_delayed_second_is_not_ready_before_its_time,
    cancelling_the_first_lets_the_second_run,
    cancelling_one_in_the_middle_changes_no_turn,
    purging_the_first_lets_the_second_run,
    an_expired_first_lets_the_second_run,
    a_parked_job_expires_too,
    urgency_does_not_overtake_within_a_group,
    groups_of_two_queues_are_two_groups,
    a_job_retried_by_hand_goes_behind_its_group,
);

fn of_group(mut new: steadfast_queue::NewJob, group: u8) -> steadfast_queue::NewJob {
    new.group = Some(GroupKey([group; 16]));
    new
}

async fn s24_a_group_waits_behind_its_failing_first(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    let second = rig.add(grouped(1)).await;
    let third = rig.add(grouped(1)).await;
    let other = rig.add(grouped(2)).await;
    let taken = rig.take(10).await;
    assert_eq!(ids(&taken), [first, other]);
    rig.settle(&taken[0], retry()).await;
    rig.complete(&taken[1]).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.state(second).await, Some(State::Available));
    rig.pass(1_000);
    let again = rig.take(10).await;
    assert_eq!(ids(&again), [first]);
    rig.complete(&again[0]).await;
    assert_eq!(rig.drain().await, [second, third]);
}

async fn s25_a_crashed_holder_passes_the_group_on_once(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    let second = rig.add(grouped(1)).await;
    for _ in 0..3 {
        assert_eq!(ids(&rig.take(10).await), [first]);
        rig.pass(LEASE_MS);
        assert_eq!(rig.reclaim().await, 1);
    }
    assert_eq!(rig.state(first).await, Some(State::Dead));
    assert_eq!(ids(&rig.take(10).await), [second]);
    rig.nothing_is_ready().await;
}

async fn one_at_a_time_and_others_beside(make: Make) {
    let rig = Rig::new(make);
    let mut order = Vec::new();
    for _ in 0..3 {
        for group in 1..=3 {
            order.push(rig.add(grouped(group)).await);
        }
    }
    order.push(rig.add(job()).await);
    let taken = rig.take(10).await;
    assert_eq!(ids(&taken), [order[0], order[1], order[2], order[9]]);
    rig.complete(&taken[1]).await;
    assert_eq!(ids(&rig.take(10).await), [order[4]]);
}

async fn a_group_goes_on_after_the_dead(make: Make) {
    let rig = Rig::new(make);
    rig.add(grouped(1)).await;
    let second = rig.add(grouped(1)).await;
    let held = rig.next().await;
    rig.settle(&held, dead()).await;
    assert_eq!(ids(&rig.take(10).await), [second]);
}

async fn a_snoozed_first_holds_its_group(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    rig.add(grouped(1)).await;
    let held = rig.next().await;
    rig.settle(&held, Verdict::Snooze { after_ms: 500 }).await;
    rig.nothing_is_ready().await;
    rig.pass(500);
    assert_eq!(ids(&rig.take(10).await), [first]);
}

async fn a_released_first_comes_first_again(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    rig.add(grouped(1)).await;
    let held = rig.next().await;
    rig.settle(&held, Verdict::Release).await;
    assert_eq!(ids(&rig.take(10).await), [first]);
}

async fn a_delayed_first_holds_its_group(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(of_group(delayed(1_000), 1)).await;
    let second = rig.add(grouped(1)).await;
    rig.nothing_is_ready().await;
    rig.pass(1_000);
    assert_eq!(rig.drain().await, [first, second]);
}

async fn a_delayed_second_is_not_ready_before_its_time(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    let second = rig.add(of_group(delayed(1_000), 1)).await;
    let third = rig.add(grouped(1)).await;
    assert_eq!(rig.drain().await, [first]);
    rig.pass(1_000);
    assert_eq!(rig.drain().await, [second, third]);
}

async fn cancelling_the_first_lets_the_second_run(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    let second = rig.add(grouped(1)).await;
    assert_eq!(rig.control(Control::Cancel(vec![first])).await.affected, 1);
    assert_eq!(rig.drain().await, [second]);
}

async fn cancelling_one_in_the_middle_changes_no_turn(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    let second = rig.add(grouped(1)).await;
    let third = rig.add(grouped(1)).await;
    let held = rig.next().await;
    rig.control(Control::Cancel(vec![second])).await;
    rig.nothing_is_ready().await;
    rig.complete(&held).await;
    assert_eq!(held.job.id, first);
    assert_eq!(rig.drain().await, [third]);
}

async fn purging_the_first_lets_the_second_run(make: Make) {
    let rig = Rig::new(make);
    rig.add(of_group(delayed(60_000), 1)).await;
    let second = rig.add(grouped(1)).await;
    let filter = Filter { states: vec![State::Scheduled], ..Filter::default() };
    assert_eq!(rig.control(Control::Purge { filter: Box::new(filter), limit: 10 }).await.affected, 1);
    assert_eq!(rig.drain().await, [second]);
}

async fn an_expired_first_lets_the_second_run(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(of_group(expiring(100), 1)).await;
    let second = rig.add(grouped(1)).await;
    rig.pass(100);
    assert_eq!(ids(&rig.take(10).await), [second]);
    assert_eq!(rig.state(first).await, Some(State::Dead));
}

async fn a_parked_job_expires_too(make: Make) {
    let rig = Rig::new(make);
    rig.add(grouped(1)).await;
    let second = rig.add(of_group(expiring(100), 1)).await;
    let third = rig.add(grouped(1)).await;
    let held = rig.next().await;
    rig.pass(100);
    assert_eq!(rig.promote().await, 1);
    assert_eq!(rig.state(second).await, Some(State::Dead));
    rig.complete(&held).await;
    assert_eq!(rig.drain().await, [third]);
}

async fn urgency_does_not_overtake_within_a_group(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(of_group(urgent(Priority::Low), 1)).await;
    let second = rig.add(of_group(urgent(Priority::High), 1)).await;
    assert_eq!(rig.drain().await, [first, second]);
}

async fn groups_of_two_queues_are_two_groups(make: Make) {
    let rig = Rig::new(make);
    rig.add(of_group(super::rig::job_in("other"), 1)).await;
    let here = rig.add(grouped(1)).await;
    assert_eq!(ids(&rig.take(10).await), [here]);
    assert_eq!(rig.store.reserve(rig.request("other", 10)).await.expect("reserves").len(), 1);
}

async fn a_job_retried_by_hand_goes_behind_its_group(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    let second = rig.add(grouped(1)).await;
    let third = rig.add(grouped(1)).await;
    let held = rig.next().await;
    rig.settle(&held, dead()).await;
    let running = rig.next().await;
    assert_eq!(running.job.id, second);
    assert_eq!(rig.control(Control::Retry(vec![first])).await.affected, 1);
    rig.nothing_is_ready().await;
    rig.complete(&running).await;
    assert_eq!(rig.drain().await, [third, first]);
    assert_eq!(rig.stats_of(QUEUE).await.dead, 0);
}
