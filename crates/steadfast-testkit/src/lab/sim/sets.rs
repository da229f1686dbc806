//! Several simulated servers as one deployment: a cluster, or servers with sentinels.

use super::builder::run_id;
use super::cluster::{ClusterMap, ClusterNode};
use super::data::Data;
use super::handle::Sim;
use super::node::{Condition, Role};
use super::sentinel::SentinelMaster;
use super::slots::{SLOTS, slot_of};
use anyhow::ensure;
use futures::future::try_join_all;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A simulated cluster: primaries with equal shares of the slots, then their replicas in the same order. A replica
/// has what its primary has at once; different primaries have nothing in common.
#[derive(Debug)]
pub struct SimCluster {
    /// The nodes; their order stays, their roles change.
    pub nodes: Vec<Sim>,
    map: ClusterMap,
}

impl SimCluster {
    /// So many primaries with so many replicas each.
    ///
    /// # Errors
    /// If there is no primary or one of them cannot listen.
    pub async fn start(primaries: usize, replicas_each: usize) -> anyhow::Result<Self> {
        ensure!((1..=usize::from(SLOTS)).contains(&primaries), "a cluster has 1 to {SLOTS} primaries");
        let map = ClusterMap::new();
        let data: Vec<Data> = (0..primaries).map(|_| Data::new()).collect();
        let shards: Vec<usize> = (0..primaries)
            .chain((0..primaries).flat_map(|shard| std::iter::repeat_n(shard, replicas_each)))
            .collect();
        let builders = shards.iter().map(|shard| Sim::builder().data(&data[*shard]).cluster(&map, &run_id()));
        let nodes: Vec<Sim> = try_join_all(builders.map(super::Builder::start)).await?;
        for (index, (node, shard)) in nodes.iter().zip(&shards).enumerate() {
            let primary = (index >= primaries).then(|| nodes[*shard].id().to_owned());
            map.add(ClusterNode { id: node.id().to_owned(), addr: node.addr(), primary, failed: false });
        }
        let cluster = Self { nodes, map };
        let share = usize::from(SLOTS).div_ceil(primaries);
        for index in 0..primaries {
            let bound = |slot: usize| u16::try_from(slot.min(usize::from(SLOTS))).unwrap_or(SLOTS);
            let (first, end) = (bound(index * share), bound((index + 1) * share));
            if first < end {
                cluster.map.assign(first..=end - 1, cluster.nodes[index].id());
            }
        }
        cluster.settle_roles();
        Ok(cluster)
    }

    /// What the nodes agree on; changing it changes what all say that are not frozen.
    pub fn map(&self) -> &ClusterMap {
        &self.map
    }

    /// Which node serves a slot as its primary.
    pub fn node_for_slot(&self, slot: u16) -> Option<usize> {
        let owner = self.map.owner(slot)?;
        self.nodes.iter().position(|node| node.id() == owner)
    }

    /// Which node serves a key as its primary.
    pub fn node_for_key(&self, key: &str) -> Option<usize> {
        self.node_for_slot(slot_of(key))
    }

    /// Starts to move a slot: `-ASK` for keys that its node does not have.
    pub fn start_moving(&self, slot: u16, to: usize) {
        self.map.start_moving(slot, self.nodes[to].id());
    }

    /// Moves so many keys of a slot at most to a node, and says how many it moved.
    pub fn move_keys(&self, slot: u16, to: usize, most: usize) -> usize {
        let Some(from) = self.node_for_slot(slot) else { return 0 };
        self.nodes[from].data().move_slot_to(&self.nodes[to].data(), slot, most)
    }

    /// Gives a slot to a node: `-MOVED` from everybody else.
    pub fn finish_moving(&self, slot: u16, to: usize) {
        self.map.assign(slot..=slot, self.nodes[to].id());
    }

    /// Moves a slot with all its keys at once.
    pub fn move_slot(&self, slot: u16, to: usize) {
        self.move_keys(slot, to, usize::MAX);
        self.finish_moving(slot, to);
    }

    /// Has a replica take over from its primary, which becomes its replica.
    pub fn fail_over(&self, replica: usize) {
        self.map.fail_over(self.nodes[replica].id());
        self.settle_roles();
    }

    /// Whether the others hold a node for failed. It goes on answering: see [`Sim::dial`] and [`Sim::all_connections`].
    pub fn set_failed(&self, node: usize, failed: bool) {
        self.map.set_failed(self.nodes[node].id(), failed);
    }

    /// Whether all nodes answer `-CLUSTERDOWN` to whatever has keys.
    pub fn set_down(&self, down: bool) {
        for node in &self.nodes {
            node.clear_condition(Condition::ClusterDown);
            if down {
                node.set_condition(Condition::ClusterDown);
            }
        }
    }

    /// Has ROLE and INFO say what the map says.
    fn settle_roles(&self) {
        let known = self.map.nodes();
        let addr_of = |id: &str| known.iter().find(|node| node.id == id).map(|node| node.addr);
        for (node, entry) in self.nodes.iter().zip(&known) {
            let role = match entry.primary.as_deref().and_then(addr_of) {
                Some(of) => Role::replica_of(of),
                None => {
                    let own = known.iter().filter(|other| other.primary.as_ref() == Some(&entry.id));
                    Role::Primary { replicas: own.map(|other| other.addr).collect() }
                }
            };
            node.set_role(role);
        }
    }
}

/// Simulated servers on one data set, and sentinels that watch them.
#[derive(Debug)]
pub struct SimSentinels {
    /// The servers; the first is the primary at first.
    pub servers: Vec<Sim>,
    /// The sentinels; each has a mind of its own, see [`Sim::sentinel`].
    pub sentinels: Vec<Sim>,
    primary: AtomicUsize,
    epoch: AtomicU64,
}

impl SimSentinels {
    /// By this name they know the primary.
    pub const NAME: &'static str = "steadfast";

    /// A primary, so many replicas, and so many sentinels.
    pub async fn start(replicas: usize, sentinels: usize) -> anyhow::Result<Self> {
        let data = Data::new();
        let servers = (0..=replicas).map(|_| Sim::builder().data(&data).start());
        let servers = try_join_all(servers).await?;
        let sentinels = try_join_all((0..sentinels).map(|_| Sim::builder().sentinel().start())).await?;
        let all = Self { servers, sentinels, primary: AtomicUsize::new(0), epoch: AtomicU64::new(1) };
        all.settle_roles();
        let replicas: Vec<SocketAddr> = all.servers[1..].iter().map(Sim::addr).collect();
        for (index, sentinel) in all.sentinels.iter().enumerate() {
            let others = all.sentinels.iter().enumerate().filter(|(other, _)| *other != index);
            let others: Vec<SocketAddr> = others.map(|(_, other)| other.addr()).collect();
            let master = SentinelMaster::new(all.servers[0].addr()).replicas(&replicas).sentinels(&others);
            if let Some(face) = sentinel.sentinel() {
                face.believe(Self::NAME, master);
            }
        }
        Ok(all)
    }

    /// Which server is the primary.
    pub fn primary(&self) -> usize {
        self.primary.load(Ordering::Acquire)
    }

    /// The epoch of the last failover.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Makes a server the primary and the others its replicas; no sentinel is told. Returns the new epoch.
    pub fn promote(&self, server: usize) -> u64 {
        self.primary.store(server, Ordering::Release);
        self.settle_roles();
        self.epoch.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The same, and these sentinels learn of it and announce it; the others keep their old belief.
    pub fn fail_over_seen_by(&self, server: usize, sentinels: &[usize]) {
        let epoch = self.promote(server);
        for sentinel in sentinels {
            if let Some(face) = self.sentinels[*sentinel].sentinel() {
                face.switch_master(Self::NAME, self.servers[server].addr(), epoch);
            }
        }
    }

    /// The same, and all sentinels learn of it and announce it.
    pub fn fail_over(&self, server: usize) {
        let all: Vec<usize> = (0..self.sentinels.len()).collect();
        self.fail_over_seen_by(server, &all);
    }

    fn settle_roles(&self) {
        let primary = self.primary();
        let of = self.servers[primary].addr();
        let others = self.servers.iter().map(Sim::addr).filter(|addr| *addr != of).collect();
        self.servers[primary].set_role(Role::Primary { replicas: others });
        for (_, server) in self.servers.iter().enumerate().filter(|(index, _)| *index != primary) {
            server.set_role(Role::replica_of(of));
        }
    }
}
