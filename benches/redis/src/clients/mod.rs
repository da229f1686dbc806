//! The clients, each behind the same face.

mod bare;
mod deadpool;
mod fred_pool;
mod manager;
mod ours;

use crate::speed::{Point, Sample};
use crate::traffic::Traffic;
use crate::{speed, versions};
use futures::future::BoxFuture;
use std::future::Future;
use std::time::Duration;

/// How long a connection may take to come about.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// A client, with settings where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bare,
    Manager,
    ManagerResp3,
    Fred,
    FredUnresponsive,
    Deadpool,
    Ours,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "redis-rs multiplexed",
            Self::Manager => "redis-rs ConnectionManager",
            Self::ManagerResp3 => "redis-rs ConnectionManager, RESP3",
            Self::Fred => "fred pool",
            Self::FredUnresponsive => "fred pool, unresponsive 3 s",
            Self::Deadpool => "deadpool-redis",
            Self::Ours => "steadfast-redis",
        }
    }

    pub(crate) fn version(self) -> anyhow::Result<&'static str> {
        versions::of(match self {
            Self::Bare | Self::Manager | Self::ManagerResp3 => "redis",
            Self::Fred | Self::FredUnresponsive => "fred",
            Self::Deadpool => "deadpool-redis",
            Self::Ours => "steadfast-redis",
        })
    }

    /// Connects it.
    pub(crate) async fn connect(self, to: &Target) -> anyhow::Result<Box<dyn Contender>> {
        Ok(match self {
            Self::Bare => Box::new(bare::connect(to).await?),
            Self::Manager => Box::new(manager::connect(to, false).await?),
            Self::ManagerResp3 => Box::new(manager::connect(to, true).await?),
            Self::Fred => Box::new(fred_pool::connect(to, None).await?),
            Self::FredUnresponsive => Box::new(fred_pool::connect(to, Some(Duration::from_secs(3))).await?),
            Self::Deadpool => Box::new(deadpool::connect(to)?),
            Self::Ours => Box::new(ours::connect(to).await?),
        })
    }
}

/// What a client is connected to, and how it is used.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// How long a call may take.
    pub(crate) timeout: Duration,
    /// Tasks that will use it.
    pub(crate) tasks: usize,
    /// Connections of fred's pool.
    pub(crate) fred_size: usize,
}

/// A client as one task uses it.
pub(crate) trait Caller: Clone + Send + Sync + 'static {
    /// True if the key was there.
    fn get(&mut self, key: &str) -> impl Future<Output = anyhow::Result<bool>> + Send;
    fn set(&mut self, key: &str, value: &str) -> impl Future<Output = anyhow::Result<()>> + Send;
    fn incr(&mut self, key: &str) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// A client under test.
pub(crate) trait Contender: Send + Sync {
    /// What was set, in words.
    fn settings(&self) -> String;
    /// Keeps it busy for a while.
    fn measure<'a>(&'a self, point: &'a Point) -> BoxFuture<'a, anyhow::Result<Sample>>;
    /// Sends steady traffic through it.
    fn traffic(&self, traffic: &Traffic);
    /// Adds one to a counter.
    fn incr<'a>(&'a self, key: &'a str) -> BoxFuture<'a, anyhow::Result<()>>;
}

/// A caller and what was set for it.
struct Connected<C> {
    caller: C,
    settings: String,
}

impl<C: Caller> Contender for Connected<C> {
    fn settings(&self) -> String {
        self.settings.clone()
    }

    fn measure<'a>(&'a self, point: &'a Point) -> BoxFuture<'a, anyhow::Result<Sample>> {
        Box::pin(speed::measure(&self.caller, point))
    }

    fn traffic(&self, traffic: &Traffic) {
        traffic.start(&self.caller);
    }

    fn incr<'a>(&'a self, key: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        let mut caller = self.caller.clone();
        Box::pin(async move { caller.incr(key).await })
    }
}

/// What redis-rs connects to, with no-delay.
fn redis_info(to: &Target, resp3: bool) -> anyhow::Result<redis::ConnectionInfo> {
    use redis::IntoConnectionInfo;
    let mark = if to.url.contains('?') { '&' } else { '?' };
    let url = if resp3 { format!("{}/{mark}protocol=resp3", to.url) } else { to.url.clone() };
    let info = url.into_connection_info()?;
    Ok(info.set_tcp_settings(redis::io::tcp::TcpSettings::default().set_nodelay(true)))
}
