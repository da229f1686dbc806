//! A slot that moves from one primary to another.

use super::Cluster;
use crate::redis::Server;
use crate::redis::server::{LAB_PASSWORD, LAB_USER};
use anyhow::bail;

/// A slot on its way, step by step: [`Migration::begin`], [`Migration::move_keys`] until it says 0, then
/// [`Migration::finish`]. In between the cluster is in the state a client may find it in.
#[derive(Debug)]
pub struct Migration<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) slot: u16,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Migration<'_> {
    /// Which node served the slot at first.
    pub fn from(&self) -> usize {
        self.from
    }

    /// From now on the old node answers `-ASK` for keys it does not have, and the new one takes them after ASKING.
    pub async fn begin(&self) -> anyhow::Result<()> {
        let slot = self.slot.to_string();
        let (from, to) = (self.cluster.id(self.from), self.cluster.id(self.to));
        self.node(self.to).expect(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", from]).await?;
        self.node(self.from).expect(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", to]).await?;
        Ok(())
    }

    /// Moves so many keys at most and says how many it moved.
    pub async fn move_keys(&self, most: usize) -> anyhow::Result<usize> {
        let (slot, most) = (self.slot.to_string(), most.to_string());
        let reply = self.node(self.from).expect(&["CLUSTER", "GETKEYSINSLOT", &slot, &most]).await?;
        let keys: Vec<&str> = reply.items().unwrap_or_default().iter().filter_map(|key| key.text()).collect();
        if keys.is_empty() {
            return Ok(0);
        }
        self.move_these(&keys).await?;
        Ok(keys.len())
    }

    /// Moves these keys.
    pub async fn move_these(&self, keys: &[&str]) -> anyhow::Result<()> {
        let port = self.node(self.to).port().to_string();
        let head = ["MIGRATE", "127.0.0.1", &port, "", "0", "4000", "AUTH2", LAB_USER, LAB_PASSWORD, "KEYS"];
        let args: Vec<&str> = head.iter().chain(keys).copied().collect();
        let reply = self.node(self.from).expect(&args).await?;
        if !reply.is_ok() {
            bail!("MIGRATE of {keys:?} says {reply:?}");
        }
        Ok(())
    }

    /// Gives the slot to the new node, tells all primaries, and waits until all nodes agree.
    pub async fn finish(&self) -> anyhow::Result<()> {
        self.assign().await?;
        self.cluster.settled().await
    }

    /// The same without waiting: for a moment nodes differ on who serves the slot.
    pub async fn assign(&self) -> anyhow::Result<()> {
        let (slot, id) = (self.slot.to_string(), self.cluster.id(self.to));
        // The new one first: between the two both would send clients away.
        for index in [self.to, self.from] {
            self.node(index).expect(&["CLUSTER", "SETSLOT", &slot, "NODE", id]).await?;
        }
        Ok(())
    }

    /// Gives up: the slot stays where it was, keys that moved stay where they are.
    pub async fn abandon(&self) -> anyhow::Result<()> {
        let slot = self.slot.to_string();
        for index in [self.from, self.to] {
            self.node(index).expect(&["CLUSTER", "SETSLOT", &slot, "STABLE"]).await?;
        }
        Ok(())
    }

    fn node(&self, index: usize) -> &Server {
        &self.cluster.nodes[index]
    }
}
