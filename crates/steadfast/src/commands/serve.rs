//! `steadfast serve`: everything a node does, started in order and ended in order.

use crate::config::{Config, DEFAULT_DATA_DIR, Encryption};
use crate::lifecycle::Lifecycle;
use crate::node::{DataDir, Running};
use crate::reload::{self, Reread};
use crate::wire::health::NodeHealth;
use crate::wire::{self, Watched};
use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::{SharedClock, SystemClock, queues};
use steadfast_fake_twilio::FakeTwilio;
use steadfast_gateway::Gateway;
use steadfast_monitor::Monitor;
use steadfast_queue::Backend;
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::{Limits, Retention};
use steadfast_queue::maintenance::{Maintenance, MaintenanceConfig};
use steadfast_queue::sealed::Sealed;
use steadfast_queue::worker::Worker;
use steadfast_records::{RecordsOptions, SqliteRecords};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// How often old records are forgotten, and how many rows at a time.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
const FORGET_CHUNK: u32 = 1_000;

/// Serves until told to stop, then drains.
pub(super) async fn run(config: Config, reread: Reread) -> anyhow::Result<ExitCode> {
    crate::telemetry::start_logs(&config.log_level, config.log_format)?;
    let metrics = crate::telemetry::start_metrics()?;
    let clock = SystemClock::shared();
    let lifecycle = Lifecycle::default();
    lifecycle.watch_signals()?;
    let dir = DataDir::open(&config.data_dir)?;
    let listeners = Listeners::bind(&config).await?;
    let stores = Stores::open(&config, &dir, &clock).await?;
    reload::apply(&*stores.queue, &config.queues).await?;
    let running = reload::Running { queue: stores.queue.clone(), sealed: stores.sealed.clone() };
    reload::watch(&lifecycle, running, reread)?;
    let node = Node { config, dir, clock, lifecycle, listeners, stores };
    node.run(metrics).await?;
    Ok(ExitCode::SUCCESS)
}

/// Every port of the node, bound before anything starts: a port that is taken is known at once.
struct Listeners {
    gateway: Option<TcpListener>,
    monitor: Option<TcpListener>,
    metrics: Option<TcpListener>,
    fake_twilio: Option<TcpListener>,
}

impl Listeners {
    async fn bind(config: &Config) -> anyhow::Result<Self> {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (gateway, monitor) = (&config.gateway, &config.monitor);
        let gateway_port = config.roles.gateway.then_some(gateway.port);
        let monitor_port = config.roles.monitor.then_some(monitor.port);
        let fake_port = config.fake_twilio.map(|fake| fake.port);
        let gateway = bind(gateway.host, gateway_port, "gateway.port").await?;
        let metrics = bind(monitor.host, config.metrics_port, "metrics.port").await?;
        let monitor = bind(monitor.host, monitor_port, "monitor.port").await?;
        let fake_twilio = bind(loopback, fake_port, "fake_twilio.port").await?;
        Ok(Self { gateway, monitor, metrics, fake_twilio })
    }
}

async fn bind(host: IpAddr, port: Option<u16>, setting: &str) -> anyhow::Result<Option<TcpListener>> {
    let Some(port) = port else { return Ok(None) };
    let address = SocketAddr::new(host, port);
    let bound = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}: is it in use already? Choose another with --set {setting}=…")
    });
    bound.map(Some)
}

/// Where people and programs on this machine reach a listener.
fn url_of(listener: &TcpListener) -> anyhow::Result<Url> {
    let mut address = listener.local_addr().context("a listener has no address")?;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Url::parse(&format!("http://{address}")).context("a listener's address makes no URL")
}

/// The two files of the node.
struct Stores {
    queue: Arc<LocalBackend>,
    /// Around it, if payloads are encrypted.
    sealed: Option<Arc<Sealed<LocalBackend>>>,
    records: Arc<SqliteRecords>,
}

impl Stores {
    async fn open(config: &Config, dir: &DataDir, clock: &SharedClock) -> anyhow::Result<Self> {
        let queue = LocalOptions {
            limits: Limits { waiting_max: config.queue.max_size, bytes_max: config.queue.max_bytes },
            retention: Retention {
                completed_max: u64::try_from(config.queue.retain_completed)?,
                ..Retention::default()
            },
            queues: queues::ALL.iter().map(|&queue| queue.to_owned()).collect(),
            ..LocalOptions::new(dir.queue())
        };
        let records =
            RecordsOptions { seed_demo: config.bot.demo_catalogue, ..RecordsOptions::at(dir.records()) };
        let (clock, encryption) = (clock.clone(), config.queue.encryption.clone());
        // Opening reads and may repair the files.
        let opened = tokio::task::spawn_blocking(move || {
            let queue = LocalBackend::open(queue, clock.clone())?;
            let records = SqliteRecords::open(records, clock)?;
            let around = |Encryption { ring, plain }| Sealed::with(queue.clone(), ring, plain);
            anyhow::Ok(Self { sealed: encryption.map(around), queue, records })
        });
        opened.await.context("opening the stores broke off")?
    }

    /// The queue as everybody but the one who closes it sees it.
    fn jobs(&self) -> Arc<dyn Backend> {
        match &self.sealed {
            Some(sealed) => sealed.clone(),
            None => self.queue.clone(),
        }
    }
}

struct Node {
    config: Config,
    dir: DataDir,
    clock: SharedClock,
    lifecycle: Lifecycle,
    listeners: Listeners,
    stores: Stores,
}

impl Node {
    /// Starts everything, waits for the stop, and ends everything: first what takes in and works, then
    /// what that needed, last the files.
    async fn run(self, metrics: PrometheusHandle) -> anyhow::Result<()> {
        let parts = self.build(metrics)?;
        let Self { config, dir, clock, lifecycle, listeners, stores } = self;
        // The last thing that may fail, before anything runs: a start that fails must not count as a crash
        // of jobs that it had begun.
        dir.announce(&parts.running)?;
        print_welcome(&parts.running, &config.data_dir);
        let circles = Circles::start(parts, listeners, &stores, &clock, &lifecycle);
        lifecycle.ready();
        lifecycle.stop.cancelled().await;
        circles.end().await;
        stores.records.close().await;
        let closed = stores.queue.close().await;
        lifecycle.abort.cancel();
        lifecycle.tasks.close();
        lifecycle.tasks.wait().await;
        closed.context("the queue did not close cleanly; it recovers at the next start")?;
        tracing::info!("stopped: everything that was acknowledged is on disk");
        Ok(())
    }

    /// Where the listeners can be reached.
    fn running(&self) -> anyhow::Result<Running> {
        let listeners = &self.listeners;
        let gateway_url = listeners.gateway.as_ref().map(url_of).transpose()?;
        Ok(Running {
            pid: std::process::id(),
            webhook_url: gateway_url.map(|url| url.join(wire::WEBHOOK_PATHS[0])).transpose()?,
            monitor_url: listeners.monitor.as_ref().map(url_of).transpose()?,
            metrics_url: listeners.metrics.as_ref().map(url_of).transpose()?,
            fake_twilio_url: listeners.fake_twilio.as_ref().map(url_of).transpose()?,
        })
    }

    /// Builds every part; none of them runs yet.
    fn build(&self, metrics: PrometheusHandle) -> anyhow::Result<Parts> {
        let Self { config, clock, stores, .. } = self;
        let key = self.dir.key()?;
        let running = self.running()?;
        let queue = stores.jobs();
        let fake_url = running.fake_twilio_url.as_ref();
        // What the fake Twilio reports comes straight back to this process.
        let local = running.webhook_url.as_ref().filter(|_| config.twilio.is_none() || fake_url.is_some());
        let callback = wire::status_callback(config.gateway.public_base_url.as_ref(), local)?;
        let messenger = wire::messenger(config, &key, fake_url, callback, clock.clone())?;
        let bot = wire::bot(config, stores.records.clone(), messenger, clock.clone());
        let health = NodeHealth::new(clock);
        let gateway = wire::gateway(config, &key, queue.clone(), clock.clone(), health.clone());
        let workers = match config.roles.worker {
            true => wire::workers(config, &bot, &queue, clock),
            false => Vec::new(),
        };
        let watched = Watched {
            queue,
            records: stores.records.clone(),
            metrics,
            workers: workers.iter().map(Worker::handle).collect(),
            gateway: config.roles.gateway.then(|| gateway.clone()),
        };
        let monitor = wire::monitor(config, watched, clock.clone())?;
        let webhook_url =
            running.webhook_url.clone().map_or_else(|| wire::default_webhook_url(config), Ok)?;
        let fake = wire::fake_twilio(config, &key, &webhook_url, clock.clone())?;
        Ok(Parts { running, health, gateway, workers, monitor, fake })
    }
}

/// What a node is made of.
struct Parts {
    running: Running,
    health: Arc<NodeHealth>,
    gateway: Arc<Gateway>,
    workers: Vec<Worker>,
    monitor: Arc<Monitor>,
    fake: Arc<FakeTwilio>,
}

/// Two circles of tasks: in front those who take in and work, behind them those whom these need until their
/// end.
struct Circles {
    front: TaskTracker,
    back: TaskTracker,
    back_stop: CancellationToken,
}

impl Circles {
    fn start(
        parts: Parts,
        listeners: Listeners,
        stores: &Stores,
        clock: &SharedClock,
        lifecycle: &Lifecycle,
    ) -> Self {
        let (front, back, back_stop) = (TaskTracker::new(), TaskTracker::new(), CancellationToken::new());
        let Parts { health, gateway, workers, monitor, fake, .. } = parts;
        if let Some(listener) = listeners.gateway {
            let stop = lifecycle.stop.clone();
            front.spawn(async move { gateway.serve(listener, stop).await });
        }
        for worker in workers {
            front.spawn(worker.run(lifecycle.stop.clone(), lifecycle.abort.clone()));
        }
        let queue = stores.jobs();
        let (records, stop) = (stores.records.clone(), || back_stop.clone());
        let maintenance = Maintenance::new(queue.clone(), clock.clone(), MaintenanceConfig::default());
        back.spawn(maintenance.run(stop()));
        back.spawn(health.watch(queue, records.clone(), clock.clone(), stop()));
        back.spawn(forget(records, clock.clone(), stop()));
        if let Some(listener) = listeners.fake_twilio {
            back.spawn(fake.serve(listener, stop()));
        }
        if let Some(listener) = listeners.monitor {
            let served = monitor.clone().serve(listener, stop());
            back.spawn(async move { said("the monitor", served.await) });
        }
        if let Some(listener) = listeners.metrics {
            let served = monitor.serve_metrics(listener, stop());
            back.spawn(async move { said("the metrics", served.await) });
        }
        Self { front, back, back_stop }
    }

    /// Waits for the front, whose stop has fired, then ends the back.
    async fn end(self) {
        self.front.close();
        self.front.wait().await;
        self.back_stop.cancel();
        self.back.close();
        self.back.wait().await;
    }
}

/// A part of the private edge that ends early is an operator's business; messages go on without it.
fn said<E: std::error::Error>(part: &str, ended: Result<(), E>) {
    if let Err(error) = ended {
        tracing::error!(%error, "{part} ended; messages are handled all the same");
    }
}

/// Forgets old records, chunk by chunk, once an hour.
async fn forget(records: Arc<SqliteRecords>, clock: SharedClock, stop: CancellationToken) {
    // Not at once: a machine that boots with a wrong clock has an hour to notice before anything is forgotten.
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + FORGET_EVERY, FORGET_EVERY);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => return,
        }
        while !stop.is_cancelled() {
            match records.prune(clock.now_ms(), steadfast_records::Retention::default(), FORGET_CHUNK).await {
                Ok(report) if report.more => tokio::task::yield_now().await,
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "old records could not be forgotten; tried again in an hour");
                    break;
                }
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "what a newcomer needs to know")]
fn print_welcome(running: &Running, data_dir: &Path) {
    println!("Steadfast is running.\n");
    if let Some(chat) = &running.fake_twilio_url {
        println!("  chat page     {chat}        (a pretend Twilio: no account is configured)");
    }
    if let Some(webhook) = &running.webhook_url {
        println!("  webhook       {webhook}");
    }
    if let Some(monitor) = &running.monitor_url {
        println!("  private API   {monitor}queues");
    }
    if let Some(metrics) = &running.metrics_url {
        println!("  metrics       {metrics}metrics");
    }
    // As this process was called, so that the line works where it is pasted.
    let program = std::env::args().next().unwrap_or_else(|| "steadfast".to_owned());
    let folder = match data_dir == Path::new(DEFAULT_DATA_DIR) {
        true => String::new(),
        false => format!(" --data-dir {}", data_dir.display()),
    };
    println!(
        "\nTry it from another terminal:\n\n  {program}{folder} trigger order \"2 kg rice and 1 oil\"\n"
    );
}
