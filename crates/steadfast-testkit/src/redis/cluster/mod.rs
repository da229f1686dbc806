//! A cluster of six nodes.

mod form;
mod migration;

pub use migration::Migration;

use super::{Builder, Reply, Server};
use crate::wait::{wait_for, wait_for_some};
use anyhow::{Context, ensure};
use std::ops::RangeInclusive;
use std::time::Duration;

/// How long the nodes may take to agree on something.
const AGREED_WITHIN: Duration = Duration::from_secs(30);
/// The slots of a cluster.
const SLOTS: u16 = 16_384;

/// Six nodes: at first 0 to 2 are primaries with a third of the slots each, and 3 to 5 their replicas in the same
/// order. A node that does not answer for a second is held for failed, and replaced.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes; their order stays, their roles change.
    pub nodes: Vec<Server>,
    ids: Vec<String>,
}

/// A run of slots and the ports of those who serve it, the primary first.
type Served = (RangeInclusive<u16>, Vec<u16>);

impl Cluster {
    /// Starts six nodes, makes a cluster of them, and waits until all of them say it is well.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(|builder| builder).await
    }

    /// The same with settings for each node.
    pub async fn start_with(settings: impl Fn(Builder) -> Builder + Send + Sync) -> anyhow::Result<Self> {
        let cluster = form::nodes(settings).await?;
        form::join(&cluster).await?;
        Ok(cluster)
    }

    /// The id of a node.
    pub fn id(&self, node: usize) -> &str {
        &self.ids[node]
    }

    fn running(&self) -> impl Iterator<Item = &Server> {
        self.nodes.iter().filter(|node| node.is_up())
    }

    /// Which node listens on this port.
    pub fn index_of(&self, port: u16) -> Option<usize> {
        self.nodes.iter().position(|node| node.port() == port)
    }

    /// Which node serves a slot as its primary, as the first node that answers says.
    pub async fn node_for_slot(&self, slot: u16) -> anyhow::Result<usize> {
        for node in self.running() {
            let Ok(served) = served_by(node).await else { continue };
            let found = served.iter().find(|(range, _)| range.contains(&slot));
            let port = found.and_then(|(_, ports)| ports.first().copied());
            if let Some(index) = port.and_then(|port| self.index_of(port)) {
                return Ok(index);
            }
        }
        anyhow::bail!("no node says who serves slot {slot}")
    }

    /// Which node serves a key as its primary.
    pub async fn node_for_key(&self, key: &str) -> anyhow::Result<usize> {
        let node = self.running().next().context("no node runs")?;
        let slot = node.expect(&["CLUSTER", "KEYSLOT", key]).await?.integer();
        let slot = slot.and_then(|slot| u16::try_from(slot).ok()).context("no slot")?;
        self.node_for_slot(slot).await
    }

    /// Which nodes are replicas of this one, as it says itself.
    pub async fn replicas_of(&self, node: usize) -> anyhow::Result<Vec<usize>> {
        let reply = self.nodes[node].expect(&["CLUSTER", "REPLICAS", self.id(node)]).await?;
        let lines = reply.items().unwrap_or_default().iter().filter_map(Reply::text);
        let ids: Vec<&str> = lines.filter_map(|line| line.split(' ').next()).collect();
        Ok((0..self.nodes.len()).filter(|index| ids.contains(&self.id(*index))).collect())
    }

    /// Waits until all nodes that run say that the cluster is well and agree on who serves which slot, and each of them
    /// is a primary with slots or a replica of one.
    pub async fn settled(&self) -> anyhow::Result<()> {
        let agreed = wait_for(AGREED_WITHIN, || async {
            let mut views = Vec::new();
            for node in self.running() {
                let info = node.command(&["CLUSTER", "INFO"]).await;
                let well =
                    info.is_ok_and(|info| info.text().is_some_and(|text| text.contains("cluster_state:ok")));
                let (true, Ok(served)) = (well, served_by(node).await) else { return false };
                views.push(joined(served));
            }
            let placed = |port| views.iter().flatten().any(|(_, ports)| ports.contains(&port));
            views.windows(2).all(|pair| pair[0] == pair[1]) && self.running().all(|node| placed(node.port()))
        });
        ensure!(agreed.await, "the nodes do not agree; the log of one:\n{}", self.nodes[0].log());
        Ok(())
    }

    /// Has a replica take over from its primary in good order, and waits until all nodes agree.
    pub async fn failover(&self, replica: usize) -> anyhow::Result<()> {
        let node = &self.nodes[replica];
        // A replica whose primary is busy with another vote gives up after a while, and must be asked again.
        let took_over = wait_for(AGREED_WITHIN, || async {
            let _ = node.command(&["CLUSTER", "FAILOVER"]).await;
            wait_for(Duration::from_secs(3), || async { is_primary(node).await }).await
        });
        ensure!(took_over.await, "node {replica} does not take over:\n{}", node.log());
        self.settled().await
    }

    /// Ends a node as a power cut would. Nothing is waited for: see [`Cluster::replaced`].
    pub async fn kill9(&self, node: usize) -> anyhow::Result<()> {
        self.nodes[node].kill9().await
    }

    /// Waits until a replica has taken over from a node that is down or paused, and the others agree. Returns it.
    pub async fn replaced(&self, node: usize, replicas: &[usize]) -> anyhow::Result<usize> {
        let successor = wait_for_some(AGREED_WITHIN, || async {
            for replica in replicas {
                if is_primary(&self.nodes[*replica]).await {
                    return Some(*replica);
                }
            }
            None
        });
        let successor = successor.await;
        successor.with_context(|| {
            format!("nobody takes over from node {node}:\n{}", self.nodes[replicas[0]].log())
        })
    }

    /// Prepares to move a slot from the node that serves it to another primary, in steps of the caller's own.
    pub async fn migration(&self, slot: u16, to: usize) -> anyhow::Result<Migration<'_>> {
        ensure!(slot < SLOTS, "there is no slot {slot}");
        let from = self.node_for_slot(slot).await?;
        ensure!(from != to, "slot {slot} is served by node {to} already");
        Ok(Migration { cluster: self, slot, from, to })
    }

    /// Moves a slot with all its keys, and waits until all nodes agree.
    pub async fn migrate_slot(&self, slot: u16, to: usize) -> anyhow::Result<()> {
        let migration = self.migration(slot, to).await?;
        migration.begin().await?;
        while migration.move_keys(100).await? > 0 {}
        migration.finish().await
    }
}

async fn is_primary(node: &Server) -> bool {
    node.info("replication", "role").await.is_ok_and(|role| role == "master")
}

/// Who serves which slots, in the eyes of a node, in the order of the slots.
async fn served_by(node: &Server) -> anyhow::Result<Vec<Served>> {
    let reply = node.expect(&["CLUSTER", "SLOTS"]).await?;
    let number = |reply: &Reply| reply.integer().and_then(|number| u16::try_from(number).ok());
    let mut served: Vec<Served> = Vec::new();
    for entry in reply.items().context("CLUSTER SLOTS is no array")? {
        let fields = entry.items().context("a run of slots is no array")?;
        let bounds = fields.first().and_then(number).zip(fields.get(1).and_then(number));
        let (first, last) = bounds.context("a run of slots without bounds")?;
        let ports = fields.iter().skip(2).filter_map(|node| number(node.items()?.get(1)?));
        served.push((first..=last, ports.collect()));
    }
    served.sort_by_key(|(range, _)| *range.start());
    Ok(served)
}

/// The same, adjacent runs of the same nodes joined, replicas in order.
fn joined(served: Vec<Served>) -> Vec<Served> {
    let mut runs: Vec<Served> = Vec::new();
    for (range, mut ports) in served {
        if let Some((_, replicas)) = ports.split_first_mut() {
            replicas.sort_unstable();
        }
        match runs.last_mut() {
            Some((run, last)) if *last == ports && u32::from(*run.end()) + 1 == u32::from(*range.start()) => {
                *run = *run.start()..=*range.end();
            }
            _ => runs.push((range, ports)),
        }
    }
    runs
}
