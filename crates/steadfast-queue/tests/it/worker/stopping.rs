//! Stops: soft, past their patience, and hard. Scenario 30.

use super::rig::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use steadfast_queue::handler::Outcome;
use steadfast_queue::worker::{JobOutcome, WorkerConfig};
use steadfast_queue::{NewJob, State};
use tokio::time::Instant;

fn long() -> NewJob {
    NewJob { timeout_ms: 3_600_000, ..job() }
}

#[tokio::test(start_paused = true)]
async fn scenario_30_a_soft_stop_takes_nothing_more_and_lets_running_jobs_end() {
    let rig = Rig::new();
    rig.enqueue_all((0..10).map(|_| long()).collect()).await;
    let worker = rig.work(config().concurrency(4), takes(20_000));
    pass(secs(5)).await;
    let reports = Arc::clone(&worker.reports);
    assert_eq!(worker.end().await, secs(15));
    let stats = rig.stats().await;
    assert_eq!((stats.completed, stats.available, stats.running), (4, 6, 0));
    drop(reports);
}

#[tokio::test(start_paused = true)]
async fn scenario_30_what_outlasts_the_drain_is_given_back_without_an_attempt() {
    let rig = Rig::new();
    let ids = rig.enqueue_all(vec![long(), long(), long()]).await;
    let told = Arc::new(AtomicUsize::new(0));
    let handlers = {
        let told = Arc::clone(&told);
        does(move |_, context| {
            let told = Arc::clone(&told);
            async move {
                context.cancel.cancelled().await;
                told.fetch_add(1, Ordering::SeqCst);
                std::future::pending().await
            }
        })
    };
    let config = WorkerConfig { drain_timeout: secs(10), ..config() };
    let worker = rig.work(config, handlers);
    pass(secs(5)).await;
    let reports = Arc::clone(&worker.reports);
    let took = worker.end().await;
    assert!(took >= secs(11) && took < millis(11_100), "patience and grace: {took:?}");
    assert_eq!(told.load(Ordering::SeqCst), 3);
    for id in ids {
        let job = rig.job(id).await;
        assert_eq!((job.state, job.attempt, job.crash_count, job.history.len()), (State::Available, 0, 0, 0));
    }
    drop(reports);
}

#[tokio::test(start_paused = true)]
async fn scenario_30_a_second_signal_gives_everything_back_at_once() {
    let rig = Rig::new();
    let ids = rig.enqueue_all(vec![long(), long()]).await;
    let worker = rig.work(config(), takes(3_600_000));
    pass(secs(5)).await;
    worker.stop.cancel();
    pass(secs(1)).await;
    assert!(!worker.task.is_finished());
    worker.abort.cancel();
    let began = Instant::now();
    assert_eq!(worker.outcomes(), []);
    let reports = Arc::clone(&worker.reports);
    worker.end().await;
    assert!(began.elapsed() < millis(10), "{:?}", began.elapsed());
    for id in ids {
        let job = rig.job(id).await;
        assert_eq!((job.state, job.attempt, job.crash_count), (State::Available, 0, 0));
    }
    drop(reports);
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_stops_within_its_wait() {
    let rig = Rig::new();
    let worker = rig.work(config(), takes(0));
    pass(millis(1_234)).await;
    let took = worker.end().await;
    assert!(took <= millis(1_250), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_arrives_during_the_stop_is_given_back() {
    let rig = Rig::new();
    let worker = rig.work(config(), takes(0));
    pass(millis(100)).await;
    worker.stop.cancel();
    pass(millis(100)).await;
    let ids = rig.enqueue(1).await;
    worker.end().await;
    let job = rig.job(ids[0]).await;
    assert_eq!((job.state, job.attempt), (State::Available, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_the_store_is_away_ends_with_the_leases() {
    let rig = Rig::new();
    rig.enqueue(3).await;
    let worker = rig.work(config(), takes(100));
    worker.link.fail(Op::Settle, Fault::Refused, u32::MAX);
    worker.link.fail(Op::Extend, Fault::Refused, u32::MAX);
    pass(secs(1)).await;
    let reports = Arc::clone(&worker.reports);
    let link = Arc::clone(&worker.link);
    let took = worker.end().await;
    assert!(took >= secs(28) && took <= secs(30), "{took:?}");
    drop((reports, link));
    assert_eq!(rig.stats().await.running, 3, "left to be reclaimed");
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_even_if_the_store_extends_but_never_settles() {
    let rig = Rig::new();
    rig.enqueue(3).await;
    let worker = rig.work(config(), takes(100));
    worker.link.fail(Op::Settle, Fault::Refused, u32::MAX);
    pass(secs(100)).await;
    assert_eq!(worker.outcomes(), [], "still trying: nobody else can have the jobs");
    let took = worker.end().await;
    assert!(took <= secs(61), "patience, then one lease: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hard_stop_behind_a_silent_store_ends_soon() {
    let rig = Rig::new();
    rig.enqueue_all((0..4).map(|_| long()).collect()).await;
    let worker = rig.work(config(), takes(3_600_000));
    pass(secs(1)).await;
    worker.link.fail_all(Fault::Silent);
    pass(secs(1)).await;
    worker.abort.cancel();
    let reports = Arc::clone(&worker.reports);
    let took = worker.end().await;
    assert!(took <= millis(1_100), "{took:?}");
    drop(reports);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_worker_gives_its_jobs_back() {
    let rig = Rig::new();
    let ids = rig.enqueue_all(vec![long(), long()]).await;
    let worker = rig.work(config(), takes(3_600_000));
    pass(secs(1)).await;
    worker.task.abort();
    until(async || worker.outcomes() == [JobOutcome::Released; 2]).await;
    assert_eq!(rig.job(ids[0]).await.state, State::Available);
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_within_its_grace_still_counts() {
    let rig = Rig::new();
    let ids = rig.enqueue_all(vec![long()]).await;
    let config = WorkerConfig { drain_timeout: secs(2), ..config() };
    let worker = rig.work(
        config,
        does(|_, context| async move {
            context.cancel.cancelled().await;
            Outcome::done()
        }),
    );
    pass(secs(1)).await;
    worker.end().await;
    assert_eq!(rig.job(ids[0]).await.state, State::Completed);
}
