//! The same job twice is one job.

use super::rig::{Make, QUEUE, Rig, dead, job, job_in, over_every_backend, unique};
use steadfast_queue::backend::rules::Retention;
use steadfast_queue::backend::{Control, Enqueued, Sweep};
use steadfast_queue::job::UNIQUE_WINDOW_MS;
use steadfast_queue::{JobId, State, Unique};

over_every_backend!(
    s5_an_enqueue_repeated_is_the_same_job,
    s8_a_key_outlives_its_job_and_ends_with_its_window,
    s9_at_the_same_instant_there_is_one,
    s32_a_discarded_job_frees_its_key,
    twice_in_one_call,
    an_id_given_is_a_key_too,
    the_same_key_in_another_queue_is_another_job,
    the_unfinished_and_the_dead_hold_their_key,
    a_key_holds_when_its_job_is_no_longer_kept,
    windows_of_days,
    plain_jobs_are_all_different,
    pruning_forgets_only_what_no_longer_counts,
);

async fn s5_an_enqueue_repeated_is_the_same_job(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(unique("m1", UNIQUE_WINDOW_MS)).await;
    assert_eq!(id, JobId::of_unique(QUEUE, b"m1"));
    assert_eq!(rig.enqueue(unique("m1", UNIQUE_WINDOW_MS)).await, Enqueued::Duplicate(id));
    let stats = rig.stats().await;
    assert_eq!((stats.available, stats.enqueued_total, stats.duplicates_total), (1, 1, 1));
}

async fn s8_a_key_outlives_its_job_and_ends_with_its_window(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(unique("m1", 60_000)).await;
    rig.drain().await;
    rig.pass(59_999);
    assert_eq!(rig.enqueue(unique("m1", 60_000)).await, Enqueued::Duplicate(id));
    rig.pass(1);
    assert_eq!(rig.enqueue(unique("m1", 60_000)).await, Enqueued::New(id));
    // The new one took the place of the old one.
    let stats = rig.stats().await;
    assert_eq!((stats.completed, stats.available), (0, 1));
    assert_eq!(rig.enqueue(unique("m1", 60_000)).await, Enqueued::Duplicate(id));
    assert_eq!(rig.drain().await, [id]);
}

async fn s9_at_the_same_instant_there_is_one(make: Make) {
    let rig = Rig::new(make);
    let all = (0..20).map(|_| rig.enqueue(unique("m1", 60_000)));
    let answers = futures::future::join_all(all).await;
    let new = answers.iter().filter(|answer| matches!(answer, Enqueued::New(_))).count();
    assert_eq!(new, 1, "{answers:?}");
    assert_eq!(rig.stats().await.available, 1);
}

async fn s32_a_discarded_job_frees_its_key(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(unique("m1", UNIQUE_WINDOW_MS)).await;
    rig.drain().await;
    assert_eq!(rig.control(Control::Discard(vec![id])).await.affected, 1);
    assert_eq!(rig.state(id).await, None);
    assert_eq!(rig.enqueue(unique("m1", UNIQUE_WINDOW_MS)).await, Enqueued::New(id));
}

async fn twice_in_one_call(make: Make) {
    let rig = Rig::new(make);
    let both = vec![unique("m1", 60_000), job(), unique("m1", 60_000)];
    let answers = rig.store.enqueue(both).await.expect("enqueues");
    let id = JobId::of_unique(QUEUE, b"m1");
    assert_eq!((answers[0], answers[2]), (Enqueued::New(id), Enqueued::Duplicate(id)));
    assert_eq!(rig.stats().await.available, 2);
}

async fn an_id_given_is_a_key_too(make: Make) {
    let rig = Rig::new(make);
    let mut new = job();
    new.id = Some(JobId([5; 16]));
    assert_eq!(rig.enqueue(new.clone()).await, Enqueued::New(JobId([5; 16])));
    rig.drain().await;
    assert_eq!(rig.enqueue(new.clone()).await, Enqueued::Duplicate(JobId([5; 16])));
    rig.pass(UNIQUE_WINDOW_MS);
    assert_eq!(rig.enqueue(new).await, Enqueued::New(JobId([5; 16])));
}

async fn the_same_key_in_another_queue_is_another_job(make: Make) {
    let rig = Rig::new(make);
    let here = rig.add(unique("m1", 60_000)).await;
    let mut there = job_in("other");
    there.unique = Some(Unique::new("m1"));
    assert_ne!(rig.add(there).await, here);
}

async fn the_unfinished_and_the_dead_hold_their_key(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(unique("m1", 1_000)).await;
    rig.pass(5 * UNIQUE_WINDOW_MS);
    rig.store.sweep(Sweep::Prune, 1_000).await.expect("prunes");
    assert_eq!(rig.enqueue(unique("m1", 1_000)).await, Enqueued::Duplicate(id), "it waits");
    let held = rig.next().await;
    assert_eq!(rig.enqueue(unique("m1", 1_000)).await, Enqueued::Duplicate(id), "it runs");
    rig.settle(&held, dead()).await;
    assert_eq!(rig.enqueue(unique("m1", 1_000)).await, Enqueued::Duplicate(id), "it is dead");
    assert_eq!(rig.state(id).await, Some(State::Dead));
    rig.control(Control::Discard(vec![id])).await;
    assert_eq!(rig.enqueue(unique("m1", 1_000)).await, Enqueued::New(id));
}

async fn a_key_holds_when_its_job_is_no_longer_kept(make: Make) {
    let retention = Retention { completed_max: 0, ..Retention::default() };
    let rig = Rig::with(make, super::rig::Choice { retention, ..Default::default() });
    let id = rig.add(unique("m1", 60_000)).await;
    rig.drain().await;
    assert_eq!(rig.state(id).await, None);
    assert_eq!(rig.enqueue(unique("m1", 60_000)).await, Enqueued::Duplicate(id));
    rig.pass(60_000);
    assert_eq!(rig.enqueue(unique("m1", 60_000)).await, Enqueued::New(id));
}

async fn windows_of_days(make: Make) {
    let rig = Rig::new(make);
    let day_ms = 24 * UNIQUE_WINDOW_MS;
    let long = rig.add(unique("long", 3 * day_ms)).await;
    let short = rig.add(unique("short", UNIQUE_WINDOW_MS)).await;
    rig.drain().await;
    for _ in 0..70 {
        rig.pass(UNIQUE_WINDOW_MS);
        rig.store.sweep(Sweep::Prune, 1_000).await.expect("prunes");
    }
    assert_eq!(rig.enqueue(unique("long", day_ms)).await, Enqueued::Duplicate(long));
    assert_eq!(rig.enqueue(unique("short", day_ms)).await, Enqueued::New(short));
    rig.pass(2 * UNIQUE_WINDOW_MS);
    assert_eq!(rig.enqueue(unique("long", day_ms)).await, Enqueued::New(long));
}

async fn plain_jobs_are_all_different(make: Make) {
    let rig = Rig::new(make);
    let all = rig.store.enqueue(vec![job(); 50]).await.expect("enqueues");
    assert!(all.iter().all(|answer| matches!(answer, Enqueued::New(_))));
    assert_eq!(rig.stats().await.available, 50);
}

async fn pruning_forgets_only_what_no_longer_counts(make: Make) {
    let rig = Rig::new(make);
    let mut counting = Vec::new();
    for number in 0..30 {
        rig.add(unique(&format!("over {number}"), 1_000)).await;
        counting.push(rig.add(unique(&format!("counts {number}"), 6 * UNIQUE_WINDOW_MS)).await);
    }
    let waiting = rig.add({
        let mut new = unique("waits", 1_000);
        new.delay_ms = 100 * UNIQUE_WINDOW_MS;
        new
    });
    let waiting = waiting.await;
    rig.drain().await;
    rig.pass(2 * UNIQUE_WINDOW_MS);
    for _ in 0..40 {
        assert!(rig.store.sweep(Sweep::Prune, 7).await.expect("prunes").moved <= 7);
    }
    for (number, &id) in counting.iter().enumerate() {
        let again = unique(&format!("counts {number}"), 1_000);
        assert_eq!(rig.enqueue(again).await, Enqueued::Duplicate(id));
        assert_eq!(rig.state(id).await, Some(State::Completed), "kept jobs are still found");
    }
    assert_eq!(rig.state(waiting).await, Some(State::Scheduled));
    assert_eq!(rig.enqueue(unique("waits", 1_000)).await, Enqueued::Duplicate(waiting));
    assert!(matches!(rig.enqueue(unique("over 0", 1_000)).await, Enqueued::New(_)));
}
