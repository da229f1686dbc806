//! What comes late: after its sender has given up, and perhaps after what was sent later.

use super::*;

/// Something on its way.
#[derive(Clone, Debug)]
pub(super) struct Late {
    sent_ms: u64,
    op: Op,
    /// By whom, what and when by its time, if the server may not have had it before.
    first: Option<First>,
}

type First = (usize, Change, u64);

impl World {
    pub(super) fn keep_for_later(&mut self, op: &Op, first: Option<First>) {
        // Windows are named by their time in practice: nobody looks at one that has passed.
        let windowed = matches!(op, Op::Add { remaining_ms, .. } if *remaining_ms > 0);
        if !windowed && !matches!(op, Op::Remember { .. }) {
            self.late.push(Late { sent_ms: self.now_ms, op: op.clone(), first });
        }
    }

    /// What was underway still comes.
    pub(in crate::cache::tests) fn deliver_late(&mut self) {
        for late in std::mem::take(&mut self.late) {
            if self.now_ms - late.sent_ms <= LATE_MAX_MS {
                self.deliver(&late);
            }
        }
    }

    /// What waits on fields of the same key, is older and of the same start: it comes too late after `op`. That may
    /// happen to what was refused and has come to life.
    fn made_void(&self, op: &Op) -> Vec<(Bytes, Version)> {
        let (key, version) = (op.key(), op.upto());
        let ledgers = self.nodes.iter().filter_map(|node| node.outbox.as_ref()).map(|outbox| outbox.ledger());
        let waiting = ledgers.flat_map(|ledger| ledger.fields(key));
        let is_void = |of: Version| {
            of.node() == version.node() && of < version && !self.server().is_token_applied(key, of)
        };
        let void = waiting.filter(|(_, change)| is_void(change.version));
        void.map(|(field, change)| (field.clone(), change.version)).collect()
    }

    fn deliver(&mut self, late: &Late) {
        let (key, version) = (late.op.key(), late.op.upto());
        let is_old = self.server().is_token_applied(key, version);
        let waits = |node: &Node| {
            let counter = node.outbox.as_ref().and_then(|outbox| outbox.ledger().counter(key));
            counter.and_then(|counter| counter.sealed).is_some_and(|sealed| sealed.token == version)
        };
        let is_counted = self.nodes.iter().any(waits);
        let void = self.made_void(&late.op);
        let answer = self.server().apply(&late.op);
        self.note_taken(&late.op, &answer);
        match (&late.op, &late.first) {
            // Nobody has heard of it: its writer was told that it may have been made, or has forgotten it in a crash.
            (Op::Add { delta, .. }, _) if !is_old && !is_counted => {
                *self.model.sums.entry(key.clone()).or_default() += delta;
            }
            (Op::Set { .. } | Op::Delete { .. }, Some((index, change, at_ms)))
                if answer == Answer::Applied =>
            {
                self.acknowledge(*index, change, version, *at_ms);
            }
            (Op::Fields { .. }, Some((index, change, at_ms))) if !is_old => {
                for (field, version) in void {
                    assert!(self.revived.contains(&version), "{key:?} {field:?}: {version:?} comes too late");
                    self.model.events.entry((key.clone(), field)).or_default().remove(&version);
                }
                self.acknowledge(*index, change, version, *at_ms);
            }
            _ => {}
        }
    }
}
