//! Reads a configuration from environment variables.

use super::hosts::{Address, Hosts, PORT};
use super::overlay::Overlay;
use super::problem::{Problem, Problems};
use super::raw::Raw;
use super::url::address_problem;
use super::{Config, settings};

/// Whence single variables are taken; what is empty is not set.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.trim().is_empty())
    }

    /// The first of `names` that is set.
    fn first(&self, names: &[&'static str]) -> Option<(&'static str, String)> {
        names.iter().find_map(|name| Some((*name, self.get(name)?)))
    }
}

impl Config {
    /// Lays environment variables over this configuration. `get` is asked for each known name;
    /// `|name| std::env::var(name).ok()` asks the process. An empty variable counts as not set.
    ///
    /// What is named first wins: `REDIS_URL` (or `REDIS_PRIMARY_URL`) with everything that it says; then
    /// `REDIS_HOST`, `REDIS_PORT`; then `REDISHOST`, `REDISPORT`. Parts that the URL leaves open are filled from
    /// the variable of each setting ([`Setting::env`](super::Setting::env)), as `REDIS_PASSWORD`, `REDIS_DB`,
    /// `REDIS_POOL_LANES_MAX`. `REDIS_REPLICA_URLS` and `REDIS_SENTINEL_URLS` are lists, separated by commas or
    /// spaces.
    ///
    /// # Errors
    ///
    /// Every variable that is not understood, by name. The configuration is then unchanged.
    pub fn overlay_env(&mut self, get: impl Fn(&str) -> Option<String>) -> Result<(), Problems> {
        let variables = Variables(get);
        let mut config = self.clone();
        let mut overlay = Overlay::over(&mut config);
        host_and_port(&variables, &mut overlay);
        for setting in settings() {
            let set = setting.env().find_map(|name| variables.get(&name).map(|value| (name, value)));
            if let Some((name, value)) = set {
                overlay.assign(setting, false, &Raw::Text(value.into()), Some(&name));
            }
        }
        if let Some((name, value)) = variables.first(&["REDIS_URL", "REDIS_PRIMARY_URL"]) {
            overlay.url(&value, "url", Some(name));
        }
        let list = |value: String| -> Vec<String> {
            let entries = value.split([',', ' ', '\t', '\n']).filter(|entry| !entry.is_empty());
            entries.map(str::to_owned).collect()
        };
        if let Some((name, value)) = variables.first(&["REDIS_SENTINEL_URLS"]) {
            overlay.sentinels(&list(value), Some(name));
        } else if let Some((name, value)) = variables.first(&["REDIS_REPLICA_URLS"]) {
            overlay.replicas(&list(value), Some(name));
        }
        overlay.problems.or(())?;
        *self = config;
        Ok(())
    }

    /// The default configuration with environment variables laid over: see [`Config::overlay_env`].
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, Problems> {
        let mut config = Self::default();
        config.overlay_env(get)?;
        Ok(config)
    }
}

fn host_and_port<F: Fn(&str) -> Option<String>>(variables: &Variables<F>, overlay: &mut Overlay<'_>) {
    let host = variables.first(&["REDIS_HOST", "REDISHOST"]);
    let port = variables.first(&["REDIS_PORT", "REDISPORT"]);
    if host.is_none() && port.is_none() {
        return;
    }
    let name = host.as_ref().map_or("localhost", |(_, host)| host.trim());
    // An IPv6 number stands alone in its variable, so it needs no brackets there.
    let bracketed = name.parse::<std::net::Ipv6Addr>().map(|_| format!("[{name}]"));
    let mut address = match Address::parse(bracketed.as_deref().unwrap_or(name), PORT) {
        Ok(address) => address,
        Err(error) => {
            let origin = host.as_ref().map(|(origin, _)| *origin);
            return overlay.push(address_problem("hosts", error).value(format!("{name:?}")), origin);
        }
    };
    if let (Some((origin, text)), Address::Tcp { port, .. }) = (port, &mut address) {
        match text.trim().parse() {
            Ok(number) if number > 0 => *port = number,
            _ => {
                let problem = Problem::new("hosts", "no port", "write a number").value(format!("{text:?}"));
                overlay.push(problem.allowed("1 to 65535"), Some(origin));
            }
        }
    }
    overlay.config.hosts = Hosts::standalone(address);
}
