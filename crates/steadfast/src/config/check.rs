//! From raw values to a checked configuration: every problem at once, each with its origin.

use super::load::{Problem, Values};
use super::queue_settings::{General, JITTER};
use super::types::{
    Bot, Config, Encryption, FakeTwilio, Gateway, LogFormat, Monitor, NodeEnv, PublicBase, Queue, Roles,
    Twilio, Workers,
};
use super::values::{bytes, duration, duration_in, flag, list, number, word};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::Address;
use steadfast_core::message::AccountSid;
use steadfast_gateway::Network;
use steadfast_gateway::network::NetworkError;
use steadfast_gateway::public_url::PublicUrlError;
use steadfast_queue::RetryPolicy;
use steadfast_queue::sealed::{KeyRing, Plain};
use url::Url;

/// Tokens that are printed in examples everywhere: whoever runs with one has no secret at all.
const PLACEHOLDERS: &[&str] =
    &["changeme", "secret", "password", "your_auth_token", "auth_token", "12345", "token", "test"];

/// Checks single values and their combinations.
pub(crate) fn check(values: &Values) -> Result<Config, Vec<Problem>> {
    let mut read = Reader { values, problems: Vec::new() };
    let config = read.config();
    match config {
        Some(config) if read.problems.is_empty() => Ok(config),
        _ => Err(read.problems),
    }
}

pub(super) struct Reader<'a> {
    values: &'a Values,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn text(&self, key: &str) -> &str {
        self.values.get(key).map_or("", |raw| raw.text.trim())
    }

    pub(super) fn problem(&mut self, key: &str, what: impl Into<String>) {
        let origin = self.values.get(key).map(|raw| raw.origin.clone());
        self.problems.push(Problem { key: key.to_owned(), origin, what: what.into() });
    }

    /// Reads one value; a problem is noted and `None` returned.
    pub(super) fn get<T>(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match parse(self.text(key)) {
            Ok(value) => Some(value),
            Err(what) => {
                self.problem(key, what);
                None
            }
        }
    }

    fn number<T: TryFrom<u64>>(&mut self, key: &str, min: u64, max: u64) -> Option<T> {
        let value = self.get(key, |text| number(text, min, max))?;
        T::try_from(value).ok()
    }

    /// A secret: absent when empty.
    fn secret(&mut self, key: &str) -> Option<String> {
        let text = self.text(key).to_owned();
        if PLACEHOLDERS.contains(&text.to_ascii_lowercase().as_str()) {
            self.problem(key, "is a placeholder from an example, not a secret; set the real one");
        }
        (!text.is_empty()).then_some(text)
    }

    fn url(&mut self, key: &str) -> Option<Url> {
        if self.text(key).is_empty() {
            return None;
        }
        self.get(key, |text| match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host().is_some() => Ok(url),
            Ok(_) => Err("must be an http:// or https:// URL".to_owned()),
            Err(error) => Err(format!("is no URL: {error}")),
        })
    }

    fn config(&mut self) -> Option<Config> {
        // Read everything before giving up on anything: `?` comes only at the end.
        let data_dir = PathBuf::from(self.text("node.data_dir"));
        if data_dir.as_os_str().is_empty() {
            self.problem("node.data_dir", "must name a folder");
        }
        let envs = [
            ("development", NodeEnv::Development),
            ("test", NodeEnv::Development),
            ("production", NodeEnv::Production),
        ];
        let node_env = self.get("node.env", |text| word(text, &envs));
        let roles = self.get("node.roles", roles);
        let gateway = self.gateway();
        let twilio = self.twilio();
        let sends_per_second = self.number("twilio.sends_per_second", 1, 10_000);
        let workers = self.workers();
        let retry = self.retry();
        let queue = self.queue();
        let bot = self.bot();
        let monitor = self.monitor();
        let metrics_enabled = self.get("metrics.enabled", flag);
        let metrics_port = self.number("metrics.port", 0, 65_535);
        let log_level = self.log_level();
        let formats = [("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];
        let log_format = self.get("log.format", |text| word(text, &formats));
        let fake_twilio = self.fake_twilio(twilio.is_some());
        self.combinations(node_env);
        let general = self.general(retry, queue.as_ref());
        let queues = self.queue_settings(&general);
        Some(Config {
            data_dir,
            node_env: node_env?,
            roles: roles?,
            gateway: gateway?,
            twilio,
            sends_per_second: sends_per_second?,
            workers: workers?,
            queues,
            queue: queue?,
            bot: bot?,
            monitor: monitor?,
            metrics_port: metrics_enabled?.then_some(metrics_port?),
            log_level: log_level?,
            log_format: log_format?,
            fake_twilio: fake_twilio?,
        })
    }

    fn gateway(&mut self) -> Option<Gateway> {
        let host = self.get("gateway.host", host);
        let port = self.number("gateway.port", 0, 65_535);
        let public_base_url = self.get("gateway.public_base_url", public_base);
        let trusted_proxies = self.get("gateway.trusted_proxies", networks);
        let modes = [
            ("enforce", true),
            ("observe", false),
            ("true", true),
            ("false", false),
            ("1", true),
            ("0", false),
        ];
        let enforce = self.get("gateway.signature", |text| word(text, &modes));
        let limits = (Duration::from_millis(500), Duration::from_secs(15));
        let request_timeout =
            self.get("gateway.request_timeout", |text| duration_in(text, 1, limits.0, limits.1));
        let rate_limit_per_minute = self.number("gateway.rate_limit_per_minute", 0, 1_000_000);
        Some(Gateway {
            host: host?,
            port: port?,
            public_base_url: public_base_url?,
            trusted_proxies: trusted_proxies?,
            enforce: enforce?,
            request_timeout: request_timeout?,
            rate_limit_per_minute: rate_limit_per_minute?,
        })
    }

    fn twilio(&mut self) -> Option<Twilio> {
        let auth_token = self.secret("twilio.auth_token");
        let auth_token_secondary = self.secret("twilio.auth_token_secondary");
        let more_account_sids = self.get("twilio.more_account_sids", |text| {
            each(text, |entry| AccountSid::parse(entry).map_err(|error| error.to_string()))
        });
        let shared_keys = self.shared_keys();
        let key_sid = self.text("twilio.api_key_sid").to_owned();
        let key_secret = self.secret("twilio.api_key_secret");
        let api_base_url = self.url("twilio.api_base_url");
        if api_base_url.is_none() && self.text("twilio.api_base_url").is_empty() {
            self.problem("twilio.api_base_url", "must be the URL messages are sent to");
        }
        if key_sid.is_empty() != key_secret.is_none() {
            self.problem("twilio.api_key_sid", "and twilio.api_key_secret must be set together");
        }
        if self.text("twilio.account_sid").is_empty() {
            if auth_token.is_some() || !key_sid.is_empty() {
                self.problem(
                    "twilio.account_sid",
                    "is missing though credentials are set; it begins with AC",
                );
            }
            return None;
        }
        let account_sid =
            self.get("twilio.account_sid", |text| AccountSid::parse(text).map_err(|error| error.to_string()));
        if auth_token.is_none() {
            let what =
                "is missing: it verifies the webhooks (set TWILIO_AUTH_TOKEN or TWILIO_AUTH_TOKEN_FILE)";
            self.problem("twilio.auth_token", what);
        }
        Some(Twilio {
            account_sid: account_sid?,
            auth_token: auth_token?,
            auth_token_secondary,
            more_account_sids: more_account_sids?,
            shared_keys,
            api_key: key_secret.map(|secret| (key_sid, secret)),
            api_base_url: api_base_url?,
        })
    }

    fn shared_keys(&mut self) -> Vec<(String, String)> {
        let text = self.text("twilio.shared_keys").to_owned();
        let mut keys = Vec::new();
        for entry in list(&text) {
            match entry.split_once('=') {
                Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
                    keys.push((id.to_owned(), secret.to_owned()));
                }
                _ => self.problem("twilio.shared_keys", "must be id=secret entries, separated by commas"),
            }
        }
        keys
    }

    fn workers(&mut self) -> Option<Workers> {
        let webhooks = self.number("workers.webhooks", 1, 1_024);
        let orders = self.number("workers.orders", 1, 1_024);
        let replies = self.number("workers.replies", 1, 1_024);
        let checks = self.number("workers.checks", 1, 1_024);
        let adaptive = self.get("workers.adaptive", flag);
        let adaptive_max = self.number("workers.adaptive_max", 1, 1_024);
        let longest = Duration::from_secs(600);
        let drain_timeout =
            self.get("workers.drain_timeout", |text| duration_in(text, 1_000, Duration::ZERO, longest));
        Some(Workers {
            webhooks: webhooks?,
            orders: orders?,
            replies: replies?,
            checks: checks?,
            adaptive_max: adaptive?.then_some(adaptive_max?),
            drain_timeout: drain_timeout?,
        })
    }

    /// What queues have that say nothing of their own. What could not be read is a problem already.
    fn general(&self, retry: Option<RetryPolicy>, queue: Option<&Queue>) -> General {
        let retry = retry.unwrap_or_default();
        let queue =
            queue.map_or((1, 1, 0), |queue| (queue.max_size, queue.max_bytes, queue.retain_completed));
        let completed_max = u64::try_from(queue.2).unwrap_or(u64::MAX);
        General { retry, waiting_max: queue.0, bytes_max: queue.1, completed_max }
    }

    fn retry(&mut self) -> Option<RetryPolicy> {
        let given = list(self.text("retry.schedule")).iter().map(|&entry| duration(entry, 1)).collect();
        let given: Result<Vec<Duration>, String> = given;
        let attempts = self.number("retry.attempts", 0, 64);
        let fixed = self.get("retry.backoff", |text| word(text, &[("exponential", false), ("fixed", true)]));
        let delay = self.get("retry.delay", |text| duration(text, 1));
        let delay_max = self.get("retry.delay_max", |text| duration(text, 1));
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let policy = match given {
            Err(what) => {
                self.problem("retry.schedule", what);
                return None;
            }
            Ok(given) if given.is_empty() => {
                let (delay, cap) = (ms(delay?), ms(delay_max?));
                let attempts: usize = attempts?;
                if fixed? {
                    RetryPolicy::new(vec![delay.min(cap); attempts], JITTER)
                } else {
                    RetryPolicy::exponential(attempts, delay, cap, JITTER)
                }
            }
            Ok(given) => RetryPolicy::new(given.into_iter().map(ms).collect::<Vec<_>>(), JITTER),
        };
        policy.map_err(|error| self.problem("retry.schedule", error.to_string())).ok()
    }

    fn queue(&mut self) -> Option<Queue> {
        let max_size = self.number("queue.max_size", 1, 100_000_000);
        let max_bytes = self.get("queue.max_bytes", bytes);
        let lease_bounds = (Duration::from_secs(2), Duration::from_secs(600));
        let lease = self.get("queue.lease", |text| duration_in(text, 1_000, lease_bounds.0, lease_bounds.1));
        let window = (Duration::from_secs(3_600), Duration::from_secs(30 * 86_400));
        let dedup_window =
            self.get("queue.dedup_window", |text| duration_in(text, 1_000, window.0, window.1));
        let retain_completed = self.number("queue.retain_completed", 0, 1_000_000);
        let encryption = self.encryption();
        Some(Queue {
            max_size: max_size?,
            max_bytes: max_bytes?,
            lease: lease?,
            dedup_window: dedup_window?,
            retain_completed: retain_completed?,
            encryption: encryption?,
        })
    }

    /// The outer `None` is a problem, the inner one "not wanted".
    fn encryption(&mut self) -> Option<Option<Encryption>> {
        let words = [("accept", Plain::Accept), ("refuse", Plain::Refuse)];
        let plain = self.get("queue.encryption_plain", |text| word(text, &words));
        let Some(keys) = self.secret("queue.encryption_keys") else { return plain.map(|_| None) };
        match KeyRing::parse(&keys) {
            Ok(ring) => Some(Some(Encryption { ring: Arc::new(ring), plain: plain? })),
            Err(error) => {
                self.problem("queue.encryption_keys", error.to_string());
                None
            }
        }
    }

    fn bot(&mut self) -> Option<Bot> {
        let day = Duration::from_secs(86_400);
        let draft_ttl =
            self.get("bot.draft_ttl", |text| duration_in(text, 1_000, Duration::from_secs(10), day));
        let grace = (Duration::from_millis(100), Duration::from_secs(3_600));
        let ambiguous_grace =
            self.get("bot.ambiguous_grace", |text| duration_in(text, 1_000, grace.0, grace.1));
        let tight_limits = self.get("bot.tight_limits", flag);
        let blocked = self.get("bot.blocked", |text| {
            each(text, |entry| Address::parse(entry).map_err(|error| error.to_string()))
        });
        let demo_catalogue = self.get("bot.demo_catalogue", flag);
        Some(Bot {
            draft_ttl: draft_ttl?,
            ambiguous_grace: ambiguous_grace?,
            tight_limits: tight_limits?,
            blocked: blocked?,
            demo_catalogue: demo_catalogue?,
        })
    }

    fn monitor(&mut self) -> Option<Monitor> {
        let host = self.get("monitor.host", host);
        let port = self.number("monitor.port", 0, 65_535);
        let admin_token = self.secret("monitor.admin_token");
        let operator_token = self.secret("monitor.operator_token");
        let viewer_token = self.secret("monitor.viewer_token");
        for (key, token) in [
            ("monitor.admin_token", &admin_token),
            ("monitor.operator_token", &operator_token),
            ("monitor.viewer_token", &viewer_token),
        ] {
            if token.as_ref().is_some_and(|token| token.len() < 16) {
                self.problem(key, "must have at least 16 characters");
            }
        }
        if host.is_some_and(|host: IpAddr| !host.is_loopback()) && admin_token.is_none() {
            self.problem("monitor.host", "is no loopback address, so monitor.admin_token must be set");
        }
        let allowed_hosts = list(self.text("monitor.allowed_hosts")).into_iter().map(str::to_owned).collect();
        Some(Monitor { host: host?, port: port?, admin_token, operator_token, viewer_token, allowed_hosts })
    }

    fn log_level(&mut self) -> Option<String> {
        self.get("log.level", |text| match crate::telemetry::filter(text) {
            Some(_) => Ok(text.to_owned()),
            None => Err(format!(
                "{text:?} is no level; use error, warn, info, debug or trace, or a filter such as \
                 info,steadfast_queue=debug"
            )),
        })
    }

    /// The outer `None` is a problem, the inner one "not wanted".
    fn fake_twilio(&mut self, account_configured: bool) -> Option<Option<FakeTwilio>> {
        let wishes = [("auto", None), ("true", Some(true)), ("false", Some(false))];
        let wish = self.get("fake_twilio.enabled", |text| word(text, &wishes));
        let port = self.number("fake_twilio.port", 0, 65_535);
        let wanted = wish?.unwrap_or(!account_configured);
        Some(wanted.then_some(FakeTwilio { port: port? }))
    }

    fn combinations(&mut self, node_env: Option<NodeEnv>) {
        if node_env != Some(NodeEnv::Production) {
            return;
        }
        if self.text("twilio.account_sid").is_empty() {
            self.problem("twilio.account_sid", "must be set in production (NODE_ENV=production)");
        }
        if self.text("gateway.public_base_url").is_empty() {
            let what =
                "must be set in production: it is part of what Twilio signs, and a Host header can be forged";
            self.problem("gateway.public_base_url", what);
        }
    }
}

fn roles(text: &str) -> Result<Roles, String> {
    let mut roles = Roles { gateway: false, worker: false, monitor: false };
    for role in list(text) {
        match role {
            "gateway" => roles.gateway = true,
            "worker" => roles.worker = true,
            "monitor" => roles.monitor = true,
            other => return Err(format!("{other:?} is no role; use gateway, worker and monitor")),
        }
    }
    if roles == (Roles { gateway: false, worker: false, monitor: false }) {
        return Err("must name at least one of gateway, worker and monitor".to_owned());
    }
    Ok(roles)
}

/// The outer error is a problem, the inner `None` "not set".
fn public_base(text: &str) -> Result<Option<PublicBase>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse().map_err(|error: PublicUrlError| error.to_string())?;
    Ok(Some(PublicBase { parsed, text: text.to_owned() }))
}

fn networks(text: &str) -> Result<Vec<Network>, String> {
    each(text, |entry| entry.parse().map_err(|error: NetworkError| error.to_string()))
}

/// Every entry of a list, or what is wrong with the first bad one.
fn each<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    list(text).into_iter().map(read).collect()
}

fn host(text: &str) -> Result<IpAddr, String> {
    let text = if text == "localhost" { "127.0.0.1" } else { text };
    text.parse().map_err(|_| format!("{text:?} is no IP address; use 127.0.0.1, 0.0.0.0 or ::"))
}

#[cfg(test)]
mod tests {
    use super::super::load::{Sources, gather};
    use super::*;
    use proptest::prelude::*;

    fn checked(flags: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (values, problems) = gather(&Sources { flags, ..Sources::default() });
        assert_eq!(problems, []);
        check(&values).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_configured_is_a_working_configuration() {
        let config = checked(&[]).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert!(config.twilio.is_none() && config.fake_twilio.is_some());
        let retries = |queue: &str| config.queues[queue].retry.clone().map(|retry| retry.delays_ms.to_vec());
        let general = Some(RetryPolicy::default().delays_ms.to_vec());
        assert_eq!((retries("order-processing"), retries("whatsapp-replies")), (general.clone(), general));
        assert_eq!(retries("reality-check"), Some(vec![2_000, 4_000, 8_000]));
        assert_eq!((config.workers.webhooks, config.workers.orders, config.workers.replies), (2, 3, 4));
        assert_eq!(config.metrics_port, Some(9_090));
    }

    #[test]
    fn problems_come_all_at_once() {
        let problems = checked(&[
            ("gateway.port", "70000"),
            ("queue.lease", "1s"),
            ("monitor.host", "0.0.0.0"),
            ("node.env", "production"),
            ("log.format", "xml"),
        ])
        .err()
        .unwrap_or_default();
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }

    #[test]
    fn encryption_keys_are_read_and_never_quoted() {
        let key = "0f".repeat(32);
        let with =
            |keys: &str| checked(&[("queue.encryption_keys", keys), ("queue.encryption_plain", "refuse")]);
        let config =
            with(&format!("2027={key},2026={key}")).unwrap_or_else(|problems| panic!("{problems:?}"));
        let encryption = config.queue.encryption.expect("configured");
        assert_eq!(
            (encryption.ring.ids().collect::<Vec<_>>(), encryption.plain),
            (vec!["2027", "2026"], Plain::Refuse)
        );
        assert!(!format!("{encryption:?}").contains("0f0f"));
        let problems = with(&format!("2027={key}ff")).map(|_| ()).expect_err("too long");
        assert!(
            problems.len() == 1 && problems[0].contains("32 bytes") && !problems[0].contains("0f0f"),
            "{problems:?}"
        );
        assert!(checked(&[]).unwrap_or_else(|problems| panic!("{problems:?}")).queue.encryption.is_none());
    }

    #[test]
    fn a_placeholder_is_no_secret() {
        let sid = "AC00000000000000000000000000000000";
        let problems = checked(&[("twilio.account_sid", sid), ("twilio.auth_token", "changeme")]);
        assert!(problems.err().is_some_and(|said| said[0].contains("placeholder")));
    }

    #[test]
    fn the_retry_schedule_is_made_or_given() {
        let delays = |config: Config| {
            config.queues["whatsapp-webhooks"].retry.clone().map(|retry| retry.delays_ms.to_vec())
        };
        let made = checked(&[("retry.attempts", "2"), ("retry.delay", "1000")]);
        assert_eq!(made.map(delays), Ok(Some(vec![1_000, 2_000])));
        let given = checked(&[("retry.schedule", "0s, 2s,500ms")]);
        assert_eq!(given.map(delays), Ok(Some(vec![0, 2_000, 500])));
    }

    #[test]
    fn a_queue_has_what_it_says_and_else_what_all_have() {
        let config = checked(&[
            ("queue.max_size", "500"),
            ("queues.order-processing.max_size", "7"),
            ("queues.order-processing.retry", "none"),
            ("queues.order-processing.rate", "80/1s burst 10"),
            ("queues.order-processing.group_rate", "3/60s"),
            ("queues.order-processing.group_concurrency", "2"),
            ("queues.order-processing.group_on_dead", "block"),
        ]);
        let config = config.unwrap_or_else(|problems| panic!("{problems:?}"));
        let own = &config.queues["order-processing"];
        assert_eq!((own.waiting_max, own.retry.clone()), (Some(7), Some(RetryPolicy::none())));
        assert_eq!(own.rate, Some(steadfast_queue::Rate { jobs: 80, per_ms: 1_000, burst: 10 }));
        assert_eq!(own.group_rate, Some(steadfast_queue::Rate::new(3, 60_000)));
        assert_eq!(own.group_concurrency, Some(2));
        let other = &config.queues["whatsapp-replies"];
        assert_eq!((other.waiting_max, other.rate, other.group_concurrency), (Some(500), None, None));
    }

    #[test]
    fn every_problem_of_a_queue_is_named() {
        let problems = checked(&[
            ("queues.order-processing.rate", "5000/1s"),
            ("queues.order-processing.group_rate", "often"),
            ("queues.order-processing.group_concurrency", "101"),
            ("queues.whatsapp-replies.retry", "2s,later"),
            ("queues.whatsapp-replies.group_on_dead", "wait"),
        ]);
        let problems = problems.err().unwrap_or_default();
        assert_eq!(problems.len(), 5, "{problems:#?}");
        assert!(problems[0].contains("burst"), "{problems:#?}");
    }

    proptest! {
        #[test]
        fn no_value_makes_the_check_panic(index in 0..super::super::SETTINGS.len(), text in ".{0,60}") {
            let key = super::super::SETTINGS[index].key;
            let (values, _) = gather(&Sources { flags: vec![(key.to_owned(), text)], ..Sources::default() });
            let _ = check(&values);
        }
    }
}
