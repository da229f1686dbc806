//! Sending back.

use super::*;

impl World {
    /// What the server is asked is right as of now.
    pub(super) fn check_op(&mut self, index: usize, op: &Op) {
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

    pub(super) fn note_taken(&mut self, op: &Op, answer: &Answer) {
        let taken = *answer == Answer::Applied;
        match op {
            Op::Remember { key, version, remaining_ms } => {
                let forgotten_ms = self.now_ms + remaining_ms;
                self.model.forgotten_ms.entry((key.clone(), *version)).or_insert(forgotten_ms);
            }
            Op::Set { key, version, remaining_ms, .. } if taken => {
                self.model.took(key, *version);
                let ends_ms = self.now_ms + remaining_ms;
                self.model.ends_ms.entry((key.clone(), *version)).or_insert(ends_ms);
            }
            Op::Delete { key, version, .. } if taken => {
                self.model.took(key, *version);
                // A value that ended sooner, by a clock that was set since, ends on the server, too; and one that
                // ended before it came does not begin to live when it comes.
                let ends_ms = self.model.ends_ms.entry((key.clone(), *version)).or_insert(self.now_ms);
                *ends_ms = self.now_ms.min(*ends_ms);
            }
            _ => {}
        }
    }

    /// One round of sending back. How each operation fares is said by `ways`, in a circle.
    pub(in crate::cache::tests) fn send(
        &mut self,
        index: usize,
        entries_max: usize,
        ways: &[Way],
        settle: bool,
    ) {
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
            if way.arrives() {
                self.check_op(index, op);
                answer = self.remote.apply(std::slice::from_ref(op)).now_or_never().unwrap().swap_remove(0);
                if let Ok(answer) = &answer {
                    self.note_taken(op, answer);
                }
            }
            if way.comes_later() {
                self.keep_for_later(op, None);
            }
            answers.push(if way == Way::Good { answer } else { Err(NoAnswer::because("lost")) });
        }
        if settle {
            self.nodes[index].outbox().settle(batch, answers, now_ms);
        }
        self.restart(index, None);
    }
}
