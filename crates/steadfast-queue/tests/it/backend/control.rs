//! What operators do.

use super::rig::{LEASE_MS, Make, QUEUE, Rig, dead, delayed, ids, job, over_every_backend, retry};
use steadfast_queue::backend::{Control, Controlled, Extended, Filter, Settled};
use steadfast_queue::state::Verdict;
use steadfast_queue::{JobId, State};

over_every_backend!(
    s26_a_cancel_has_one_outcome,
    s27_a_paused_queue_hands_out_nothing,
    a_cancelled_job_that_fails_is_cancelled,
    a_cancelled_job_whose_worker_dies_is_cancelled,
    a_waiting_job_retried_runs_at_once,
    a_cancelled_job_can_be_taken_back,
    commands_skip_what_they_do_not_apply_to,
    discarding_is_for_the_finished,
    a_purge_spares_what_runs;
    counting bytes:
    a_dead_job_retried_starts_afresh,
    a_purge_takes_what_it_is_told,
);

const fn did(affected: u64, skipped: u64) -> Controlled {
    Controlled { affected, skipped }
}

async fn s26_a_cancel_has_one_outcome(make: Make) {
    let rig = Rig::new(make);
    // Before the start.
    let early = rig.add(job()).await;
    assert_eq!(rig.control(Control::Cancel(vec![early])).await, did(1, 0));
    rig.nothing_is_ready().await;
    assert_eq!(rig.control(Control::Cancel(vec![early])).await, did(0, 1));
    // While it runs: told through its lease; what it finishes stands.
    let running = rig.add(job()).await;
    let held = rig.next().await;
    assert_eq!(rig.control(Control::Cancel(vec![running])).await, did(1, 0));
    assert_eq!(rig.extend(&held).await, Extended::Held { cancel: true });
    rig.complete(&held).await;
    // After the end.
    assert_eq!(rig.control(Control::Cancel(vec![running])).await, did(0, 1));
    assert_eq!(rig.state(running).await, Some(State::Completed));
    // Between two attempts.
    let failing = rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, retry()).await;
    assert_eq!(rig.control(Control::Cancel(vec![failing])).await, did(1, 0));
    rig.pass(60_000);
    rig.nothing_is_ready().await;
    let stats = rig.stats().await;
    assert_eq!((stats.cancelled, stats.completed, stats.retryable, stats.bytes), (2, 1, 0, 0));
}

async fn a_cancelled_job_that_fails_is_cancelled(make: Make) {
    let rig = Rig::new(make);
    for verdict in [retry(), Verdict::Release, Verdict::Snooze { after_ms: 5 }] {
        let id = rig.add(job()).await;
        let held = rig.next().await;
        rig.control(Control::Cancel(vec![id])).await;
        assert_eq!(rig.settle(&held, verdict).await, Settled::Now(State::Cancelled));
        assert_eq!(rig.state(id).await, Some(State::Cancelled));
    }
    let id = rig.add(job()).await;
    let held = rig.next().await;
    rig.control(Control::Cancel(vec![id])).await;
    assert_eq!(rig.settle(&held, dead()).await, Settled::Now(State::Dead));
}

async fn a_cancelled_job_whose_worker_dies_is_cancelled(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    rig.next().await;
    rig.control(Control::Cancel(vec![id])).await;
    rig.pass(LEASE_MS);
    assert_eq!(rig.reclaim().await, 1);
    assert_eq!(rig.state(id).await, Some(State::Cancelled));
    rig.nothing_is_ready().await;
}

async fn s27_a_paused_queue_hands_out_nothing(make: Make) {
    let rig = Rig::new(make);
    let ready = rig.add(job()).await;
    let running = rig.next().await;
    assert_eq!(rig.control(Control::Pause(QUEUE.into())).await, did(1, 0));
    assert_eq!(rig.control(Control::Pause(QUEUE.into())).await, did(0, 1));
    let later = rig.add(job()).await;
    rig.nothing_is_ready().await;
    assert!(rig.stats().await.mode.is_paused());
    // What runs may end, and comes back into a queue that stands still.
    rig.settle(&running, Verdict::Release).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.control(Control::Resume(QUEUE.into())).await, did(1, 0));
    assert_eq!(rig.control(Control::Resume(QUEUE.into())).await, did(0, 1));
    assert_eq!(rig.drain().await, [ready, later]);
    // A queue may be paused before its first job.
    assert_eq!(rig.control(Control::Pause("young".into())).await, did(1, 0));
    rig.add(super::rig::job_in("young")).await;
    assert!(rig.store.reserve(rig.request("young", 1)).await.expect("reserves").is_empty());
    assert_eq!(rig.control(Control::Pause(String::new())).await, did(0, 1));
}

async fn a_dead_job_retried_starts_afresh(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, dead()).await;
    let behind = rig.add(job()).await;
    assert_eq!(rig.control(Control::Retry(vec![id])).await, did(1, 0));
    let job = rig.job(id).await;
    assert_eq!((job.state, job.attempt, job.finished_ms), (State::Available, 0, None));
    assert_eq!(job.history.len(), 1, "what happened is not forgotten");
    assert_eq!(ids(&rig.take(10).await), [behind, id]);
    let stats = rig.stats().await;
    assert_eq!((stats.dead, stats.running, stats.bytes), (0, 2, 14));
}

async fn a_waiting_job_retried_runs_at_once(make: Make) {
    let rig = Rig::new(make);
    let mut new = delayed(60_000);
    new.ttl_ms = Some(100);
    let scheduled = rig.add(new).await;
    assert_eq!(rig.control(Control::Retry(vec![scheduled])).await, did(1, 0));
    rig.pass(1_000);
    assert_eq!(ids(&rig.take(10).await), [scheduled], "wanted by hand, it expires no more");
    let failing = rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, retry()).await;
    assert_eq!(rig.control(Control::Retry(vec![failing])).await, did(1, 0));
    assert_eq!(rig.next().await.job.attempt, 1);
}

async fn a_cancelled_job_can_be_taken_back(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    rig.control(Control::Cancel(vec![id])).await;
    assert_eq!(rig.control(Control::Retry(vec![id])).await, did(1, 0));
    assert_eq!(rig.drain().await, [id]);
    assert_eq!(rig.stats().await.cancelled, 0);
}

async fn commands_skip_what_they_do_not_apply_to(make: Make) {
    let rig = Rig::new(make);
    let available = rig.add(job()).await;
    let stranger = JobId::fresh();
    assert_eq!(rig.control(Control::Retry(vec![available, stranger])).await, did(0, 2));
    let held = rig.next().await;
    assert_eq!(rig.control(Control::Retry(vec![available])).await, did(0, 1));
    rig.complete(&held).await;
    assert_eq!(rig.control(Control::Retry(vec![available])).await, did(0, 1));
}

async fn discarding_is_for_the_finished(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(job()).await;
    assert_eq!(rig.control(Control::Discard(vec![first])).await, did(0, 1));
    let held = rig.next().await;
    assert_eq!(rig.control(Control::Discard(vec![first])).await, did(0, 1));
    rig.settle(&held, dead()).await;
    assert_eq!(rig.control(Control::Discard(vec![first, first])).await, did(1, 1));
    assert_eq!(rig.state(first).await, None);
    assert_eq!(rig.stats().await.dead, 0);
}

async fn a_purge_takes_what_it_is_told(make: Make) {
    let rig = Rig::new(make);
    for number in 0..10 {
        let mut new = if number < 5 { job() } else { delayed(1_000) };
        new.kind = if number % 2 == 0 { "even".into() } else { "odd".into() };
        rig.add(new).await;
    }
    let odd = Filter { kind: Some("odd".into()), ..Filter::default() };
    let purge = |filter: &Filter, limit, dry_run| {
        let purge = Control::Purge { filter: Box::new(filter.clone()), limit };
        if dry_run { Control::Count(Box::new(purge)) } else { purge }
    };
    assert_eq!(rig.control(purge(&odd, 100, true)).await, did(5, 0));
    assert_eq!(rig.control(purge(&odd, 2, true)).await, did(2, 0));
    assert_eq!(rig.stats().await.available, 5);
    assert_eq!(rig.control(purge(&odd, 2, false)).await, did(2, 0));
    let left: Vec<_> = rig.all(odd.clone()).await;
    assert!(left.iter().all(|job| job.state == State::Scheduled), "the oldest go first");
    let scheduled = Filter { states: vec![State::Scheduled], ..Filter::default() };
    assert_eq!(rig.control(purge(&scheduled, 100, false)).await, did(5, 0));
    let stats = rig.stats().await;
    assert_eq!((stats.available, stats.scheduled, stats.bytes), (3, 0, 21));
    assert_eq!(rig.drain().await.len(), 3);
}

async fn a_purge_spares_what_runs(make: Make) {
    let rig = Rig::new(make);
    let running = rig.add(job()).await;
    rig.add(job()).await;
    let held = rig.next().await;
    let purge = Control::Purge { filter: Box::new(Filter::default()), limit: 100 };
    assert_eq!(rig.control(purge).await, did(1, 0));
    assert_eq!(held.job.id, running);
    rig.complete(&held).await;
}
