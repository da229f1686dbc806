//! A client out of a checked configuration.

use super::{CallOptions, Client, Parts, SubscribeSettings};
use crate::breaker::{BreakerConfig, SlowCalls};
use crate::config::{Checked, Config, LoginWith, Protocol, ReadPreference, SentinelLogin, Topology};
use crate::dial::{DialSettings, TcpSettings, TlsSettings};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::limiter::{Class, LimiterConfig, Shares};
use crate::node::{GuardConfig, NodeSettings};
use crate::retry::{Backoff, DialConfig, RetryBudgetConfig};
use crate::route::{Making, NodeMaker, Router, SharedMaking};
use crate::time::TokioClock;
use crate::vitals::{Vitals, collect};
use crate::watchdog::WatchdogTimes;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Bytes that may wait to be sent, for each lane.
const QUEUE_BYTES_MAX: usize = 64 << 20;

impl Client {
    /// A client for what `url` says; see [`crate::config`] for URLs and their options.
    ///
    /// It returns at once: connections are made by its tasks, and calls wait for them until their deadlines. Use
    /// [`Client::ping`] to know whether the server can be reached.
    ///
    /// # Errors
    /// Everything that is wrong with the URL, at once. Must be called within a Tokio runtime.
    pub fn open(url: &str) -> Result<Self> {
        let checked = Config::from_url(url).and_then(|config| config.validate());
        let checked = checked.map_err(|problems| {
            Error::new(ErrorKind::Validation, "CONFIG", Outcome::NotSent, problems.to_string())
                .because(problems)
        })?;
        Self::connect(&checked)
    }

    /// A client for a checked configuration. Returns at once, as [`Client::open`].
    ///
    /// # Errors
    /// A setting that only its user can check (a retry's times).
    pub fn connect(config: &Checked) -> Result<Self> {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let vitals = Vitals::new(config, TokioClock::shared());
        let maker = NodeMaker {
            making: SharedMaking::new(making(config)),
            vitals: Arc::clone(&vitals),
            trouble: Arc::default(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let router = Router::start(config, &maker)?;
        tasks.spawn(collect(Arc::clone(&vitals), stop.clone()));
        let retry = &config.retry;
        let pause = Backoff::new(ms(retry.backoff_base_ms), ms(retry.backoff_cap_ms)).map_err(|error| {
            Error::new(ErrorKind::Validation, "CONFIG", Outcome::NotSent, error.to_string()).because(error)
        })?;
        let options = call_options(config);
        let (attempts_max, redirects_max) = (retry.attempts_max, config.cluster.redirects_max);
        let subscribe = SubscribeSettings {
            heartbeat: ms(config.pubsub.heartbeat_ms),
            buffer_max: config.pubsub.buffer_max as usize,
        };
        Ok(Self::of(Parts {
            router,
            pause,
            attempts_max,
            redirects_max,
            subscribe,
            making: maker.making,
            config: config.clone(),
            vitals,
            tasks,
            stop,
            options,
        }))
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// What calls ask for unless their handle says otherwise.
pub(super) fn call_options(config: &Checked) -> CallOptions {
    let read_from = match config.topology() {
        Topology::Standalone { .. } => ReadPreference::Primary,
        _ => config.connection.read_preference,
    };
    let timeout = ms(config.connection.command_timeout_ms);
    CallOptions { timeout, read_from, priority: Class::Normal, answer_is_ignored: false }
}

pub(super) fn making(config: &Checked) -> Making {
    Making { settings: node_settings(config), dials: dial_config(config), guard: guard_config(config) }
}

fn dial_config(config: &Checked) -> DialConfig {
    DialConfig {
        base: ms(config.dial.backoff_base_ms),
        cap: ms(config.dial.backoff_cap_ms),
        dials_max: config.dial.budget,
        span: ms(config.dial.budget_window_ms),
        ..DialConfig::default()
    }
}

/// The window is ten buckets; other numbers are the configuration's.
fn guard_config(config: &Checked) -> GuardConfig {
    let (breaker, retry) = (&config.breaker, &config.retry);
    let share = |percent: u32| f64::from(percent) / 100.0;
    let slow_calls =
        SlowCalls::Learnt { factor: f64::from(breaker.slow_factor), floor: ms(breaker.slow_floor_ms) };
    GuardConfig {
        breaker_enabled: breaker.enabled,
        breaker: BreakerConfig {
            bucket: ms((breaker.window_ms / 10).clamp(100, 10_000)),
            minimum_calls: breaker.calls_min,
            failure_rate: share(breaker.failure_percent),
            slow_rate: share(breaker.slow_percent),
            slow_calls,
            open_base: ms(breaker.open_min_ms),
            open_cap: ms(breaker.open_max_ms),
            decay_after: ms(breaker.decay_ms),
            half_open_full: breaker.half_open_permits_max,
            lease: ms(breaker.permit_lease_ms),
            ..BreakerConfig::default()
        },
        retries: RetryBudgetConfig {
            ratio: share(retry.budget_percent),
            burst: retry.budget_burst.max(1),
            ..RetryBudgetConfig::default()
        },
        limiter: config.limiter.enabled.then(|| limiter_config(config)),
    }
}

/// A fifth of the limit is the critical calls' own; of the rest, low priority has its share.
fn limiter_config(config: &Checked) -> LimiterConfig {
    const CRITICAL: f64 = 0.2;
    let (limiter, waiters) = (&config.limiter, config.pool.waiters_max);
    let background = (f64::from(limiter.low_priority_percent) / 100.0).min(0.9) * (1.0 - CRITICAL);
    LimiterConfig {
        initial: limiter.in_flight_start,
        least: limiter.in_flight_min,
        most: limiter.in_flight_max,
        shares: Shares { critical: CRITICAL, normal: 1.0 - CRITICAL - background, background },
        waiting_most: [waiters, waiters, waiters / 4],
        ..LimiterConfig::default()
    }
}

fn node_settings(config: &Checked) -> NodeSettings {
    let watchdog = &config.watchdog;
    NodeSettings {
        dial: dial_settings(config),
        watchdog: WatchdogTimes {
            // Without a watchdog nothing is ever silent for long enough.
            progress: if watchdog.enabled { ms(watchdog.progress_ms) } else { Duration::MAX },
            probe: ms(watchdog.probe_ms),
            grace: ms(watchdog.grace_ms),
        },
        lanes_min: config.pool.lanes_min as usize,
        lanes_max: config.pool.lanes_max as usize,
        idle: ms(config.pool.idle_timeout_ms),
        resolve_every: ms(config.tcp.resolve_interval_ms),
        lifetime: ms(config.pool.lifetime_ms),
        lifetime_jitter: f64::from(config.pool.lifetime_jitter_percent) / 100.0,
        exclusives_max: config.pool.connections_max.saturating_sub(config.pool.lanes_max).max(1) as usize,
        waiters_max: config.pool.waiters_max as usize,
        queue_bytes_max: QUEUE_BYTES_MAX,
        is_only_choice: matches!(config.topology(), Topology::Standalone { .. }),
        serves_data: true,
    }
}

fn dial_settings(config: &Checked) -> DialSettings {
    let (tcp, tls) = (&config.tcp, &config.tls);
    DialSettings {
        timeout: ms(config.connection.connect_timeout_ms),
        tcp: TcpSettings {
            no_delay: tcp.no_delay,
            stagger: ms(tcp.address_delay_ms),
            keepalive_idle: ms(tcp.keepalive_idle_ms),
            keepalive_interval: ms(tcp.keepalive_interval_ms),
            keepalive_count: tcp.keepalive_probes,
            user_timeout: ms(tcp.user_timeout_ms),
        },
        tls: tls.enabled.then(|| TlsSettings {
            ca_file: tls.ca_file.clone(),
            identity: tls.certificate_file.clone().zip(tls.key_file.clone()),
            server_name: tls.server_name.clone(),
            accept_any: tls.danger_accept_any_certificate,
            last: Arc::default(),
        }),
        login: config.login_with(),
        resolver: config.resolver().cloned().unwrap_or_default().shared(),
        client_name: config.connection.client_name.as_str().into(),
        protocol_3: config.connection.protocol == Protocol::Resp3,
        database: config.connection.database,
        cluster_reads: matches!(config.topology(), Topology::Cluster { .. }),
        reply_bytes_max: config.connection.reply_bytes_max,
    }
}

/// How sentinels are dialled: they have a login of their own and no databases.
pub(crate) fn sentinel_settings(settings: &NodeSettings, login: &SentinelLogin) -> NodeSettings {
    let mut settings = settings.clone();
    let SentinelLogin { username, password, password_file } = login.clone();
    settings.dial.login = match (password, password_file) {
        (Some(password), _) => LoginWith::Password { username, password },
        (None, Some(path)) => LoginWith::File { username, path },
        (None, None) => LoginWith::Nothing,
    };
    settings.dial.database = 0;
    (settings.lanes_min, settings.lanes_max) = (1, 1);
    settings.serves_data = false;
    settings
}
