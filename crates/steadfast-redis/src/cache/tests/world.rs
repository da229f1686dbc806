//! Several nodes, each with a journal on a disk that does its worst, one server, and the reference beside them.

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
use std::collections::BTreeMap;

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
    late: Vec<(u64, Op)>,
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
        let mut world = Self { now_ms: START_MS, nodes, remote, model: Model::default(), late: Vec::new() };
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

    /// Brings the reference up to what the node has found again of what was in doubt.
    fn recover(&mut self, index: usize) {
        let doubtful = std::mem::take(&mut self.nodes[index].doubtful);
        let unsynced = std::mem::take(&mut self.nodes[index].unsynced);
        self.recover_sums(&doubtful, &unsynced);
        for doubt in &unsynced {
            match &doubt.change {
                Change::Add { .. } => {}
                Change::PutField { key, field, .. } | Change::RemoveField { key, field, .. } => {
                    if let Some(events) = self.model.events.get_mut(&(key.clone(), field.clone())) {
                        events.remove(&doubt.last);
                    }
                    self.adopt_field(index, key, field);
                }
                _ if self.is_kept(index, doubt) => {}
                _ => self.forget(doubt),
            }
        }
        for doubt in &doubtful {
            match &doubt.change {
                Change::PutField { key, field, .. } | Change::RemoveField { key, field, .. } => {
                    self.adopt_field(index, key, field);
                }
                // Of these it is only asked that they do not come to more than was added.
                Change::Add { key, delta, window_ms: Some(_) } => {
                    *self.model.windows.entry(key.clone()).or_default() += delta;
                }
                change => {
                    if let Some(version) = self.has_appeared(index, doubt) {
                        self.acknowledge(index, change, version, doubt.at_ms);
                    }
                }
            }
        }
    }

    /// Whether what was acknowledged is there or on the server, or something later in its place.
    fn is_kept(&self, index: usize, doubt: &Doubt) -> bool {
        let ledger = self.nodes[index].outbox.as_ref().unwrap().ledger();
        let key = doubt.change.key();
        self.model.has_taken(key, doubt.last)
            || ledger.value(key).is_some_and(|value| value.version >= doubt.last)
            || ledger.sighting(key).is_some_and(|sighting| sighting.version == doubt.last)
    }

    /// The version of what was refused, if it is there all the same.
    fn has_appeared(&self, index: usize, doubt: &Doubt) -> Option<Version> {
        let ledger = self.nodes[index].outbox.as_ref().unwrap().ledger();
        let key = doubt.change.key();
        let value = ledger.value(key).map(|value| value.version);
        let version = value.or(ledger.sighting(key).map(|sighting| sighting.version))?;
        (doubt.first..=doubt.last).contains(&version).then_some(version)
    }

    /// The reference takes a field's pending operation as the node has it: what it took over from operations in
    /// doubt is in it.
    fn adopt_field(&mut self, index: usize, key: &Key, field: &Bytes) {
        let ledger = self.nodes[index].outbox.as_ref().unwrap().ledger();
        if let Some(change) = ledger.field(key, field) {
            let event = Event { value: change.value.clone(), observed: change.observed.clone() };
            let version = change.version;
            self.model.events.entry((key.clone(), field.clone())).or_default().insert(version, event);
        }
    }

    fn forget(&mut self, doubt: &Doubt) {
        match &doubt.change {
            Change::Set { key, .. } | Change::Delete { key } => {
                self.model.values.entry(key.clone()).or_default().remove(&doubt.last);
            }
            Change::Remember { key, .. } => {
                self.model.sightings.entry(key.clone()).or_default().remove(&doubt.last);
            }
            _ => {}
        }
    }

    /// What a counter comes to when everything that waits is added.
    pub(super) fn effective(&self, key: &Key) -> i64 {
        let server = self.server();
        let mut sum = match server.get(key) {
            Some((Data::Counter { sum, .. }, _)) => *sum,
            _ => 0,
        };
        for node in &self.nodes {
            let counter = node.outbox.as_ref().and_then(|outbox| outbox.ledger().counter(key));
            let Some(counter) = counter else { continue };
            sum += counter.open.map_or(0, |open| open.delta);
            let waiting = counter.sealed.filter(|sealed| !server.is_token_applied(key, sealed.token));
            sum += waiting.map_or(0, |sealed| sealed.delta);
        }
        sum
    }

    /// Sums may differ by what was in doubt, and by nothing else.
    fn recover_sums(&mut self, doubtful: &[Doubt], unsynced: &[Doubt]) {
        for key in keys_of(Kind::Counter) {
            let deltas = |doubts: &[Doubt], sign: i64| -> Vec<i64> {
                let added = doubts.iter().filter_map(|doubt| match &doubt.change {
                    Change::Add { key: of, delta, window_ms: None } if *of == key => Some(sign * delta),
                    _ => None,
                });
                added.collect()
            };
            let parts = [deltas(doubtful, 1), deltas(unsynced, -1)].concat();
            let found = self.effective(&key);
            let expected = self.model.sums.entry(key.clone()).or_default();
            let differs = found - *expected;
            assert!(
                subset_sums(&parts).contains(&differs),
                "{key:?} is off by {differs}, in doubt are {parts:?}"
            );
            *expected = found;
        }
    }

    /// Writes, at the server if it is there and nothing waits, or into the outbox.
    pub(super) fn write(&mut self, index: usize, changes: &[Change], way: Way) {
        self.restart(index, None);
        if let [change] = changes
            && self.nodes[index].online
            && self.write_online(index, change, way)
        {
            return;
        }
        let now_ms = self.nodes[index].now_ms(self.now_ms);
        let known: Vec<Change> = changes.iter().map(|change| self.with_own(index, change)).collect();
        let outbox = self.nodes[index].outbox();
        // The next versions are this one's successors.
        let before = outbox.stamp(now_ms);
        let results = outbox.record(changes, now_ms);
        let successor = |count: u32| Version::new(before.ms(), before.counter() + count, before.node());
        let versions = (successor(1), successor(u32::try_from(changes.len()).unwrap()));
        for (change, result) in known.iter().zip(results) {
            self.note(index, change, versions, &result);
        }
        self.restart(index, None);
    }

    /// The change with what its writer knows without having read it: its own operation that still waits, also if
    /// it was written before a restart.
    fn with_own(&self, index: usize, change: &Change) -> Change {
        let mut change = change.clone();
        if let Change::PutField { key, field, observed, .. } | Change::RemoveField { key, field, observed } =
            &mut change
        {
            let ledger = self.nodes[index].outbox.as_ref().unwrap().ledger();
            observed.extend(ledger.field(key, field).map(|waiting| waiting.version));
        }
        change
    }

    fn note(
        &mut self,
        index: usize,
        change: &Change,
        (first, last): (Version, Version),
        result: &Result<Recorded, Refused>,
    ) {
        let at_ms = self.nodes[index].now_ms(self.now_ms);
        let doubt = |first, last| Doubt { change: change.clone(), first, last, at_ms };
        match result {
            Ok(recorded) => {
                let node = &mut self.nodes[index];
                let version = recorded.version;
                if node.outbox().durable() >= recorded.position {
                    node.unsynced.clear();
                } else {
                    node.unsynced.push(doubt(version, version));
                }
                if recorded.first || !matches!(change, Change::Remember { .. }) {
                    self.acknowledge(index, change, version, at_ms);
                }
                self.read_back(index, change, version);
            }
            Err(Refused::Journal(_)) => self.nodes[index].doubtful.push(doubt(first, last)),
            Err(_) => {}
        }
    }

    /// What was acknowledged is read.
    fn read_back(&mut self, index: usize, change: &Change, version: Version) {
        let now_ms = self.nodes[index].now_ms(self.now_ms);
        let outbox = self.nodes[index].outbox();
        match change {
            Change::Set { key, value, .. } => match outbox.value(key, now_ms) {
                Local::Present { value: read, version: of, .. } => assert!(of > version || read == value),
                other => panic!("a value that was just set is {other:?}"),
            },
            Change::Delete { key } => assert_eq!(outbox.value(key, now_ms), Local::Absent),
            Change::Remember { key, .. } => assert!(outbox.is_remembered(key, now_ms)),
            _ => {}
        }
    }

    fn write_online(&mut self, index: usize, change: &Change, way: Way) -> bool {
        let now_ms = self.nodes[index].now_ms(self.now_ms);
        let key = change.key().clone();
        let outbox = self.nodes[index].outbox();
        if outbox.ledger().keys().any(|(_, pending)| *pending == key) {
            return false;
        }
        let version = outbox.stamp(now_ms);
        let Ok(op) = outbox.online(change, version) else { return false };
        if way != Way::RequestLost {
            self.check_op(index, &op);
            let answer = self.server().apply(&op);
            self.note_taken(&op, &answer);
            // The server has it, whether its writer knows or not.
            let sighted = matches!(change, Change::Remember { .. }) && answer != Answer::Applied;
            if !sighted {
                self.acknowledge(index, change, version, now_ms);
            }
            if let Answer::Superseded { by } = answer {
                let _ = self.nodes[index].outbox().observe(by, now_ms);
            }
        }
        if way == Way::ComesAgain {
            self.keep_for_later(&op);
        }
        if way != Way::Good {
            let result = self.nodes[index].outbox().record_sent(change, version, now_ms);
            let mut again = change.clone();
            if let Change::PutField { observed, .. } | Change::RemoveField { observed, .. } = &mut again {
                observed.push(version);
            }
            let next = Version::new(version.ms(), version.counter() + 1, version.node());
            self.note(index, &again, (version, next), &result);
            self.restart(index, None);
        }
        true
    }

    /// The reference takes an acknowledged write.
    fn acknowledge(&mut self, index: usize, change: &Change, version: Version, at_ms: u64) {
        let settings = self.nodes[index].settings;
        let model = &mut self.model;
        match change {
            Change::Set { key, value, ttl_ms } => {
                let expiry = Expiry::after(at_ms, ttl_ms.unwrap_or(settings.ttl_max_ms));
                let written = Written::Set { value: value.clone(), expiry };
                model.values.entry(key.clone()).or_default().insert(version, written);
            }
            Change::Delete { key } => {
                model.values.entry(key.clone()).or_default().insert(version, Written::Deleted);
            }
            Change::Add { key, delta, window_ms: None } => {
                *model.sums.entry(key.clone()).or_default() += delta
            }
            Change::Add { key, delta, .. } => *model.windows.entry(key.clone()).or_default() += delta,
            Change::Remember { key, window_ms } => {
                let expiry = Expiry::after(at_ms, *window_ms);
                model.sightings.entry(key.clone()).or_default().insert(version, expiry);
            }
            Change::PutField { key, field, value, observed } => {
                let event = Event { value: Some(value.clone()), observed: observed.clone() };
                model.events.entry((key.clone(), field.clone())).or_default().insert(version, event);
            }
            Change::RemoveField { key, field, observed } => {
                let event = Event { value: None, observed: observed.clone() };
                model.events.entry((key.clone(), field.clone())).or_default().insert(version, event);
            }
            Change::Lock { .. } => unreachable!("a lock was acknowledged"),
        }
    }

    /// What the server is asked is right as of now.
    fn check_op(&mut self, index: usize, op: &Op) {
        let node = &self.nodes[index];
        match op {
            Op::Set { key, version, remaining_ms, .. } => {
                if let Some(Written::Set { expiry, .. }) =
                    self.model.values.get(key).and_then(|all| all.get(version))
                {
                    assert_eq!(
                        *remaining_ms,
                        node.remaining_ms(*expiry, self.now_ms),
                        "a lifetime is not kept"
                    );
                }
            }
            Op::Delete { key, version, expired: true, .. } => {
                if let Some(Written::Set { expiry, .. }) =
                    self.model.values.get(key).and_then(|all| all.get(version))
                {
                    assert_eq!(node.remaining_ms(*expiry, self.now_ms), 0, "a value that lives is deleted");
                }
                self.model.ended.insert(*version);
            }
            Op::Delete { key, version, expired: false, .. } => {
                // A value that had ended and was let go of, perhaps in an earlier run by another clock.
                if let Some(Written::Set { expiry, .. }) =
                    self.model.values.get(key).and_then(|all| all.get(version))
                {
                    let latest_ms = self.now_ms + CLOCK_ERROR_MS.unsigned_abs();
                    assert!(expiry.at_ms <= latest_ms, "a value that lives is deleted");
                    self.model.ended.insert(*version);
                }
            }
            _ => {}
        }
    }

    fn note_taken(&mut self, op: &Op, answer: &Answer) {
        let taken = *answer == Answer::Applied;
        match op {
            Op::Set { key, version, remaining_ms, .. } if taken => {
                self.model.took(key, *version);
                let ends_ms = self.now_ms + remaining_ms;
                self.model.ends_ms.entry((key.clone(), *version)).or_insert(ends_ms);
            }
            Op::Delete { key, version, .. } if taken => {
                self.model.took(key, *version);
                // A value that ended sooner, by a clock that was set since, ends on the server, too.
                if let Some(ends_ms) = self.model.ends_ms.get_mut(&(key.clone(), *version)) {
                    *ends_ms = self.now_ms.min(*ends_ms);
                }
            }
            _ => {}
        }
    }

    fn keep_for_later(&mut self, op: &Op) {
        // Windows are named by their time in practice: nobody looks at one that has passed.
        let windowed = matches!(op, Op::Add { remaining_ms, .. } if *remaining_ms > 0);
        if !windowed && !matches!(op, Op::Remember { .. }) {
            self.late.push((self.now_ms, op.clone()));
        }
    }

    /// What was underway still comes.
    pub(super) fn deliver_late(&mut self) {
        for (sent_ms, op) in std::mem::take(&mut self.late) {
            // An operation on a field that is done whenever it comes, comes in time or not at all: its connection
            // is closed before anything else is sent for it.
            let whenever = matches!(op, Op::Fields { once: false, .. });
            if self.now_ms - sent_ms <= LATE_MAX_MS && !whenever {
                let answer = self.server().apply(&op);
                self.note_taken(&op, &answer);
            }
        }
    }

    /// One round of sending back. How each operation fares is said by `ways`, in a circle.
    pub(super) fn send(&mut self, index: usize, entries_max: usize, ways: &[Way], settle: bool) {
        self.restart(index, None);
        let node = &mut self.nodes[index];
        let now_ms = node.now_ms(self.now_ms);
        let outage_ms = self.now_ms - node.offline_since_ms;
        let limits = Limits::new(entries_max, 10_000).after_outage(outage_ms);
        let planned = node.outbox().plan(limits, now_ms);
        let Ok(batch) = planned else { return self.restart(index, None) };
        // Whatever is planned is on the disk.
        node.unsynced.clear();
        let mut answers = Vec::new();
        for (place, op) in batch.ops().iter().enumerate() {
            let way = if self.nodes[index].online {
                ways.get(place % ways.len().max(1)).copied().unwrap_or(Way::Good)
            } else {
                Way::RequestLost
            };
            let mut answer = Err(NoAnswer::because("lost"));
            if way != Way::RequestLost {
                self.check_op(index, op);
                answer = self.remote.apply(std::slice::from_ref(op)).now_or_never().unwrap().swap_remove(0);
                if let Ok(answer) = &answer {
                    self.note_taken(op, answer);
                }
            }
            if way == Way::ComesAgain {
                self.keep_for_later(op);
            }
            answers.push(if way == Way::Good { answer } else { Err(NoAnswer::because("lost")) });
        }
        if settle {
            self.nodes[index].outbox().settle(batch, answers, now_ms);
        }
        self.restart(index, None);
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

    /// What must hold at every time.
    pub(super) fn check(&self) {
        for key in keys_of(Kind::Value) {
            if let Some(version) = self.server().seen(&key) {
                assert!(self.model.may_be_seen(&key, version), "{key:?} is {version:?} again");
            }
        }
        for key in keys_of(Kind::Counter) {
            let expected = self.model.sums.get(&key).copied().unwrap_or(0);
            assert_eq!(self.effective(&key), expected, "{key:?}");
        }
        for node in &self.nodes {
            let outbox = node.outbox.as_ref().unwrap();
            assert!(outbox.bytes() <= node.bytes_max, "memory is not bounded");
        }
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

    /// What must hold when all is quiet: the server is what the reference says.
    pub(super) fn check_quiet(&self) {
        self.check();
        for key in keys_of(Kind::Value) {
            self.check_value(&key);
        }
        let server = self.server();
        for key in keys_of(Kind::Dedup) {
            for (version, expiry) in self.model.sightings.get(&key).into_iter().flatten() {
                let lives = self.nodes.iter().all(|node| node.remaining_ms(*expiry, self.now_ms) > 0);
                assert!(
                    !lives || server.get(&key).is_some(),
                    "{key:?} was seen as {version:?} and is forgotten"
                );
            }
        }
        for key in window_keys() {
            if let Some((Data::Counter { sum, .. }, _)) = server.get(&key) {
                let added = self.model.windows.get(&key).copied().unwrap_or(0);
                assert!(*sum <= added, "{key:?} is {sum}, {added} was added");
            }
        }
        for key in keys_of(Kind::Fields) {
            for field in fields() {
                let stored = match server.get(&key) {
                    Some((Data::Fields { fields, .. }, _)) => fields.get(&field).cloned().unwrap_or_default(),
                    _ => BTreeMap::new(),
                };
                assert_eq!(stored, self.model.alive(&key, &field), "{key:?} {field:?}");
            }
        }
    }

    fn check_value(&self, key: &Key) {
        let server = self.server();
        let stored = server.get(key);
        let Some((version, written)) = self.model.winner(key) else {
            return assert!(stored.is_none(), "{key:?} was never written");
        };
        let ends_ms = self.model.ends_ms.get(&(key.clone(), version)).copied();
        match written {
            Written::Deleted => {
                assert!(stored.is_none(), "{key:?} was deleted as {version:?} and is {stored:?}")
            }
            Written::Set { value, .. } => {
                let sent = ends_ms.is_some() || self.model.ended.contains(&version);
                assert!(sent, "{key:?} was set as {version:?} and never sent");
                match ends_ms.filter(|ends_ms| *ends_ms > self.now_ms) {
                    Some(ends_ms) => {
                        let data = Data::Value { version, value: value.clone() };
                        assert_eq!(stored, Some((&data, Some(ends_ms))), "{key:?}");
                    }
                    None => assert!(stored.is_none(), "{key:?} has ended"),
                }
            }
        }
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

pub(super) fn fields() -> Vec<Bytes> {
    ["f", "g"].map(|field| Bytes::from_static(field.as_bytes())).to_vec()
}
