//! The server's part in memory: the same rules as the scripts', said once more in another way.

use crate::cache::version::{NodeId, Version};
use crate::cache::{Answer, FieldOp, Key, NoAnswer, Op, Remote};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Value { version: Version, value: Bytes },
    Floor(Version),
    Counter { sum: i64, tokens: BTreeMap<NodeId, Version> },
    Sighting(Version),
    Fields { fields: BTreeMap<Bytes, BTreeMap<Version, Bytes>>, tokens: BTreeMap<NodeId, Version> },
}

#[derive(Clone, Debug)]
struct Stored {
    data: Data,
    ends_ms: Option<u64>,
}

/// A server that stands still until it is told the time.
#[derive(Debug, Default)]
pub(super) struct Server {
    pub(super) now_ms: u64,
    keys: HashMap<Key, Stored>,
}

impl Server {
    /// What a key holds, and when it ends.
    pub(super) fn get(&self, key: &[u8]) -> Option<(&Data, Option<u64>)> {
        let stored = self.keys.get(key)?;
        stored.ends_ms.is_none_or(|ends_ms| ends_ms > self.now_ms).then_some((&stored.data, stored.ends_ms))
    }

    fn put(&mut self, key: &Key, data: Data, ends_in_ms: Option<u64>) {
        let ends_ms = ends_in_ms.map(|ms| self.now_ms + ms);
        self.keys.insert(key.clone(), Stored { data, ends_ms });
    }

    /// The version of the value that is seen.
    pub(super) fn seen(&self, key: &[u8]) -> Option<Version> {
        match self.get(key) {
            Some((Data::Value { version, .. }, _)) => Some(*version),
            _ => None,
        }
    }

    fn last(&self, op: &Op) -> Version {
        op.keys()
            .iter()
            .filter_map(|key| match self.get(key)?.0 {
                Data::Value { version, .. } | Data::Floor(version) => Some(*version),
                _ => None,
            })
            .max()
            .unwrap_or_default()
    }

    /// Whether an operation would be done already or come too late.
    pub(super) fn is_token_applied(&self, key: &[u8], token: Version) -> bool {
        match self.get(key) {
            Some((Data::Counter { tokens, .. } | Data::Fields { tokens, .. }, _)) => {
                tokens.get(&token.node()).is_some_and(|last| *last >= token)
            }
            _ => false,
        }
    }

    pub(super) fn apply(&mut self, op: &Op) -> Answer {
        match op {
            Op::Set { key, version, value, remaining_ms, floor_ms } => {
                let last = self.last(op);
                if last > *version {
                    return Answer::Superseded { by: last };
                }
                if last < *version {
                    self.put(
                        key,
                        Data::Value { version: *version, value: value.clone() },
                        Some(*remaining_ms),
                    );
                    if *floor_ms > 0 {
                        self.put(&op.keys()[1], Data::Floor(*version), Some(*floor_ms));
                    }
                }
                Answer::Applied
            }
            Op::Delete { key, version, keep_ms, .. } => {
                let last = self.last(op);
                if last > *version {
                    return Answer::Superseded { by: last };
                }
                self.keys.remove(key);
                self.put(&op.keys()[1], Data::Floor(*version), Some(*keep_ms));
                Answer::Applied
            }
            Op::Add { key, token, delta, remaining_ms } => self.add(key, *token, *delta, *remaining_ms),
            Op::Remember { key, version, remaining_ms } => match self.get(key) {
                Some((Data::Sighting(first), _)) if first == version => Answer::Applied,
                Some((Data::Sighting(first), ends_ms)) => {
                    let (first, ends_ms) = (*first, ends_ms.map(|ends_ms| ends_ms - self.now_ms));
                    self.put(key, Data::Sighting(first), ends_ms.max(Some(*remaining_ms)));
                    Answer::Conflicted { why: format!("seen first as {first}") }
                }
                _ => {
                    self.put(key, Data::Sighting(*version), Some(*remaining_ms));
                    Answer::Applied
                }
            },
            Op::Fields { key, ops } => self.change(key, ops),
        }
    }

    fn add(&mut self, key: &Key, token: Version, delta: i64, remaining_ms: u64) -> Answer {
        if self.is_token_applied(key, token) {
            return Answer::Applied;
        }
        match self.get(key) {
            Some((Data::Counter { .. }, _)) => {
                let Some(Stored { data: Data::Counter { sum, tokens }, .. }) = self.keys.get_mut(key) else {
                    unreachable!()
                };
                let Some(new) = sum.checked_add(delta) else {
                    return Answer::Conflicted {
                        why: "ERR increment or decrement would overflow".to_owned(),
                    };
                };
                *sum = new;
                tokens.insert(token.node(), token);
                Answer::Merged
            }
            _ => {
                let tokens = BTreeMap::from([(token.node(), token)]);
                self.put(key, Data::Counter { sum: delta, tokens }, Some(remaining_ms).filter(|ms| *ms > 0));
                Answer::Applied
            }
        }
    }

    fn change(&mut self, key: &Key, ops: &[FieldOp]) -> Answer {
        let (mut fields, mut tokens) = match self.get(key) {
            Some((Data::Fields { fields, tokens }, _)) => (fields.clone(), tokens.clone()),
            _ => Default::default(),
        };
        let (mut merged, mut changed) = (false, false);
        for op in ops {
            let node = op.version.node();
            if tokens.get(&node).is_some_and(|last| *last >= op.version) {
                continue;
            }
            changed = true;
            let versions = fields.entry(op.field.clone()).or_default();
            let known = |version: &Version| {
                let observed =
                    op.observed.iter().any(|seen| seen.node() == version.node() && seen >= version);
                observed && version.node() != node || version.node() == node && *version <= op.version
            };
            versions.retain(|version, _| !known(version));
            merged |= versions.keys().any(|version| version.node() != node);
            let outdated = versions.keys().any(|version| version.node() == node);
            if let (Some(value), false) = (&op.value, outdated) {
                versions.insert(op.version, value.clone());
            }
            if versions.is_empty() {
                fields.remove(&op.field);
            }
            tokens.insert(node, op.version);
            for seen in op.observed.iter().filter(|seen| seen.node() != node) {
                let last = tokens.entry(seen.node()).or_default();
                *last = (*last).max(*seen);
            }
        }
        if changed {
            let ends = fields.is_empty().then_some(crate::cache::TOKEN_KEEP_MS);
            self.put(key, Data::Fields { fields, tokens }, ends);
        }
        if merged { Answer::Merged } else { Answer::Applied }
    }
}

/// The server as a [`Remote`].
#[derive(Debug, Default)]
pub(super) struct MemoryRemote(pub(super) Mutex<Server>);

impl Remote for MemoryRemote {
    async fn apply(&self, ops: &[Op]) -> Vec<Result<Answer, NoAnswer>> {
        let mut server = self.0.lock().unwrap();
        ops.iter().map(|op| Ok(server.apply(op))).collect()
    }
}
