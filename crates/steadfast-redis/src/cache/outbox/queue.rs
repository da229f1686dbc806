//! In which order keys have their turn: those that wait longest first, whatever happens to others.

use crate::cache::entry::{Key, Kind};
use std::collections::{HashSet, VecDeque};

/// Keys that have something to be sent back, each once, but for those that are being sent.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: VecDeque<(Kind, Key)>,
    members: HashSet<(Kind, Key)>,
    /// Being sent. They have no second turn beside.
    sent: Vec<(Kind, Key)>,
    /// Counts batches, to tell an old one from the present one.
    pub(super) batch: u64,
}

impl Queue {
    pub(super) fn push(&mut self, kind: Kind, key: &Key) {
        let item = (kind, key.clone());
        if self.members.insert(item.clone()) {
            self.order.push_back(item);
        }
    }

    /// The next one, which is a member still: it is being sent.
    pub(super) fn next(&mut self) -> Option<(Kind, Key)> {
        let item = self.order.pop_front()?;
        self.sent.push(item.clone());
        Some(item)
    }

    /// What is being sent has its turn again, in its old place.
    pub(super) fn return_sent(&mut self) {
        for item in self.sent.drain(..).rev() {
            self.order.push_front(item);
        }
    }

    /// What was sent is no member any more. Those for which `again` holds go to the end.
    pub(super) fn settle_sent(&mut self, again: impl Fn(Kind, &Key) -> bool) {
        for item in std::mem::take(&mut self.sent) {
            if again(item.0, &item.1) {
                self.order.push_back(item);
            } else {
                self.members.remove(&item);
            }
        }
    }
}
