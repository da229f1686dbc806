//! How much there may be, and what happens then.

use super::rig::{Choice, Make, QUEUE, Rig, dead, delayed, job, over_every_backend, retry, unique};
use steadfast_queue::backend::rules::{EXTRAS_BYTES_MAX, Limits, Retention};
use steadfast_queue::backend::{
    BATCH_MAX, Control, Enqueued, Rejection, Reservation, Settle, Settled, Sweep,
};
use steadfast_queue::job::PAYLOAD_BYTES_MAX;
use steadfast_queue::state::Verdict;
use steadfast_queue::{NewJob, QueueError, State};

over_every_backend!(
    a_full_queue_says_so_and_drains,
    a_call_has_a_bound,
    s33_completed_jobs_are_kept_by_count,
    s33_of_many_at_once_the_last_are_kept,
    s33_what_comes_second_pushes_nobody_out,
    s33_completed_jobs_are_kept_by_bytes,
    s33_completed_jobs_are_kept_by_age,
    cancelled_jobs_are_bounded_too,
    dead_letters_are_never_trimmed;
    counting bytes:
    bytes_count_too,
    malformed_jobs_are_refused_alone,
    counts_add_up,
);

async fn a_full_queue_says_so_and_drains(make: Make) {
    let limits = Limits { waiting_max: 3, ..Limits::default() };
    let rig = Rig::with(make, Choice { limits, ..Choice::default() });
    rig.add(job()).await;
    rig.add(delayed(1_000)).await;
    let kept = rig.add(unique("m1", 60_000)).await;
    let full = Enqueued::Rejected(Rejection::QueueFull { waiting: 3, max: 3 });
    assert_eq!(rig.enqueue(job()).await, full);
    assert_eq!(
        rig.enqueue(unique("m1", 60_000)).await,
        Enqueued::Duplicate(kept),
        "a duplicate needs no room"
    );
    assert!(matches!(rig.enqueue(super::rig::job_in("other")).await, Enqueued::New(_)));
    // What runs does not wait.
    let held = rig.next().await;
    rig.add(job()).await;
    assert_eq!(rig.enqueue(job()).await, full);
    rig.complete(&held).await;
    assert_eq!(rig.stats().await.enqueued_total, 4);
}

async fn bytes_count_too(make: Make) {
    let limits = Limits { bytes_max: 20, ..Limits::default() };
    let rig = Rig::with(make, Choice { limits, ..Choice::default() });
    let of = |bytes: usize| NewJob::new(QUEUE, "kind", vec![0; bytes]);
    rig.add(of(15)).await;
    assert_eq!(rig.enqueue(of(6)).await, Enqueued::Rejected(Rejection::BytesFull { bytes: 15, max: 20 }));
    rig.add(of(5)).await;
    let held = rig.next().await;
    assert!(matches!(rig.enqueue(of(1)).await, Enqueued::Rejected(_)), "what runs still has its bytes");
    rig.complete(&held).await;
    rig.add(of(15)).await;
    assert_eq!(rig.stats().await.bytes, 20);
}

async fn malformed_jobs_are_refused_alone(make: Make) {
    let rig = Rig::new(make);
    let nameless = NewJob::new("", "kind", "");
    let kindless = NewJob::new(QUEUE, "k".repeat(65), "");
    let large = NewJob::new(QUEUE, "kind", vec![0; PAYLOAD_BYTES_MAX + 1]);
    let mut chatty = job();
    chatty.correlation_id = "c".repeat(EXTRAS_BYTES_MAX + 1);
    let batch = vec![
        nameless,
        job(),
        kindless,
        large,
        chatty,
        NewJob::new(QUEUE, "kind", vec![0; PAYLOAD_BYTES_MAX]),
    ];
    let answers = rig.store.enqueue(batch).await.expect("enqueues");
    assert_eq!(answers[0], Enqueued::Rejected(Rejection::BadName));
    assert!(matches!(answers[1], Enqueued::New(_)));
    assert_eq!(answers[2], Enqueued::Rejected(Rejection::BadName));
    for large in &answers[3..5] {
        assert!(matches!(large, Enqueued::Rejected(Rejection::TooLarge { .. })), "{large:?}");
    }
    assert!(matches!(answers[5], Enqueued::New(_)));
    assert_eq!(rig.take(10).await[1].job.payload.len(), PAYLOAD_BYTES_MAX);
}

async fn a_call_has_a_bound(make: Make) {
    let rig = Rig::new(make);
    let answer = rig.store.enqueue(vec![job(); BATCH_MAX + 1]).await;
    assert!(matches!(answer, Err(QueueError::TooMany { items, max: BATCH_MAX }) if items == BATCH_MAX + 1));
    assert_eq!(rig.stats().await.available, 0);
    assert_eq!(rig.store.enqueue(vec![job(); BATCH_MAX]).await.expect("enqueues").len(), BATCH_MAX);
    assert!(rig.store.enqueue(Vec::new()).await.expect("nothing").is_empty());
    assert!(rig.take(0).await.is_empty());
    assert_eq!(rig.take(usize::MAX).await.len(), BATCH_MAX);
}

async fn s33_completed_jobs_are_kept_by_count(make: Make) {
    let rig = Rig::new(make);
    let mut added = Vec::new();
    for _ in 0..250 {
        added.push(rig.add(job()).await);
    }
    assert_eq!(rig.drain().await, added);
    let stats = rig.stats().await;
    assert_eq!((stats.completed, stats.completed_total), (100, 250));
    assert_eq!(rig.state(added[149]).await, None);
    assert_eq!(rig.state(added[150]).await, Some(State::Completed));
    assert_eq!(rig.all(Default::default()).await.len(), 100);
}

async fn s33_of_many_at_once_the_last_are_kept(make: Make) {
    let rig = Rig::new(make);
    let mut new = Vec::new();
    for number in 0..250 {
        new.push(if number % 2 == 0 { job() } else { unique(&format!("{number}"), 60_000) });
    }
    rig.store.enqueue(new).await.expect("enqueues");
    let taken = rig.take(250).await;
    let settle = |held: &Reservation| Settle {
        lease: held.lease,
        verdict: Verdict::Complete,
        follow_ups: Vec::new(),
        note: None,
    };
    rig.store.settle(taken.iter().map(settle).collect()).await.expect("settles");
    let kept: Vec<_> = rig.all(Default::default()).await.iter().map(|job| job.id).collect();
    let last: Vec<_> = taken[150..].iter().rev().map(|held| held.job.id).collect();
    assert_eq!(kept, last);
    let stats = rig.stats().await;
    assert_eq!((stats.completed, stats.completed_total, stats.running, stats.bytes), (100, 250, 0, 0));
    assert_eq!(rig.state(taken[1].job.id).await, None);
    assert!(matches!(rig.enqueue(unique("1", 60_000)).await, Enqueued::Duplicate(_)), "its key counts on");
}

/// A job that was given back before is not completed by who comes second, and takes no other's place.
async fn s33_what_comes_second_pushes_nobody_out(make: Make) {
    let retention = Retention { completed_max: 1, ..Retention::default() };
    let rig = Rig::with(make, Choice { retention, ..Choice::default() });
    rig.store.enqueue(vec![job(), job()]).await.expect("enqueues");
    let taken = rig.take(2).await;
    let settle = |held: &Reservation, verdict: Verdict| Settle {
        lease: held.lease,
        verdict,
        follow_ups: Vec::new(),
        note: None,
    };
    let settles = vec![
        settle(&taken[0], retry()),
        settle(&taken[0], Verdict::Complete),
        settle(&taken[1], Verdict::Complete),
    ];
    let settled = rig.store.settle(settles).await.expect("settles");
    let expected = [Settled::Now(State::Retryable), Settled::Lost, Settled::Now(State::Completed)];
    assert_eq!(settled, expected);
    assert_eq!(rig.state(taken[1].job.id).await, Some(State::Completed));
}

async fn s33_completed_jobs_are_kept_by_bytes(make: Make) {
    let retention = Retention { bytes_max: 1_000, ..Retention::default() };
    let rig = Rig::with(make, Choice { retention, ..Choice::default() });
    for _ in 0..10 {
        rig.add(NewJob::new(QUEUE, "kind", vec![0; 300])).await;
    }
    rig.drain().await;
    assert_eq!(rig.stats().await.completed, 3);
    rig.add(NewJob::new(QUEUE, "kind", vec![0; 1_001])).await;
    rig.drain().await;
    assert_eq!(rig.stats().await.completed, 0);
}

async fn s33_completed_jobs_are_kept_by_age(make: Make) {
    let retention = Retention { age_max_ms: Some(1_000), ..Retention::default() };
    let rig = Rig::with(make, Choice { retention, ..Choice::default() });
    rig.add(job()).await;
    rig.drain().await;
    rig.pass(600);
    let young = rig.add(job()).await;
    rig.drain().await;
    rig.pass(400);
    assert_eq!(rig.store.sweep(Sweep::Prune, 100).await.expect("prunes").moved, 1);
    let left = rig.all(Default::default()).await;
    assert_eq!(left.iter().map(|job| job.id).collect::<Vec<_>>(), [young]);
}

async fn cancelled_jobs_are_bounded_too(make: Make) {
    let retention = Retention { cancelled_max: 2, ..Retention::default() };
    let rig = Rig::with(make, Choice { retention, ..Choice::default() });
    let mut added = Vec::new();
    for _ in 0..5 {
        added.push(rig.add(job()).await);
    }
    assert_eq!(rig.control(Control::Cancel(added.clone())).await.affected, 5);
    assert_eq!(rig.stats().await.cancelled, 2);
    assert_eq!(rig.state(added[2]).await, None);
    assert_eq!(rig.state(added[3]).await, Some(State::Cancelled));
}

async fn dead_letters_are_never_trimmed(make: Make) {
    let retention = Retention { completed_max: 1, cancelled_max: 1, bytes_max: 1, age_max_ms: Some(1) };
    let rig = Rig::with(make, Choice { retention, ..Choice::default() });
    for _ in 0..20 {
        rig.add(job()).await;
        let held = rig.next().await;
        rig.settle(&held, dead()).await;
    }
    rig.pass(1_000_000_000);
    rig.store.sweep(Sweep::Prune, 1_000).await.expect("prunes");
    assert_eq!(rig.stats().await.dead, 20);
}

async fn counts_add_up(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..6 {
        rig.add(job()).await;
    }
    rig.add(delayed(9_000)).await;
    let held = rig.take(4).await;
    rig.complete(&held[0]).await;
    rig.settle(&held[1], super::rig::retry()).await;
    rig.settle(&held[2], dead()).await;
    let waiting = rig.all(super::listing::in_state(State::Available)).await;
    rig.control(Control::Cancel(vec![waiting[0].id])).await;
    let stats = rig.stats().await;
    assert_eq!((stats.available, stats.scheduled, stats.running, stats.retryable), (1, 1, 1, 1));
    assert_eq!((stats.completed, stats.dead, stats.cancelled), (1, 1, 1));
    assert_eq!(stats.bytes, 4 * 7);
    for state in State::ALL {
        assert_eq!(rig.all(super::listing::in_state(state)).await.len(), 1, "{state:?}");
    }
}
