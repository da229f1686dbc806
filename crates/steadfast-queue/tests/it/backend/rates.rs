//! How many jobs may begin within a time: of a queue, and of each group.

use super::flow_rig::schedule;
use super::rig::{Make, Rig, dead, delayed, grouped, ids, job, options, over_every_backend, retry};
use std::sync::Arc;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::PUT_OFF_AT_RESERVE;
use steadfast_queue::backend::{Control, Filter};
use steadfast_queue::state::Verdict;
use steadfast_queue::{GroupKey, JobId, QueueSettings, Rate, State};

over_every_backend!(
    s24_a_rate_per_group_is_exact_over_any_span,
    s24_a_failing_first_keeps_its_group_in_order_under_a_rate,
    a_group_that_must_wait_keeps_nobody_else_waiting,
    more_groups_that_must_wait_than_are_put_off_at_once,
    what_waits_for_its_group_costs_no_attempt_and_expires,
    a_queue_rate_is_exact_over_any_span,
    a_burst_begins_at_once_after_a_rest,
    what_did_not_run_is_given_back,
    what_ran_is_not_given_back,
    a_purge_takes_all_of_a_group_that_must_wait,
    a_step_of_the_wall_clock_changes_no_rate,
    a_changed_group_rate_acts_on_those_that_wait,
    a_rate_that_stays_keeps_what_was_charged,
);

fn group_rate(jobs: u32, per_ms: u64) -> QueueSettings {
    QueueSettings { group_rate: Some(Rate::new(jobs, per_ms)), ..QueueSettings::default() }
}

fn rate(jobs: u32, per_ms: u64) -> QueueSettings {
    QueueSettings { rate: Some(Rate::new(jobs, per_ms)), ..QueueSettings::default() }
}

/// Completes what may begin, every `step_ms` for `span_ms`. Returns what began, and when.
async fn run(rig: &Rig, step_ms: u64, span_ms: u64) -> Vec<(u64, JobId, Option<GroupKey>)> {
    let mut begun = Vec::new();
    for at_ms in (0..span_ms).step_by(usize::try_from(step_ms).expect("small")) {
        loop {
            let taken = rig.take(8).await;
            if taken.is_empty() {
                break;
            }
            for held in &taken {
                begun.push((at_ms, held.job.id, held.job.group));
                rig.complete(held).await;
            }
        }
        rig.pass(step_ms);
    }
    begun
}

fn no_span_holds_more(begun: &[u64], jobs: usize, per_ms: u64) {
    for &from in begun {
        let held = begun.iter().filter(|&&at_ms| at_ms >= from && at_ms < from + per_ms).count();
        assert!(held <= jobs, "{held} from {from}: {begun:?}");
    }
}

async fn s24_a_rate_per_group_is_exact_over_any_span(make: Make) {
    let rig = Rig::new(make);
    rig.configure(group_rate(3, 60_000)).await;
    let mut order = [Vec::new(), Vec::new()];
    for _ in 0..8 {
        for group in [0, 1] {
            order[usize::from(group)].push(rig.add(grouped(group)).await);
        }
    }
    let begun = run(&rig, 1_000, 180_000).await;
    for group in [0, 1] {
        let own: Vec<_> = begun.iter().filter(|(.., key)| *key == Some(GroupKey([group; 16]))).collect();
        let ran: Vec<_> = own.iter().map(|(_, id, _)| *id).collect();
        assert_eq!(ran, order[usize::from(group)], "in order");
        let times: Vec<_> = own.iter().map(|(at_ms, ..)| *at_ms).collect();
        no_span_holds_more(&times, 3, 60_000);
        // The first waits as long as any: what was charged before is not known.
        let expected: Vec<u64> = (1..=8).map(|no| no * 20_000).collect();
        assert_eq!(times, expected, "not slower either");
    }
}

async fn s24_a_failing_first_keeps_its_group_in_order_under_a_rate(make: Make) {
    let rig = Rig::new(make);
    rig.configure(QueueSettings { retry: schedule(&[1_000]), ..group_rate(1, 10_000) }).await;
    let mut new = grouped(1);
    new.retry = None;
    let first = rig.add(new).await;
    let second = rig.add(grouped(1)).await;
    rig.pass(10_000);
    let held = rig.next().await;
    assert_eq!(held.job.id, first);
    rig.settle(&held, retry()).await;
    rig.pass(1_000);
    rig.nothing_is_ready().await;
    assert_eq!(rig.state(first).await, Some(State::Scheduled), "due, but its group may not begin one yet");
    rig.pass(8_999);
    rig.nothing_is_ready().await;
    rig.pass(1);
    let again = rig.next().await;
    assert_eq!((again.job.id, again.job.attempt), (first, 2));
    rig.settle(&again, dead()).await;
    rig.pass(10_000);
    assert_eq!(rig.next().await.job.id, second);
}

async fn a_group_that_must_wait_keeps_nobody_else_waiting(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..3 {
        rig.add(grouped(1)).await;
    }
    let other = rig.add(job()).await;
    // The first of the group is in ready order already.
    rig.configure(group_rate(1, 10_000)).await;
    assert_eq!(ids(&rig.take(10).await), [other]);
    let stats = rig.stats().await;
    assert_eq!((stats.scheduled, stats.available), (1, 2), "one of a group waits for its time");
}

async fn more_groups_that_must_wait_than_are_put_off_at_once(make: Make) {
    let rig = Rig::new(make);
    let count = PUT_OFF_AT_RESERVE + 10;
    for no in 0..count {
        let mut new = job();
        new.group = Some(GroupKey([u8::try_from(no % 251).expect("small"); 16]));
        if let Some(GroupKey(key)) = &mut new.group {
            key[0] = u8::try_from(no / 251).expect("small");
        }
        rig.add(new).await;
    }
    let other = rig.add(job()).await;
    rig.configure(group_rate(1, 10_000)).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.stats().await.scheduled, PUT_OFF_AT_RESERVE as u64, "bounded");
    assert_eq!(ids(&rig.take(1).await), [other]);
    rig.pass(10_000);
    let mut begun = 0;
    loop {
        let taken = rig.take(100).await;
        if taken.is_empty() {
            break;
        }
        begun += taken.len();
    }
    assert_eq!(begun, count);
}

async fn what_waits_for_its_group_costs_no_attempt_and_expires(make: Make) {
    let rig = Rig::new(make);
    rig.configure(group_rate(1, 10_000)).await;
    let mut new = grouped(1);
    new.ttl_ms = Some(5_000);
    let expires = rig.add(new).await;
    let second = rig.add(grouped(1)).await;
    let job = rig.job(expires).await;
    assert_eq!((job.state, job.attempt), (State::Scheduled, 0));
    assert_eq!(job.run_at_ms, job.enqueued_ms + 10_000, "when it is enqueued it is known when it may begin");
    rig.pass(5_000);
    rig.nothing_is_ready().await;
    assert_eq!(rig.state(expires).await, Some(State::Dead));
    rig.pass(5_000);
    let held = rig.next().await;
    assert_eq!((held.job.id, held.job.attempt), (second, 1));
}

async fn a_queue_rate_is_exact_over_any_span(make: Make) {
    let rig = Rig::new(make);
    rig.configure(rate(7, 1_000)).await;
    for _ in 0..30 {
        rig.add(job()).await;
    }
    let begun: Vec<_> = run(&rig, 1, 3_000).await.into_iter().map(|(at_ms, ..)| at_ms).collect();
    assert_eq!((begun.len(), begun[0], begun[1]), (20, 143, 286));
    no_span_holds_more(&begun, 7, 1_000);
}

async fn a_burst_begins_at_once_after_a_rest(make: Make) {
    let rig = Rig::new(make);
    let rate = Rate { jobs: 1, per_ms: 1_000, burst: 3 };
    rig.configure(QueueSettings { rate: Some(rate), ..QueueSettings::default() }).await;
    for _ in 0..10 {
        rig.add(job()).await;
    }
    rig.pass(60_000);
    assert_eq!(rig.take(10).await.len(), 3);
    rig.pass(999);
    rig.nothing_is_ready().await;
    rig.pass(1);
    assert_eq!(rig.take(10).await.len(), 1);
}

async fn what_did_not_run_is_given_back(make: Make) {
    let rig = Rig::new(make);
    let both = QueueSettings { rate: Some(Rate::new(1, 1_000)), ..group_rate(1, 10_000) };
    rig.configure(both).await;
    let first = rig.add(grouped(1)).await;
    rig.pass(10_000);
    for verdict in [Verdict::Release, Verdict::PutOff { after_ms: 0 }] {
        let held = rig.next().await;
        assert_eq!(held.job.id, first);
        rig.settle(&held, verdict).await;
    }
    let held = rig.next().await;
    rig.control(Control::Cancel(vec![first])).await;
    let second = rig.add(grouped(1)).await;
    rig.settle(&held, Verdict::Release).await;
    assert_eq!(rig.state(first).await, Some(State::Cancelled));
    assert_eq!(rig.next().await.job.id, second, "nothing of its group ran before it");
}

async fn what_ran_is_not_given_back(make: Make) {
    let rig = Rig::new(make);
    rig.configure(rate(1, 1_000)).await;
    rig.add(job()).await;
    rig.add(job()).await;
    rig.pass(1_000);
    let held = rig.next().await;
    rig.settle(&held, Verdict::Snooze { after_ms: 0 }).await;
    rig.nothing_is_ready().await;
    rig.pass(1_000);
    rig.next().await;
    rig.pass(super::rig::LEASE_MS - 1);
    rig.next().await;
    rig.pass(1);
    assert_eq!(rig.reclaim().await, 1, "a crash may have had its effect");
    rig.nothing_is_ready().await;
}

/// Without the first, the second has its turn, and must wait for it: it is meant all the same.
async fn a_purge_takes_all_of_a_group_that_must_wait(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..3 {
        rig.add(grouped(0)).await;
    }
    rig.configure(group_rate(1, 60_000)).await;
    let filter = Filter { states: vec![State::Available], ..Filter::default() };
    let purged = rig.control(Control::Purge { filter: Box::new(filter), limit: 100 }).await;
    assert_eq!((purged.affected, purged.skipped), (3, 0));
    // Nor does one that runs, and is left out, take the place of another.
    rig.pass(60_000);
    rig.add(job()).await;
    let _runs = rig.next().await;
    for _ in 0..2 {
        rig.add(grouped(1)).await;
    }
    rig.configure(group_rate(1, 120_000)).await;
    let filter = Filter { states: vec![State::Available, State::Running], ..Filter::default() };
    let purged = rig.control(Control::Purge { filter: Box::new(filter), limit: 2 }).await;
    assert_eq!((purged.affected, purged.skipped), (2, 0));
}

async fn a_step_of_the_wall_clock_changes_no_rate(make: Make) {
    let rig = Rig::new(make);
    let both = QueueSettings { rate: Some(Rate::new(1, 1_000)), ..group_rate(1, 10_000) };
    rig.configure(both).await;
    rig.add(grouped(1)).await;
    rig.add(grouped(1)).await;
    rig.pass(10_000);
    let held = rig.next().await;
    rig.complete(&held).await;
    for step_ms in [3_600_000, -7_200_000, 86_400_000] {
        rig.clock.step_wall(step_ms);
        rig.nothing_is_ready().await;
        rig.pass(2_000);
        rig.nothing_is_ready().await;
    }
    rig.pass(3_999);
    rig.nothing_is_ready().await;
    rig.pass(1);
    rig.next().await;
}

async fn a_changed_group_rate_acts_on_those_that_wait(make: Make) {
    let rig = Rig::new(make);
    rig.configure(group_rate(1, 3_600_000)).await;
    let first = rig.add(grouped(1)).await;
    let later = rig.add(delayed(60_000)).await;
    rig.nothing_is_ready().await;
    rig.configure(group_rate(1, 1_000)).await;
    rig.nothing_is_ready().await;
    rig.pass(1_000);
    assert_eq!(ids(&rig.take(10).await), [first]);
    let second = rig.add(grouped(2)).await;
    rig.complete(&rig.take(1).await[0]).await;
    rig.configure(QueueSettings::default()).await;
    let third = rig.add(grouped(3)).await;
    assert_eq!(ids(&rig.take(10).await), [third]);
    assert_eq!(rig.state(second).await, Some(State::Completed));
    assert_eq!(rig.state(later).await, Some(State::Scheduled), "its delay is its own");
}

async fn a_rate_that_stays_keeps_what_was_charged(make: Make) {
    let rig = Rig::new(make);
    rig.configure(rate(1, 1_000)).await;
    rig.add(job()).await;
    rig.pass(5_000);
    rig.configure(QueueSettings { concurrency_max: Some(5), ..rate(1, 1_000) }).await;
    rig.next().await;
    rig.add(job()).await;
    rig.configure(rate(1, 1_000)).await;
    rig.nothing_is_ready().await;
    rig.pass(1_000);
    rig.next().await;
}

#[tokio::test]
async fn after_a_restart_no_rate_is_exceeded() {
    for clean in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(super::rig::START_MS);
        let open = || {
            let shared: SharedClock = clock.clone();
            let store = LocalBackend::open(LocalOptions { ..options(&folder) }, shared).expect("opens");
            (Rig::around(store.clone(), Arc::clone(&clock)), store)
        };
        let (rig, store) = open();
        let both = QueueSettings { rate: Some(Rate::new(1, 1_000)), ..group_rate(1, 10_000) };
        rig.configure(both).await;
        for _ in 0..4 {
            rig.add(grouped(1)).await;
        }
        rig.pass(10_000);
        let held = rig.next().await;
        rig.complete(&held).await;
        rig.add(job()).await;
        if clean { store.close().await } else { store.abandon().await }.expect("ends");
        let (rig, store) = open();
        rig.nothing_is_ready().await;
        rig.pass(999);
        rig.nothing_is_ready().await;
        rig.pass(1);
        assert_eq!(rig.take(10).await.len(), 1, "the one without a group");
        rig.pass(8_999);
        rig.nothing_is_ready().await;
        rig.pass(1);
        assert_eq!(rig.take(10).await.len(), 1);
        store.close().await.expect("closes");
    }
}
