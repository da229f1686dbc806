//! The face of a cluster: who serves which slot.

use super::errors;
use super::slots::{SLOTS, slot_of};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A node as the cluster knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterNode {
    /// Forty characters.
    pub id: String,
    /// Where it is.
    pub addr: SocketAddr,
    /// The id of its primary, if it is a replica.
    pub primary: Option<String>,
    /// Whether the others hold it for failed.
    pub failed: bool,
}

/// What the nodes of a cluster agree on.
#[derive(Debug, Clone, Default)]
pub(super) struct Topology {
    pub(super) nodes: Vec<ClusterNode>,
    /// The id of each slot's primary.
    owners: BTreeMap<u16, String>,
    /// Slots on the move, and to whom.
    pub(super) moving: BTreeMap<u16, String>,
    pub(super) epoch: u64,
}

impl Topology {
    pub(super) fn node(&self, id: &str) -> Option<&ClusterNode> {
        self.nodes.iter().find(|node| node.id == id)
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&ClusterNode> {
        self.node(self.owners.get(&slot)?)
    }

    /// The runs of slots that one node serves, in order.
    pub(super) fn ranges(&self) -> Vec<(RangeInclusive<u16>, &ClusterNode)> {
        let mut ranges: Vec<(RangeInclusive<u16>, &ClusterNode)> = Vec::new();
        for (slot, id) in &self.owners {
            let Some(node) = self.node(id) else { continue };
            match ranges.last_mut() {
                Some((range, last)) if last.id == *id && *range.end() + 1 == *slot => {
                    *range = *range.start()..=*slot;
                }
                _ => ranges.push((*slot..=*slot, node)),
            }
        }
        ranges
    }

    pub(super) fn replicas_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a ClusterNode> {
        self.nodes.iter().filter(move |node| node.primary.as_deref() == Some(id))
    }

    pub(super) fn is_whole(&self) -> bool {
        self.owners.len() == usize::from(SLOTS)
            && !self.owners.values().any(|id| self.node(id).is_none_or(|node| node.failed))
    }
}

/// Who serves which slot; clones share it, and so do the servers it is given to.
#[derive(Debug, Clone, Default)]
pub struct ClusterMap(Arc<Mutex<Topology>>);

impl ClusterMap {
    /// A cluster without nodes.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Topology> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a node.
    pub fn add(&self, node: ClusterNode) {
        self.lock().nodes.push(node);
    }

    /// Its nodes.
    pub fn nodes(&self) -> Vec<ClusterNode> {
        self.lock().nodes.clone()
    }

    /// Gives slots to a node, whoever had them.
    pub fn assign(&self, slots: RangeInclusive<u16>, id: &str) {
        let mut topology = self.lock();
        topology.epoch += 1;
        for slot in slots {
            topology.owners.insert(slot, id.to_owned());
            topology.moving.remove(&slot);
        }
    }

    /// Takes slots from whoever has them: `-CLUSTERDOWN Hash slot not served`.
    pub fn unassign(&self, slots: RangeInclusive<u16>) {
        self.lock().owners.retain(|slot, _| !slots.contains(slot));
    }

    /// The id of the node that serves a slot.
    pub fn owner(&self, slot: u16) -> Option<String> {
        self.lock().owners.get(&slot).cloned()
    }

    /// Starts to move a slot: its owner answers `-ASK` for keys it does not have, the other takes them after ASKING.
    pub fn start_moving(&self, slot: u16, to: &str) {
        self.lock().moving.insert(slot, to.to_owned());
    }

    /// Gives up moving a slot.
    pub fn stop_moving(&self, slot: u16) {
        self.lock().moving.remove(&slot);
    }

    /// Has a replica take over from its primary, which becomes its replica.
    pub fn fail_over(&self, replica: &str) {
        let mut topology = self.lock();
        let Some(old) = topology.node(replica).and_then(|node| node.primary.clone()) else { return };
        topology.epoch += 1;
        for node in &mut topology.nodes {
            if node.id == replica {
                node.primary = None;
            } else if node.id == old || node.primary.as_ref() == Some(&old) {
                node.primary = Some(replica.to_owned());
            }
        }
        for owner in topology.owners.values_mut().filter(|owner| **owner == old) {
            replica.clone_into(owner);
        }
    }

    /// Whether the others hold a node for failed.
    pub fn set_failed(&self, id: &str, failed: bool) {
        for node in self.lock().nodes.iter_mut().filter(|node| node.id == id) {
            node.failed = failed;
        }
    }

    /// Removes a node from what the cluster knows.
    pub fn forget(&self, id: &str) {
        self.lock().nodes.retain(|node| node.id != id);
    }
}

/// A node's part in a cluster.
#[derive(Debug)]
pub(super) struct ClusterFace {
    pub(super) id: String,
    map: ClusterMap,
    /// What it believed when it stopped hearing from the others.
    frozen: Mutex<Option<Topology>>,
}

/// What a command asks of a node.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) keys: &'a [&'a [u8]],
    pub(super) reads: bool,
    pub(super) asking: bool,
    pub(super) readonly: bool,
}

impl ClusterFace {
    pub(super) fn new(id: String, map: ClusterMap) -> Self {
        Self { id, map, frozen: Mutex::new(None) }
    }

    /// Does something with the topology as it sees it.
    pub(super) fn with_view<T>(&self, work: impl FnOnce(&Topology) -> T) -> T {
        match &*self.frozen.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(frozen) => work(frozen),
            None => work(&self.map.lock()),
        }
    }

    pub(super) fn freeze(&self, on: bool) {
        let now = on.then(|| self.map.lock().clone());
        *self.frozen.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether it serves these keys; if not, the error that says who does.
    pub(super) fn route(&self, asked: &Asked<'_>, exists: &dyn Fn(&[u8]) -> bool) -> Result<(), String> {
        let Some(slot) = asked.keys.first().map(slot_of) else { return Ok(()) };
        if asked.keys.iter().any(|key| slot_of(key) != slot) {
            return Err(errors::CROSSSLOT.to_owned());
        }
        self.with_view(|view| self.route_slot(view, slot, asked, exists))
    }

    fn route_slot(
        &self,
        view: &Topology,
        slot: u16,
        asked: &Asked<'_>,
        exists: &dyn Fn(&[u8]) -> bool,
    ) -> Result<(), String> {
        let Some(owner) = view.owner(slot) else { return Err(errors::CLUSTERDOWN_SLOT.to_owned()) };
        let target = view.moving.get(&slot);
        let missing = || asked.keys.iter().filter(|key| !exists(key)).count();
        if owner.id == self.id {
            let Some(target) = target.and_then(|id| view.node(id)) else { return Ok(()) };
            return match missing() {
                0 => Ok(()),
                some if some < asked.keys.len() => Err(errors::TRYAGAIN.to_owned()),
                _ => Err(format!("ASK {slot} {}", target.addr)),
            };
        }
        if asked.asking && target == Some(&self.id) {
            let torn = asked.keys.len() > 1 && missing() > 0;
            return if torn { Err(errors::TRYAGAIN.to_owned()) } else { Ok(()) };
        }
        let own = view.node(&self.id).and_then(|node| node.primary.as_ref());
        if asked.readonly && asked.reads && own == Some(&owner.id) {
            return Ok(());
        }
        Err(format!("MOVED {slot} {}", owner.addr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_nodes() -> (ClusterMap, ClusterFace, ClusterFace) {
        let map = ClusterMap::new();
        for (id, port) in [("a", 1), ("b", 2)] {
            let addr = SocketAddr::from(([127, 0, 0, 1], port));
            map.add(ClusterNode { id: id.to_owned(), addr, primary: None, failed: false });
        }
        map.assign(0..=SLOTS - 1, "a");
        let face = |id: &str| ClusterFace::new(id.to_owned(), map.clone());
        let (a, b) = (face("a"), face("b"));
        (map, a, b)
    }

    fn routed(face: &ClusterFace, keys: &[&str], asking: bool, here: &[&str]) -> Result<(), String> {
        let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
        let asked = Asked { keys: &keys, reads: true, asking, readonly: false };
        face.route(&asked, &|key| here.iter().any(|other| other.as_bytes() == key))
    }

    #[test]
    fn a_moving_slot_is_served_by_whoever_has_the_key() {
        let (map, a, b) = two_nodes();
        let slot = slot_of("{t}1");
        assert_eq!(routed(&a, &["{t}1"], false, &[]), Ok(()));
        assert_eq!(routed(&b, &["{t}1"], true, &[]), Err(format!("MOVED {slot} 127.0.0.1:1")));
        assert_eq!(routed(&a, &["{t}1", "other"], false, &[]), Err(errors::CROSSSLOT.to_owned()));
        map.start_moving(slot, "b");
        assert_eq!(routed(&a, &["{t}1"], false, &["{t}1"]), Ok(()));
        assert_eq!(routed(&a, &["{t}1"], false, &[]), Err(format!("ASK {slot} 127.0.0.1:2")));
        assert_eq!(routed(&a, &["{t}1", "{t}2"], false, &["{t}1"]), Err(errors::TRYAGAIN.to_owned()));
        assert_eq!(routed(&b, &["{t}1"], true, &[]), Ok(()));
        assert_eq!(routed(&b, &["{t}1"], false, &[]), Err(format!("MOVED {slot} 127.0.0.1:1")));
        assert_eq!(routed(&b, &["{t}1", "{t}2"], true, &["{t}1"]), Err(errors::TRYAGAIN.to_owned()));
        map.assign(slot..=slot, "b");
        assert_eq!(routed(&a, &["{t}1"], false, &[]), Err(format!("MOVED {slot} 127.0.0.1:2")));
        map.unassign(slot..=slot);
        assert_eq!(routed(&a, &["{t}1"], false, &[]), Err(errors::CLUSTERDOWN_SLOT.to_owned()));
    }

    #[test]
    fn a_frozen_view_stays_as_it_was() {
        let (map, a, _) = two_nodes();
        a.freeze(true);
        map.assign(0..=SLOTS - 1, "b");
        assert_eq!(routed(&a, &["x"], false, &[]), Ok(()));
        a.freeze(false);
        assert!(routed(&a, &["x"], false, &[]).is_err_and(|text| text.starts_with("MOVED")));
    }
}
