//! Housekeeping.

use super::rig::*;
use std::sync::Arc;
use steadfast_queue::Schedule;
use steadfast_queue::backend::Control;
use steadfast_queue::backend::{Reserve, WorkerId};
use steadfast_queue::maintenance::{Maintenance, MaintenanceConfig, MaintenanceHandle, Sweep};
use steadfast_queue::{Backend, NewJob, State};
use tokio_util::sync::CancellationToken;

fn keep(rig: &Rig, link: &Arc<Link>) -> (MaintenanceHandle, CancellationToken, tokio::task::JoinHandle<()>) {
    let config = MaintenanceConfig { chunk: 10, ..MaintenanceConfig::default() };
    let house = Maintenance::new(Arc::clone(link) as _, Arc::clone(&rig.clock), config);
    let (handle, stop) = (house.handle(), CancellationToken::new());
    let task = rig.tasks.spawn(house.run(stop.clone()));
    (handle, stop, task)
}

#[tokio::test(start_paused = true)]
async fn due_jobs_become_available_on_time_and_a_backlog_goes_in_chunks() {
    let rig = Rig::new();
    let link = rig.link();
    let delayed = |delay_ms| NewJob { delay_ms, ..job() };
    rig.enqueue_all((0..95).map(|_| delayed(1_000)).collect()).await;
    let late = rig.enqueue_all(vec![delayed(7_777)]).await;
    let (handle, stop, task) = keep(&rig, &link);
    pass(millis(990)).await;
    assert_eq!(rig.stats().await.available, 0);
    pass(millis(15)).await;
    assert_eq!(rig.stats().await.available, 95, "all at once, in calls of ten");
    pass(millis(6_770)).await;
    assert_eq!(rig.job(late[0]).await.state, State::Scheduled);
    pass(millis(10)).await;
    assert_eq!(rig.job(late[0]).await.state, State::Available);
    assert_eq!(handle.status(Sweep::Promote).moved_total, 96);
    assert!(handle.status(Sweep::Promote).caught_up_ms.is_some());
    stop.cancel();
    task.await.expect("ends");
}

#[tokio::test(start_paused = true)]
async fn leases_of_a_dead_worker_are_taken_back_when_they_run_out() {
    let rig = Rig::new();
    let link = rig.link();
    let ids = rig.enqueue(1).await;
    let (handle, stop, task) = keep(&rig, &link);
    let request = Reserve {
        queue: QUEUE.into(),
        max: 1,
        lease_ms: 5_000,
        worker: WorkerId::fresh(),
        wait: secs(0),
        no_suspects: false,
    };
    rig.store.reserve(request).await.expect("reserve");
    pass(millis(4_990)).await;
    assert_eq!(rig.job(ids[0]).await.state, State::Running);
    pass(millis(1_100)).await;
    let job = rig.job(ids[0]).await;
    assert_eq!((job.state, job.crash_count, job.attempt), (State::Available, 1, 0));
    assert_eq!(handle.status(Sweep::Reclaim).moved_total, 1);
    stop.cancel();
    task.await.expect("ends");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_more_slowly_and_caught_up_with_later() {
    for fault in [Fault::Refused, Fault::Silent] {
        let rig = Rig::new();
        let link = rig.link();
        link.fail_all(fault);
        rig.enqueue_all((0..50).map(|_| NewJob { delay_ms: 10, ..job() }).collect()).await;
        let (handle, stop, task) = keep(&rig, &link);
        pass(secs(600)).await;
        let calls = link.calls(Op::Sweep(Sweep::Promote)).len();
        assert!((10..250).contains(&calls), "{fault:?}: {calls}");
        assert_eq!(handle.status(Sweep::Promote), Default::default());
        link.heal();
        pass(secs(45)).await;
        assert_eq!(rig.stats().await.available, 50, "{fault:?}");
        stop.cancel();
        task.await.expect("ends");
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_not_spin_while_there_is_nothing_to_do() {
    let rig = Rig::new();
    let link = rig.link();
    let (_handle, stop, task) = keep(&rig, &link);
    pass(secs(60)).await;
    assert!(
        (100..150).contains(&link.calls(Op::Sweep(Sweep::Promote)).len()),
        "{}",
        link.calls(Op::Sweep(Sweep::Promote)).len()
    );
    assert!((50..75).contains(&link.calls(Op::Sweep(Sweep::Reclaim)).len()));
    assert!((1..5).contains(&link.calls(Op::Sweep(Sweep::Prune)).len()));
    stop.cancel();
    task.await.expect("ends");
}

/// Without any housekeeping: whoever waits for jobs of the queue learns until when.
#[tokio::test(start_paused = true)]
async fn s31_a_worker_that_waits_is_there_when_the_clock_brings_a_job() {
    let rig = Rig::new();
    let running = rig.work(config(), takes(0));
    pass(millis(300)).await;
    let schedule = Schedule::new("tick", "* * * * * *", QUEUE, "k", "payload");
    rig.store.control(Control::PutSchedule(Box::new(schedule))).await.expect("memory does not fail");
    for second in 1..=5 {
        pass(millis(1_000)).await;
        assert_eq!(rig.stats().await.completed_total, second);
    }
    running.end().await;
}
