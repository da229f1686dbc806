//! Writes a configuration: as an URL, and as a list of settings.

use super::hosts::{Address, Kind};
use super::percent::encode;
use super::secret::Secret;
use super::setting::Setting;
use super::{Config, settings};
use std::fmt;
use zeroize::Zeroizing;

/// Writes the URL that says the same as `config`, passwords as `***` unless `with_secrets`.
pub(crate) fn url(config: &Config, with_secrets: bool) -> Zeroizing<String> {
    let defaults = Config::default();
    let mut out = Zeroizing::new(String::with_capacity(128));
    out.push_str(scheme(config));
    out.push_str("://");
    login(config, with_secrets, &mut out);
    places(config, &mut out);
    let mut separator = '?';
    for setting in settings().filter(|setting| !in_body(setting, config)) {
        let value = (setting.get)(config);
        let Some(text) = value.write() else { continue };
        if (setting.get)(&defaults).write().as_ref() == Some(&text) {
            continue;
        }
        out.push(separator);
        separator = '&';
        out.push_str(setting.path);
        out.push('=');
        if value.is_secret() && !with_secrets {
            out.push_str("***");
        } else {
            encode(&text, "/:,", &mut out);
        }
    }
    out
}

fn is_unix(config: &Config) -> bool {
    matches!(config.hosts.addresses.first(), Some(Address::Unix { .. }))
}

fn scheme(config: &Config) -> &'static str {
    let tls = config.tls.enabled;
    match config.hosts.kind {
        _ if is_unix(config) => "redis+unix",
        Kind::Standalone | Kind::Replicas if tls => "rediss",
        Kind::Standalone | Kind::Replicas => "redis",
        Kind::Sentinel if tls => "rediss+sentinel",
        Kind::Sentinel => "redis+sentinel",
        Kind::Cluster if tls => "rediss-cluster",
        Kind::Cluster => "redis-cluster",
    }
}

/// Whether a setting is said by the URL's scheme, login or path, and so not by an option.
fn in_body(setting: &Setting, config: &Config) -> bool {
    match setting.path {
        "login.username" | "login.password" => true,
        "tls.enabled" | "connection.database" => !is_unix(config),
        "sentinel.master_name" => config.hosts.kind == Kind::Sentinel,
        _ => false,
    }
}

fn login(config: &Config, with_secrets: bool, out: &mut String) {
    let (username, password) = (&config.login.username, &config.login.password);
    if let Some(username) = username {
        encode(username, "", out);
    }
    if let Some(password) = password {
        out.push(':');
        if with_secrets {
            encode(password.expose(), "", out);
        } else {
            out.push_str("***");
        }
    }
    if username.is_some() || password.is_some() {
        out.push('@');
    }
}

fn places(config: &Config, out: &mut String) {
    for (index, address) in config.hosts.addresses.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match address {
            Address::Tcp { .. } => out.push_str(&address.to_string()),
            Address::Unix { path } => encode(&path.to_string_lossy(), "/", out),
        }
    }
    if is_unix(config) {
        return;
    }
    let master_name = config.sentinel.master_name.as_deref().unwrap_or_default();
    let database = config.connection.database;
    if config.hosts.kind == Kind::Sentinel && !(master_name.is_empty() && database == 0) {
        out.push('/');
        encode(master_name, "", out);
    }
    if database != 0 {
        out.push('/');
        out.push_str(&database.to_string());
    }
}

impl Config {
    /// The URL that says the same as this, passwords as `***`: to be shown.
    pub fn url(&self) -> String {
        url(self, false).as_str().to_owned()
    }

    /// The URL that says the same as this, passwords included. A provider of credentials is in no URL.
    pub fn url_with_secrets(&self) -> Secret {
        Secret::new(url(self, true).as_str())
    }
}

/// The hosts and every setting, a line each, secrets as `***`.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hosts = {}", self.hosts)?;
        for setting in settings() {
            write!(f, "\n{} = {}", setting.path, setting.shown(self))?;
        }
        Ok(())
    }
}
