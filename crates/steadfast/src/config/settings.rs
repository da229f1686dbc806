//! Every setting, as data: its key, where else it may come from, its default and what it means.
//!
//! The loader, the checker and `config show` read this table; a setting that is not here does not exist.

use super::queue_settings::QUEUE_SETTINGS;

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// `section.key`, as in the file; the environment's own name is `STEADFAST_SECTION__KEY`.
    pub(crate) key: &'static str,
    /// Other environment names that set it, the strongest first.
    pub(crate) env: &'static [&'static str],
    /// Its default, as it would be written in the file.
    pub(crate) default: &'static str,
    /// Never shown.
    pub(crate) secret: bool,
    /// What it means, with its unit and range.
    pub(crate) about: &'static str,
}

const fn setting(
    key: &'static str,
    env: &'static [&'static str],
    default: &'static str,
    about: &'static str,
) -> Setting {
    Setting { key, env, default, secret: false, about }
}

const fn secret(key: &'static str, env: &'static [&'static str], about: &'static str) -> Setting {
    Setting { key, env, default: "", secret: true, about }
}

/// Where a node keeps its files unless told otherwise.
pub(crate) const DEFAULT_DATA_DIR: &str = "./steadfast-data";

/// All settings, in the order in which they are shown.
pub(crate) const SETTINGS: &[Setting] = &ALL;

/// Those that stand once.
const SINGLE: &[Setting] = &[
    setting(
        "node.data_dir",
        &[],
        DEFAULT_DATA_DIR,
        "folder of the queue, the records and generated keys; created with mode 0700",
    ),
    setting(
        "node.env",
        &["NODE_ENV"],
        "development",
        "development or production; production refuses to run on generated or missing secrets",
    ),
    setting("node.roles", &[], "gateway,worker,monitor", "what this process does, comma separated"),
    setting("gateway.host", &[], "127.0.0.1", "address the webhook listens on; 0.0.0.0 for all interfaces"),
    setting("gateway.port", &["PORT"], "3010", "port the webhook listens on; 0 picks a free one"),
    setting(
        "gateway.public_base_url",
        &["PUBLIC_BASE_URL"],
        "",
        "the URL Twilio uses, without the webhook's path, e.g. https://bot.example.com; part of what is signed. Empty: the request's Host header, good for development only",
    ),
    setting(
        "gateway.trusted_proxies",
        &[],
        "",
        "networks whose X-Forwarded-* headers are believed, e.g. 10.0.0.0/8, comma separated",
    ),
    setting(
        "gateway.signature",
        &["FORCE_TWILIO_VERIFY", "WEBHOOK_SIGNATURE_VERIFICATION"],
        "enforce",
        "enforce or observe (log what would be refused); true and false are understood",
    ),
    setting(
        "gateway.request_timeout",
        &["WEBHOOK_TIMEOUT"],
        "2s",
        "outer limit of one webhook request, 500ms to 15s",
    ),
    setting(
        "gateway.rate_limit_per_minute",
        &["WEBHOOK_RATE_LIMIT_MAX"],
        "100",
        "messages of one sender processed per minute; orders and checks beyond it wait, fixed answers are left out after one notice; Twilio never hears of it. 0: no limit",
    ),
    setting(
        "twilio.account_sid",
        &["TWILIO_ACCOUNT_SID"],
        "",
        "AC…; empty: the built-in fake Twilio is used",
    ),
    secret(
        "twilio.auth_token",
        &["TWILIO_AUTH_TOKEN"],
        "primary auth token: verifies webhooks, and sends unless an API key is set",
    ),
    secret(
        "twilio.auth_token_secondary",
        &["TWILIO_AUTH_TOKEN_SECONDARY"],
        "a second token that also verifies, for rotation",
    ),
    secret(
        "twilio.shared_keys",
        &["TWILIO_SHARED_KEYS"],
        "webhook shared keys as id=secret, comma separated",
    ),
    setting(
        "twilio.more_account_sids",
        &[],
        "",
        "subaccounts whose webhooks are taken too, comma separated; they must be signed with the tokens above",
    ),
    setting(
        "twilio.api_key_sid",
        &["TWILIO_API_KEY_SID"],
        "",
        "SK…: sends with an API key instead of the auth token",
    ),
    secret("twilio.api_key_secret", &["TWILIO_API_KEY_SECRET"], "the API key's secret"),
    setting(
        "twilio.api_base_url",
        &["TWILIO_API_BASE_URL"],
        "https://api.twilio.com",
        "where messages are sent to",
    ),
    setting("twilio.sends_per_second", &[], "80", "messages per second and sender, 1 to 10000"),
    setting("workers.webhooks", &["WEBHOOK_WORKERS"], "2", "jobs of whatsapp-webhooks at a time, 1 to 1024"),
    setting("workers.orders", &["ORDER_WORKERS"], "3", "jobs of order-processing at a time, 1 to 1024"),
    setting("workers.replies", &["REPLY_WORKERS"], "4", "jobs of whatsapp-replies at a time, 1 to 1024"),
    setting("workers.checks", &["REALITY_CHECK_WORKERS"], "5", "jobs of reality-check at a time, 1 to 1024"),
    setting(
        "workers.adaptive",
        &[],
        "false",
        "let the number of jobs at a time follow what gets jobs done, beginning at the numbers above; also takes nothing more above 90 % of memory while jobs run",
    ),
    setting(
        "workers.adaptive_max",
        &[],
        "64",
        "the most jobs of one queue at a time if workers.adaptive is on, 1 to 1024; the fewest are 1",
    ),
    setting("workers.drain_timeout", &[], "25s", "how long running jobs may finish at shutdown, 0s to 10m"),
    setting(
        "retry.schedule",
        &["RETRY_SCHEDULE"],
        "",
        "waits before the retries, e.g. 2s,4s,8s,16s,30s; empty: made from the four settings below",
    ),
    setting("retry.attempts", &["MAX_RETRY_ATTEMPTS"], "5", "retries after the first attempt, 0 to 64"),
    setting("retry.backoff", &["RETRY_BACKOFF_TYPE"], "exponential", "exponential or fixed"),
    setting("retry.delay", &["RETRY_BACKOFF_DELAY"], "2s", "wait before the first retry"),
    setting("retry.delay_max", &["RETRY_MAX_DELAY"], "30s", "longest wait"),
    setting(
        "queue.max_size",
        &["MAX_QUEUE_SIZE"],
        "100000",
        "waiting jobs per queue; at the bound webhooks are answered 503",
    ),
    setting("queue.max_bytes", &[], "1GiB", "payload bytes of the unfinished jobs of one queue"),
    setting("queue.lease", &[], "8s", "how long a worker holds a job without a heartbeat, 2s to 10m"),
    setting(
        "queue.dedup_window",
        &["MESSAGE_DEDUP_TTL"],
        "3600s",
        "how long a second delivery of a message is recognised by the queue; beyond it the records do. At least 1h. A bare number is seconds",
    ),
    setting("queue.retain_completed", &[], "100", "completed jobs kept per queue"),
    secret(
        "queue.encryption_keys",
        &[],
        "encrypts what jobs carry, at rest: id=key entries, separated by commas or lines, each key 32 bytes as hex or base64. The first encrypts, all decrypt; to rotate put a new one first, keep the old, and send SIGHUP. Empty: not encrypted",
    ),
    setting(
        "queue.encryption_plain",
        &[],
        "accept",
        "with encryption_keys set, accept or refuse jobs that are not encrypted: those from before it was turned on, or from a forger",
    ),
    setting("bot.draft_ttl", &[], "30m", "how long an unconfirmed order lives"),
    setting(
        "bot.ambiguous_grace",
        &[],
        "60s",
        "how long a send without an answer is searched for before it may count as not sent",
    ),
    setting(
        "bot.tight_limits",
        &[],
        "true",
        "limit reality checks to 3/10 s, 5/min, 50/h and 200/day per sender",
    ),
    setting(
        "bot.blocked",
        &[],
        "",
        "addresses whose messages are recorded and not processed, e.g. whatsapp:+9779800000001, comma separated",
    ),
    setting("bot.demo_catalogue", &[], "true", "fill an empty catalogue with the demonstration grocery"),
    setting(
        "monitor.host",
        &[],
        "127.0.0.1",
        "address of the private API; another than loopback needs monitor.admin_token",
    ),
    setting("monitor.port", &["MONITOR_PORT"], "9091", "port of the private API; 0 picks a free one"),
    secret(
        "monitor.admin_token",
        &["STEADFAST_ADMIN_TOKEN"],
        "bearer token of the private API with all rights",
    ),
    secret("monitor.operator_token", &[], "bearer token that may read, pause and retry"),
    secret("monitor.viewer_token", &[], "bearer token that may read"),
    setting(
        "monitor.allowed_hosts",
        &[],
        "",
        "host names under which the private API is reached besides loopback ones, comma separated",
    ),
    setting("metrics.enabled", &["METRICS_ENABLED"], "true", "serve /metrics"),
    setting(
        "metrics.port",
        &["METRICS_PORT"],
        "9090",
        "port of /metrics, on monitor.host; 0 picks a free one",
    ),
    setting(
        "log.level",
        &["LOG_LEVEL"],
        "info",
        "error, warn, info, debug or trace; or a filter such as info,steadfast_queue=debug",
    ),
    setting("log.format", &["LOG_FORMAT"], "auto", "json, text, or auto: text on a terminal, json elsewhere"),
    setting("fake_twilio.enabled", &[], "auto", "true, false, or auto: when twilio.account_sid is empty"),
    setting(
        "fake_twilio.port",
        &[],
        "3080",
        "port of the fake Twilio and its chat page, on loopback; 0 picks a free one",
    ),
];

/// The setting with this key.
/// Those and, behind them, those of every queue.
const ALL: [Setting; SINGLE.len() + QUEUE_SETTINGS.as_flattened().len()] = {
    let of_queues = QUEUE_SETTINGS.as_flattened();
    let mut all = [SINGLE[0]; SINGLE.len() + QUEUE_SETTINGS.as_flattened().len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < SINGLE.len() { SINGLE[at] } else { of_queues[at - SINGLE.len()] };
        at += 1;
    }
    all
};

pub(crate) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The environment's own name of a key.
pub(crate) fn env_name(key: &str) -> String {
    format!("STEADFAST_{}", key.replace('.', "__").replace('-', "_").to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_and_names_are_unique() {
        let mut seen = HashSet::new();
        for setting in SETTINGS {
            assert!(seen.insert(setting.key.to_owned()), "{}", setting.key);
            assert!(seen.insert(env_name(setting.key)), "{}", setting.key);
            for name in setting.env {
                assert!(seen.insert((*name).to_owned()), "{name}");
            }
            assert!(!setting.secret || setting.default.is_empty(), "{}", setting.key);
        }
    }
}
