//! How many jobs may run at once: of a queue, and of each group.

use super::rig::{LEASE_MS, Make, Rig, dead, delayed, grouped, ids, job, over_every_backend, retry, urgent};
use steadfast_queue::backend::Control;
use steadfast_queue::state::Verdict;
use steadfast_queue::{GroupKey, Priority, QueueSettings, State};

over_every_backend!(
    no_more_run_than_may,
    s25_the_slot_of_a_crashed_holder_passes_on_exactly_once,
    concurrency_is_changed_while_jobs_run,
    the_first_of_a_group_run_together_and_begin_in_order,
    a_failing_one_keeps_its_slot_in_the_group,
    raising_lines_up_more,
    lowering_lets_those_that_run_end,
    a_late_urgent_one_overtakes_nobody_of_its_group,
);

fn concurrency(max: u64) -> QueueSettings {
    QueueSettings { concurrency_max: Some(max), ..QueueSettings::default() }
}

fn per_group(max: u32) -> QueueSettings {
    QueueSettings { group_concurrency: Some(max), ..QueueSettings::default() }
}

async fn no_more_run_than_may(make: Make) {
    let rig = Rig::new(make);
    rig.configure(concurrency(2)).await;
    for _ in 0..5 {
        rig.add(job()).await;
    }
    let held = rig.take(10).await;
    assert_eq!(held.len(), 2);
    rig.nothing_is_ready().await;
    rig.complete(&held[0]).await;
    let more = rig.take(10).await;
    assert_eq!(more.len(), 1);
    rig.settle(&held[1], retry()).await;
    rig.settle(&more[0], Verdict::Release).await;
    assert_eq!(rig.take(10).await.len(), 2);
    assert_eq!(rig.stats().await.running, 2);
}

async fn s25_the_slot_of_a_crashed_holder_passes_on_exactly_once(make: Make) {
    let rig = Rig::new(make);
    rig.configure(QueueSettings { group_concurrency: Some(2), ..concurrency(2) }).await;
    for _ in 0..5 {
        rig.add(grouped(1)).await;
    }
    let held = rig.take(10).await;
    assert_eq!(held.len(), 2);
    rig.pass(LEASE_MS - 1);
    rig.extend(&held[1]).await;
    rig.pass(1);
    assert_eq!(rig.reclaim().await, 1);
    let again = rig.take(10).await;
    assert_eq!(ids(&again), [held[0].job.id], "one slot is free, for the one that lost it");
    // The old holder is heard no more: its end frees nothing.
    rig.settle(&held[0], Verdict::Complete).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.stats().await.running, 2);
    rig.complete(&again[0]).await;
    assert_eq!(rig.take(10).await.len(), 1);
}

async fn concurrency_is_changed_while_jobs_run(make: Make) {
    let rig = Rig::new(make);
    rig.configure(concurrency(3)).await;
    for _ in 0..9 {
        rig.add(job()).await;
    }
    let held = rig.take(10).await;
    assert_eq!(held.len(), 3);
    rig.configure(concurrency(1)).await;
    rig.complete(&held[0]).await;
    rig.complete(&held[1]).await;
    rig.nothing_is_ready().await;
    rig.configure(concurrency(4)).await;
    assert_eq!(rig.take(10).await.len(), 3);
}

async fn the_first_of_a_group_run_together_and_begin_in_order(make: Make) {
    let rig = Rig::new(make);
    rig.configure(per_group(3)).await;
    let mut order = Vec::new();
    for _ in 0..6 {
        order.push(rig.add(grouped(1)).await);
    }
    let other = rig.add(grouped(2)).await;
    let held = rig.take(10).await;
    assert_eq!(ids(&held), [order[0], order[1], order[2], other]);
    rig.complete(&held[1]).await;
    assert_eq!(ids(&rig.take(10).await), [order[3]]);
    rig.control(Control::Cancel(vec![order[5]])).await;
    rig.settle(&held[0], dead()).await;
    assert_eq!(ids(&rig.take(10).await), [order[4]]);
    rig.complete(&held[2]).await;
    rig.nothing_is_ready().await;
}

async fn a_failing_one_keeps_its_slot_in_the_group(make: Make) {
    let rig = Rig::new(make);
    rig.configure(per_group(2)).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(rig.add(grouped(1)).await);
    }
    let held = rig.take(10).await;
    rig.settle(&held[0], retry()).await;
    rig.nothing_is_ready().await;
    rig.complete(&held[1]).await;
    assert_eq!(ids(&rig.take(10).await), [order[2]]);
    rig.pass(1_000);
    assert_eq!(ids(&rig.take(10).await), [order[0]]);
}

async fn raising_lines_up_more(make: Make) {
    let rig = Rig::new(make);
    let mut order = Vec::new();
    for _ in 0..3 {
        for group in [1, 2] {
            order.push(rig.add(grouped(group)).await);
        }
    }
    let held = rig.take(10).await;
    assert_eq!(ids(&held), [order[0], order[1]]);
    rig.configure(per_group(2)).await;
    assert_eq!(ids(&rig.take(10).await), [order[2], order[3]]);
    rig.nothing_is_ready().await;
}

async fn lowering_lets_those_that_run_end(make: Make) {
    let rig = Rig::new(make);
    rig.configure(per_group(3)).await;
    let mut order = Vec::new();
    for _ in 0..5 {
        order.push(rig.add(grouped(1)).await);
    }
    let running = rig.take(2).await;
    rig.configure(QueueSettings::default()).await;
    // The third was in ready order, and is no longer among the first.
    rig.nothing_is_ready().await;
    rig.complete(&running[0]).await;
    rig.nothing_is_ready().await;
    // What comes back untouched waits for its turn as well.
    rig.settle(&running[1], Verdict::Release).await;
    let mut ran = Vec::new();
    loop {
        let taken = rig.take(10).await;
        let [held] = &taken[..] else { break };
        ran.push(held.job.id);
        rig.nothing_is_ready().await;
        rig.complete(held).await;
    }
    assert_eq!(ran, order[1..]);
}

async fn a_late_urgent_one_overtakes_nobody_of_its_group(make: Make) {
    let rig = Rig::new(make);
    rig.configure(per_group(3)).await;
    let of_group = |mut new: steadfast_queue::NewJob| {
        new.group = Some(GroupKey([1; 16]));
        new
    };
    let low = rig.add(of_group(urgent(Priority::Low))).await;
    let normal = rig.add(grouped(1)).await;
    let high = rig.add(of_group(urgent(Priority::High))).await;
    for expected in [low, normal, high] {
        assert_eq!(rig.next().await.job.id, expected);
    }
    // One that waits for a time of its own is passed.
    let rig = Rig::new(make);
    rig.configure(per_group(2)).await;
    let delayed = rig.add(of_group(delayed(1_000))).await;
    let second = rig.add(grouped(1)).await;
    assert_eq!(ids(&rig.take(10).await), [second]);
    assert_eq!(rig.state(delayed).await, Some(State::Scheduled));
}
