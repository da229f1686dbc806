//! A monitor on free ports, over a back-end with a switch for faults, and real records.

use async_trait::async_trait;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use steadfast_core::{ManualClock, SharedClock};
use steadfast_monitor::hooks::{HealthProbe, ScaleError, ScaleHook, WebhookLog, WorkerView};
use steadfast_monitor::{Monitor, MonitorConfig, MonitorDeps, recorder_builder};
use steadfast_queue::backend::memory::MemoryBackend;
use steadfast_queue::backend::{
    Control, Controlled, DeadGroups, Enqueued, Extend, Extended, Filter, Page, Reservation, Reserve, Settle,
    Settled, Stats, Status, Sweep, Swept, WorkerId,
};
use steadfast_queue::event::{Events, EventsFrom};
use steadfast_queue::policy::Failure;
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, Job, JobId, NewJob, QueueError};
use steadfast_records::{RecordsOptions, SqliteRecords};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// 2026-01-31T09:05:03.250Z.
pub(crate) const NOW_MS: i64 = 1_769_850_303_250;

/// How the queue fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It says that it cannot store anything.
    Fails,
    /// It does not answer until the fault is lifted.
    Hangs,
    /// Its listings come in thin pages, every other one empty, as a search for something rare does.
    Thin,
}

/// A back-end with a fault switch before reads and commands.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) inner: Arc<dyn Backend>,
    /// Whether the next thin page is an empty one.
    empty: AtomicBool,
    pub(crate) fault: watch::Sender<Fault>,
    /// Calls that hang now.
    pub(crate) hanging: watch::Sender<usize>,
}

impl Faulty {
    async fn meet(&self) -> Result<(), QueueError> {
        let mut fault = self.fault.subscribe();
        if *fault.borrow() == Fault::Hangs {
            self.hanging.send_modify(|calls| *calls += 1);
            let _ = fault.wait_for(|fault| *fault != Fault::Hangs).await;
        }
        if *fault.borrow() == Fault::Fails {
            let source: Arc<dyn std::error::Error + Send + Sync> =
                Arc::new(std::io::Error::other("no space left"));
            return Err(QueueError::Unavailable { what: "counting jobs".to_owned(), source: Some(source) });
        }
        Ok(())
    }
}

#[async_trait]
impl Backend for Faulty {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        self.inner.enqueue(jobs).await
    }
    async fn reserve(&self, request: Reserve) -> Result<Vec<Reservation>, QueueError> {
        self.inner.reserve(request).await
    }
    async fn extend(&self, leases: Vec<Extend>, lease_ms: u64) -> Result<Vec<Extended>, QueueError> {
        self.inner.extend(leases, lease_ms).await
    }
    async fn settle(&self, settlements: Vec<Settle>) -> Result<Vec<Settled>, QueueError> {
        self.inner.settle(settlements).await
    }
    async fn sweep(&self, sweep: Sweep, limit: usize) -> Result<Swept, QueueError> {
        self.inner.sweep(sweep, limit).await
    }
    async fn get(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, QueueError> {
        self.meet().await?;
        self.inner.get(ids).await
    }
    async fn status(&self, ids: Vec<JobId>) -> Result<Vec<Status>, QueueError> {
        self.meet().await?;
        self.inner.status(ids).await
    }
    async fn list(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Page, QueueError> {
        self.meet().await?;
        if *self.fault.borrow() != Fault::Thin {
            return self.inner.list(filter, cursor, limit).await;
        }
        if self.empty.fetch_xor(true, Ordering::SeqCst) {
            let next = cursor.or_else(|| Some(i64::MAX.to_string()));
            return Ok(Page { jobs: Vec::new(), next });
        }
        self.inner.list(filter, cursor, 1).await
    }
    async fn control(&self, command: Control) -> Result<Controlled, QueueError> {
        self.meet().await?;
        self.inner.control(command).await
    }
    async fn stats(&self) -> Result<Stats, QueueError> {
        self.meet().await?;
        self.inner.stats().await
    }
    async fn dead_groups(&self, queue: Option<String>, max: usize) -> Result<DeadGroups, QueueError> {
        self.meet().await?;
        self.inner.dead_groups(queue, max).await
    }
    async fn events(&self, from: EventsFrom, limit: usize, wait: Duration) -> Result<Events, QueueError> {
        self.meet().await?;
        self.inner.events(from, limit, wait).await
    }
}

/// Workers as the binary would show them.
#[derive(Debug)]
pub(crate) struct Workers(pub(crate) Mutex<Vec<WorkerView>>);

impl Workers {
    pub(crate) fn with(queue: &str, concurrency: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(vec![WorkerView {
            queue: queue.to_owned(),
            concurrency,
            busy: 0,
            adaptive: None,
        }])))
    }
}

impl ScaleHook for Workers {
    fn workers(&self) -> Vec<WorkerView> {
        self.0.lock().expect("lock").clone()
    }

    fn scale(&self, queue: &str, concurrency: usize) -> Result<usize, ScaleError> {
        let mut workers = self.0.lock().expect("lock");
        let workers =
            workers.iter_mut().find(|workers| workers.queue == queue).ok_or(ScaleError::NoWorkers)?;
        if concurrency > 64 {
            return Err(ScaleError::OutOfBounds { min: 1, max: 64 });
        }
        if let Some(adaptive) = &mut workers.adaptive {
            adaptive.pinned = true;
        }
        Ok(std::mem::replace(&mut workers.concurrency, concurrency))
    }

    fn adapt(&self, queue: &str) -> Result<usize, ScaleError> {
        let mut workers = self.0.lock().expect("lock");
        let workers =
            workers.iter_mut().find(|workers| workers.queue == queue).ok_or(ScaleError::NoWorkers)?;
        workers.adaptive.as_mut().ok_or(ScaleError::NotAdaptive)?.pinned = false;
        Ok(workers.concurrency)
    }
}

/// What a test may plug in.
#[derive(Default)]
pub(crate) struct Plugs {
    pub(crate) workers: Option<Arc<dyn ScaleHook>>,
    pub(crate) webhooks: Option<Arc<dyn WebhookLog>>,
    pub(crate) probes: Vec<Arc<dyn HealthProbe>>,
}

/// Everything that runs.
pub(crate) struct World {
    pub(crate) addr: SocketAddr,
    pub(crate) metrics_addr: SocketAddr,
    pub(crate) queue: Arc<Faulty>,
    pub(crate) records: Arc<SqliteRecords>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The process's one recorder.
pub(crate) fn recorder() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let builder = recorder_builder().expect("buckets");
        let handle = builder.install_recorder().expect("the first recorder of the process");
        steadfast_monitor::metrics::register_all();
        handle
    };
    HANDLE.get_or_init(install).clone()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(MonitorConfig::default(), Plugs::default()).await
    }

    pub(crate) async fn configured(config: MonitorConfig) -> Self {
        Self::with(config, Plugs::default()).await
    }

    pub(crate) async fn with(config: MonitorConfig, plugs: Plugs) -> Self {
        let clock = ManualClock::at(NOW_MS);
        let memory = MemoryBackend::new(clock.clone());
        Self::over(memory, clock, config, plugs).await
    }

    /// Over a back-end that reads `clock`.
    pub(crate) async fn over(
        inner: Arc<dyn Backend>,
        clock: Arc<ManualClock>,
        config: MonitorConfig,
        plugs: Plugs,
    ) -> Self {
        let shared: SharedClock = clock.clone();
        let folder = tempfile::tempdir().expect("a folder");
        let records = open_records(folder.path(), &shared);
        let queue = Arc::new(Faulty {
            inner,
            empty: AtomicBool::new(true),
            fault: watch::Sender::new(Fault::None),
            hanging: watch::Sender::new(0),
        });
        let deps = MonitorDeps {
            backend: queue.clone(),
            records: records.clone(),
            clock: shared,
            metrics: Some(recorder()),
            workers: plugs.workers,
            webhooks: plugs.webhooks,
            probes: plugs.probes,
        };
        let monitor = Monitor::new(deps, config).expect("a monitor");
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let (listener, metrics_listener) = (bind().await, bind().await);
        let addr = listener.local_addr().expect("an address");
        let metrics_addr = metrics_listener.local_addr().expect("an address");
        tasks.spawn(Arc::clone(&monitor).serve(listener, stop.clone()));
        tasks.spawn(monitor.serve_metrics(metrics_listener, stop.clone()));
        Self { addr, metrics_addr, queue, records, clock, stop, tasks, folder }
    }

    /// Enqueues jobs of `kind` into `queue`, one millisecond apart.
    pub(crate) async fn enqueue(&self, queue: &str, payloads: &[&str]) -> Vec<JobId> {
        let mut ids = Vec::new();
        for payload in payloads {
            let mut job = NewJob::new(queue, "inbound-message", (*payload).to_owned());
            job.correlation_id = "c0".repeat(16);
            self.clock.advance(Duration::from_millis(1));
            let stored = self.queue.inner.enqueue(vec![job]).await.expect("stored");
            let Some(Enqueued::New(id)) = stored.first() else { panic!("{stored:?}") };
            ids.push(*id);
        }
        ids
    }

    /// Reserves up to `max` jobs of `queue`, without waiting.
    pub(crate) async fn reserve(&self, queue: &str, max: usize) -> Vec<Reservation> {
        let request = Reserve {
            queue: queue.to_owned(),
            max,
            lease_ms: 30_000,
            worker: WorkerId::fresh(),
            wait: Duration::ZERO,
            no_suspects: false,
        };
        self.queue.inner.reserve(request).await.expect("reserved")
    }

    /// Ends every waiting job of `queue` with `verdict`.
    pub(crate) async fn settle_all(&self, queue: &str, verdict: &Verdict) -> usize {
        let reserved = self.reserve(queue, 1_000).await;
        let settle = |held: &Reservation| Settle {
            lease: held.lease,
            verdict: verdict.clone(),
            follow_ups: Vec::new(),
            note: None,
        };
        let settlements: Vec<_> = reserved.iter().map(settle).collect();
        self.queue.inner.settle(settlements).await.expect("settled").len()
    }

    /// Makes dead jobs, oldest first.
    pub(crate) async fn bury(&self, queue: &str, error: &str, payloads: &[&str]) -> Vec<JobId> {
        let ids = self.enqueue(queue, payloads).await;
        let verdict = Verdict::Dead { failure: Failure::new(error, format!("it ended with {error}")) };
        assert_eq!(self.settle_all(queue, &verdict).await, payloads.len());
        ids
    }

    pub(crate) async fn fail_queue(&self, fault: Fault) {
        self.queue.fault.send_replace(fault);
    }

    /// Stops the servers and waits for them.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        tokio::time::timeout(Duration::from_secs(20), self.tasks.wait()).await.expect("both servers end");
        assert!(self.folder.path().exists());
    }
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

fn open_records(folder: &Path, clock: &SharedClock) -> Arc<SqliteRecords> {
    SqliteRecords::open(RecordsOptions::at(folder.join("records.db")), clock.clone()).expect("records")
}
