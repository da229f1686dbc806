//! Builds the parts of a node from its configuration. The one place that names concrete back-ends.

mod descriptors;
pub(crate) mod health;
mod hooks;

use crate::config::{Config, PublicBase, Twilio};
use crate::node::{FAKE_ACCOUNT, FAKE_SENDER, NodeKey};
use anyhow::Context;
use hooks::{Scaler, Webhooks};
use metrics_exporter_prometheus::PrometheusHandle;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use steadfast_bot::config::JobPolicy;
use steadfast_bot::limits::{LimitsConfig, Rule};
use steadfast_bot::order::conversation::Policy;
use steadfast_bot::reply::pacing::PacingConfig;
use steadfast_bot::reply::twilio::{TwilioClient, TwilioConfig};
use steadfast_bot::{Bot, BotConfig};
use steadfast_core::message::AccountSid;
use steadfast_core::{SharedClock, queues};
use steadfast_fake_twilio::{FakeTwilio, FakeTwilioConfig};
use steadfast_gateway::signature::{AuthToken, Secrets, SharedKey};
use steadfast_gateway::{Gateway, GatewayConfig, HealthSource, Limits, Mode, Secret};
use steadfast_monitor::{ApiToken, JobMetrics, Monitor, MonitorConfig, MonitorDeps, Role};
use steadfast_queue::Backend;
use steadfast_queue::handler::Handler;
use steadfast_queue::worker::adaptive::AdaptiveConfig;
use steadfast_queue::worker::{CONCURRENCY_MAX, RunGate, Worker, WorkerConfig, WorkerHandle};
use steadfast_records::SqliteRecords;
use url::Url;

/// The paths of inbound messages.
pub(crate) const WEBHOOK_PATHS: &[&str] = &Gateway::WEBHOOK_PATHS;

/// Milliseconds, as the crates below count them.
fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The webhook of a node that listens on this machine as configured.
pub(crate) fn default_webhook_url(config: &Config) -> anyhow::Result<Url> {
    let url = format!("http://127.0.0.1:{}{}", config.gateway.port, WEBHOOK_PATHS[0]);
    Url::parse(&url).context("the webhook's URL cannot be made")
}

/// Account and token in force: the configured ones, or the fake Twilio's.
fn credentials(config: &Config, key: &NodeKey) -> anyhow::Result<(AccountSid, String)> {
    match &config.twilio {
        Some(Twilio { account_sid, auth_token, .. }) => Ok((account_sid.clone(), auth_token.clone())),
        None => Ok((AccountSid::parse(FAKE_ACCOUNT)?, key.development_token())),
    }
}

/// Everything webhooks may be signed with.
pub(crate) fn secrets(config: &Config, key: &NodeKey) -> Secrets {
    let Some(twilio) = &config.twilio else { return Secrets::token(key.development_token()) };
    let token =
        |label: &str, secret: &str| AuthToken { label: label.to_owned(), secret: Secret::new(secret) };
    let mut auth_tokens = vec![token("primary", &twilio.auth_token)];
    auth_tokens.extend(twilio.auth_token_secondary.as_deref().map(|secret| token("secondary", secret)));
    let shared_keys = twilio
        .shared_keys
        .iter()
        .map(|(id, secret)| SharedKey { id: id.clone(), secret: Secret::new(secret) });
    Secrets { auth_tokens, shared_keys: shared_keys.collect() }
}

/// The accounts whose webhooks are taken.
fn account_sids(config: &Config) -> Vec<AccountSid> {
    let twilio = config.twilio.iter();
    twilio
        .flat_map(|twilio| std::iter::once(&twilio.account_sid).chain(&twilio.more_account_sids))
        .cloned()
        .collect()
}

/// The public edge.
pub(crate) fn gateway(
    config: &Config,
    key: &NodeKey,
    queue: Arc<dyn Backend>,
    clock: SharedClock,
    health: Arc<dyn HealthSource>,
) -> Arc<Gateway> {
    let settings = &config.gateway;
    let gateway = GatewayConfig {
        public_base_url: settings.public_base_url.as_ref().map(|base| base.parsed.clone()),
        mode: if settings.enforce { Mode::Enforce } else { Mode::Observe },
        secrets: secrets(config, key),
        group_secret: Secret::new(hex::encode(key.derive("group keys"))),
        account_sids: account_sids(config),
        trusted_proxies: settings.trusted_proxies.clone(),
        unique_window_ms: ms(config.queue.dedup_window),
        limits: descriptors::fit(Limits { request_timeout: settings.request_timeout, ..Limits::default() }),
        ..GatewayConfig::default()
    };
    Gateway::new(gateway, queue, clock, health)
}

/// The client that sends replies: to Twilio, or to the fake one at `fake`.
pub(crate) fn messenger(
    config: &Config,
    key: &NodeKey,
    fake: Option<&Url>,
    status_callback: Option<Url>,
    clock: SharedClock,
) -> anyhow::Result<Arc<TwilioClient>> {
    let (account, token) = credentials(config, key)?;
    let base_url = match (&config.twilio, fake) {
        (Some(twilio), _) => twilio.api_base_url.clone(),
        (None, Some(fake)) => fake.clone(),
        // Nobody to send to: replies wait in their queue until an account is configured.
        (None, None) => Url::parse("http://127.0.0.1:9")?,
    };
    let mut twilio = TwilioConfig::new(base_url, account, token);
    if let Some((user, secret)) = config.twilio.as_ref().and_then(|twilio| twilio.api_key.clone()) {
        (twilio.user, twilio.secret) = (user, secret);
    }
    twilio.status_callback = status_callback;
    Ok(Arc::new(TwilioClient::new(twilio, clock)?))
}

/// Where Twilio reports what became of replies: on the public URL, or for the fake Twilio on this machine.
pub(crate) fn status_callback(
    public: Option<&PublicBase>,
    local: Option<&Url>,
) -> anyhow::Result<Option<Url>> {
    let path = format!("{}/status", WEBHOOK_PATHS[0]);
    Ok(match (public, local) {
        (Some(public), _) => Some(Url::parse(&public.url_of(&path))?),
        (None, Some(local)) => Some(local.join(&path)?),
        (None, None) => None,
    })
}

/// The bot.
pub(crate) fn bot(
    config: &Config,
    records: Arc<SqliteRecords>,
    messenger: Arc<TwilioClient>,
    clock: SharedClock,
) -> Bot {
    let defaults = BotConfig::default();
    // As their queue says, so that a reload acts on those that wait.
    let retried = |policy: JobPolicy| JobPolicy { retry: None, ..policy };
    let general = match config.gateway.rate_limit_per_minute {
        0 => Vec::new(),
        count => vec![Rule { count, window_ms: 60_000 }],
    };
    let limits = LimitsConfig::default();
    let checks = if config.bot.tight_limits { limits.checks } else { Vec::new() };
    let limits =
        LimitsConfig { general, checks, blocked: config.bot.blocked.clone(), ..LimitsConfig::default() };
    let bot = BotConfig {
        orders: retried(defaults.orders),
        checks: retried(defaults.checks),
        replies: retried(defaults.replies),
        limits,
        pacing: PacingConfig {
            per_second: f64::from(config.sends_per_second),
            burst: config.sends_per_second,
            ..PacingConfig::default()
        },
        order: Policy {
            draft_ttl_ms: i64::try_from(ms(config.bot.draft_ttl)).unwrap_or(i64::MAX),
            ..Policy::default()
        },
        ambiguous_grace_ms: i64::try_from(ms(config.bot.ambiguous_grace)).unwrap_or(i64::MAX),
        ..BotConfig::default()
    };
    Bot::new(records, messenger, clock, bot)
}

/// One worker per queue, sharing the gate behind which suspects run alone.
pub(crate) fn workers(
    config: &Config,
    bot: &Bot,
    queue: &Arc<dyn Backend>,
    clock: &SharedClock,
) -> Vec<Worker> {
    let gate = RunGate::new();
    let sizes = [
        (queues::WEBHOOKS, config.workers.webhooks),
        (queues::ORDERS, config.workers.orders),
        (queues::REALITY_CHECK, config.workers.checks),
        (queues::REPLIES, config.workers.replies),
    ];
    let worker = |(name, concurrency): (&str, usize)| {
        let own = bot.registrations.iter().filter(|registration| registration.queue == name);
        let handlers: HashMap<String, Arc<dyn Handler>> =
            own.map(|registration| (registration.kind.to_owned(), registration.handler.clone())).collect();
        let settings = WorkerConfig {
            lease_ms: ms(config.queue.lease),
            drain_timeout: config.workers.drain_timeout,
            ..WorkerConfig::new(name).concurrency(concurrency)
        };
        let worker = Worker::new(queue.clone(), handlers, settings, clock.clone())
            .with_gate(gate.clone())
            .with_observer(Arc::new(JobMetrics));
        match config.workers.adaptive_max {
            Some(max) => worker.adaptive(AdaptiveConfig::between(1, max)),
            None => worker,
        }
    };
    sizes.into_iter().map(worker).collect()
}

/// What the monitor looks at.
pub(crate) struct Watched {
    pub(crate) queue: Arc<dyn Backend>,
    pub(crate) records: Arc<SqliteRecords>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) workers: Vec<WorkerHandle>,
    pub(crate) gateway: Option<Arc<Gateway>>,
}

/// The private edge.
pub(crate) fn monitor(config: &Config, watched: Watched, clock: SharedClock) -> anyhow::Result<Arc<Monitor>> {
    let settings = &config.monitor;
    let tokens = [
        ("admin", Role::Admin, &settings.admin_token),
        ("operator", Role::Operator, &settings.operator_token),
        ("viewer", Role::Viewer, &settings.viewer_token),
    ];
    let tokens = tokens
        .into_iter()
        .filter_map(|(name, role, secret)| Some(ApiToken::new(name, role, secret.as_deref()?)))
        .collect::<Result<Vec<_>, _>>()?;
    let deps = MonitorDeps {
        backend: watched.queue,
        records: watched.records,
        clock,
        metrics: config.metrics_port.is_some().then_some(watched.metrics),
        workers: (!watched.workers.is_empty()).then(|| Arc::new(Scaler(watched.workers)) as _),
        webhooks: watched.gateway.map(|gateway| Arc::new(Webhooks(gateway.inspector())) as _),
        probes: Vec::new(),
    };
    Ok(Monitor::new(
        deps,
        MonitorConfig {
            tokens,
            allowed_hosts: settings.allowed_hosts.clone(),
            concurrency_max: CONCURRENCY_MAX,
            ..MonitorConfig::default()
        },
    )?)
}

/// The fake Twilio, delivering to `webhook_url`.
pub(crate) fn fake_twilio(
    config: &Config,
    key: &NodeKey,
    webhook_url: &Url,
    clock: SharedClock,
) -> anyhow::Result<Arc<FakeTwilio>> {
    let (account, auth_token) = credentials(config, key)?;
    let fake = FakeTwilioConfig {
        account_sid: account.to_string(),
        auth_token,
        sender: FAKE_SENDER.to_owned(),
        webhook_url: Some(webhook_url.to_string()),
        ..FakeTwilioConfig::default()
    };
    Ok(FakeTwilio::new(fake, clock))
}
