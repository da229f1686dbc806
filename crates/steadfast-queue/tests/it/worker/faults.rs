//! The store fails in every way a store fails; no job is lost and none is told apart wrongly.

use super::rig::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use steadfast_queue::handler::Outcome;
use steadfast_queue::worker::{JobOutcome, WorkerConfig};
use steadfast_queue::{JobId, NewJob, State};
use tokio::time::Instant;

fn counting(runs: &Arc<AtomicUsize>, follow_ups: bool) -> Handlers {
    let runs = Arc::clone(runs);
    does(move |_, _| {
        runs.fetch_add(1, Ordering::SeqCst);
        let next = if follow_ups { vec![NewJob::new("next", "n", "")] } else { Vec::new() };
        async { Outcome::Complete(next) }
    })
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_while_settling_loses_no_verdict() {
    for fault in [Fault::Refused, Fault::Silent] {
        let rig = Rig::new();
        rig.keep_house();
        rig.enqueue(200).await;
        let runs = Arc::default();
        let worker = rig.work(config().concurrency(16), counting(&runs, true));
        worker.link.fail(Op::Settle, fault, 2);
        rig.completed(200).await;
        assert_eq!(runs.load(Ordering::SeqCst), 200, "{fault:?}: each ran once");
        assert_eq!(worker.outcomes(), vec![JobOutcome::Completed; 200]);
        worker.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_away_for_minutes_while_settling_keeps_the_verdicts_as_long_as_leases_hold() {
    let rig = Rig::new();
    rig.keep_house();
    rig.enqueue(5).await;
    let runs = Arc::default();
    let worker = rig.work(config(), counting(&runs, false));
    worker.link.fail(Op::Settle, Fault::Refused, u32::MAX);
    pass(secs(180)).await;
    worker.link.heal();
    rig.completed(5).await;
    assert_eq!(runs.load(Ordering::SeqCst), 5);
    // Tries were spaced, not hammered.
    assert!(worker.link.calls(Op::Settle).len() < 90, "{}", worker.link.calls(Op::Settle).len());
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_away_past_the_lease_means_the_job_is_reclaimed_and_run_again() {
    let rig = Rig::new();
    let ids = rig.enqueue(3).await;
    let runs = Arc::default();
    let worker = rig.work(config(), counting(&runs, false));
    worker.link.fail_all(Fault::Refused);
    worker.link.fail(Op::Reserve, Fault::ReplyLate(millis(1)), 1);
    pass(secs(40)).await;
    assert_eq!(worker.outcomes(), vec![JobOutcome::Abandoned; 3]);
    worker.link.heal();
    rig.keep_house();
    rig.completed(3).await;
    assert_eq!(runs.load(Ordering::SeqCst), 6);
    let job = rig.job(ids[0]).await;
    assert_eq!((job.state, job.attempt, job.crash_count), (State::Completed, 1, 1));
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn while_nothing_can_be_settled_work_piles_up_only_to_its_bound() {
    let rig = Rig::new();
    rig.enqueue(500).await;
    let runs = Arc::default();
    let config = WorkerConfig { settle_waiting_max: 10, settle_batch_max: 5, ..config() };
    let worker = rig.work(config.concurrency(4), counting(&runs, false));
    worker.link.fail(Op::Settle, Fault::Refused, u32::MAX);
    pass(secs(60)).await;
    let ran = runs.load(Ordering::SeqCst);
    assert!(ran <= 5 + 10 + 4, "one batch under way, a full channel, and the places: {ran}");
    worker.link.heal();
    rig.completed(500).await;
    assert_eq!(runs.load(Ordering::SeqCst), 500);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn scenario_4_the_reply_of_a_fetch_is_lost_and_its_leases_are_reclaimed() {
    let rig = Rig::new();
    rig.keep_house();
    let ids = rig.enqueue(10).await;
    let runs = Arc::default();
    let link = rig.link();
    link.fail(Op::Reserve, Fault::ReplyLost, 1);
    let worker = rig.work_in(&link, &Default::default(), config().concurrency(4), counting(&runs, false));
    pass(secs(5)).await;
    let stats = rig.stats().await;
    assert_eq!((stats.completed_total, stats.running), (6, 4), "four lie under leases nobody serves");
    let began = Instant::now();
    rig.completed(10).await;
    assert!(began.elapsed() <= secs(27), "one lease: {:?}", began.elapsed());
    assert_eq!(runs.load(Ordering::SeqCst), 10);
    let job = rig.job(ids[0]).await;
    assert_eq!((job.attempt, job.crash_count), (1, 1));
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn scenario_6_the_reply_of_a_settlement_is_lost_and_it_counts_once() {
    let rig = Rig::new();
    rig.keep_house();
    let ids = rig.enqueue(3).await;
    let runs = Arc::default();
    let worker = rig.work(config(), counting(&runs, true));
    worker.link.fail(Op::Settle, Fault::ReplyLost, 1);
    until(async || worker.outcomes().len() == 3).await;
    pass(secs(60)).await;
    assert_eq!(runs.load(Ordering::SeqCst), 3, "no job ran again");
    assert_eq!(worker.outcomes().len(), 3);
    assert!(worker.outcomes().iter().all(|o| matches!(o, JobOutcome::Unconfirmed | JobOutcome::Completed)));
    assert!(worker.outcomes().contains(&JobOutcome::Unconfirmed));
    assert_eq!(rig.stats().await.completed_total, 3, "counted once");
    for id in ids {
        assert_eq!(rig.job(id).await.state, State::Completed);
        assert_eq!(rig.job(JobId::of_follow_up(id, "follow-up 0")).await.state, State::Available);
    }
    worker.end().await;
}

/// The store has taken the verdict, its answer is lost, and an extension says that the lease is gone: that
/// is because of the verdict, not because somebody else has the job.
#[tokio::test(start_paused = true)]
async fn a_lease_that_its_own_verdict_ended_is_not_called_lost() {
    let rig = Rig::new();
    rig.enqueue(1).await;
    let worker = rig.work(config(), takes(100));
    worker.link.fail(Op::Settle, Fault::ReplyLost, 1);
    rig.completed(1).await;
    worker.link.fail(Op::Settle, Fault::Refused, u32::MAX);
    pass(secs(15)).await;
    assert!(!worker.link.calls(Op::Extend).is_empty());
    worker.link.heal();
    until(async || !worker.outcomes().is_empty()).await;
    assert_eq!(worker.outcomes(), [JobOutcome::Unconfirmed]);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_item_that_the_store_cannot_take_does_not_hold_up_the_others() {
    let rig = Rig::new();
    let ids = rig.enqueue(20).await;
    let runs = Arc::default();
    let worker = rig.work(config().concurrency(20), counting(&runs, false));
    worker.link.fail(Op::Settle, Fault::Inconsistent(ids[7]), u32::MAX);
    pass(secs(1)).await;
    let stats = rig.stats().await;
    assert_eq!((stats.completed_total, stats.running), (19, 1));
    // And it does not run for ever: three leases that end so make it a dead letter.
    rig.keep_house();
    until(async || rig.job(ids[7]).await.state == State::Dead).await;
    let dead = rig.job(ids[7]).await;
    assert_eq!((dead.crash_count, dead.history[0].error.as_str()), (3, "crashed"));
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_to_hand_out_jobs_is_asked_again_ever_more_slowly_and_for_ever() {
    for fault in [Fault::Refused, Fault::Silent] {
        let rig = Rig::new();
        rig.enqueue(1).await;
        let link = rig.link();
        link.fail(Op::Reserve, fault, u32::MAX);
        let worker = rig.work_in(&link, &Default::default(), config(), takes(0));
        pass(secs(3_600)).await;
        let calls = link.calls(Op::Reserve).len();
        assert!((200..2_000).contains(&calls), "{fault:?}: {calls} calls in an hour");
        link.heal();
        let began = Instant::now();
        rig.completed(1).await;
        // A silent call under way and one pause.
        assert!(began.elapsed() <= secs(17), "{fault:?}: {:?}", began.elapsed());
        worker.end().await;
    }
}
