//! Lays what was read over a configuration: URLs, files, variables. Every problem is kept, with its origin.

use super::hosts::{Address, Hosts, Kind};
use super::nearest::nearest;
use super::problem::{Problem, Problems};
use super::raw::Raw;
use super::setting::Setting;
use super::value::seconds_as_ms;
use super::{Config, settings, url};
use std::collections::HashSet;

/// A configuration under construction.
pub(crate) struct Overlay<'a> {
    pub(crate) config: &'a mut Config,
    pub(crate) problems: Problems,
    seen: HashSet<&'static str>,
}

/// Where the name of a setting was found.
struct Found {
    setting: &'static Setting,
    seconds: bool,
}

fn find(name: &str) -> Option<Found> {
    let find = |name: &str| {
        settings().find_map(|setting| {
            if setting.path == name || setting.also.contains(&name) {
                Some(Found { setting, seconds: false })
            } else {
                setting.also_seconds.contains(&name).then_some(Found { setting, seconds: true })
            }
        })
    };
    let breaker = ["circuitBreaker.", "circuit_breaker."].iter().find_map(|other| name.strip_prefix(other));
    find(name).or_else(|| find(&format!("breaker.{}", breaker?)))
}

impl<'a> Overlay<'a> {
    pub(crate) fn over(config: &'a mut Config) -> Self {
        Self { config, problems: Problems::default(), seen: HashSet::new() }
    }

    /// One setting, by any of its names.
    pub(crate) fn set(&mut self, name: &str, raw: &Raw, origin: Option<&str>) {
        match find(name) {
            Some(found) if !self.seen.insert(found.setting.path) => {
                let what = format!("said twice, the second time as `{name}`");
                self.push(Problem::new(found.setting.path, what, "keep one of the two"), origin);
            }
            Some(found) => self.assign(found.setting, found.seconds, raw, origin),
            None => self.push(unknown(name), origin),
        }
    }

    /// One setting, which is known.
    pub(crate) fn assign(&mut self, setting: &Setting, seconds: bool, raw: &Raw, origin: Option<&str>) {
        let value = (setting.get_mut)(self.config);
        let secret = value.is_secret();
        let read = if seconds {
            let expected = "a number of seconds, or a text such as 250ms or 5s";
            seconds_as_ms(raw).ok_or_else(|| expected.to_owned()).and_then(|ms| value.read(&ms, setting.unit))
        } else {
            value.read(raw, setting.unit)
        };
        if let Err(expected) = read {
            let mut problem = Problem::new(setting.path, "not understood", format!("write {expected}"));
            if let (false, Some(shown)) = (secret, shown(raw)) {
                problem = problem.value(shown);
            }
            problem.allowed = setting.allowed();
            self.push(problem, origin);
        }
    }

    /// An URL, with all that it says.
    pub(crate) fn url(&mut self, text: &str, path: &str, origin: Option<&str>) {
        let parts = match url::parse(text) {
            Ok((parts, problems)) => {
                self.push_all(&problems, path, origin);
                parts
            }
            Err(problems) => return self.push_all(&problems, path, origin),
        };
        let config = &mut *self.config;
        config.hosts = parts.hosts;
        config.tls.enabled |= parts.tls;
        if parts.username.is_some() || parts.password.is_some() {
            config.login.username = parts.username;
        }
        if parts.password.is_some() {
            config.login.password = parts.password;
        }
        config.connection.database = parts.database.unwrap_or(config.connection.database);
        if parts.master_name.is_some() {
            config.sentinel.master_name = parts.master_name;
        }
        let origin = origin.map_or_else(|| "the URL".to_owned(), str::to_owned);
        // Options have names of their own to be seen twice among.
        let seen = std::mem::take(&mut self.seen);
        for (name, value) in parts.options {
            self.set(&name, &Raw::Text(value), Some(&origin));
        }
        self.seen = seen;
    }

    /// Replicas beside the primary that is there already.
    pub(crate) fn replicas(&mut self, urls: &[String], origin: Option<&str>) {
        let addresses = self.beside(urls, "replica_urls", origin);
        if addresses.is_empty() {
            return;
        }
        if self.config.hosts.kind != Kind::Standalone {
            let fix = "drop `replica_urls`, or name the primary alone in `url`";
            return self.push(Problem::new("replica_urls", "the URL names more than a primary", fix), origin);
        }
        self.config.hosts.kind = Kind::Replicas;
        self.config.hosts.addresses.extend(addresses);
    }

    /// Sentinels, in place of the hosts that are there.
    pub(crate) fn sentinels(&mut self, urls: &[String], origin: Option<&str>) {
        let mut login = None;
        let mut addresses = Vec::new();
        for text in urls {
            // A bare address is a sentinel's.
            let bare = !text.contains("://");
            let text = if bare { format!("redis+sentinel://{text}") } else { text.clone() };
            let Some(parts) = self.bare_parts(&text, "sentinel_urls", origin) else { continue };
            let this = (parts.username, parts.password);
            if *login.get_or_insert_with(|| this.clone()) != this {
                let fix = "give all sentinels the same user and password";
                self.push(Problem::new("sentinel_urls", "their logins differ", fix), origin);
            }
            self.config.tls.enabled |= parts.tls;
            addresses.extend(parts.hosts.addresses);
        }
        if addresses.is_empty() {
            return;
        }
        self.config.hosts = Hosts::sentinels(addresses);
        if let Some((username, Some(password))) = login {
            self.config.sentinel.username = username;
            self.config.sentinel.password = Some(password);
        }
    }

    fn beside(&mut self, urls: &[String], path: &str, origin: Option<&str>) -> Vec<Address> {
        let mut addresses = Vec::new();
        for text in urls {
            let bare = !text.contains("://");
            let text = if bare { format!("redis://{text}") } else { text.clone() };
            let Some(parts) = self.bare_parts(&text, path, origin) else { continue };
            let login = &self.config.login;
            let differs = (parts.username.is_some() && parts.username != login.username)
                || (parts.password.is_some() && parts.password != login.password)
                || (!bare && parts.tls != self.config.tls.enabled)
                || parts.database.is_some_and(|database| database != self.config.connection.database);
            if differs {
                let what = "a replica differs from the primary in login, database or TLS";
                self.push(Problem::new(path, what, "give all nodes the same; say it at the primary"), origin);
            }
            addresses.extend(parts.hosts.addresses);
        }
        addresses
    }

    /// The parts of an URL that has no options.
    fn bare_parts(&mut self, text: &str, path: &str, origin: Option<&str>) -> Option<url::Parts> {
        let (parts, problems) =
            url::parse(text).map_err(|problems| self.push_all(&problems, path, origin)).ok()?;
        self.push_all(&problems, path, origin);
        if !parts.options.is_empty() {
            let fix = "move them to the primary's URL: they are for all nodes";
            self.push(Problem::new(path, "an URL has options", fix), origin);
        }
        problems.is_empty().then_some(parts)
    }

    pub(crate) fn push(&mut self, problem: Problem, origin: Option<&str>) {
        self.problems.push(match origin {
            Some(origin) => problem.with_origin(origin),
            None => problem,
        });
    }

    fn push_all(&mut self, problems: &Problems, path: &str, origin: Option<&str>) {
        for problem in problems.iter() {
            let mut problem = problem.clone();
            if problem.path == "url" {
                path.clone_into(&mut problem.path);
            }
            self.push(problem, origin);
        }
    }
}

fn unknown(name: &str) -> Problem {
    let shown: String = name.chars().take(80).collect();
    let names = settings().flat_map(|setting| {
        std::iter::once(setting.path).chain(setting.also.iter().chain(setting.also_seconds).copied())
    });
    let fix = match nearest(name, names.chain(["url", "primary_url", "replica_urls", "sentinel_urls"])) {
        Some(known) => format!("the nearest known one is `{known}`"),
        None => format!("the sections are {}", sections()),
    };
    Problem::new(shown, "no such setting", fix)
}

fn sections() -> String {
    let mut names: Vec<&str> = settings().filter_map(|setting| setting.path.split('.').next()).collect();
    names.dedup();
    names.join(", ")
}

fn shown(raw: &Raw) -> Option<String> {
    match raw {
        Raw::Bool(flag) => Some(flag.to_string()),
        Raw::Integer(number) => Some(number.to_string()),
        Raw::Float(number) => Some(number.to_string()),
        Raw::Text(text) => Some(format!("{:?}", text.chars().take(80).collect::<String>())),
        Raw::Null | Raw::List(_) | Raw::Map(_) => None,
    }
}
