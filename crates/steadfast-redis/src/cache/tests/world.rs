//! Several nodes, each with a journal on a disk that does its worst, one server, and the reference beside them.

mod check;
mod late;
mod recover;
mod send;
mod write;

use super::memory::{Data, MemoryRemote, Server};
use super::model::{Event, Model, Written, subset_sums};
use crate::cache::journal::sim::{Sim, Stop};
use crate::cache::version::{NodeId, Version};
use crate::cache::{
    Answer, Change, Expiry, Key, Kind, Limits, Local, NoAnswer, Op, Outbox, OutboxSettings, Recorded,
    Refused, Remote, SyncPolicy,
};
use bytes::Bytes;
use futures::FutureExt;
use std::collections::{BTreeMap, BTreeSet};

/// By how much a node's clock may be wrong, either way.
pub(super) const CLOCK_ERROR_MS: i64 = 60_000;
/// The longest lifetime of a value.
pub(super) const TTL_MAX_MS: u64 = 3_600_000;
const START_MS: u64 = 1_800_000_000_000;
/// How late a message may still reach the server after its sender has given up.
const LATE_MAX_MS: u64 = 60_000;

/// What may happen to one operation on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Good,
    RequestLost,
    ReplyLost,
    /// The reply is lost, and the request comes once more, later.
    ComesAgain,
    /// The request does not come while its sender waits, but later.
    Late,
}

impl Way {
    fn arrives(self) -> bool {
        !matches!(self, Self::RequestLost | Self::Late)
    }

    fn comes_later(self) -> bool {
        matches!(self, Self::ComesAgain | Self::Late)
    }
}

/// A write whose fate is not known to its writer.
#[derive(Clone, Debug)]
struct Doubt {
    change: Change,
    /// Its version is one of these.
    first: Version,
    last: Version,
    at_ms: u64,
}

pub(super) struct Node {
    pub(super) disk: Sim,
    pub(super) outbox: Option<Outbox<Sim>>,
    settings: OutboxSettings,
    /// By how much its wall clock is wrong now, and was when it was opened: that is what it goes by.
    pub(super) clock_error_ms: i64,
    opened_error_ms: i64,
    /// Who it has been, from one start to the next.
    ids: Vec<NodeId>,
    /// Its bound, or what it found when it was opened.
    bytes_max: u64,
    pub(super) online: bool,
    offline_since_ms: u64,
    /// How it stops next, and whether it dies once more while it opens.
    pub(super) stop: Stop,
    pub(super) dies_opening: Option<u64>,
    rng: fastrand::Rng,
    /// Refused, but perhaps on the disk.
    doubtful: Vec<Doubt>,
    /// Acknowledged, but perhaps not on the disk.
    unsynced: Vec<Doubt>,
    /// What it last read of the server's fields.
    view: BTreeMap<(Key, Bytes), Vec<Version>>,
}

pub(super) struct World {
    pub(super) now_ms: u64,
    pub(super) nodes: Vec<Node>,
    pub(super) remote: MemoryRemote,
    pub(super) model: Model,
    late: Vec<late::Late>,
    /// Operations on fields that were refused and have come to life.
    revived: BTreeSet<Version>,
}

impl Node {
    fn now_ms(&self, true_ms: u64) -> u64 {
        true_ms.saturating_add_signed(self.opened_error_ms)
    }

    pub(super) fn outbox(&mut self) -> &mut Outbox<Sim> {
        self.outbox.as_mut().expect("a node that is off is opened before it is used")
    }

    /// What is left of a lifetime, as this node reckons now.
    fn remaining_ms(&self, expiry: Expiry, true_ms: u64) -> u64 {
        let end = i128::from(expiry.at_ms) - i128::from(self.now_ms(true_ms));
        u64::try_from(end).unwrap_or(0).min(expiry.ttl_ms)
    }
}

impl World {
    pub(super) fn new(seed: u64, count: usize, settings: OutboxSettings) -> Self {
        let node = |index: usize| Node {
            disk: Sim::new(seed + index as u64),
            outbox: None,
            settings,
            clock_error_ms: 0,
            opened_error_ms: 0,
            ids: Vec::new(),
            bytes_max: 0,
            online: index == 0,
            offline_since_ms: START_MS,
            stop: Stop::Kill,
            dies_opening: None,
            rng: fastrand::Rng::with_seed(seed ^ (index as u64) << 32),
            doubtful: Vec::new(),
            unsynced: Vec::new(),
            view: BTreeMap::new(),
        };
        let remote = MemoryRemote::default();
        remote.0.lock().unwrap().now_ms = START_MS;
        let nodes = (0..count).map(node).collect();
        let mut world = Self {
            now_ms: START_MS,
            nodes,
            remote,
            model: Model::default(),
            late: Vec::new(),
            revived: BTreeSet::new(),
        };
        for index in 0..count {
            world.open(index);
        }
        world
    }

    fn server(&self) -> std::sync::MutexGuard<'_, Server> {
        self.remote.0.lock().unwrap()
    }

    pub(super) fn advance(&mut self, ms: u64) {
        self.now_ms += ms;
        self.server().now_ms = self.now_ms;
    }

    pub(super) fn set_online(&mut self, index: usize, online: bool) {
        let node = &mut self.nodes[index];
        if node.online && !online {
            node.offline_since_ms = self.now_ms;
        }
        node.online = online;
        if online {
            self.read_fields(index);
        }
    }

    /// The node reads the server's sets: that is what it can have observed.
    fn read_fields(&mut self, index: usize) {
        let mut view = BTreeMap::new();
        for key in keys_of(Kind::Fields) {
            if let Some((Data::Fields { fields, .. }, _)) = self.server().get(&key) {
                for (field, versions) in fields {
                    view.insert((key.clone(), field.clone()), versions.keys().copied().collect());
                }
            }
        }
        self.nodes[index].view = view;
    }

    pub(super) fn observed(&self, index: usize, key: &Key, field: &Bytes) -> Vec<Version> {
        self.nodes[index].view.get(&(key.clone(), field.clone())).cloned().unwrap_or_default()
    }

    /// Opens a node that is off, which may take several tries.
    fn open(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        loop {
            node.opened_error_ms = node.clock_error_ms;
            let id = NodeId::random(&mut node.rng);
            node.ids.push(id);
            let now_ms = node.now_ms(self.now_ms);
            match Outbox::open(node.disk.clone(), node.settings, id, now_ms, &mut node.rng) {
                Ok((outbox, _)) => {
                    node.bytes_max = node.settings.memory_bytes_max.max(outbox.bytes());
                    node.outbox = Some(outbox);
                    return self.recover(index);
                }
                Err(error) => {
                    assert!(node.disk.is_dead(), "a disk in order was refused: {error}");
                    node.disk.restart(Stop::Power);
                }
            }
        }
    }

    /// Starts a node anew if its machine has stopped, or if it is told to.
    pub(super) fn restart(&mut self, index: usize, stop: Option<Stop>) {
        let node = &mut self.nodes[index];
        let stop = if node.disk.is_dead() { Some(node.stop) } else { stop };
        let Some(stop) = stop else { return };
        node.outbox = None;
        node.disk.restart(stop);
        if stop == Stop::Kill && node.settings.sync != SyncPolicy::Always {
            // The system still has what was appended.
            node.unsynced.clear();
        }
        if let Some(steps) = node.dies_opening.take() {
            node.disk.die_after(steps);
            node.stop = Stop::Power;
        }
        self.open(index);
    }

    pub(super) fn maintain(&mut self, index: usize) {
        let now_ms = self.nodes[index].now_ms(self.now_ms);
        let _ = self.nodes[index].outbox().maintain(now_ms);
        self.restart(index, None);
    }

    /// Closed in order, and opened again.
    pub(super) fn close(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        let now_ms = node.now_ms(self.now_ms);
        let closed = node.outbox.take().map(|outbox| outbox.close(true, now_ms));
        if matches!(closed, Some(Ok(()))) {
            node.unsynced.clear();
        }
        self.restart(index, Some(Stop::Kill));
    }

    /// All is well again and everything is sent back.
    pub(super) fn quiet(&mut self) {
        for index in 0..self.nodes.len() {
            self.restart(index, None);
            let disk = self.nodes[index].disk.clone();
            disk.die_after(u64::MAX / 2);
            disk.set_room(None);
            self.set_online(index, true);
        }
        self.deliver_late();
        for _ in 0..2_000 {
            if self.nodes.iter_mut().all(|node| node.outbox().is_empty()) {
                break;
            }
            for index in 0..self.nodes.len() {
                self.send(index, 16, &[], true);
                self.check();
            }
        }
        let waiting: Vec<usize> = self.nodes.iter_mut().map(|node| node.outbox().len()).collect();
        assert!(waiting.iter().all(|waiting| *waiting == 0), "never done: {waiting:?}");
    }
}

/// The keys of each kind.
pub(super) fn keys_of(kind: Kind) -> Vec<Key> {
    let name = match kind {
        Kind::Value => "value",
        Kind::Counter => "counter",
        Kind::Dedup => "dedup",
        Kind::Fields => "fields",
    };
    (0..2).map(|number| Bytes::from(format!("{name}:{number}"))).collect()
}

/// The keys of counters that end.
pub(super) fn window_keys() -> Vec<Key> {
    (0..2).map(|number| Bytes::from(format!("window:{number}"))).collect()
}

pub(super) fn fields() -> [Bytes; 2] {
    ["f", "g"].map(|field| Bytes::from_static(field.as_bytes()))
}
