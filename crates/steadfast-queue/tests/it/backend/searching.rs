//! Finding jobs among many, and counting those that died.

use super::rig::{
    Make, QUEUE, Rig, START_MS, dead, grouped, job, job_in, options, over_every_backend, unique,
};
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::{BATCH_MAX, Control, DeadGroup, DeadGroups, Filter, Span};
use steadfast_queue::policy::Failure;
use steadfast_queue::state::Verdict;
use steadfast_queue::{GroupKey, JobId, NewJob, QueueError, State};

over_every_backend!(
    by_ids_and_unique_keys,
    by_group_and_by_times,
    the_dead_by_word_and_time_page_by_page,
    the_dead_are_counted_by_queue_and_word,
    what_was_retried_or_removed_is_no_longer_counted,
);

async fn found(rig: &Rig, filter: Filter) -> Vec<JobId> {
    rig.all(filter).await.iter().map(|job| job.id).collect()
}

/// Adds a job that dies of `error`.
async fn dies(rig: &Rig, new: NewJob, error: &str) -> JobId {
    let queue = new.queue.clone();
    let id = rig.add(new).await;
    let held = rig.store.reserve(rig.request(&queue, 1)).await.expect("reserves").pop().expect("a job");
    assert_eq!(held.job.id, id);
    rig.settle(&held, Verdict::Dead { failure: Failure::new(error, "text") }).await;
    id
}

async fn by_ids_and_unique_keys(make: Make) {
    let rig = Rig::new(make);
    let mut ids = Vec::new();
    for number in 0..6 {
        ids.push(rig.add(unique(&format!("m{number}"), 3_600_000)).await);
    }
    let held = rig.take(3).await;
    rig.complete(&held[0]).await;
    rig.settle(&held[1], dead()).await;
    // One each that is done, dead, running and waiting, and one that is unknown.
    let asked = vec![ids[3], ids[0], JobId([9; 16]), ids[2], ids[1], ids[0]];
    let filter = Filter { ids: asked.clone(), ..Filter::default() };
    assert_eq!(found(&rig, filter.clone()).await, [ids[3], ids[2], ids[1], ids[0]]);
    let one = Filter { states: vec![State::Dead], ..filter.clone() };
    assert_eq!(found(&rig, one).await, [ids[1]]);
    assert_eq!(found(&rig, Filter::of_unique(QUEUE, b"m5")).await, [ids[5]]);
    assert_eq!(found(&rig, Filter::of_unique("other", b"m5")).await, []);
    let removed = rig.control(Control::Purge { filter: Box::new(filter), limit: 9 }).await;
    assert_eq!(removed.affected, 3, "what runs stays");
    assert_eq!(found(&rig, Filter { ids: asked, ..Filter::default() }).await, [ids[2]]);
    let many = Filter { ids: vec![JobId([9; 16]); BATCH_MAX + 1], ..Filter::default() };
    let refused = rig.store.list(many.clone(), None, 1).await;
    assert!(matches!(refused, Err(QueueError::TooMany { .. })), "{refused:?}");
    let refused = rig.store.control(Control::Purge { filter: Box::new(many), limit: 1 }).await;
    assert!(matches!(refused, Err(QueueError::TooMany { .. })), "{refused:?}");
}

async fn by_group_and_by_times(make: Make) {
    let rig = Rig::new(make);
    let early = rig.add(grouped(1)).await;
    rig.pass(1_000);
    let other = rig.add(grouped(2)).await;
    rig.pass(1_000);
    let late = rig.add(grouped(1)).await;
    for held in rig.take(2).await {
        rig.complete(&held).await;
        rig.pass(1_000);
    }
    let group = Filter { group: Some(GroupKey([1; 16])), ..Filter::default() };
    assert_eq!(found(&rig, group.clone()).await, [late, early]);
    assert_eq!(found(&rig, Filter { states: vec![State::Completed], ..group }).await, [early]);
    let span = |since_ms, until_ms| Span {
        since_ms: Some(START_MS + since_ms),
        until_ms: Some(START_MS + until_ms),
    };
    let enqueued = |since_ms, until_ms| Filter { enqueued: span(since_ms, until_ms), ..Filter::default() };
    assert_eq!(found(&rig, enqueued(0, 1_000)).await, [early]);
    assert_eq!(found(&rig, enqueued(1_000, 2_001)).await, [late, other]);
    let finished = |since_ms, until_ms| Filter { finished: span(since_ms, until_ms), ..Filter::default() };
    assert_eq!(found(&rig, finished(2_000, 3_000)).await, [early]);
    assert_eq!(found(&rig, finished(2_001, 3_001)).await, [other]);
    assert_eq!(found(&rig, finished(0, 2_000)).await, [], "what is not over has no such time");
}

async fn the_dead_by_word_and_time_page_by_page(make: Make) {
    let rig = Rig::new(make);
    let mut all = Vec::new();
    for number in 0..12 {
        let new = if number % 3 == 0 { job_in("other") } else { job() };
        all.push(dies(&rig, new, if number % 2 == 0 { "even" } else { "odd" }).await);
        rig.pass(10);
    }
    let pick = |wanted: &dyn Fn(usize) -> bool| -> Vec<JobId> {
        (0..12).rev().filter(|&number| wanted(number)).map(|number| all[number]).collect()
    };
    let states = vec![State::Dead];
    let even = Filter { error: Some("even".into()), states, ..Filter::default() };
    assert_eq!(found(&rig, even.clone()).await, pick(&|number| number % 2 == 0));
    let of_queue = Filter { queue: Some(QUEUE.into()), ..even.clone() };
    assert_eq!(found(&rig, of_queue).await, pick(&|number| number % 2 == 0 && number % 3 != 0));
    let span = Span { since_ms: Some(START_MS + 30), until_ms: Some(START_MS + 90) };
    let then = Filter { finished: span, ..even.clone() };
    assert_eq!(found(&rig, then.clone()).await, pick(&|number| number % 2 == 0 && (3..9).contains(&number)));
    let any = Filter { error: None, ..then.clone() };
    assert_eq!(found(&rig, any).await, pick(&|number| (3..9).contains(&number)));
    let unknown = Filter { error: Some("eve".into()), ..even.clone() };
    assert_eq!(found(&rig, unknown).await, []);
    // Also of those that wait to be tried again, and whatever their states.
    let waits = rig.add(job()).await;
    let held = rig.next().await;
    let failure = Failure::new("even", "text");
    rig.settle(&held, Verdict::Retry { failure, after_ms: None }).await;
    let both = Filter { states: Vec::new(), ..even };
    assert_eq!(found(&rig, both.clone()).await[0], waits);
    assert_eq!(found(&rig, both).await.len(), 7);
    let counted = rig
        .control(Control::Count(Box::new(Control::Purge { filter: Box::new(then.clone()), limit: 99 })))
        .await;
    assert_eq!(counted.affected, 3);
    assert_eq!(rig.control(Control::Purge { filter: Box::new(then), limit: 2 }).await.affected, 2);
    assert_eq!(rig.state(all[4]).await, None, "the oldest first");
    assert_eq!(rig.state(all[8]).await, Some(State::Dead));
}

fn group(queue: &str, error: &str, count: u64, first_ms: i64, last_ms: i64) -> DeadGroup {
    let (first_ms, last_ms) = (START_MS + first_ms, START_MS + last_ms);
    DeadGroup { queue: queue.into(), error: error.into(), count, first_ms, last_ms }
}

async fn the_dead_are_counted_by_queue_and_word(make: Make) {
    let rig = Rig::new(make);
    assert_eq!(rig.store.dead_groups(None, 9).await.expect("counts"), DeadGroups::default());
    let long = "x".repeat(500);
    for (queue, error) in [
        (QUEUE, "boom"),
        (QUEUE, "boom"),
        ("other", "boom"),
        (QUEUE, "gone"),
        (QUEUE, "boom"),
        (QUEUE, &long),
    ] {
        dies(&rig, job_in(queue), error).await;
        rig.pass(1);
    }
    let cut = "x".repeat(64);
    let all = [
        group(QUEUE, "boom", 3, 0, 4),
        group(QUEUE, &cut, 1, 5, 5),
        group(QUEUE, "gone", 1, 3, 3),
        group("other", "boom", 1, 2, 2),
    ];
    let counted = rig.store.dead_groups(None, 9).await.expect("counts");
    assert_eq!(counted, DeadGroups { groups: all.to_vec(), total: 6, groups_total: 4 });
    let counted = rig.store.dead_groups(Some(QUEUE.into()), 2).await.expect("counts");
    assert_eq!(counted, DeadGroups { groups: all[..2].to_vec(), total: 5, groups_total: 3 });
    let counted = rig.store.dead_groups(Some("nobody".into()), 2).await.expect("counts");
    assert_eq!(counted, DeadGroups::default());
    let whole = Filter { error: Some(long), ..Filter::default() };
    assert_eq!(found(&rig, whole).await.len(), 1, "a long word is found as it was given");
}

async fn what_was_retried_or_removed_is_no_longer_counted(make: Make) {
    let rig = Rig::new(make);
    let (one, two) = (dies(&rig, job(), "boom").await, dies(&rig, job(), "boom").await);
    let three = dies(&rig, job(), "boom").await;
    rig.control(Control::Discard(vec![one])).await;
    rig.control(Control::Retry(vec![two, three])).await;
    let counted = rig.store.dead_groups(None, 9).await.expect("counts");
    assert_eq!(counted, DeadGroups::default());
    let held = rig.take(2).await;
    rig.settle(&held[0], Verdict::Dead { failure: Failure::new("gone", "text") }).await;
    rig.complete(&held[1]).await;
    let counted = rig.store.dead_groups(None, 9).await.expect("counts");
    assert_eq!(counted.groups, [group(QUEUE, "gone", 1, 0, 0)]);
}

#[tokio::test]
async fn words_outlive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = ManualClock::at(START_MS);
    let shared: SharedClock = clock.clone();
    let store = LocalBackend::open(options(&folder), shared.clone()).expect("opens");
    let rig = Rig::around(store.clone(), clock.clone());
    let id = dies(&rig, job(), "boom").await;
    store.close().await.expect("closes");
    let rig = Rig::around(LocalBackend::open(options(&folder), shared).expect("opens"), clock);
    assert_eq!(rig.store.dead_groups(None, 9).await.expect("counts").groups, [group(QUEUE, "boom", 1, 0, 0)]);
    let boom = Filter { error: Some("boom".into()), states: vec![State::Dead], ..Filter::default() };
    assert_eq!(found(&rig, boom).await, [id]);
}
