//! The private edge of a node: a JSON API over its queues, dead letters and messages, health checks, and
//! metrics for Prometheus.
//!
//! It is on no message's path: it can die and nothing is lost. It reads the queue and the records through
//! their ports, and what else a node has comes in through [`hooks`]. On loopback it needs no token; on any
//! other address it does not start without one.
//!
//! ```text
//!  connection ─▶ http::serve (limits, timers) ─▶ http::gate (host, origin, token, deadline)
//!                                                  └▶ http::routes ─▶ api::* ─▶ Backend, Records, hooks
//! ```
#![warn(missing_docs)]

mod api;
mod audit;
mod config;
mod error;
mod guard;
mod health;
pub mod hooks;
mod http;
mod input;
pub mod metrics;
mod time_text;
mod view;

pub use config::{ApiToken, ConfigError, MonitorConfig, Role, SECRET_BYTES_MIN};
pub use error::MonitorError;
pub use hooks::{AdaptiveView, Finding, HealthProbe, ScaleError, ScaleHook, WebhookLog, Weight, WorkerView};
pub use metrics::{JobMetrics, recorder_builder};

use crate::error::ApiError;
use crate::guard::Guard;
use crate::metrics::rates::RateBook;
use crate::view::Rates;
use ::metrics::counter;
use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steadfast_clock::{Clock, SharedClock};
use steadfast_core::ports::Records;
use steadfast_queue::Backend;
use steadfast_queue::backend::Stats;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What the monitor looks at.
#[derive(Clone)]
pub struct MonitorDeps {
    /// The queue.
    pub backend: Arc<dyn Backend>,
    /// The records.
    pub records: Arc<dyn Records>,
    /// Time.
    pub clock: SharedClock,
    /// The recorder's handle; `None` where metrics are switched off, and `/metrics` then answers 404.
    pub metrics: Option<PrometheusHandle>,
    /// This process's workers; `None` where it runs none.
    pub workers: Option<Arc<dyn ScaleHook>>,
    /// The gateway's inspector; `None` where this process runs no gateway.
    pub webhooks: Option<Arc<dyn WebhookLog>>,
    /// Further dependencies to check.
    pub probes: Vec<Arc<dyn HealthProbe>>,
}

impl std::fmt::Debug for MonitorDeps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MonitorDeps")
            .field("backend", &self.backend)
            .field("records", &self.records)
            .field("workers", &self.workers)
            .field("webhooks", &self.webhooks)
            .field("probes", &self.probes)
            .finish_non_exhaustive()
    }
}

/// The monitor of one process.
#[derive(Debug)]
pub struct Monitor {
    deps: MonitorDeps,
    config: MonitorConfig,
    guard: Guard,
    requests: Semaphore,
    streams: Arc<Semaphore>,
    book: Mutex<RateBook>,
    started_ms: u64,
}

/// How often the counters behind rates are sampled while nobody scrapes.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

impl Monitor {
    /// A monitor over `deps`. Does no I/O; call [`metrics::register_all`] once before the first scrape.
    ///
    /// # Errors
    /// A configuration that no address makes right: equal secrets, bounds of zero.
    pub fn new(deps: MonitorDeps, config: MonitorConfig) -> Result<Arc<Self>, MonitorError> {
        config.check_values()?;
        let guard = Guard::new(&config.allowed_hosts, &config.tokens);
        let started_ms = deps.clock.mono_ms();
        let requests = Semaphore::new(config.requests_max.min(Semaphore::MAX_PERMITS));
        let streams = Arc::new(Semaphore::new(config.streams_max.min(Semaphore::MAX_PERMITS)));
        let book = Mutex::new(RateBook::new(started_ms));
        Ok(Arc::new(Self { deps, config, guard, requests, streams, book, started_ms }))
    }

    /// Serves the API, health and metrics on `listener` until `stop` fires; then lets requests at work
    /// finish within the drain timeout.
    ///
    /// # Errors
    /// At once, if the listener's address is open to the network and there is no token.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener and leaves open connections to end by their timeouts.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), MonitorError> {
        let router = http::routes::api(&self);
        http::serve::run(self, listener, router, stop).await
    }

    /// Serves `/metrics`, `/livez` and `/readyz` alone on `listener`, as [`Monitor::serve`] does. On a
    /// loopback address no token is asked for here: a scraper on the same machine needs none.
    ///
    /// # Errors
    /// As for [`Monitor::serve`].
    ///
    /// # Cancel safety
    /// As for [`Monitor::serve`].
    pub async fn serve_metrics(
        self: Arc<Self>,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> Result<(), MonitorError> {
        let local = listener.local_addr().map_err(MonitorError::Listener)?;
        let router = http::routes::metrics_alone(&self, config::is_loopback(local));
        http::serve::run(self, listener, router, stop).await
    }

    pub(crate) const fn config(&self) -> &MonitorConfig {
        &self.config
    }

    pub(crate) const fn deps(&self) -> &MonitorDeps {
        &self.deps
    }

    pub(crate) const fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(crate) const fn requests(&self) -> &Semaphore {
        &self.requests
    }

    pub(crate) const fn streams(&self) -> &Arc<Semaphore> {
        &self.streams
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.deps.clock.as_ref()
    }

    pub(crate) fn uptime_ms(&self) -> u64 {
        self.clock().mono_ms().saturating_sub(self.started_ms)
    }

    /// The queue's counts, within the check timeout.
    pub(crate) async fn stats(&self) -> Result<Stats, ApiError> {
        let limit = self.config.check_timeout;
        match tokio::time::timeout(limit, self.deps.backend.stats()).await {
            Ok(stats) => Ok(stats?),
            Err(_) => Err(ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The queue did not answer.",
                format!("It took longer than {} ms to count its jobs.", limit.as_millis()),
                "Look at /health and at the log; try again.",
            )),
        }
    }

    /// Takes a sample for the rates, unless one was just taken.
    pub(crate) fn sample(&self, stats: &Stats) {
        let now_ms = self.clock().mono_ms();
        if !self.book().is_due(now_ms) {
            return;
        }
        let flow = self.deps.metrics.as_ref().map(metrics::scrape::flow);
        self.book().record(now_ms, stats, flow);
    }

    pub(crate) fn rates_of(&self, queue: &str) -> Rates {
        self.book().of_queue(queue, self.clock().mono_ms())
    }

    /// Error rates by component, and messages per second.
    pub(crate) fn rates(&self) -> (Vec<(String, f64)>, f64) {
        let now_ms = self.clock().mono_ms();
        let book = self.book();
        (book.error_rates(now_ms), book.messages_per_second(now_ms))
    }

    /// Samples counters and tidies the recorder until `stop` fires: rates are right whenever somebody
    /// looks, and histograms take no growing memory while nobody scrapes.
    pub(crate) async fn keep_sampling(self: Arc<Self>, stop: CancellationToken) {
        let sampling = async {
            let mut tick = tokio::time::interval(SAMPLE_EVERY);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                if let Some(handle) = &self.deps.metrics {
                    handle.run_upkeep();
                }
                if let Ok(stats) = self.stats().await {
                    self.sample(&stats);
                }
            }
        };
        // Sampling holds nothing that must be finished: at the stop it is dropped wherever it is.
        let _: Option<()> = stop.run_until_cancelled(sampling).await;
    }

    /// Counts a refused call.
    pub(crate) fn refused(reason: &'static str) {
        counter!(metrics::REFUSED, "reason" => reason).increment(1);
    }

    fn book(&self) -> std::sync::MutexGuard<'_, RateBook> {
        // The book holds plain numbers: a panic elsewhere cannot leave it half-written in a harmful way.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
