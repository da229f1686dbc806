//! What a node that was started anew has found again.

use super::*;

impl World {
    /// Brings the reference up to what the node has found again of what was in doubt.
    pub(super) fn recover(&mut self, index: usize) {
        let doubtful = std::mem::take(&mut self.nodes[index].doubtful);
        let unsynced = std::mem::take(&mut self.nodes[index].unsynced);
        self.recover_sums(&doubtful, &unsynced);
        for doubt in &unsynced {
            match &doubt.change {
                Change::Add { .. } => {}
                // The server had it, though its writer was not told.
                Change::PutField { key, .. } | Change::RemoveField { key, .. }
                    if self.server().is_token_applied(key, doubt.last) => {}
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
        for (key, field) in
            keys_of(Kind::Fields).iter().flat_map(|key| fields().map(|field| (key.clone(), field)))
        {
            self.learn(index, &key, &field);
        }
        for doubt in &doubtful {
            match &doubt.change {
                Change::PutField { key, field, .. } | Change::RemoveField { key, field, .. } => {
                    self.adopt_field(index, key, field);
                    let ledger = self.nodes[index].outbox.as_ref().unwrap().ledger();
                    self.revived.extend(ledger.field(key, field).map(|change| change.version));
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

    /// An operation that waits may know more than when it was written: of its own node's earlier starts, if it was not
    /// written down that the server had answered for them. It may know nothing of others'.
    fn learn(&mut self, index: usize, key: &Key, field: &Bytes) {
        let node = &self.nodes[index];
        let Some(change) = node.outbox.as_ref().unwrap().ledger().field(key, field) else { return };
        let events = self.model.events.get(&(key.clone(), field.clone()));
        let Some(event) = events.and_then(|events| events.get(&change.version)) else { return };
        for seen in &change.observed {
            let knew = event.observed.iter().any(|known| known.node() == seen.node() && known >= seen);
            assert!(knew || node.ids.contains(&seen.node()), "{key:?} {field:?}: {seen:?} was never read");
        }
        self.adopt_field(index, key, field);
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
        // What was refused, and came to life after the server has had something later of its writer's, is void.
        if let Some(change) = ledger.field(key, field)
            && !self.server().is_token_applied(key, change.version)
        {
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
    pub(in crate::cache::tests) fn effective(&self, key: &Key) -> i64 {
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
}
