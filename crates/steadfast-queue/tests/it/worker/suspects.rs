//! Jobs under which processes died run alone. Scenario 21.

use super::rig::*;
use std::sync::{Arc, Mutex};
use steadfast_queue::backend::{Reservation, Reserve, Settle, Settled, Sweep, WorkerId};
use steadfast_queue::handler::Outcome;
use steadfast_queue::state::Verdict;
use steadfast_queue::worker::{JobOutcome, RunGate, WorkerConfig};
use steadfast_queue::{Backend, JobId, NewJob, State};
use tokio::time::Instant;

fn long() -> NewJob {
    NewJob { timeout_ms: 3_600_000, ..job() }
}

/// Jobs under which two processes have died.
async fn suspects(rig: &Rig, count: usize) -> Vec<JobId> {
    suspects_in(rig, QUEUE, count).await
}

async fn suspects_in(rig: &Rig, queue: &str, count: usize) -> Vec<JobId> {
    let new = |_| NewJob { queue: queue.into(), ..long() };
    let ids = rig.enqueue_all((0..count).map(new).collect()).await;
    for _ in 0..2 {
        assert_eq!(take(rig, queue, count, 1).await.len(), count);
        pass(millis(5)).await;
        rig.store.sweep(Sweep::Reclaim, count).await.expect("reclaim");
    }
    ids
}

async fn take(rig: &Rig, queue: &str, max: usize, lease_ms: u64) -> Vec<Reservation> {
    let request = Reserve {
        queue: queue.into(),
        max,
        lease_ms,
        worker: WorkerId::fresh(),
        wait: secs(0),
        no_suspects: false,
    };
    rig.store.reserve(request).await.expect("reserve")
}

/// A suspect that becomes due in ten seconds.
async fn suspect_in_ten_seconds(rig: &Rig, queue: &str) -> JobId {
    let id = suspects_in(rig, queue, 1).await[0];
    let taken = take(rig, queue, 1, 1_000).await.remove(0);
    let verdict = Verdict::PutOff { after_ms: 10_000 };
    let settle = Settle { lease: taken.lease, verdict, follow_ups: vec![], note: None };
    assert_eq!(rig.store.settle(vec![settle]).await.expect("settle"), [Settled::Now(State::Scheduled)]);
    id
}

/// Notes when jobs run and what else runs then.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Entries>>);

/// Those running now, and everything that ran with how many ran beside it at its start.
type Entries = (Vec<JobId>, Vec<(JobId, usize)>);

impl Log {
    fn handlers(&self, ms: u64) -> Handlers {
        let log = self.clone();
        does(move |job, _| {
            let log = log.clone();
            async move {
                {
                    let mut log = locked(&log.0);
                    log.0.push(job.id);
                    let beside = log.0.len() - 1;
                    log.1.push((job.id, beside));
                }
                pass(millis(ms)).await;
                locked(&log.0).0.retain(|&id| id != job.id);
                Outcome::done()
            }
        })
    }

    fn beside(&self, id: JobId) -> Option<usize> {
        locked(&self.0).1.iter().find(|(ran, _)| *ran == id).map(|(_, beside)| *beside)
    }
}

#[tokio::test(start_paused = true)]
async fn suspects_run_alone_among_all_workers_of_the_process() {
    let rig = Rig::new();
    let suspects = suspects(&rig, 3).await;
    let other = |_| NewJob { queue: "other".into(), ..job() };
    rig.enqueue_all((0..40).map(other).collect()).await;
    rig.enqueue(40).await;
    let (link, gate, log) = (rig.link(), RunGate::new(), Log::default());
    let first = rig.work_in(&link, &gate, config().concurrency(8), log.handlers(300));
    let other = WorkerConfig::new("other").concurrency(8);
    let second = rig.work_in(&link, &gate, other, log.handlers(300));
    until(async || first.outcomes().len() + second.outcomes().len() >= 83).await;
    for id in &suspects {
        assert_eq!(log.beside(*id), Some(0));
    }
    let entries = locked(&log.0).1.clone();
    let innocents: Vec<_> = entries.iter().filter(|(id, _)| !suspects.contains(id)).collect();
    assert!(innocents.iter().any(|(_, beside)| *beside > 8), "innocents run side by side, over both queues");
    // And nothing started while a suspect ran.
    let at = |id: &JobId| entries.iter().position(|(ran, _)| ran == id).expect("ran");
    for id in &suspects {
        let next = entries.get(at(id) + 1);
        assert!(next.is_none_or(|(_, beside)| *beside == 0));
    }
    first.end().await;
    second.end().await;
}

/// One process: all its calls go through one link, and at its death none reaches the store any more.
#[tokio::test(start_paused = true)]
async fn scenario_21_a_poison_job_takes_no_innocent_down_and_dies_after_three_crashes() {
    let rig = Rig::new();
    rig.keep_house();
    let poison = rig.enqueue(1).await[0];
    let innocents = rig.enqueue_all((0..9).map(|_| long()).collect()).await;
    let mut crashes = 0;
    loop {
        let link = rig.link();
        let (died, death) = tokio::sync::watch::channel(false);
        let handlers = {
            let link = Arc::clone(&link);
            does(move |job, _| {
                let (link, died) = (Arc::clone(&link), died.clone());
                async move {
                    pass(millis(500)).await;
                    if job.id == poison {
                        link.fail_all(Fault::Silent);
                        died.send_replace(true);
                        std::future::pending::<()>().await;
                    }
                    pass(millis(500)).await;
                    Outcome::done()
                }
            })
        };
        let process = rig.work_in(&link, &RunGate::new(), config().concurrency(10), handlers);
        until(async || *death.borrow() || rig.job(poison).await.state == State::Dead).await;
        process.abort.cancel();
        process.task.await.expect("ended");
        if !*death.borrow() {
            break;
        }
        crashes += 1;
        if crashes == 3 {
            let stats = rig.stats().await;
            assert_eq!(stats.running, 1, "nothing but the poison was under a lease");
        }
    }
    assert_eq!(crashes, 3);
    let dead = rig.job(poison).await;
    assert_eq!((dead.state, dead.crash_count, dead.history[0].error.as_str()), (State::Dead, 3, "crashed"));
    let survivors = rig.work(config().concurrency(10), takes(10));
    rig.completed(9).await;
    for id in innocents {
        let job = rig.job(id).await;
        assert_eq!((job.state, job.history.len()), (State::Completed, 0));
        assert!(job.crash_count <= 2, "{}", job.crash_count);
    }
    survivors.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_suspect_behind_a_long_job_is_put_off_so_that_the_others_go_on() {
    let rig = Rig::new();
    let config = WorkerConfig { suspect_wait_max: secs(10), ..config() };
    let gate = RunGate::new();
    let link = rig.link();
    rig.enqueue_all(vec![NewJob { queue: "slow".into(), ..long() }]).await;
    let slow = rig.work_in(&link, &gate, WorkerConfig::new("slow"), takes(100_000));
    pass(secs(1)).await;
    let ids = suspects(&rig, 1).await;
    let worker = rig.work_in(&link, &gate, config, takes(10));
    pass(secs(5)).await;
    rig.enqueue(20).await;
    assert_eq!(rig.stats().await.completed_total, 0, "everything waits with the suspect");
    let began = Instant::now();
    rig.completed(20).await;
    assert!(began.elapsed() <= secs(6), "{:?}", began.elapsed());
    let put_off = rig.job(ids[0]).await;
    assert_eq!((put_off.state, put_off.crash_count), (State::Scheduled, 2));
    rig.completed(21).await;
    let outcomes = worker.outcomes();
    assert_eq!(outcomes[0], JobOutcome::Snoozed);
    assert!(slow.task.is_finished() || slow.outcomes() == [JobOutcome::Completed]);
    worker.end().await;
    slow.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_a_suspect_waits_gives_it_back() {
    let rig = Rig::new();
    let gate = RunGate::new();
    let link = rig.link();
    rig.enqueue_all(vec![NewJob { queue: "slow".into(), ..long() }]).await;
    let slow = rig.work_in(&link, &gate, WorkerConfig::new("slow"), takes(20_000));
    pass(secs(1)).await;
    let ids = suspects(&rig, 1).await;
    let worker = rig.work_in(&link, &gate, config(), takes(10));
    pass(secs(5)).await;
    assert_eq!(rig.job(ids[0]).await.state, State::Running);
    let took = worker.end().await;
    assert!(took < secs(1), "{took:?}");
    let job = rig.job(ids[0]).await;
    assert_eq!((job.state, job.attempt, job.crash_count), (State::Available, 0, 2));
    slow.end().await;
}

/// Each would count a crash of the other's making.
#[tokio::test(start_paused = true)]
async fn two_suspects_taken_at_the_same_time_are_never_both_under_a_lease() {
    let rig = Rig::new();
    let ids = [suspect_in_ten_seconds(&rig, QUEUE).await, suspect_in_ten_seconds(&rig, "other").await];
    let (link, gate) = (rig.link(), RunGate::new());
    let other = WorkerConfig::new("other");
    let workers =
        [rig.work_in(&link, &gate, config(), takes(20_000)), rig.work_in(&link, &gate, other, takes(20_000))];
    pass(secs(15)).await;
    let mut states = Vec::new();
    for id in ids {
        let job = rig.job(id).await;
        states.push((job.state, job.attempt, job.crash_count));
    }
    states.sort_unstable();
    assert_eq!(states, [(State::Available, 0, 2), (State::Running, 1, 2)]);
    until(async || workers.iter().all(|worker| worker.outcomes().contains(&JobOutcome::Completed))).await;
    for worker in workers {
        worker.end().await;
    }
}

/// Until a verdict is stored its job is under a lease, and a crash would count against it.
#[tokio::test(start_paused = true)]
async fn a_suspect_waits_for_verdicts_to_be_stored() {
    let rig = Rig::new();
    suspect_in_ten_seconds(&rig, QUEUE).await;
    let worker = rig.work(config(), takes(0));
    pass(secs(9)).await;
    worker.link.fail(Op::Settle, Fault::Refused, u32::MAX);
    rig.enqueue(1).await;
    pass(secs(11)).await;
    assert_eq!((worker.outcomes(), worker.handle.status().leases), (vec![], 2));
    worker.link.heal();
    until(async || worker.outcomes().len() == 2).await;
    let reports = worker.reports();
    assert!(reports[1].wait >= secs(10), "not before the other's verdict: {reports:?}");
    worker.end().await;
}
