//! The configuration: read from an URL, a file or the environment, checked as a whole, compared for reloading.
//!
//! ```
//! use steadfast_redis::config::Config;
//!
//! let mut config = Config::from_url("redis://:hunter2@localhost:6379/1?pool.lanes_max=4")?;
//! config.connection.command_timeout_ms = 500;
//! let checked = config.validate()?;
//! assert_eq!(checked.url(), "redis://:***@localhost:6379/1?connection.command_timeout_ms=500&pool.lanes_max=4");
//! # Ok::<(), steadfast_redis::config::Problems>(())
//! ```
//!
//! # URLs
//!
//! | URL | means |
//! |---|---|
//! | `redis://[[user]:password@]host[:port][/database]` | one server |
//! | `redis://primary,replica,replica` | a primary and its replicas, for good |
//! | `redis+sentinel://host,host/name[/database]` | servers that sentinels watch over (`redis-sentinel` too) |
//! | `redis-cluster://host,host` | a cluster (`redis+cluster` too) |
//! | `rediss...` in place of `redis...` | the same with TLS |
//! | `redis+unix:///path/to/socket?db=1` | a Unix socket (`unix` too) |
//!
//! User, password, path and options are percent-encoded. Behind `?` stands any setting by its name in this
//! module, `section.field=value`, or by one of its other names; times may say `250ms` or `5s`, sizes `64MiB`.
//!
//! # Files
//!
//! [`Config`] is read by serde: `url` (or `primary_url`), `replica_urls`, `sentinel_urls`, and a table for each
//! section. An unknown setting is an error that names the nearest known one.
//!
//! | in the file | here |
//! |---|---|
//! | `primary_url` + `replica_urls` | [`Hosts::replicas`]; login, database and TLS are the primary's |
//! | `primary_url` + `sentinel_urls` | [`Hosts::sentinels`]; the primary's login, database and TLS are for the servers that the sentinels name, its address and `replica_urls` for nothing; `sentinel.master_name` must be said |
//! | any other setting | each field says what else it is read as |
//!
//! Names in camelCase count in milliseconds; `connection_timeout`, `socket_timeout`, `retry_backoff`,
//! `health_check_interval` and `circuit_breaker_timeout` in seconds.
//!
//! # Environment
//!
//! See [`Config::overlay_env`].

mod behaviour;
mod check;
mod connecting;
mod credentials;
mod diff;
mod env;
mod file;
mod hosts;
mod nearest;
mod outage;
mod overlay;
mod percent;
mod problem;
mod raw;
mod secret;
mod setting;
mod show;
#[cfg(test)]
mod tests;
mod url;
mod value;

pub use behaviour::{Breaker, Eviction, Health, Limiter, Pool, PubSub, Retry, Server};
pub use check::Checked;
pub use connecting::{
    Cluster, Connection, Dial, Login, LoginWith, Protocol, ReadPreference, Sentinel, Tcp, Tls, Watchdog,
};
pub use credentials::{Credentials, CredentialsError, CredentialsProvider, Provider};
pub use diff::{Change, Changed, diff};
pub use hosts::{Address, Hosts, Kind, PORT, SENTINEL_PORT, SentinelLogin, Topology};
pub use outage::{Fallback, JournalSync, Metrics};
pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use setting::{Apply, Setting, Unit};

use crate::dial::Resolver;
use overlay::Overlay;

/// Everything that can be set. All fields have defaults that suit one server on this machine.
///
/// It is not checked while it is made: [`Config::validate`] does that, and gives what a client takes.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Where the servers are.
    pub hosts: Hosts,
    /// Who we are to them.
    pub login: Login,
    /// What every connection asks of its server.
    pub connection: Connection,
    /// Encryption.
    pub tls: Tls,
    /// The sockets.
    pub tcp: Tcp,
    /// How lost connections are made again.
    pub dial: Dial,
    /// How dead sockets are found.
    pub watchdog: Watchdog,
    /// The sentinels, if there are any.
    pub sentinel: Sentinel,
    /// The cluster, if there is one.
    pub cluster: Cluster,
    /// The lanes to each node.
    pub pool: Pool,
    /// The circuit breaker.
    pub breaker: Breaker,
    /// The limit of commands in flight.
    pub limiter: Limiter,
    /// Retries.
    pub retry: Retry,
    /// The health monitor.
    pub health: Health,
    /// Subscriptions.
    pub pubsub: PubSub,
    /// What is expected of the server.
    pub server: Server,
    /// What happens while it is away.
    pub fallback: Fallback,
    /// What is measured.
    pub metrics: Metrics,
    provider: Option<Provider>,
    resolver: Option<Resolver>,
}

impl Config {
    /// The configuration that an URL says, defaults for the rest.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the URL. Neither its passwords nor what may be part of one is in it.
    pub fn from_url(url: &str) -> Result<Self, Problems> {
        let mut config = Self::default();
        let mut overlay = Overlay::over(&mut config);
        overlay.url(url, "url", None);
        overlay.problems.or(())?;
        Ok(config)
    }

    /// Takes credentials from `provider` at every dial, in place of a user and password.
    pub fn set_provider(&mut self, provider: Provider) {
        self.provider = Some(provider);
    }

    /// Has the names of hosts turned into addresses by `resolver`, in place of the system's.
    pub fn set_resolver(&mut self, resolver: Resolver) {
        self.resolver = Some(resolver);
    }

    /// What turns names into addresses, if it is not the system's resolver.
    pub fn resolver(&self) -> Option<&Resolver> {
        self.resolver.as_ref()
    }

    /// What provides the credentials, if code does.
    pub fn provider(&self) -> Option<&Provider> {
        self.provider.as_ref()
    }
}

/// All settings there are, for printing a reference: in the order of [`Config`]'s fields.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    const SECTIONS: [&[Setting]; 17] = [
        Login::SETTINGS,
        Connection::SETTINGS,
        Tls::SETTINGS,
        Tcp::SETTINGS,
        Dial::SETTINGS,
        Watchdog::SETTINGS,
        Sentinel::SETTINGS,
        Cluster::SETTINGS,
        Pool::SETTINGS,
        Breaker::SETTINGS,
        Limiter::SETTINGS,
        Retry::SETTINGS,
        Health::SETTINGS,
        PubSub::SETTINGS,
        Server::SETTINGS,
        Fallback::SETTINGS,
        Metrics::SETTINGS,
    ];
    SECTIONS.into_iter().flatten()
}
