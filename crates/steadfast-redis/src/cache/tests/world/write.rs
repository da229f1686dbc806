//! Writes, and what the reference makes of them.

use super::*;

impl World {
    /// Writes, at the server if it is there and nothing waits, or into the outbox.
    pub(in crate::cache::tests) fn write(&mut self, index: usize, changes: &[Change], way: Way) {
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
        // What the group left of them goes to nobody: what is found under one of them later is of this group.
        while outbox.stamp(now_ms) < versions.1 {}
        for (change, result) in known.iter().zip(results) {
            self.note(index, change, versions, &result);
        }
        self.restart(index, None);
    }

    /// The change with what its writer knows without having read it: its own operation that still waits, also if
    /// it was written before a restart, and what that one knew.
    fn with_own(&self, index: usize, change: &Change) -> Change {
        let mut change = change.clone();
        if let Change::PutField { key, field, observed, .. } | Change::RemoveField { key, field, observed } =
            &mut change
        {
            let ledger = self.nodes[index].outbox.as_ref().unwrap().ledger();
            if let Some(waiting) = ledger.field(key, field) {
                observed.extend(waiting.observed.iter().chain([&waiting.version]));
            }
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
        if !matches!(change, Change::Set { .. } | Change::Delete { .. })
            && outbox.ledger().keys().any(|(_, waiting)| *waiting == key)
        {
            return false;
        }
        if matches!(change, Change::Add { .. }) {
            return self.add_online(index, change, way);
        }
        let version = outbox.stamp(now_ms);
        let Ok(op) = outbox.online(change, version) else { return false };
        if way.arrives() {
            self.check_op(index, &op);
            let answer = self.server().apply(&op);
            self.note_taken(&op, &answer);
            // The server has it, whether its writer knows or not.
            let sighted = matches!(change, Change::Remember { .. }) && answer != Answer::Applied;
            if !sighted {
                self.acknowledge(index, change, version, now_ms);
            }
            if way == Way::Good {
                let _ = self.nodes[index].outbox().answered(&op, &answer, now_ms);
                self.restart(index, None);
            }
        }
        if way.comes_later() {
            self.keep_for_later(&op, Some((index, change.clone(), now_ms)));
        }
        if way != Way::Good {
            let result = self.nodes[index].outbox().record_sent(change, version, now_ms);
            // It is asked for again under its own version, and none of the next write's.
            self.note(index, change, (version, version), &result);
            self.restart(index, None);
        }
        true
    }

    fn add_online(&mut self, index: usize, change: &Change, way: Way) -> bool {
        let now_ms = self.nodes[index].now_ms(self.now_ms);
        let Ok(op) = self.nodes[index].outbox().online_add(change, now_ms) else { return false };
        let token = op.upto();
        if way.arrives() {
            let answer = self.server().apply(&op);
            assert!(matches!(answer, Answer::Applied | Answer::Merged), "{answer:?}");
            self.acknowledge(index, change, token, now_ms);
        }
        if way.comes_later() {
            self.keep_for_later(&op, None);
        }
        if way != Way::Good {
            let result = self.nodes[index].outbox().record_add(&op, now_ms);
            // What the server has counts already, and is asked for in vain.
            if !way.arrives() {
                self.note(index, change, (token, token), &result);
            }
            self.restart(index, None);
        }
        true
    }

    /// The reference takes an acknowledged write.
    pub(super) fn acknowledge(&mut self, index: usize, change: &Change, version: Version, at_ms: u64) {
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
}
