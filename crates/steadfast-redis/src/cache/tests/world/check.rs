//! What must hold.

use super::*;

impl World {
    /// What must hold at every time.
    pub(in crate::cache::tests) fn check(&self) {
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

    /// What must hold when all is quiet: the server is what the reference says.
    pub(in crate::cache::tests) fn check_quiet(&self) {
        self.check();
        for key in keys_of(Kind::Value) {
            self.check_value(&key);
        }
        let server = self.server();
        for key in keys_of(Kind::Dedup) {
            for (version, expiry) in self.model.sightings.get(&key).into_iter().flatten() {
                let lives = match self.model.forgotten_ms.get(&(key.clone(), *version)) {
                    Some(forgotten_ms) => *forgotten_ms > self.now_ms,
                    // It may have ended by any clock there was.
                    None => expiry.at_ms > self.now_ms + CLOCK_ERROR_MS.unsigned_abs(),
                };
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
            Written::Set { value, expiry } => {
                let sent = ends_ms.is_some() || self.model.ended.contains(&version);
                let long_ended = expiry.at_ms + CLOCK_ERROR_MS.unsigned_abs() <= self.now_ms;
                assert!(sent || long_ended, "{key:?} was set as {version:?} and never sent");
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
