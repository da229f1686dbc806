//! Jobs run, side by side, within their bounds.

use super::rig::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use steadfast_queue::backend::{Control, rules::Limits};
use steadfast_queue::handler::Outcome;
use steadfast_queue::policy::Failure;
use steadfast_queue::worker::{JobOutcome, RunGate};
use steadfast_queue::{Backend, JobId, NewJob, RetryPolicy, State};
use tokio::time::Instant;

/// Counts how many run at once.
#[derive(Clone, Default)]
struct Gauge {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gauge {
    fn handlers(&self, ms: u64) -> Handlers {
        let gauge = self.clone();
        does(move |_, _| {
            let gauge = gauge.clone();
            async move {
                let now = gauge.now.fetch_add(1, Ordering::SeqCst) + 1;
                gauge.most.fetch_max(now, Ordering::SeqCst);
                pass(millis(ms)).await;
                gauge.now.fetch_sub(1, Ordering::SeqCst);
                Outcome::done()
            }
        })
    }

    fn now(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[tokio::test(start_paused = true)]
async fn concurrency_is_used_and_never_exceeded() {
    let rig = Rig::new();
    rig.enqueue(100).await;
    let gauge = Gauge::default();
    let began = Instant::now();
    let worker = rig.work(config().concurrency(7), gauge.handlers(100));
    rig.completed(100).await;
    assert_eq!(gauge.most(), 7);
    // 100 jobs, 7 at a time: 15 rounds of 100 ms.
    assert!(began.elapsed() < millis(1_600), "{:?}", began.elapsed());
    assert_eq!(worker.outcomes(), vec![JobOutcome::Completed; 100]);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn concurrency_goes_up_and_down_while_jobs_run() {
    let rig = Rig::new();
    rig.enqueue(200).await;
    let gauge = Gauge::default();
    let worker = rig.work(config().concurrency(2), gauge.handlers(1_000));
    pass(millis(500)).await;
    assert_eq!(gauge.now(), 2);
    assert_eq!(worker.handle.set_concurrency(10), 10);
    pass(millis(10)).await;
    assert_eq!(gauge.now(), 10, "takes effect at once");
    let status = worker.handle.status();
    assert_eq!((status.concurrency, status.running, status.leases), (10, 10, 10));
    assert!(status.oldest_running.is_some_and(|age| age >= millis(500)), "{status:?}");
    worker.handle.set_concurrency(3);
    pass(millis(100)).await;
    assert_eq!(gauge.now(), 10, "nothing is stopped for it");
    pass(millis(1_500)).await;
    assert_eq!(gauge.now(), 3);
    assert_eq!(worker.handle.set_concurrency(0), 1);
    pass(secs(2)).await;
    assert_eq!(gauge.now(), 1);
    worker.handle.set_held(true);
    pass(secs(2)).await;
    assert_eq!(gauge.now(), 0);
    worker.handle.set_held(false);
    pass(millis(10)).await;
    assert_eq!(gauge.now(), 1);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_picks_up_a_new_job_at_once() {
    let rig = Rig::new();
    let worker = rig.work(config(), takes(0));
    pass(secs(100)).await;
    let asked_while_idle = worker.link.calls(Op::Reserve).len();
    assert!(asked_while_idle <= 105, "{asked_while_idle} calls in 100 s");
    for _ in 0..10 {
        let began = Instant::now();
        let before = worker.outcomes().len();
        rig.enqueue(1).await;
        until(async || worker.outcomes().len() > before).await;
        assert!(began.elapsed() <= millis(5), "{:?}", began.elapsed());
        pass(millis(333)).await;
    }
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_is_not_asked_in_a_loop_and_resumes() {
    let rig = Rig::new();
    rig.store.control(Control::Pause(QUEUE.into())).await.expect("pause");
    rig.enqueue(1).await;
    let worker = rig.work(config(), takes(0));
    pass(secs(60)).await;
    assert!(worker.link.calls(Op::Reserve).len() < 100);
    assert_eq!(rig.stats().await.available, 1);
    rig.store.control(Control::Resume(QUEUE.into())).await.expect("resume");
    let began = Instant::now();
    rig.completed(1).await;
    assert!(began.elapsed() <= millis(1_100));
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn taking_jobs_does_not_wait_for_settling_them() {
    let rig = Rig::new();
    rig.enqueue(12).await;
    let gauge = Gauge::default();
    let worker = rig.work(config().concurrency(2), gauge.handlers(10));
    worker.link.fail(Op::Settle, Fault::ReplyLate(secs(5)), u32::MAX);
    pass(millis(100)).await;
    // All have run although not one call to settle has been answered.
    assert_eq!(gauge.now(), 0);
    assert_eq!(worker.handle.status().leases, 12);
    assert_eq!(worker.handle.status().oldest_running, None);
    rig.completed(12).await;
    // What finished during the first call went out together.
    assert_eq!(worker.link.calls(Op::Settle).iter().sum::<usize>(), 12);
    assert!(worker.link.calls(Op::Settle).len() <= 3, "{:?}", worker.link.calls(Op::Settle));
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_over_its_time_is_told_then_dropped_and_counts_as_failed() {
    let rig = Rig::new();
    let retry = RetryPolicy::none();
    let slow = NewJob { timeout_ms: 500, retry: Some(retry), ..job() };
    let ids = rig.enqueue_all(vec![slow]).await;
    let worker = rig.work(config(), takes(3_600_000));
    until(async || !worker.outcomes().is_empty()).await;
    let report = worker.reports().remove(0);
    assert_eq!(report.outcome, JobOutcome::Dead);
    let ran = report.ran.expect("it ran");
    assert!(ran >= millis(1_500) && ran < millis(1_600), "timeout and grace: {ran:?}");
    let job = rig.job(ids[0]).await;
    assert_eq!((job.state, job.history[0].error.as_str(), job.attempt), (State::Dead, "timeout", 1));
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_heeds_its_timeout_ends_sooner_and_may_still_finish() {
    let rig = Rig::new();
    let short = || NewJob { timeout_ms: 500, ..job() };
    let finishes = NewJob { codec: 1, ..short() };
    let ids = rig.enqueue_all(vec![short(), finishes]).await;
    let worker = rig.work(
        config(),
        does(|job, context| async move {
            context.cancel.cancelled().await;
            match job.codec {
                1 => Outcome::done(),
                _ => Outcome::Retry(Failure::new("echo", "told to stop"), None),
            }
        }),
    );
    pass(millis(600)).await;
    let first = rig.job(ids[0]).await;
    assert_eq!((first.state, first.history[0].error.as_str()), (State::Retryable, "timeout"));
    assert_eq!(rig.job(ids[1]).await.state, State::Completed);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_attempt_of_that_job_alone() {
    struct PanicsWhenDropped;
    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped badly");
        }
    }
    let rig = Rig::new();
    let codec = |codec| NewJob { codec, timeout_ms: 1_000, ..job() };
    let ids = rig.enqueue_all(vec![codec(0), codec(1), codec(2)]).await;
    let worker = rig.work(
        config(),
        does(|job, _| async move {
            match job.codec {
                0 => Outcome::done(),
                1 => panic!("no such order: 4915112345678"),
                _ => {
                    let _bomb = PanicsWhenDropped;
                    std::future::pending().await
                }
            }
        }),
    );
    pass(millis(1_500)).await;
    let panicked = rig.job(ids[1]).await;
    pass(millis(600)).await;
    assert_eq!(rig.job(ids[0]).await.state, State::Completed);
    let record = &panicked.history[0];
    assert_eq!((record.error.as_str(), record.message.as_str()), ("panic", "no such order: #############"));
    assert_eq!((panicked.state, panicked.attempt, panicked.crash_count), (State::Retryable, 1, 0));
    assert_eq!(rig.job(ids[2]).await.history[0].message, "dropped badly");
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn scenario_20_unknown_kinds_and_corrupt_payloads_die_alone() {
    let rig = Rig::new();
    let unknown = NewJob { kind: "from-the-future".into(), ..job() };
    let corrupt = NewJob { payload: "{".into(), ..job() };
    let ids = rig.enqueue_all(vec![job(), unknown, corrupt, job()]).await;
    let worker = rig.work(
        config(),
        does(|job, _| async move {
            match &*job.payload {
                b"payload" => Outcome::done(),
                _ => Outcome::Dead(Failure::new("corrupt_payload", "not JSON")),
            }
        }),
    );
    until(async || worker.outcomes().len() == 4).await;
    for (id, state, error) in [
        (ids[0], State::Completed, None),
        (ids[1], State::Dead, Some("unknown_kind")),
        (ids[2], State::Dead, Some("corrupt_payload")),
        (ids[3], State::Completed, None),
    ] {
        let job = rig.job(id).await;
        let said = job.history.first().map(|record| record.error.as_str());
        assert_eq!((job.state, said), (state, error));
    }
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_is_told_and_ends_as_cancelled() {
    let rig = Rig::new();
    let ids = rig.enqueue_all(vec![NewJob { timeout_ms: 600_000, ..job() }]).await;
    let worker = rig.work(
        config(),
        does(|_, context| async move {
            context.cancel.cancelled().await;
            Outcome::Retry(Failure::new("echo", "told to stop"), None)
        }),
    );
    pass(secs(1)).await;
    rig.store.control(Control::Cancel(ids.clone())).await.expect("cancel");
    let began = Instant::now();
    until(async || !worker.outcomes().is_empty()).await;
    assert!(began.elapsed() <= secs(11), "told with the next extension: {:?}", began.elapsed());
    assert_eq!(worker.outcomes(), [JobOutcome::Cancelled]);
    assert_eq!(rig.job(ids[0]).await.state, State::Cancelled);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn follow_ups_come_into_being_with_their_parents_completion() {
    let rig = Rig::new();
    let ids = rig.enqueue_all(vec![NewJob { correlation_id: "c-1".into(), ..job() }]).await;
    let worker =
        rig.work(config(), does(|_, _| async { Outcome::Complete(vec![NewJob::new("next", "n", "")]) }));
    rig.completed(1).await;
    let follow_up = rig.job(JobId::of_follow_up(ids[0], "follow-up 0")).await;
    assert_eq!((follow_up.parent, follow_up.correlation_id.as_str()), (Some(ids[0]), "c-1"));
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_rejected_follow_up_puts_its_parent_off_and_loses_nothing() {
    let rig = Rig::with(Limits { waiting_max: 1, ..Limits::default() });
    // The follow-ups' queue is full.
    let blocker = rig.enqueue_all(vec![NewJob::new("next", "n", "")]).await;
    let ids = rig.enqueue(1).await;
    let worker =
        rig.work(config(), does(|_, _| async { Outcome::Complete(vec![NewJob::new("next", "n", "")]) }));
    pass(secs(12)).await;
    let waiting = rig.job(ids[0]).await;
    assert_eq!((waiting.state, waiting.attempt, waiting.crash_count), (State::Scheduled, 0, 0));
    assert_eq!(worker.outcomes(), vec![JobOutcome::Snoozed; 3], "at 0, 5 and 10 s");
    rig.store.control(Control::Cancel(blocker)).await.expect("room");
    rig.completed(1).await;
    let job = rig.job(ids[0]).await;
    assert_eq!((job.state, job.attempt, job.history.len()), (State::Completed, 1, 0));
    assert_eq!(rig.job(JobId::of_follow_up(ids[0], "follow-up 0")).await.state, State::Available);
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_follow_up_that_can_never_be_taken_makes_a_dead_letter() {
    let rig = Rig::new();
    let ids = rig.enqueue(1).await;
    let worker = rig.work(config(), does(|_, _| async { Outcome::Complete(vec![NewJob::new("", "n", "")]) }));
    until(async || !worker.outcomes().is_empty()).await;
    let job = rig.job(ids[0]).await;
    assert_eq!((job.state, job.history[0].error.as_str()), (State::Dead, "follow_up_rejected"));
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_group_runs_in_order_whatever_the_concurrency() {
    let rig = Rig::new();
    let grouped =
        |group: u8, codec| NewJob { group: Some(steadfast_queue::GroupKey([group; 16])), codec, ..job() };
    let jobs = (0..20).flat_map(|codec| [grouped(1, codec), grouped(2, codec)]).collect();
    rig.enqueue_all(jobs).await;
    let seen: Arc<std::sync::Mutex<Vec<(u8, u8)>>> = Arc::default();
    let log = Arc::clone(&seen);
    let handlers = does(move |job, _| {
        let log = Arc::clone(&log);
        async move {
            let group = job.group.map_or(0, |group| group.0[0]);
            // The first try of each group's fourth job fails: the rest wait behind it.
            if job.codec == 3 && job.attempt == 1 {
                return Outcome::Retry(Failure::new("once", ""), Some(700));
            }
            pass(millis(u64::from(20 - job.codec))).await;
            locked(&log).push((group, job.codec));
            Outcome::done()
        }
    });
    let gate = RunGate::new();
    let workers = [
        rig.work_in(&rig.link(), &gate, config().concurrency(8), handlers.clone()),
        rig.work_in(&rig.link(), &gate, config().concurrency(8), handlers),
    ];
    rig.completed(40).await;
    for group in [1, 2] {
        let order: Vec<u8> = locked(&seen).iter().filter(|seen| seen.0 == group).map(|seen| seen.1).collect();
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    }
    for worker in workers {
        worker.end().await;
    }
}

/// On real threads and real time: what interleaves here, virtual time would never show.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_many_threads_every_job_runs_exactly_once() {
    const JOBS: usize = 3_000;
    let rig = Rig::new();
    rig.keep_house();
    let runs = Arc::new(AtomicUsize::new(0));
    let handlers = {
        let runs = Arc::clone(&runs);
        does(move |job, _| {
            let runs = Arc::clone(&runs);
            async move {
                tokio::task::yield_now().await;
                runs.fetch_add(1, Ordering::SeqCst);
                let next = NewJob::new("next", "n", "");
                if job.codec == 1 { Outcome::Complete(vec![next]) } else { Outcome::done() }
            }
        })
    };
    let gate = RunGate::new();
    let workers: Vec<_> =
        (0..3).map(|_| rig.work_in(&rig.link(), &gate, config().concurrency(32), handlers.clone())).collect();
    for _ in 0..JOBS / 100 {
        rig.enqueue_all((0..100).map(|n| NewJob { codec: u8::from(n % 2 == 0), ..job() }).collect()).await;
        tokio::task::yield_now().await;
    }
    rig.completed(JOBS as u64).await;
    assert_eq!(runs.load(Ordering::SeqCst), JOBS);
    let mut outcomes = Vec::new();
    for worker in workers {
        worker.stop.cancel();
        worker.task.await.expect("the worker does not panic");
        outcomes.extend(worker.reports.outcomes());
    }
    assert_eq!(outcomes, vec![JobOutcome::Completed; JOBS]);
    let next = rig.store.stats().await.expect("stats").queues.remove("next").expect("used");
    assert_eq!((next.available, next.duplicates_total), (JOBS as u64 / 2, 0));
}
