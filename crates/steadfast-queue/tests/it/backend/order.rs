//! What comes first.

use super::rig::{Make, Rig, delayed, ids, job, over_every_backend, retry, urgent};
use steadfast_queue::backend::Settled;
use steadfast_queue::state::Verdict;
use steadfast_queue::{Priority, State};

over_every_backend!(
    first_come_first_served,
    a_job_comes_out_as_it_went_in,
    the_urgent_go_first,
    one_in_sixteen_is_the_least_urgent,
    a_delayed_job_waits_for_its_time,
    what_comes_back_untouched_keeps_its_place,
    what_is_tried_again_goes_behind,
    the_oldest_is_known,
    queues_do_not_mix,
);

async fn first_come_first_served(make: Make) {
    let rig = Rig::new(make);
    let mut added = Vec::new();
    for _ in 0..10 {
        added.push(rig.add(job()).await);
    }
    assert_eq!(ids(&rig.take(4).await), added[..4]);
    assert_eq!(ids(&rig.take(100).await), added[4..]);
    rig.nothing_is_ready().await;
}

async fn a_job_comes_out_as_it_went_in(make: Make) {
    let rig = Rig::new(make);
    let mut new = delayed(5);
    new.codec = 7;
    new.priority = Priority::High;
    new.group = Some(steadfast_queue::GroupKey([3; 16]));
    new.timeout_ms = 123_456;
    new.ttl_ms = Some(9_000);
    new.parent = Some(steadfast_queue::JobId([9; 16]));
    new.correlation_id = "c".repeat(32);
    new.metadata.insert("key".into(), "välue".into());
    new.payload = vec![0, 1, 2, 255].into();
    let id = rig.add(new.clone()).await;
    rig.pass(5);
    let held = rig.next().await;
    let job = &held.job;
    assert_eq!((job.id, job.state, job.attempt, job.crash_count), (id, State::Running, 1, 0));
    assert_eq!((&job.queue, &job.kind, &job.payload), (&new.queue, &new.kind, &new.payload));
    assert_eq!((job.codec, job.priority, job.group), (new.codec, new.priority, new.group));
    assert_eq!((&job.retry, job.timeout_ms, job.parent), (&new.retry, new.timeout_ms, new.parent));
    assert_eq!((&job.correlation_id, &job.metadata), (&new.correlation_id, &new.metadata));
    let start = super::rig::START_MS;
    assert_eq!((job.enqueued_ms, job.run_at_ms, job.expires_ms), (start, start + 5, Some(start + 9_000)));
    assert_eq!(*job, rig.job(id).await);
}

async fn the_urgent_go_first(make: Make) {
    let rig = Rig::new(make);
    let low = rig.add(urgent(Priority::Low)).await;
    let normal = rig.add(urgent(Priority::Normal)).await;
    let high = rig.add(urgent(Priority::High)).await;
    let second = rig.add(urgent(Priority::High)).await;
    assert_eq!(ids(&rig.take(10).await), [high, second, normal, low]);
}

async fn one_in_sixteen_is_the_least_urgent(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..40 {
        rig.add(urgent(Priority::High)).await;
    }
    for _ in 0..4 {
        rig.add(urgent(Priority::Low)).await;
    }
    let taken = rig.take(33).await;
    let low: Vec<usize> = taken
        .iter()
        .enumerate()
        .filter(|(_, held)| held.job.priority == Priority::Low)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(low, [15, 31]);
}

async fn a_delayed_job_waits_for_its_time(make: Make) {
    let rig = Rig::new(make);
    let later = rig.add(delayed(2_000)).await;
    let sooner = rig.add(delayed(1_000)).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.state(later).await, Some(State::Scheduled));
    assert_eq!(rig.stats().await.scheduled, 2);
    rig.pass(999);
    rig.nothing_is_ready().await;
    rig.pass(1_001);
    assert_eq!(rig.promote().await, 2);
    assert_eq!(rig.state(later).await, Some(State::Available));
    assert_eq!(ids(&rig.take(10).await), [sooner, later]);
}

async fn what_comes_back_untouched_keeps_its_place(make: Make) {
    let rig = Rig::new(make);
    let mut added = Vec::new();
    for _ in 0..6 {
        added.push(rig.add(job()).await);
    }
    let taken = rig.take(3).await;
    for held in [&taken[1], &taken[0]] {
        assert_eq!(rig.settle(held, Verdict::Release).await, Settled::Now(State::Available));
    }
    assert_eq!(rig.job(added[0]).await.attempt, 0);
    assert_eq!(rig.settle(&taken[2], Verdict::Snooze { after_ms: 0 }).await, Settled::Now(State::Available));
    assert_eq!(ids(&rig.take(10).await), added);
}

async fn what_is_tried_again_goes_behind(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(job()).await;
    let second = rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, retry()).await;
    rig.pass(1_000);
    assert_eq!(ids(&rig.take(10).await), [second, first]);
}

async fn the_oldest_is_known(make: Make) {
    let rig = Rig::new(make);
    assert_eq!(rig.stats().await.oldest_ms, None);
    rig.add(urgent(Priority::Low)).await;
    rig.pass(10);
    rig.add(urgent(Priority::High)).await;
    assert_eq!(rig.stats().await.oldest_ms, Some(super::rig::START_MS));
    rig.drain().await;
    assert_eq!(rig.stats().await.oldest_ms, None);
}

async fn queues_do_not_mix(make: Make) {
    let rig = Rig::new(make);
    rig.add(super::rig::job_in("other")).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.store.reserve(rig.request("other", 5)).await.expect("reserves").len(), 1);
    assert!(rig.store.reserve(rig.request("unheard of", 5)).await.expect("reserves").is_empty());
}
