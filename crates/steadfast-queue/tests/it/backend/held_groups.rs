//! Dead letters that hold their group.

use super::flow_rig::configure;
use super::rig::{Make, QUEUE, Rig, dead, grouped, ids, options, over_every_backend};
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::{Control, Filter};
use steadfast_queue::settings::GroupOnDead;
use steadfast_queue::{JobId, QueueSettings, State};

over_every_backend!(
    s24_a_dead_job_holds_its_group_until_it_is_retried,
    a_discarded_or_cancelled_or_purged_one_lets_its_group_go_on,
    an_expired_one_holds_its_group_too,
    what_is_enqueued_behind_a_dead_job_waits,
    ending_it_frees_the_groups_that_are_held,
    a_dead_one_holds_those_behind_it_though_several_may_run,
    only_deaths_from_now_on_hold_a_group,
);

fn block() -> QueueSettings {
    QueueSettings { group_on_dead: Some(GroupOnDead::Block), ..QueueSettings::default() }
}

/// Three jobs of a group, the first of which is dead.
async fn held(rig: &Rig) -> [JobId; 3] {
    let group = [rig.add(grouped(1)).await, rig.add(grouped(1)).await, rig.add(grouped(1)).await];
    let held = rig.next().await;
    assert_eq!(held.job.id, group[0]);
    rig.settle(&held, dead()).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.stats().await.blocking, 1);
    group
}

async fn s24_a_dead_job_holds_its_group_until_it_is_retried(make: Make) {
    let rig = Rig::new(make);
    rig.configure(block()).await;
    let group = held(&rig).await;
    let other = rig.add(grouped(2)).await;
    assert_eq!(ids(&rig.take(10).await), [other]);
    assert_eq!(rig.control(Control::Retry(vec![group[0]])).await.affected, 1);
    assert_eq!(rig.stats().await.blocking, 0);
    assert_eq!(rig.drain().await, group, "it has its old place");
}

async fn a_discarded_or_cancelled_or_purged_one_lets_its_group_go_on(make: Make) {
    let filter = Filter { states: vec![State::Dead], ..Filter::default() };
    let commands: [fn(JobId, Filter) -> Control; 3] = [
        |id, _| Control::Discard(vec![id]),
        |id, _| Control::Cancel(vec![id]),
        |_, filter| Control::Purge { filter: Box::new(filter), limit: 5 },
    ];
    for command in commands {
        let rig = Rig::new(make);
        rig.configure(block()).await;
        let group = held(&rig).await;
        let command = command(group[0], filter.clone());
        assert_eq!(rig.control(Control::Count(Box::new(command.clone()))).await.affected, 1);
        rig.nothing_is_ready().await;
        let kept = matches!(command, Control::Cancel(_)).then_some(State::Dead);
        assert_eq!(rig.control(command).await.affected, 1);
        assert_eq!(rig.state(group[0]).await, kept, "a cancelled one stays a dead letter");
        assert_eq!(rig.stats().await.blocking, 0);
        assert_eq!(rig.drain().await, group[1..]);
        if kept.is_some() {
            assert_eq!(rig.control(Control::Cancel(vec![group[0]])).await.affected, 0, "it holds nobody");
        }
    }
}

async fn an_expired_one_holds_its_group_too(make: Make) {
    let rig = Rig::new(make);
    rig.configure(block()).await;
    let mut new = grouped(1);
    new.ttl_ms = Some(100);
    let first = rig.add(new).await;
    let second = rig.add(grouped(1)).await;
    rig.pass(100);
    rig.nothing_is_ready().await;
    rig.control(Control::Retry(vec![first])).await;
    assert_eq!(rig.drain().await, [first, second]);
}

async fn what_is_enqueued_behind_a_dead_job_waits(make: Make) {
    let rig = Rig::new(make);
    rig.configure(block()).await;
    let first = rig.add(grouped(1)).await;
    let held = rig.next().await;
    rig.settle(&held, dead()).await;
    let second = rig.add(grouped(1)).await;
    rig.nothing_is_ready().await;
    rig.control(Control::Discard(vec![first])).await;
    assert_eq!(rig.drain().await, [second]);
}

async fn ending_it_frees_the_groups_that_are_held(make: Make) {
    let rig = Rig::new(make);
    rig.configure(block()).await;
    let group = held(&rig).await;
    rig.configure(QueueSettings::default()).await;
    assert_eq!(rig.drain().await, group[1..]);
    rig.control(Control::Retry(vec![group[0]])).await;
    assert_eq!(rig.drain().await, group[..1]);
}

async fn a_dead_one_holds_those_behind_it_though_several_may_run(make: Make) {
    let rig = Rig::new(make);
    rig.configure(QueueSettings { group_concurrency: Some(3), ..block() }).await;
    let mut group = Vec::new();
    for _ in 0..5 {
        group.push(rig.add(grouped(1)).await);
    }
    let held = rig.take(2).await;
    // The third is in ready order when the second dies.
    rig.settle(&held[1], dead()).await;
    rig.nothing_is_ready().await;
    rig.complete(&held[0]).await;
    rig.nothing_is_ready().await;
    rig.control(Control::Retry(vec![group[1]])).await;
    assert_eq!(ids(&rig.take(10).await), group[1..4]);
}

async fn only_deaths_from_now_on_hold_a_group(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(grouped(1)).await;
    let held = rig.next().await;
    rig.settle(&held, dead()).await;
    rig.configure(block()).await;
    let second = rig.add(grouped(1)).await;
    assert_eq!(rig.drain().await, [second]);
    assert_eq!(rig.state(first).await, Some(State::Dead));
}

#[tokio::test]
async fn a_held_group_is_held_after_a_restart() {
    for clean in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(super::rig::START_MS);
        let open = || {
            let shared: SharedClock = clock.clone();
            let store = LocalBackend::open(options(&folder), shared).expect("opens");
            (Rig::around(store.clone(), clock.clone()), store)
        };
        let (rig, store) = open();
        rig.control(configure(QUEUE, block())).await;
        let group = held(&rig).await;
        if clean { store.close().await } else { store.abandon().await }.expect("ends");
        let (rig, store) = open();
        assert_eq!(rig.stats().await.blocking, 1);
        rig.nothing_is_ready().await;
        rig.control(Control::Retry(vec![group[0]])).await;
        assert_eq!(rig.drain().await, group);
        store.close().await.expect("closes");
    }
}
