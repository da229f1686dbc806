//! A cluster: which node has which slot, and finding out anew when that changes.

mod seeds;
mod view;

use super::choose::choose;
use super::{Need, NodeMaker};
use crate::config::Address;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::fault::{Fault, Redirect};
use crate::lane::Answer;
use crate::node::Node;
use crate::resp::Reply;
use crate::slot::SLOTS;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use view::Shard;

/// How long the disk has for the nodes last known.
const KEEP_WITHIN: Duration = Duration::from_secs(1);
/// How many nodes are asked what the cluster looks like.
const ASKED: usize = 5;
/// How long one may take.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// How long the others have after the first has answered.
const OTHERS_WITHIN: Duration = Duration::from_millis(30);
/// How often the map is read while a node that has slots cannot be used: a failover may be under way.
const TROUBLE_EVERY: Duration = Duration::from_millis(150);

/// How the map is kept.
#[derive(Debug, Clone)]
pub(super) struct ClusterSettings {
    pub(super) seeds: Vec<Address>,
    /// Where the nodes last known are kept.
    pub(super) nodes_file: Option<PathBuf>,
}

/// How often it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refresh {
    /// The shortest time between two readings asked for by redirections.
    pub(super) least: Duration,
    /// How often it is read without a reason.
    pub(super) every: Duration,
}

#[derive(Debug, Default)]
struct Map {
    /// For each slot the place in `shards`; empty while nothing is known.
    slots: Vec<Option<u16>>,
    shards: Vec<(Arc<Node>, Vec<Arc<Node>>)>,
}

/// A cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    maker: NodeMaker,
    settings: ClusterSettings,
    refresh: RwLock<Refresh>,
    map: watch::Sender<Arc<Map>>,
    nodes: Mutex<BTreeMap<Address, Arc<Node>>>,
    /// A redirection was seen: read the map, but not too often.
    stale: Notify,
    /// A node cannot be used as it was.
    trouble: Arc<Notify>,
}

impl Cluster {
    /// A cluster, and the task that keeps its map.
    pub(super) fn start(maker: NodeMaker, settings: ClusterSettings, refresh: Refresh) -> Arc<Self> {
        let trouble = Arc::clone(&maker.trouble);
        let (map, nodes, stale) = (watch::Sender::default(), Mutex::default(), Notify::new());
        let refresh = RwLock::new(refresh);
        let cluster = Arc::new(Self { maker, settings, refresh, map, nodes, stale, trouble });
        cluster.maker.tasks.spawn(Arc::clone(&cluster).keep());
        cluster
    }

    /// The node for a command, once it is known; another than `shut`, if another will do.
    pub(super) async fn route(
        &self,
        need: Need,
        shut: Option<&Arc<Node>>,
        deadline: Instant,
    ) -> Result<Arc<Node>> {
        let mut map = self.map.subscribe();
        loop {
            let picked = map.borrow_and_update().pick(need, shut);
            if let Some(node) = picked {
                if need.slot.is_none() || serves(&node, &mut map, deadline).await? {
                    return Ok(node);
                }
                continue;
            }
            self.trouble.notify_one();
            if self.maker.stop.is_cancelled() {
                return Err(Error::new(
                    ErrorKind::Connection,
                    "CLOSED",
                    Outcome::NotSent,
                    "the client was closed",
                ));
            }
            if tokio::time::timeout_at(deadline, map.changed()).await.is_err() {
                let why = "no node of the cluster is known to serve this slot";
                return Err(Error::new(ErrorKind::Connection, "CLUSTERDOWN", Outcome::NotSent, why)
                    .advise("check that the seeds can be reached, and CLUSTER INFO"));
            }
        }
    }

    /// The node that a redirection names. One that is for good is noted, and the map read anew.
    pub(super) fn redirected(&self, from: &Node, to: &Redirect, for_good: bool) -> Result<Arc<Node>> {
        let address = Address::of_node(&to.address, from.address.host());
        let address = address.ok_or_else(|| {
            let why = format!("it redirected to {:?}, which is no address", to.address);
            Error::new(ErrorKind::Server, "MOVED", Outcome::Rejected, why).on(&from.name)
        })?;
        let node = self.node(&address)?;
        if for_good {
            node.set_demoted(false);
            self.map.send_modify(|map| {
                let mut moved = Map { slots: map.slots.clone(), shards: map.shards.clone() };
                moved.assign(to.slot, &node);
                *map = Arc::new(moved);
            });
            self.stale.notify_one();
        }
        Ok(node)
    }

    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The primaries that have slots.
    pub(super) fn primaries(&self) -> Vec<Arc<Node>> {
        self.map.borrow().shards.iter().map(|(primary, _)| Arc::clone(primary)).collect()
    }

    /// Goes on at another pace.
    pub(super) fn set_refresh(&self, refresh: Refresh) {
        *self.refresh.write().unwrap_or_else(PoisonError::into_inner) = refresh;
        self.stale.notify_one();
    }

    fn refresh(&self) -> Refresh {
        *self.refresh.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A node says that it, or all, cannot do what the map promises: the map is read soon.
    pub(super) fn look(&self) {
        self.trouble.notify_one();
    }

    async fn keep(self: Arc<Self>) {
        let stop = self.maker.stop.clone();
        let loading = seeds::load(self.settings.nodes_file.as_deref());
        let mut extra = tokio::time::timeout(KEEP_WITHIN, loading).await.unwrap_or_default();
        while !stop.is_cancelled() {
            let read = self.read(&extra).await;
            if read {
                extra.clear();
            }
            let read_at = Instant::now();
            let works = read && self.primaries().iter().all(|node| node.is_well());
            let mut due = read_at + if works { self.refresh().every } else { TROUBLE_EVERY };
            while Instant::now() < due && !stop.is_cancelled() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep_until(due) => {}
                    () = self.trouble.notified() => due = due.min(read_at + TROUBLE_EVERY),
                    // Whatever the number of redirections: each is followed, and the map read once.
                    () = self.stale.notified() => due = due.min(read_at + self.refresh().least),
                }
            }
        }
    }

    /// Asks some nodes and takes what they say together. False if none answered.
    async fn read(&self, extra: &[Address]) -> bool {
        let known = self.nodes();
        let mut asked: Vec<Arc<Node>> = known.iter().filter(|node| node.is_well()).cloned().collect();
        fastrand::shuffle(&mut asked);
        asked.truncate(ASKED);
        if asked.is_empty() {
            let places = self.settings.seeds.iter().chain(extra);
            asked = places.filter_map(|address| self.node(address).ok()).chain(known).collect();
        }
        let shards = view::merge(&views(&asked).await);
        if shards.is_empty() {
            return false;
        }
        self.take(&shards);
        // A disk that hangs must not keep the map from being read.
        let kept = seeds::keep(self.settings.nodes_file.as_deref(), &shards);
        if tokio::time::timeout(KEEP_WITHIN, kept).await.is_err() {
            tracing::warn!("the nodes last known were not kept in time");
        }
        true
    }

    fn take(&self, shards: &[Shard]) {
        let mut map = Map { slots: vec![None; usize::from(SLOTS)], shards: Vec::new() };
        for shard in shards {
            let place = u16::try_from(map.shards.len()).ok();
            let Ok(primary) = self.node(&shard.primary) else { continue };
            let replicas = shard.replicas.iter().filter_map(|address| self.node(address).ok()).collect();
            map.shards.push((primary, replicas));
            if let (Some((slot, _)), Some((primary, _))) = (shard.slots.first(), map.shards.last()) {
                primary.vitals.health.serves(*slot);
            }
            for (first, last) in &shard.slots {
                map.slots[usize::from(*first)..=usize::from(*last)].fill(place);
            }
        }
        let is_primary = |node: &Arc<Node>| map.shards.iter().any(|(primary, _)| Arc::ptr_eq(primary, node));
        for node in self.nodes() {
            node.set_demoted(!is_primary(&node));
        }
        let members: Vec<&Address> =
            shards.iter().flat_map(|shard| shard.replicas.iter().chain([&shard.primary])).collect();
        // First, so that nobody is sent to a node that is closed.
        self.map.send_replace(Arc::new(map));
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|address, node| {
            let keep = members.contains(&address) || node.load().in_flight > 0;
            if !keep {
                node.close();
            }
            keep
        });
    }

    fn node(&self, address: &Address) -> Result<Arc<Node>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(address) {
            return Ok(Arc::clone(node));
        }
        let node = self.maker.make(address.clone())?;
        nodes.insert(address.clone(), Arc::clone(&node));
        Ok(node)
    }
}

impl Map {
    fn pick(&self, need: Need, shut: Option<&Arc<Node>>) -> Option<Arc<Node>> {
        let place = match need.slot {
            Some(slot) => usize::from((*self.slots.get(usize::from(slot))?)?),
            // Any will do: another one each time, of those that work.
            None => {
                let up = (0..self.shards.len()).filter(|place| self.shards[*place].0.is_up());
                fastrand::choice(up.collect::<Vec<_>>()).or_else(|| (!self.shards.is_empty()).then_some(0))?
            }
        };
        let (primary, replicas) = self.shards.get(place)?;
        choose(Some(primary), replicas, need, shut)
    }

    fn assign(&mut self, slot: u16, node: &Arc<Node>) {
        let found = self.shards.iter().position(|(primary, _)| Arc::ptr_eq(primary, node));
        let place = found.unwrap_or_else(|| {
            self.shards.push((Arc::clone(node), Vec::new()));
            self.shards.len() - 1
        });
        self.slots.resize(usize::from(SLOTS), None);
        self.slots[usize::from(slot)] = u16::try_from(place).ok();
    }
}

/// True if the cluster serves anything, as `node` says; false if the map changed before it did.
async fn serves(node: &Arc<Node>, map: &mut watch::Receiver<Arc<Map>>, deadline: Instant) -> Result<bool> {
    let mut state = node.state();
    loop {
        if !state.borrow_and_update().is_cluster_down {
            return Ok(true);
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return Ok(false) },
            changed = map.changed() => return if changed.is_ok() { Ok(false) } else { Ok(true) },
            () = tokio::time::sleep_until(deadline) => {
                let why = "the cluster serves nothing now, and did not in time";
                return Err(Error::new(ErrorKind::Server, "CLUSTERDOWN", Outcome::NotSent, why)
                    .advise(Fault::ClusterDown.advice())
                    .on(&node.name));
            }
        }
    }
}

/// What these say who answer, and soon after the first.
async fn views(asked: &[Arc<Node>]) -> Vec<Vec<view::Seen>> {
    let mut answers: FuturesUnordered<_> = asked.iter().map(ask).collect();
    let mut until = Instant::now() + ANSWER_WITHIN;
    let mut views = Vec::new();
    while let Ok(Some(answer)) = tokio::time::timeout_at(until, answers.next()).await {
        if let Some(view) = answer {
            if views.is_empty() {
                until = until.min(Instant::now() + OTHERS_WITHIN);
            }
            views.push(view);
        }
    }
    views
}

async fn ask(node: &Arc<Node>) -> Option<Vec<view::Seen>> {
    let packed = redis::cmd("CLUSTER").arg("NODES").get_packed_command();
    match node.send(packed, None, false, Instant::now() + ANSWER_WITHIN).await {
        Ok(Answer::One(Reply::Value(value))) => {
            Some(view::read(&super::fields::text(&value)?, node.address.host()))
        }
        Ok(Answer::One(Reply::Error(text))) => {
            tracing::error!(node = &*node.name, %text, "this server is no part of a cluster: check the URL's scheme and the server's cluster-enabled");
            None
        }
        _ => None,
    }
}
