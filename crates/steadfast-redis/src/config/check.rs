//! Checks a configuration as a whole: ranges, and what cannot go together.

use super::connecting::{LoginWith, ReadPreference};
use super::hosts::{Address, Kind, SentinelLogin, Topology};
use super::outage::JournalSync;
use super::problem::{Problem, Problems};
use super::{Config, settings};
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

/// Settings of which the first may not exceed the second.
const ORDERED: &[(&str, &str)] = &[
    ("pool.lanes_min", "pool.lanes_max"),
    ("pool.lanes_max", "pool.connections_max"),
    ("breaker.open_min_ms", "breaker.open_max_ms"),
    ("limiter.in_flight_min", "limiter.in_flight_start"),
    ("limiter.in_flight_start", "limiter.in_flight_max"),
    ("retry.backoff_base_ms", "retry.backoff_cap_ms"),
    ("dial.backoff_base_ms", "dial.backoff_cap_ms"),
    ("health.timeout_ms", "health.interval_ms"),
    ("fallback.journal_segment_bytes", "fallback.journal_bytes_max"),
    ("cluster.refresh_min_ms", "cluster.refresh_interval_ms"),
];

/// A configuration in which everything is in range and goes together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Checked {
    config: Arc<Config>,
    topology: Arc<Topology>,
}

impl Checked {
    /// The topology, with everything that it needs.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// What the servers are told at login.
    pub fn login_with(&self) -> LoginWith {
        let login = &self.config.login;
        let username = login.username.clone();
        match (&self.config.provider, &login.password, &login.password_file) {
            (Some(provider), ..) => LoginWith::Provider(provider.clone()),
            (None, Some(password), _) => LoginWith::Password { username, password: password.clone() },
            (None, None, Some(path)) => LoginWith::File { username, path: path.clone() },
            (None, None, None) => LoginWith::Nothing,
        }
    }

    /// The configuration, to make another one of.
    pub fn to_config(&self) -> Config {
        Config::clone(&self.config)
    }
}

impl Deref for Checked {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}

impl Config {
    /// Checks everything. No file is opened and no name resolved.
    ///
    /// # Errors
    ///
    /// All problems at once, each with the setting, its value, what is allowed and what to do.
    pub fn validate(&self) -> Result<Checked, Problems> {
        let mut check = Check { config: self, problems: Problems::default() };
        check.hosts();
        check.login();
        check.sentinel();
        check.tls();
        check.ranges();
        check.orders();
        check.fallback();
        check.names();
        check.numbers();
        check.problems.or(())?;
        let checked = self.topology().map(|topology| (Arc::new(self.clone()), Arc::new(topology)));
        let (config, topology) = checked.ok_or_else(|| no_host(self))?;
        Ok(Checked { config, topology })
    }

    /// The topology, if everything that it needs is there.
    fn topology(&self) -> Option<Topology> {
        let mut addresses = self.hosts.addresses.iter().cloned();
        let read_preference = self.connection.read_preference;
        Some(match self.hosts.kind {
            Kind::Standalone => Topology::Standalone { address: addresses.next()? },
            Kind::Replicas => {
                let primary = addresses.next()?;
                Topology::Replicas { primary, replicas: addresses.collect(), read_preference }
            }
            Kind::Sentinel => Topology::Sentinel {
                sentinels: addresses.collect(),
                master_name: self.sentinel.master_name.clone()?,
                login: SentinelLogin {
                    username: self.sentinel.username.clone(),
                    password: self.sentinel.password.clone(),
                    password_file: self.sentinel.password_file.clone(),
                },
                read_preference,
            },
            Kind::Cluster => Topology::Cluster { seeds: addresses.collect(), read_preference },
        })
    }
}

fn no_host(config: &Config) -> Problem {
    Problem::new("hosts", "no host", "name one: redis://host:6379").value(format!("{:?}", config.hosts.kind))
}

struct Check<'a> {
    config: &'a Config,
    problems: Problems,
}

impl Check<'_> {
    fn push(&mut self, path: &str, what: &str, fix: &str) {
        self.problems.push(Problem::new(path, what, fix));
    }

    fn hosts(&mut self) {
        let hosts = &self.config.hosts;
        let count = hosts.addresses.len();
        let unix = hosts.addresses.iter().any(|address| matches!(address, Address::Unix { .. }));
        match hosts.kind {
            _ if count == 0 => self.problems.push(no_host(self.config)),
            Kind::Standalone if count > 1 => self.push(
                "hosts",
                "several addresses of one server",
                "name one; or make them replicas, sentinels or a cluster",
            ),
            Kind::Replicas if count < 2 => self.push("hosts", "a primary without replicas", "name a replica"),
            Kind::Standalone => {}
            _ if unix => self.push(
                "hosts",
                "a Unix socket among several hosts",
                "use a Unix socket for a single server, TCP for everything else",
            ),
            _ => {}
        }
        let mut seen = HashSet::new();
        for address in &hosts.addresses {
            if !seen.insert(address) {
                let problem = Problem::new("hosts", "named twice", "name each address once");
                self.problems.push(problem.value(address.to_string()));
            }
        }
        let database = self.config.connection.database;
        if hosts.kind == Kind::Cluster && database != 0 {
            let problem = Problem::new(
                "connection.database",
                "a cluster has database 0 alone",
                "drop the number after the hosts; use prefixes of keys in place of databases",
            );
            self.problems.push(problem.value(database.to_string()));
        }
        let preference = self.config.connection.read_preference;
        if hosts.kind == Kind::Standalone && preference != ReadPreference::Primary {
            self.push(
                "connection.read_preference",
                "a single server has no replicas to read from",
                "name replicas, sentinels or a cluster, or read from the primary",
            );
        }
    }

    fn login(&mut self) {
        let login = &self.config.login;
        let named = [login.password.is_some(), login.password_file.is_some(), self.config.provider.is_some()];
        if named.iter().filter(|named| **named).count() > 1 {
            self.push(
                "login.password",
                "the password is said in two places",
                "keep one of password, password_file and the provider set in code",
            );
        }
        if login.username.is_some() && self.config.provider.is_some() {
            self.push("login.username", "the provider names the user", "drop the user");
        }
        if login.username.is_some() && !named.contains(&true) {
            // The value is not shown: a password without its colon looks like a user.
            self.push(
                "login.username",
                "a user without a password",
                "name the password; if this is the password, put a colon before it: redis://:password@host",
            );
        }
    }

    fn sentinel(&mut self) {
        let sentinel = &self.config.sentinel;
        let kind = self.config.hosts.kind;
        let login = sentinel.password.is_some() || sentinel.password_file.is_some();
        if sentinel.password.is_some() && sentinel.password_file.is_some() {
            self.push("sentinel.password", "said in two places", "keep one of password and password_file");
        }
        if sentinel.username.is_some() && !login {
            self.push("sentinel.username", "a user without a password", "name the sentinels' password");
        }
        if kind == Kind::Sentinel && sentinel.master_name.is_none() {
            self.push(
                "sentinel.master_name",
                "sentinels are asked for a primary by its name, and none is given",
                "name it as in the sentinels' `sentinel monitor` line: redis+sentinel://host:26379/mymaster",
            );
        }
        if kind != Kind::Sentinel && (sentinel.master_name.is_some() || sentinel.username.is_some() || login)
        {
            self.push(
                "sentinel",
                "settings for sentinels, and there are none",
                "name the sentinels (redis+sentinel://...), or drop these settings",
            );
        }
    }

    fn tls(&mut self) {
        let tls = &self.config.tls;
        let any_option = tls.ca_file.is_some()
            || tls.certificate_file.is_some()
            || tls.key_file.is_some()
            || tls.server_name.is_some()
            || tls.danger_accept_any_certificate;
        if any_option && !tls.enabled {
            self.push(
                "tls",
                "settings for TLS, and TLS is off",
                "begin the URL with rediss:// or set tls.enabled; or drop these settings",
            );
        }
        let unix = matches!(self.config.hosts.addresses.first(), Some(Address::Unix { .. }));
        if tls.enabled && unix {
            self.push("tls.enabled", "a Unix socket needs no TLS", "switch TLS off for it");
        }
        if tls.certificate_file.is_some() && tls.key_file.is_none() {
            self.push("tls.key_file", "a certificate of our own without its key", "name the key's file");
        }
        if tls.key_file.is_some() && tls.certificate_file.is_none() {
            self.push("tls.certificate_file", "a key without its certificate", "name the certificate's file");
        }
        if tls.danger_accept_any_certificate && (tls.ca_file.is_some() || tls.server_name.is_some()) {
            self.push(
                "tls.danger_accept_any_certificate",
                "whom to trust is said, and that everybody is trusted",
                "drop it: ca_file or server_name do what it was meant for",
            );
        }
    }

    fn ranges(&mut self) {
        for setting in settings() {
            let (Some(number), Some((min, max))) = ((setting.get)(self.config).number(), setting.range)
            else {
                continue;
            };
            if (min..=max).contains(&number) {
                continue;
            }
            let what = if number < min { "too small" } else { "too large" };
            let fix = if number < min { "raise it" } else { "lower it" };
            let mut problem = Problem::new(setting.path, what, fix).value(number.to_string());
            problem.allowed = setting.allowed();
            self.problems.push(problem);
        }
    }

    fn orders(&mut self) {
        let number = |path: &str| {
            let setting = settings().find(|setting| setting.path == path)?;
            (setting.get)(self.config).number()
        };
        for (lower, upper) in ORDERED {
            let Some((low, high)) = number(lower).zip(number(upper)) else { continue };
            if low > high {
                let what = format!("more than `{upper}`, which is {high}");
                let problem = Problem::new(*lower, what, "lower the one or raise the other");
                self.problems.push(problem.value(low.to_string()));
            }
        }
    }

    fn fallback(&mut self) {
        let fallback = &self.config.fallback;
        let folder = fallback.journal_folder.is_some();
        if fallback.persist_on_shutdown && !folder {
            self.push(
                "fallback.persist_on_shutdown",
                "there is nowhere to keep it",
                "set fallback.journal_folder",
            );
        }
        if fallback.journal_sync != JournalSync::Always && !folder {
            self.push(
                "fallback.journal_sync",
                "there is no journal",
                "set fallback.journal_folder, or drop this",
            );
        }
        if folder && !fallback.enabled {
            self.push(
                "fallback.journal_folder",
                "a journal for the fallback, which is off",
                "set fallback.enabled, or drop the folder",
            );
        }
    }

    fn names(&mut self) {
        let key = &self.config.health.probe_key;
        if key.is_empty() || key.len() > 256 {
            let problem = Problem::new("health.probe_key", "not a usable key", "choose another name");
            self.problems.push(problem.value(format!("{key:?}")).allowed("1 to 256 bytes"));
        }
        let name = &self.config.connection.client_name;
        if name.len() > 64 || !name.bytes().all(|byte| (b'!'..=b'~').contains(&byte)) {
            let problem =
                Problem::new("connection.client_name", "not what servers take", "choose another name");
            self.problems.push(
                problem.value(format!("{name:?}")).allowed("0 to 64 printable ASCII characters, no space"),
            );
        }
    }

    /// Numbers that are each in range and do not fit each other: those who act on them know.
    fn numbers(&mut self) {
        for problem in crate::client::check(self.config) {
            if !self.problems.iter().any(|known| known.path == problem.path) {
                self.problems.push(problem);
            }
        }
    }
}
