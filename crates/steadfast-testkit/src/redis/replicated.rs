//! A primary and its replicas.

use super::{Builder, Server};
use crate::wait::wait_for;
use anyhow::{Context, ensure};
use futures::future::try_join_all;
use std::time::Duration;

/// How long replicas may take to be in step.
const LINKED_WITHIN: Duration = Duration::from_secs(20);

/// One primary and its replicas, all in step when it starts.
#[derive(Debug)]
pub struct Replicated {
    /// Takes writes.
    pub primary: Server,
    /// Follow it.
    pub replicas: Vec<Server>,
}

impl Replicated {
    /// A primary and so many replicas as they come.
    pub async fn start(replicas: usize) -> anyhow::Result<Self> {
        Self::start_with(replicas, |builder| builder).await
    }

    /// The same with settings for each.
    pub async fn start_with(
        replicas: usize,
        settings: impl Fn(Builder) -> Builder + Send + Sync,
    ) -> anyhow::Result<Self> {
        let primary = settings(Server::builder()).start().await?;
        let builders = (0..replicas).map(|_| settings(Server::builder()).replica_of(primary.port()));
        let replicas = try_join_all(builders.map(Builder::start)).await?;
        let all = Self { primary, replicas };
        for replica in &all.replicas {
            wait_linked(replica).await?;
        }
        Ok(all)
    }

    /// Waits until every replica has all that the primary was told so far.
    pub async fn in_step(&self) -> anyhow::Result<()> {
        let wanted: u64 = self.primary.info("replication", "master_repl_offset").await?.parse()?;
        for replica in &self.replicas {
            let caught_up = wait_for(LINKED_WITHIN, || async {
                let offset = replica.info("replication", "slave_repl_offset").await.ok();
                offset.and_then(|offset| offset.parse::<u64>().ok()).is_some_and(|offset| offset >= wanted)
            });
            ensure!(caught_up.await, "the replica on port {} does not catch up", replica.port());
        }
        Ok(())
    }

    /// Makes a replica the primary by hand; the others follow it, the old primary too if it is up.
    pub async fn promote(&mut self, replica: usize) -> anyhow::Result<()> {
        let new = self.replicas.get(replica).context("there is no such replica")?;
        new.expect(&["REPLICAOF", "NO", "ONE"]).await?;
        std::mem::swap(&mut self.primary, &mut self.replicas[replica]);
        let port = self.primary.port().to_string();
        for other in self.replicas.iter().filter(|other| other.is_up()) {
            other.expect(&["REPLICAOF", "127.0.0.1", &port]).await?;
        }
        Ok(())
    }
}

/// Waits until a replica is in step with its primary.
pub(super) async fn wait_linked(replica: &Server) -> anyhow::Result<()> {
    let linked = wait_for(LINKED_WITHIN, || async {
        let status = replica.info("replication", "master_link_status").await;
        status.is_ok_and(|status| status == "up")
    });
    ensure!(linked.await, "the replica on port {} is not in step:\n{}", replica.port(), replica.log());
    Ok(())
}
