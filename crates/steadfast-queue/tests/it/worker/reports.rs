//! What is told of attempts: to the metrics, to the observer, to the log.

use super::rig::*;
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, SharedString, Unit,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, Once};
use steadfast_queue::handler::Outcome;
use steadfast_queue::metrics as names;
use steadfast_queue::note::{LOG_LINES_MAX, Progress};
use steadfast_queue::policy::Failure;
use steadfast_queue::worker::{JobObserver, JobOutcome, JobReport, Worker};
use steadfast_queue::{NewJob, RetryPolicy};
use tokio_util::sync::CancellationToken;

/// Sums of counters, and how often histograms were fed, by name and labels.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, f64>>>);

struct Cell(Sums, String);

impl Cell {
    fn new(sums: &Sums, key: &Key) -> Arc<Self> {
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        Arc::new(Self(sums.clone(), format!("{}{{{}}}", key.name(), labels.join(","))))
    }

    fn add(&self, value: f64) {
        *locked(&self.0.0).entry(self.1.clone()).or_default() += value;
    }
}

impl CounterFn for Cell {
    fn increment(&self, value: u64) {
        self.add(f64::from(u32::try_from(value).expect("small")));
    }
    fn absolute(&self, _value: u64) {}
}

impl HistogramFn for Cell {
    fn record(&self, value: f64) {
        self.add(value);
    }
}

impl metrics::Recorder for Sums {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        Cell(self.clone(), format!("described {}", name.as_str())).add(1.0);
    }
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        Cell(self.clone(), format!("described {}", name.as_str())).add(1.0);
    }
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Cell::new(self, key))
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Cell::new(self, key))
    }
}

/// One job that is done after 2 s, one that fails for good, one that panics, one over its time.
async fn mixed(rig: &Rig) -> Handlers {
    let codec = |codec| NewJob {
        codec,
        timeout_ms: 5_000,
        retry: Some(RetryPolicy::none()),
        correlation_id: format!("corr-{codec}"),
        payload: "do-not-tell".into(),
        ..job()
    };
    rig.enqueue_all((0..4).map(codec).collect()).await;
    pass(secs(3)).await;
    does(|job, _| async move {
        tracing::info!("a line of the handler");
        pass(secs(2)).await;
        match job.codec {
            0 => Outcome::done(),
            1 => Outcome::Dead(Failure::new("bad_order", "do-not-tell")),
            2 => panic!("do-not-tell"),
            _ => std::future::pending().await,
        }
    })
}

#[tokio::test(start_paused = true)]
async fn metrics_count_attempts_by_outcome() {
    let sums = Sums::default();
    let _installed = metrics::set_default_local_recorder(&sums);
    names::describe();
    let rig = Rig::new();
    let handlers = mixed(&rig).await;
    let worker = rig.work(config(), handlers);
    worker.link.fail(Op::Settle, Fault::Refused, 1);
    until(async || worker.outcomes().len() == 4).await;
    let of = |key: &str| locked(&sums.0).get(key).copied().unwrap_or_default();
    assert_eq!(of("steadfast_queue_jobs_total{queue=q,outcome=completed}"), 1.0);
    assert_eq!(of("steadfast_queue_jobs_total{queue=q,outcome=dead}"), 3.0);
    assert_eq!(of("steadfast_queue_panics_total{queue=q}"), 1.0);
    assert_eq!(of("steadfast_queue_timeouts_total{queue=q}"), 1.0);
    assert_eq!(of("steadfast_queue_store_errors_total{queue=q,call=settle}"), 1.0);
    let near = |key: &str, seconds: f64| assert!((of(key) - seconds).abs() < 0.1, "{key}: {}", of(key));
    near("steadfast_queue_wait_seconds{queue=q}", 4.0 * 3.0);
    near("steadfast_queue_job_duration_seconds{queue=q}", 3.0 * 2.0 + 6.0);
    for name in [names::JOBS_TOTAL, names::JOB_DURATION_SECONDS, names::WAIT_SECONDS, names::LEASE_LOST_TOTAL]
    {
        assert_eq!(of(&format!("described {name}")), 1.0, "{name}");
    }
    worker.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_observer_is_told_everything_and_may_even_panic() {
    struct Panics(Mutex<Vec<JobReport>>);
    impl JobObserver for Panics {
        fn finished(&self, report: &JobReport) {
            locked(&self.0).push(report.clone());
            panic!("an observer's defect");
        }
    }
    let rig = Rig::new();
    let handlers = mixed(&rig).await;
    let observer = Arc::new(Panics(Mutex::default()));
    let worker = Worker::new(rig.link(), handlers, config(), Arc::clone(&rig.clock))
        .with_observer(Arc::clone(&observer) as _);
    let stop = CancellationToken::new();
    let task = rig.tasks.spawn(worker.run(stop.clone(), CancellationToken::new()));
    until(async || rig.stats().await.dead == 3).await;
    stop.cancel();
    task.await.expect("the worker does not panic");
    let reports = locked(&observer.0).clone();
    assert_eq!(reports.len(), 4);
    let done = reports.iter().find(|report| report.outcome == JobOutcome::Completed).expect("one");
    assert_eq!((&*done.queue, &*done.kind, done.attempt, &*done.correlation_id), ("q", "k", 1, "corr-0"));
    assert_eq!((done.ran, done.failure.clone()), (Some(secs(2)), None));
    let errors: Vec<_> =
        reports.iter().filter_map(|report| report.failure.clone()).map(|f| f.error).collect();
    assert_eq!(errors.len(), 3);
    assert!(["bad_order", "panic", "timeout"].iter().all(|word| errors.iter().any(|error| error == word)));
}

thread_local! {
    /// What is logged on this thread, if it wants to know.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Writes to [`LINES`].
struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.iter_mut().for_each(|lines| lines.extend_from_slice(bytes)));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Collects this thread's lines from now on. One subscriber for the whole process: with one per thread,
/// tests that run beside each other disagree about which lines are wanted at all.
fn listen() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let all = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
        all.with_writer(|| Lines).try_init().expect("no other test installs one");
    });
    LINES.set(Some(Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn log_lines_carry_the_correlation_id_and_nothing_private() {
    listen();
    let rig = Rig::new();
    let handlers = mixed(&rig).await;
    let worker = rig.work(config(), handlers);
    until(async || worker.outcomes().len() == 4).await;
    worker.end().await;
    let text = String::from_utf8(LINES.take().unwrap_or_default()).expect("text");
    for codec in 0..4 {
        let own = format!("corr-{codec}");
        assert!(
            text.lines().any(|line| line.contains("a line of the handler") && line.contains(&own)),
            "{text}"
        );
    }
    let dead: Vec<_> = text.lines().filter(|line| line.contains("job is dead")).collect();
    assert_eq!(dead.len(), 3);
    assert!(dead.iter().all(|line| line.contains(" WARN ") && line.contains("correlation.id=")), "{dead:?}");
    assert!(dead.iter().any(|line| line.contains("error=\"bad_order\"")), "{dead:?}");
    assert!(!text.contains("do-not-tell"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_a_job_says_is_stored_within_a_second_and_with_its_verdict() {
    let rig = Rig::new();
    let id = rig.enqueue(1).await[0];
    let running = rig.work(
        config(),
        does(|_, context| async move {
            context.log("begins");
            context.progress(Progress::percent(10));
            context.progress(Progress::percent(20).saying("on its way"));
            pass(secs(5)).await;
            context.log("ends");
            Outcome::done()
        }),
    );
    pass(millis(900)).await;
    let calls = running.link.calls(Op::Extend).len();
    pass(millis(200)).await;
    let job = rig.job(id).await;
    assert_eq!(
        job.progress.map(|progress| (progress.done, progress.note)),
        Some((20, "on its way".to_owned()))
    );
    assert_eq!(job.log.len(), 1);
    pass(secs(3)).await;
    assert_eq!(running.link.calls(Op::Extend).len(), calls + 1, "nothing new is not said again");
    rig.completed(1).await;
    let said: Vec<String> = rig.job(id).await.log.into_iter().map(|line| line.text).collect();
    assert_eq!(said, ["begins", "ends"]);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_job_says_while_the_store_is_away_is_said_again() {
    let rig = Rig::new();
    let id = rig.enqueue(1).await[0];
    let running = rig.work(
        config(),
        does(|_, context| async move {
            for number in 0..200 {
                context.log(format!("line {number}"));
                pass(millis(20)).await;
            }
            Outcome::done()
        }),
    );
    running.link.fail(Op::Extend, Fault::Refused, 2);
    rig.completed(1).await;
    let log = rig.job(id).await.log;
    assert_eq!((log.len(), log[0].text.as_str()), (LOG_LINES_MAX, "line 0"));
    assert_eq!(log.last().map(|line| line.text.as_str()), Some("line 199"));
    running.end().await;
}
