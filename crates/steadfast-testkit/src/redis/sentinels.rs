//! A primary, its replicas, and the sentinels that watch them.

use super::replicated::wait_linked;
use super::{Builder, Replicated, Reply, Server};
use crate::wait::{wait_for, wait_for_some};
use anyhow::{Context, bail, ensure};
use futures::future::{join_all, try_join_all};
use std::time::Duration;

/// How long sentinels may take to find each other: they greet every two seconds.
const AGREED_WITHIN: Duration = Duration::from_secs(30);
/// How long a failover may take, detection included.
const FAILED_OVER_WITHIN: Duration = Duration::from_secs(30);
/// The pace of the sentinels, in milliseconds: they find each other and notice things in a fraction of their usual
/// seconds, and a busy machine does not put them to sleep for half a minute. Redis has these settings from 7.0 on.
const PACE: [&str; 14] = [
    "info-period",
    "400",
    "ping-period",
    "200",
    "ask-period",
    "200",
    "publish-period",
    "300",
    "tilt-trigger",
    "5000",
    "tilt-period",
    "1000",
    "min-link-reconnect-period",
    "500",
];
/// How many sentinels there are.
const SENTINELS: usize = 3;

/// A primary with replicas and three sentinels: they hold it for down after 500 ms without an answer and take two
/// seconds at most for each try to replace it.
///
/// They work at a quicker pace than usual, which a sentinel that is restarted no longer does: it takes up to ten seconds
/// then to notice what changed while it was away.
#[derive(Debug)]
pub struct Sentinels {
    /// The servers; which of them is the primary changes.
    pub servers: Vec<Server>,
    /// The sentinels.
    pub sentinels: Vec<Server>,
}

impl Sentinels {
    /// By this name they know the primary.
    pub const NAME: &'static str = "steadfast";

    /// A primary, so many replicas, and three sentinels that agree on them.
    pub async fn start(replicas: usize) -> anyhow::Result<Self> {
        Self::start_with(replicas, |server| server, |sentinel| sentinel).await
    }

    /// The same with settings for each server and each sentinel.
    pub async fn start_with(
        replicas: usize,
        server: impl Fn(Builder) -> Builder + Send + Sync,
        sentinel: impl Fn(Builder) -> Builder + Send + Sync,
    ) -> anyhow::Result<Self> {
        let Replicated { primary, replicas } = Replicated::start_with(replicas, server).await?;
        let port = primary.port();
        let builders = (0..SENTINELS).map(|_| sentinel(Builder::sentinel(Self::NAME, port)));
        let sentinels = try_join_all(builders.map(Builder::start)).await?;
        for sentinel in &sentinels {
            quicken(sentinel).await?;
        }
        let servers = std::iter::once(primary).chain(replicas).collect();
        let all = Self { servers, sentinels };
        all.agreed().await?;
        Ok(all)
    }

    /// Waits until every sentinel that runs knows the same primary, its replicas and the other sentinels, and holds the
    /// primary for well.
    pub async fn agreed(&self) -> anyhow::Result<()> {
        let replicas = self.servers.len() - 1;
        let settled = wait_for(AGREED_WITHIN, || async {
            let masters = join_all(self.running().map(|sentinel| self.master_of(sentinel))).await;
            let field = |master: &Reply, name| master.field(name).and_then(Reply::text).map(str::to_owned);
            let sound = |master: &anyhow::Result<Reply>| {
                master.as_ref().is_ok_and(|master| {
                    field(master, "flags").as_deref() == Some("master")
                        && field(master, "num-slaves") == Some(replicas.to_string())
                        && field(master, "num-other-sentinels") == Some((SENTINELS - 1).to_string())
                })
            };
            let ports: Vec<_> = masters.iter().flatten().map(|master| field(master, "port")).collect();
            masters.iter().all(sound) && ports.windows(2).all(|pair| pair[0] == pair[1])
        });
        ensure!(settled.await, "the sentinels do not agree; the log of one:\n{}", self.sentinels[0].log());
        Ok(())
    }

    fn running(&self) -> impl Iterator<Item = &Server> {
        self.sentinels.iter().filter(|sentinel| sentinel.is_up())
    }

    async fn master_of(&self, sentinel: &Server) -> anyhow::Result<Reply> {
        sentinel.expect(&["SENTINEL", "MASTER", Self::NAME]).await
    }

    /// Where the primary is, as the first sentinel that answers says.
    pub async fn primary_port(&self) -> anyhow::Result<u16> {
        for sentinel in self.running() {
            let reply = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::NAME]).await;
            let port = reply.ok().and_then(|reply| reply.items()?.get(1)?.integer());
            if let Some(port) = port.and_then(|port| u16::try_from(port).ok()) {
                return Ok(port);
            }
        }
        bail!("no sentinel says where the primary is")
    }

    /// The primary, as the sentinels say.
    pub async fn primary(&self) -> anyhow::Result<&Server> {
        let port = self.primary_port().await?;
        let found = self.servers.iter().find(|server| server.port() == port);
        found.with_context(|| format!("the sentinels name a primary on port {port} that is none of ours"))
    }

    /// Has a sentinel replace the primary although it is well, and waits until another is the primary in the eyes of
    /// all sentinels and in its own. Returns its port.
    pub async fn failover(&self) -> anyhow::Result<u16> {
        let old = self.primary_port().await?;
        let sentinel = self.running().next().context("no sentinel runs")?;
        // Right after another failover it refuses for a moment.
        let accepted = wait_for(FAILED_OVER_WITHIN, || async {
            sentinel.command(&["SENTINEL", "FAILOVER", Self::NAME]).await.is_ok_and(|reply| reply.is_ok())
        });
        ensure!(accepted.await, "the sentinel does not start a failover:\n{}", sentinel.log());
        self.replaced(old).await
    }

    /// Kills the primary, waits until the sentinels have replaced it, and returns the port of the new one.
    pub async fn kill_primary(&self) -> anyhow::Result<u16> {
        let old = self.primary().await?;
        old.kill9().await?;
        self.replaced(old.port()).await
    }

    /// Waits until another than the one on this port is the primary in the eyes of all sentinels and in its own.
    pub async fn replaced(&self, old: u16) -> anyhow::Result<u16> {
        let new = wait_for_some(FAILED_OVER_WITHIN, || async {
            let mut ports = Vec::new();
            for sentinel in self.running() {
                let master = self.master_of(sentinel).await.ok()?;
                ports.push(u16::try_from(master.field("port")?.integer()?).ok()?);
            }
            let new = ports.first().copied().filter(|new| *new != old)?;
            let server = self.servers.iter().find(|server| server.port() == new)?;
            let role = server.info("replication", "role").await.ok()?;
            (ports.iter().all(|port| *port == new) && role == "master").then_some(new)
        });
        new.await.with_context(|| format!("port {old} is not replaced:\n{}", self.sentinels[0].log()))
    }

    /// Waits until all servers that run follow the primary and are in step with it.
    pub async fn followed(&self) -> anyhow::Result<()> {
        let primary = self.primary_port().await?;
        for server in &self.servers {
            if server.port() != primary && server.is_up() {
                let follows = wait_for(FAILED_OVER_WITHIN, || async {
                    let port = server.info("replication", "master_port").await;
                    port.is_ok_and(|port| port == primary.to_string())
                });
                ensure!(follows.await, "port {} does not follow {primary}", server.port());
                wait_linked(server).await?;
            }
        }
        Ok(())
    }
}

async fn quicken(sentinel: &Server) -> anyhow::Result<()> {
    let args: Vec<&str> = ["SENTINEL", "DEBUG"].into_iter().chain(PACE).collect();
    // Older versions do not know it, and are slower.
    sentinel.command(&args).await.map(drop)
}
