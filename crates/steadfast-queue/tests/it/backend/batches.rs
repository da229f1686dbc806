//! Jobs that wait for others: the callback of a batch runs once, after all, whatever becomes of them.

use super::rig::{Choice, Make, QUEUE, Rig, dead, delayed, expiring, ids, job, over_every_backend, retry};
use steadfast_queue::backend::rules::{Limits, Retention};
use steadfast_queue::backend::{Control, Enqueued, Filter, Rejection, Reservation, Settled, Sweep};
use steadfast_queue::batch::{Awaited, BATCH_JOBS_MAX, OnDead, WaitsFor};
use steadfast_queue::state::Verdict;
use steadfast_queue::{GroupKey, JobId, NewJob, State, Unique};

over_every_backend!(
    a_callback_runs_after_its_jobs_and_sees_their_counts,
    a_callback_waits_for_its_own_time_as_well,
    a_batch_may_be_sealed_later,
    a_dead_job_blocks_or_not,
    each_job_counts_once,
    a_job_removed_before_it_was_over_counts_as_cancelled,
    a_callback_that_ends_first_ends_its_batch,
    an_id_used_again_is_another_batch,
    what_cannot_come_true_is_rejected,
    fan_out_and_callback_come_with_their_parent_in_any_order,
    batches_within_batches,
    a_callback_is_seen_waiting,
    many_jobs_are_forgotten_in_steps,
);

fn callback(jobs: u32) -> NewJob {
    NewJob { waits_for: Some(WaitsFor { jobs, on_dead: OnDead::Continue }), ..job() }
}

fn blocking(jobs: u32) -> NewJob {
    NewJob { waits_for: Some(WaitsFor { jobs, on_dead: OnDead::Block }), ..job() }
}

fn member(batch: JobId) -> NewJob {
    NewJob { batch: Some(batch), ..job() }
}

async fn awaited(rig: &Rig, id: JobId) -> Awaited {
    rig.job(id).await.waits_for.expect("a callback")
}

async fn counts(rig: &Rig, id: JobId) -> (u32, u32, u32, bool) {
    let Awaited { completed, dead, cancelled, waiting, .. } = awaited(rig, id).await;
    (completed, dead, cancelled, waiting)
}

/// The next job, which must be this one.
async fn take_it(rig: &Rig, id: JobId) -> Reservation {
    let held = rig.next().await;
    assert_eq!(held.job.id, id);
    held
}

async fn a_callback_runs_after_its_jobs_and_sees_their_counts(make: Make) {
    let rig = Rig::new(make);
    let done = rig.add(callback(4)).await;
    let members = [rig.add(member(done)).await, rig.add(member(done)).await, rig.add(member(done)).await];
    let late = rig.add(NewJob { delay_ms: 9_000, ..member(done) }).await;
    assert_eq!(rig.job(members[0]).await.batch, Some(done));
    let held = rig.take(9).await;
    assert_eq!(ids(&held), members);
    rig.complete(&held[0]).await;
    rig.settle(&held[1], retry()).await;
    rig.settle(&held[2], dead()).await;
    assert_eq!(counts(&rig, done).await, (1, 1, 0, true));
    rig.pass(1_000);
    let again = take_it(&rig, members[1]).await;
    rig.complete(&again).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.state(done).await, Some(State::Scheduled));
    rig.control(Control::Cancel(vec![late])).await;
    rig.pass(5);
    let held = take_it(&rig, done).await;
    let batch = held.job.waits_for.expect("it shows the counts");
    assert_eq!((batch.completed, batch.dead, batch.cancelled, batch.jobs), (2, 1, 1, Some(4)));
    assert!(!batch.waiting && batch.over() == 4);
    // It is a job like any other: it may fail, and sees the same counts again.
    rig.settle(&held, retry()).await;
    rig.pass(1_000);
    let held = take_it(&rig, done).await;
    assert_eq!(held.job.waits_for, Some(batch));
    rig.complete(&held).await;
    assert_eq!(awaited(&rig, done).await, batch);
}

async fn a_callback_waits_for_its_own_time_as_well(make: Make) {
    let rig = Rig::new(make);
    let done = rig.add(NewJob { delay_ms: 5_000, ..callback(1) }).await;
    let soon = rig.add(callback(1)).await;
    rig.add(member(done)).await;
    rig.add(member(soon)).await;
    rig.pass(2_000);
    for held in rig.take(2).await {
        rig.complete(&held).await;
    }
    let held = take_it(&rig, soon).await;
    assert_eq!(held.job.run_at_ms, super::rig::START_MS + 2_000, "its wait is counted from its release");
    rig.nothing_is_ready().await;
    assert!(!awaited(&rig, done).await.waiting);
    rig.pass(3_000);
    take_it(&rig, done).await;
}

async fn a_batch_may_be_sealed_later(make: Make) {
    let rig = Rig::new(make);
    let seal = |id, jobs| Control::Seal { id, jobs };
    let (done, empty) = (rig.add(callback(0)).await, rig.add(callback(0)).await);
    for _ in 0..2 {
        rig.add(member(done)).await;
    }
    for held in rig.take(2).await {
        rig.complete(&held).await;
    }
    rig.nothing_is_ready().await;
    assert_eq!(awaited(&rig, done).await.jobs, None);
    rig.add(member(done)).await;
    let sealed = rig.control(seal(done, 3)).await;
    assert_eq!((sealed.affected, sealed.skipped), (1, 0));
    let again = rig.control(seal(done, 3)).await;
    assert_eq!((again.affected, again.skipped), (0, 0), "saying it again is fine");
    let otherwise = rig.control(seal(done, 4)).await;
    assert_eq!((otherwise.affected, otherwise.skipped), (0, 1));
    let last = rig.next().await;
    rig.complete(&last).await;
    let held = take_it(&rig, done).await;
    assert_eq!(rig.control(seal(done, 3)).await.skipped, 0, "also when it is over");
    rig.complete(&held).await;
    // Of nothing: at once.
    rig.control(seal(empty, 0)).await;
    take_it(&rig, empty).await;
    assert_eq!(rig.control(seal(JobId::fresh(), 1)).await.skipped, 1);
}

async fn a_dead_job_blocks_or_not(make: Make) {
    for (how, expected) in [("retried", (1, 0, 0)), ("discarded", (0, 1, 0)), ("called off", (0, 0, 1))] {
        let rig = Rig::new(make);
        let done = rig.add(blocking(1)).await;
        let member = rig.add(member(done)).await;
        let held = rig.next().await;
        rig.settle(&held, dead()).await;
        rig.nothing_is_ready().await;
        assert_eq!(counts(&rig, done).await, (0, 0, 0, true), "{how}");
        if how == "discarded" {
            rig.control(Control::Discard(vec![member])).await;
        } else {
            rig.control(Control::Retry(vec![member])).await;
            if how == "retried" {
                let held = take_it(&rig, member).await;
                rig.complete(&held).await;
            } else {
                rig.control(Control::Cancel(vec![member])).await;
            }
        }
        let batch = take_it(&rig, done).await.job.waits_for.expect("a callback");
        assert_eq!((batch.completed, batch.dead, batch.cancelled), expected, "{how}");
    }
}

async fn each_job_counts_once(make: Make) {
    let rig = Rig::new(make);
    let done = rig.add(callback(3)).await;
    let first =
        rig.add(NewJob { unique: Some(Unique { key: b"m".to_vec(), window_ms: 50 }), ..member(done) }).await;
    for _ in 0..2 {
        let held = take_it(&rig, first).await;
        rig.settle(&held, dead()).await;
        rig.control(Control::Retry(vec![first])).await;
    }
    let held = take_it(&rig, first).await;
    rig.complete(&held).await;
    assert_eq!(counts(&rig, done).await, (0, 1, 0, true), "its first end counts");
    // Also when it is forgotten and comes again under its name.
    rig.control(Control::Discard(vec![first])).await;
    let again =
        rig.add(NewJob { unique: Some(Unique { key: b"m".to_vec(), window_ms: 50 }), ..member(done) }).await;
    assert_eq!(again, first);
    let held = take_it(&rig, first).await;
    rig.complete(&held).await;
    assert_eq!(counts(&rig, done).await, (0, 1, 0, true));
}

async fn a_job_removed_before_it_was_over_counts_as_cancelled(make: Make) {
    let rig = Rig::new(make);
    let done = rig.add(callback(3)).await;
    rig.add(NewJob { kind: "doomed".into(), delay_ms: 500, ..member(done) }).await;
    rig.add(NewJob { ttl_ms: Some(100), delay_ms: 500, ..member(done) }).await;
    rig.add(member(done)).await;
    let filter = Filter { kind: Some("doomed".into()), ..Filter::default() };
    assert_eq!(rig.control(Control::Purge { filter: Box::new(filter), limit: 9 }).await.affected, 1);
    let held = rig.next().await;
    rig.complete(&held).await;
    rig.pass(100);
    assert_eq!(rig.promote().await, 1, "one expires");
    let batch = take_it(&rig, done).await.job.waits_for.expect("a callback");
    assert_eq!((batch.completed, batch.dead, batch.cancelled), (1, 1, 1));
}

async fn a_callback_that_ends_first_ends_its_batch(make: Make) {
    for how in ["called off", "expired", "purged", "retried"] {
        let rig = Rig::new(make);
        let done = rig.add(NewJob { kind: "callback".into(), ttl_ms: Some(200), ..callback(1) }).await;
        rig.add(member(done)).await;
        let held = rig.next().await;
        match how {
            "called off" => assert_eq!(rig.control(Control::Cancel(vec![done])).await.affected, 1),
            "expired" => {
                rig.pass(200);
                assert_eq!(rig.promote().await, 1);
                assert_eq!(rig.job(done).await.history[0].error, "expired");
            }
            "purged" => {
                let filter = Filter { kind: Some("callback".into()), ..Filter::default() };
                rig.control(Control::Purge { filter: Box::new(filter), limit: 9 }).await;
            }
            _ => assert_eq!(rig.control(Control::Retry(vec![done])).await.affected, 1),
        }
        let rejection = if how == "purged" { Rejection::BatchUnknown } else { Rejection::BatchOver };
        assert_eq!(rig.enqueue(member(done)).await, Enqueued::Rejected(rejection), "{how}");
        let before = rig.state(done).await;
        rig.complete(&held).await;
        assert_eq!(rig.state(done).await, before, "{how}: what its jobs do is nothing to it");
        if how == "retried" {
            assert_eq!(take_it(&rig, done).await.job.waits_for.expect("a callback").over(), 0);
        } else {
            rig.nothing_is_ready().await;
        }
        if how == "called off" {
            // Whoever changes his mind gets it at once: nobody counts any more.
            rig.control(Control::Retry(vec![done])).await;
            take_it(&rig, done).await;
        }
    }
}

async fn an_id_used_again_is_another_batch(make: Make) {
    let rig = Rig::new(make);
    let named =
        |jobs| NewJob { unique: Some(Unique { key: b"report".to_vec(), window_ms: 50 }), ..callback(jobs) };
    let done = rig.add(named(1)).await;
    let old = rig.add(member(done)).await;
    let slow = rig.next().await;
    rig.control(Control::Cancel(vec![done])).await;
    rig.control(Control::Discard(vec![done])).await;
    assert_eq!(rig.add(named(1)).await, done);
    rig.complete(&slow).await;
    assert_eq!(slow.job.id, old);
    assert_eq!(
        counts(&rig, done).await,
        (0, 0, 0, true),
        "a job of the earlier batch does not count for this one"
    );
    rig.add(member(done)).await;
    let held = rig.next().await;
    rig.complete(&held).await;
    take_it(&rig, done).await;
}

async fn what_cannot_come_true_is_rejected(make: Make) {
    let rig = Rig::new(make);
    let rejected = async |new| match rig.enqueue(new).await {
        Enqueued::Rejected(rejection) => rejection,
        other => panic!("{other:?}"),
    };
    assert_eq!(rejected(member(JobId::fresh())).await, Rejection::BatchUnknown);
    let plain = rig.add(delayed(9_000)).await;
    assert_eq!(rejected(member(plain)).await, Rejection::BatchUnknown, "not a callback");
    assert_eq!(rejected(NewJob { group: Some(GroupKey([1; 16])), ..callback(1) }).await, Rejection::BadBatch);
    assert_eq!(rejected(callback(BATCH_JOBS_MAX + 1)).await, Rejection::BadBatch);
    let own = JobId::fresh();
    assert_eq!(
        rejected(NewJob { id: Some(own), batch: Some(own), ..callback(1) }).await,
        Rejection::BadBatch
    );
    let done = rig.add(callback(1)).await;
    let known = NewJob { id: Some(JobId::fresh()), ..member(done) };
    let known_id = rig.add(known.clone()).await;
    let held = take_it(&rig, known_id).await;
    rig.complete(&held).await;
    assert_eq!(rejected(member(done)).await, Rejection::BatchOver);
    assert_eq!(rig.enqueue(known).await, Enqueued::Duplicate(known_id), "said twice is said once");
    // A circle within one settlement.
    rig.control(Control::Cancel(vec![done])).await;
    let parent = rig.add(job()).await;
    let held = take_it(&rig, parent).await;
    let (one, two) = (JobId::of_follow_up(parent, "one"), JobId::of_follow_up(parent, "two"));
    let circle = vec![
        NewJob { id: Some(one), batch: Some(two), ..callback(1) },
        NewJob { id: Some(two), batch: Some(one), ..callback(1) },
    ];
    let settled = rig.settle_with(&held, Verdict::Complete, circle).await;
    assert_eq!(settled, Settled::FollowUpRejected(Rejection::BadBatch));
    let settled =
        rig.settle_with(&held, Verdict::Complete, vec![NewJob { id: Some(one), ..member(two) }]).await;
    assert_eq!(settled, Settled::FollowUpRejected(Rejection::BatchUnknown));
    assert_eq!(rig.state(parent).await, Some(State::Running));
}

async fn fan_out_and_callback_come_with_their_parent_in_any_order(make: Make) {
    for callback_at in 0..3 {
        // The queue is full but for them: those behind it must not be lost because their parent comes back.
        let limits = Limits { waiting_max: 3, ..Limits::default() };
        let rig = Rig::with(make, Choice { limits, ..Choice::default() });
        let parent = rig.add(job()).await;
        let held = rig.next().await;
        let done = JobId::of_follow_up(parent, "done");
        let step = |step: &str| NewJob { id: Some(JobId::of_follow_up(parent, step)), ..member(done) };
        let mut follow_ups = vec![step("one"), step("two")];
        follow_ups.insert(callback_at, NewJob { id: Some(done), ..callback(2) });
        let verdict = Verdict::Snooze { after_ms: 60_000 };
        assert_eq!(rig.settle_with(&held, verdict, follow_ups).await, Settled::Now(State::Scheduled));
        let members = rig.take(9).await;
        assert_eq!(ids(&members), [JobId::of_follow_up(parent, "one"), JobId::of_follow_up(parent, "two")]);
        for held in &members {
            rig.complete(held).await;
        }
        let held = take_it(&rig, done).await;
        assert_eq!(held.job.waits_for.expect("a callback").completed, 2);
        rig.complete(&held).await;
        rig.nothing_is_ready().await;
    }
}

async fn batches_within_batches(make: Make) {
    let rig = Rig::new(make);
    let all = rig.add(callback(2)).await;
    let part = rig.add(NewJob { batch: Some(all), ..callback(2) }).await;
    for batch in [part, part, all] {
        rig.add(member(batch)).await;
    }
    for held in rig.take(9).await {
        rig.complete(&held).await;
    }
    let held = take_it(&rig, part).await;
    assert_eq!(counts(&rig, all).await, (1, 0, 0, true));
    rig.complete(&held).await;
    let held = take_it(&rig, all).await;
    rig.complete(&held).await;
    rig.nothing_is_ready().await;
}

async fn a_callback_is_seen_waiting(make: Make) {
    let rig = Rig::new(make);
    let done = rig.add(NewJob { ttl_ms: Some(9_000), ..callback(1) }).await;
    let stats = rig.stats().await;
    assert_eq!((stats.scheduled, stats.available), (1, 0));
    assert_eq!(rig.promote().await, 0);
    let next = rig.store.sweep(Sweep::Promote, 9).await.expect("promotes").next_in_ms;
    assert_eq!(next, Some(9_000), "it has no time but that of its end");
    let listed = rig.all(super::listing::in_state(State::Scheduled)).await;
    assert_eq!((listed.len(), listed[0].id, listed[0].waits_for.is_some()), (1, done, true));
    assert_eq!(rig.job(done).await, listed[0]);
    // Setting the clock back makes it wait no longer than it would have.
    rig.clock.step_wall(-3_600_000);
    rig.add(expiring(1)).await;
    rig.pass(9_000);
    assert_eq!(rig.promote().await, 2);
    assert_eq!(rig.state(done).await, Some(State::Dead));
}

async fn many_jobs_are_forgotten_in_steps(make: Make) {
    let retention = Retention { completed_max: 0, ..Retention::default() };
    let rig = Rig::with(make, Choice { retention, ..Choice::default() });
    let done = rig.add(callback(300)).await;
    for _ in 0..3 {
        rig.store.enqueue(vec![member(done); 100]).await.expect("enqueues");
    }
    while rig.state(done).await == Some(State::Scheduled) {
        for held in rig.take(50).await {
            rig.complete(&held).await;
        }
    }
    let held = take_it(&rig, done).await;
    assert_eq!(held.job.waits_for.expect("a callback").completed, 300);
    rig.complete(&held).await;
    assert_eq!(rig.state(done).await, None, "nothing of it is kept");
    assert_eq!(rig.enqueue(member(done)).await, Enqueued::Rejected(Rejection::BatchUnknown));
    for _ in 0..100 {
        assert!(rig.store.sweep(Sweep::Prune, 70).await.expect("prunes").moved <= 70);
    }
    assert_eq!(rig.stats_of(QUEUE).await.completed, 0);
}
