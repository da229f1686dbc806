//! Leases are kept while jobs run; who lost one changes nothing.

use super::rig::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use steadfast_queue::backend::{Reserve, Settle, Settled, Sweep, WorkerId};
use steadfast_queue::handler::Outcome;
use steadfast_queue::policy::Failure;
use steadfast_queue::state::Verdict;
use steadfast_queue::worker::JobOutcome;
use steadfast_queue::{Backend, NewJob, State};
use tokio::time::Instant;

fn long() -> NewJob {
    NewJob { timeout_ms: 3_600_000, ..job() }
}

/// Another worker's reservation of one job.
fn by_hand() -> Reserve {
    Reserve {
        queue: QUEUE.into(),
        max: 1,
        lease_ms: 600_000,
        worker: WorkerId::fresh(),
        wait: secs(0),
        no_suspects: true,
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_job_keeps_its_lease_and_runs_once() {
    let rig = Rig::new();
    rig.keep_house();
    let ids = rig.enqueue_all((0..50).map(|_| long()).collect()).await;
    let worker = rig.work(config().concurrency(50), takes(300_000));
    rig.completed(50).await;
    assert_eq!(worker.outcomes(), vec![JobOutcome::Completed; 50]);
    assert_eq!(rig.stats().await.reclaimed_total, 0);
    assert_eq!(rig.job(ids[0]).await.attempt, 1);
    // One call for all of them per turn, not one each.
    let extensions = worker.link.calls(Op::Extend);
    assert!((28..=36).contains(&extensions.len()) && extensions[1] == 50, "{extensions:?}");
    worker.end().await;
}

/// As after a SIGSTOP: the store has given the job to somebody else before the worker notices.
#[tokio::test(start_paused = true)]
async fn scenario_2_and_3_a_worker_that_lost_its_lease_is_told_and_changes_nothing() {
    for says in [Outcome::done(), Outcome::Dead(Failure::new("stale", "a stale failure"))] {
        let rig = Rig::new();
        let ids = rig.enqueue_all(vec![long()]).await;
        let told = Arc::new(AtomicUsize::new(0));
        let link = rig.link();
        link.shorten_leases(2_000);
        let handlers = {
            let told = Arc::clone(&told);
            does(move |_, context| {
                let (told, says) = (Arc::clone(&told), says.clone());
                async move {
                    context.cancel.cancelled().await;
                    told.fetch_add(1, Ordering::SeqCst);
                    says
                }
            })
        };
        let worker = rig.work_in(&link, &Default::default(), config(), handlers);
        pass(secs(3)).await;
        assert_eq!(rig.store.sweep(Sweep::Reclaim, 10).await.expect("reclaim").moved, 1);
        worker.handle.set_held(true);
        let owner = rig.store.reserve(by_hand()).await.expect("reserve").remove(0);
        assert_eq!(owner.job.id, ids[0]);
        until(async || !worker.outcomes().is_empty()).await;
        assert_eq!((told.load(Ordering::SeqCst), worker.outcomes()), (1, vec![JobOutcome::Lost]));
        assert_eq!(rig.job(ids[0]).await.state, State::Running, "the new owner's");
        let settle =
            Settle { lease: owner.lease, verdict: Verdict::Complete, follow_ups: vec![], note: None };
        assert_eq!(rig.store.settle(vec![settle]).await.expect("settle"), [Settled::Now(State::Completed)]);
        assert_eq!(rig.job(ids[0]).await.history.len(), 0);
        worker.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_verdict_said_after_the_lease_was_lost_unnoticed_is_refused_by_the_store() {
    let rig = Rig::new();
    rig.keep_house();
    let ids = rig.enqueue_all(vec![long()]).await;
    let link = rig.link();
    link.shorten_leases(2_000);
    // Ends before the first extension could tell it.
    let worker = rig.work_in(&link, &Default::default(), config().concurrency(1), takes(5_000));
    pass(secs(1)).await;
    worker.handle.set_held(true);
    until(async || worker.outcomes().len() == 1).await;
    assert_eq!(worker.outcomes(), [JobOutcome::Lost]);
    let job = rig.job(ids[0]).await;
    assert_eq!((job.attempt, job.crash_count), (0, 1), "taken back by the store: {job:?}");
    worker.abort.cancel();
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn leases_that_cannot_be_extended_are_lost_when_they_run_out() {
    for fault in [Fault::Refused, Fault::Silent, Fault::ReplyLost] {
        let rig = Rig::new();
        rig.enqueue_all(vec![long()]).await;
        let stopped: Arc<std::sync::Mutex<Option<Instant>>> = Arc::default();
        let handlers = {
            let stopped = Arc::clone(&stopped);
            does(move |_, context| {
                let stopped = Arc::clone(&stopped);
                async move {
                    context.cancel.cancelled().await;
                    *locked(&stopped) = Some(Instant::now());
                    Outcome::done()
                }
            })
        };
        let began = Instant::now();
        let worker = rig.work(config(), handlers);
        worker.link.fail(Op::Extend, fault, u32::MAX);
        until(async || !worker.outcomes().is_empty()).await;
        let after = locked(&stopped).expect("told") - began;
        assert!(after > secs(29) && after <= secs(30), "{fault:?}: {after:?}");
        assert_eq!(worker.outcomes(), [JobOutcome::Lost], "{fault:?}");
        worker.abort.cancel();
        worker.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_less_than_a_lease_costs_no_job() {
    let rig = Rig::new();
    rig.keep_house();
    rig.enqueue_all(vec![long()]).await;
    let worker = rig.work(config(), takes(120_000));
    for _ in 0..3 {
        pass(secs(5)).await;
        worker.link.fail_all(Fault::Refused);
        pass(secs(16)).await;
        worker.link.heal();
    }
    rig.completed(1).await;
    assert_eq!(worker.outcomes(), [JobOutcome::Completed]);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_job_that_comes_back_to_the_same_worker_waits_for_its_older_attempt_to_end() {
    let rig = Rig::new();
    rig.keep_house();
    rig.enqueue_all(vec![long()]).await;
    let link = rig.link();
    link.shorten_leases(2_000);
    let (now, most, runs) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let handlers = {
        let (now, most, runs) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&runs));
        does(move |job, context| {
            let (now, most, runs) = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&runs));
            async move {
                let running = now.fetch_add(1, Ordering::SeqCst) + 1;
                most.fetch_max(running, Ordering::SeqCst);
                runs.fetch_add(1, Ordering::SeqCst);
                if job.crash_count == 0 {
                    // Is told when its job comes back; takes its time.
                    context.cancel.cancelled().await;
                    pass(millis(800)).await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Outcome::done()
            }
        })
    };
    let worker = rig.work_in(&link, &Default::default(), config(), handlers);
    rig.completed(1).await;
    assert_eq!((runs.load(Ordering::SeqCst), most.load(Ordering::SeqCst)), (2, 1));
    assert_eq!(worker.outcomes(), [JobOutcome::Lost, JobOutcome::Completed]);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_came_too_late_is_confirmed_before_anything_runs() {
    let rig = Rig::new();
    rig.enqueue(1).await;
    let mut config = config();
    config.call_timeout = secs(120);
    let link = rig.link();
    link.fail(Op::Reserve, Fault::ReplyLate(secs(40)), 1);
    let worker = rig.work_in(&link, &Default::default(), config, takes(0));
    pass(secs(35)).await;
    assert_eq!(rig.store.sweep(Sweep::Reclaim, 10).await.expect("reclaim").moved, 1);
    let owner = rig.store.reserve(by_hand()).await.expect("reserve");
    assert_eq!(owner.len(), 1);
    until(async || !worker.outcomes().is_empty()).await;
    let reports = worker.reports();
    assert_eq!((reports[0].outcome, reports[0].ran), (JobOutcome::Lost, None), "never started");
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_reservation_that_came_late_but_still_holds_is_run() {
    let rig = Rig::new();
    rig.enqueue(1).await;
    let mut config = config();
    config.call_timeout = secs(120);
    let link = rig.link();
    link.fail(Op::Reserve, Fault::ReplyLate(secs(40)), 1);
    let worker = rig.work_in(&link, &Default::default(), config, takes(5_000));
    // Nobody has reclaimed it: the store says that it is still held.
    rig.completed(1).await;
    assert_eq!(worker.outcomes(), [JobOutcome::Completed]);
    worker.end().await;
}
