//! What the settings are for those who act on them.

use crate::breaker::{BreakerConfig, SlowCalls};
use crate::config::{Checked, Config, LoginWith, Problem, Protocol, SentinelLogin, Topology};
use crate::dial::{DialSettings, TcpSettings, TlsSettings};
use crate::limiter::{LimiterConfig, Shares};
use crate::node::{GuardConfig, NodeSettings};
use crate::retry::{Backoff, DialConfig, InvalidConfig, RetryBudgetConfig};
use crate::route::Making;
use crate::watchdog::WatchdogTimes;
use std::sync::Arc;
use std::time::Duration;

/// Bytes that may wait to be sent, for each lane.
const QUEUE_BYTES_MAX: usize = 64 << 20;

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn making(config: &Checked) -> Making {
    Making { settings: node_settings(config), dials: dial_config(config), guard: guard_config(config) }
}

fn dial_config(config: &Config) -> DialConfig {
    DialConfig {
        base: ms(config.dial.backoff_base_ms),
        cap: ms(config.dial.backoff_cap_ms),
        dials_max: config.dial.budget,
        span: ms(config.dial.budget_window_ms),
        ..DialConfig::default()
    }
}

/// The window is ten buckets; other numbers are the configuration's.
fn guard_config(config: &Config) -> GuardConfig {
    let (breaker, retry) = (&config.breaker, &config.retry);
    let share = |percent: u32| f64::from(percent) / 100.0;
    let slow_calls =
        SlowCalls::Learnt { factor: f64::from(breaker.slow_factor), floor: ms(breaker.slow_floor_ms) };
    GuardConfig {
        breaker_enabled: breaker.enabled,
        breaker: BreakerConfig {
            bucket: ms(breaker.window_ms / 10),
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
            burst: retry.budget_burst,
            ..RetryBudgetConfig::default()
        },
        limiter_enabled: config.limiter.enabled,
        limiter: limiter_config(config),
        acquire: ms(config.pool.acquire_timeout_ms),
    }
}

/// The pauses between a call's attempts.
pub(super) fn backoff(config: &Config) -> Result<Backoff, InvalidConfig> {
    Backoff::new(ms(config.retry.backoff_base_ms), ms(config.retry.backoff_cap_ms))
}

/// What those who act on the numbers find wrong with them, by the names of the settings.
pub(crate) fn check(config: &Config) -> Vec<Problem> {
    let guard = guard_config(config);
    let found = [
        ("dial", dial_config(config).validate()),
        ("breaker", guard.breaker.validate()),
        ("limiter", guard.limiter.validate()),
        ("retry", guard.retries.validate()),
        ("retry", backoff(config).map(drop)),
    ];
    let problems = found.into_iter().filter_map(|(section, found)| Some((section, found.err()?)));
    let named = |(section, found): (&str, InvalidConfig)| {
        let each = found.problems().iter();
        each.map(|problem| {
            let fix = "change one of the settings that it names";
            Problem::new(setting_of(section, problem.field), spoken(&problem.what), fix)
        })
        .collect::<Vec<_>>()
    };
    problems.flat_map(named).collect()
}

/// The setting that became `field`.
fn setting_of(section: &str, field: &str) -> String {
    let name = match (section, field) {
        ("dial", "base") | ("retry", "base") => "backoff_base_ms",
        ("dial", "cap") | ("retry", "cap") => "backoff_cap_ms",
        ("dial", "dials_max") => "budget",
        ("dial", "span") => "budget_window_ms",
        ("breaker", "bucket") => "window_ms",
        ("breaker", "minimum_calls") => "calls_min",
        ("breaker", "failure_rate") => "failure_percent",
        ("breaker", "slow_rate") => "slow_percent",
        ("breaker", "slow_calls") => "slow_factor",
        ("breaker", "open_base") => "open_min_ms",
        ("breaker", "open_cap") => "open_max_ms",
        ("breaker", "decay_after") => "decay_ms",
        ("breaker", "half_open_full") => "half_open_permits_max",
        ("breaker", "lease") => "permit_lease_ms",
        ("limiter", "initial") => "in_flight_start",
        ("limiter", "least") => "in_flight_min",
        ("limiter", "most") => "in_flight_max",
        ("limiter", "shares") => "low_priority_percent",
        ("retry", "ratio") => "budget_percent",
        ("retry", "burst") => "budget_burst",
        (_, other) => other,
    };
    format!("{section}.{name}")
}

/// The same in the settings' words.
fn spoken(what: &str) -> String {
    what.replace("`dials_max`", "`dial.budget`").replace("`cap`", "`dial.backoff_cap_ms`")
}

/// A fifth of the limit is the critical calls' own; of the rest, low priority has its share.
fn limiter_config(config: &Config) -> LimiterConfig {
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
        acquire: ms(config.pool.acquire_timeout_ms),
        create_retries: config.pool.create_retry_count,
        create_pause: ms(config.pool.create_retry_interval_ms),
        reap_every: ms(config.pool.reap_interval_ms),
        idle: ms(config.pool.idle_timeout_ms),
        resolve_every: ms(config.tcp.resolve_interval_ms),
        lifetime: ms(config.pool.lifetime_ms),
        lifetime_jitter: f64::from(config.pool.lifetime_jitter_percent) / 100.0,
        exclusives_max: config.pool.connections_max.saturating_sub(config.pool.lanes_max).max(1) as usize,
        waiters_max: config.pool.waiters_max as usize,
        queue_bytes_max: QUEUE_BYTES_MAX,
        is_only_choice: matches!(config.topology(), Topology::Standalone { .. }),
        serves_data: true,
        renewal: 0,
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
