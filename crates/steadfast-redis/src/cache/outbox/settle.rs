//! Takes the server's answers: what is answered for leaves.

use super::{Batch, Outbox};
use crate::cache::entry::{Entry, Key, Kind};
use crate::cache::journal::{JournalError, JournalFolder};
use crate::cache::sync::{Answer, NoAnswer, Op};
use crate::cache::version::FarAhead;

/// What the server answered for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The key. What is kept of it elsewhere is stale if the answer is superseded, merged or conflicted.
    pub key: Key,
    /// Its kind of data.
    pub kind: Kind,
    /// The answer.
    pub answer: Answer,
}

/// What came of one batch.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Settled {
    /// What was answered. Those entries have left.
    pub outcomes: Vec<Outcome>,
    /// How many were not. They will be planned again.
    pub unanswered: usize,
    /// Why the answers could not be written down, if so: after a crash they will be asked for again, which changes
    /// nothing.
    pub journal: Option<JournalError>,
    /// A version on the server that is so far ahead that somebody's clock is wrong, if there was one.
    pub far_ahead: Option<FarAhead>,
}

impl<F: JournalFolder> Outbox<F> {
    /// Takes the answers to a batch, in the order of its operations. Blocks on the disk.
    pub fn settle(&mut self, batch: Batch, answers: Vec<Result<Answer, NoAnswer>>, now_ms: u64) -> Settled {
        let mut settled = Settled { unanswered: batch.ops.len(), ..Settled::default() };
        let mut entries = Vec::new();
        for (op, answer) in batch.ops.into_iter().zip(answers) {
            let Ok(answer) = answer else { continue };
            let answer = match (&op, answer) {
                (Op::Delete { expired: true, .. }, Answer::Applied) => Answer::Expired,
                (_, answer) => answer,
            };
            if let Answer::Superseded { by } = answer
                && let Err(far) = self.clock.observe(by, now_ms)
            {
                settled.far_ahead = Some(far);
            }
            let (kind, key) = (op.kind(), op.key().clone());
            entries.push(Entry::Done { version: op.upto(), key: key.clone(), kind });
            self.count(kind, &key, &answer);
            settled.outcomes.push(Outcome { key, kind, answer });
            settled.unanswered -= 1;
        }
        self.report.unanswered += settled.unanswered as u64;
        settled.journal = self.append(&entries).err();
        for entry in &entries {
            self.ledger.apply(entry);
        }
        if batch.number == self.queue.batch {
            self.settle_queue();
        }
        settled
    }

    /// Takes the answer to an [`online`](Outbox::online) operation: a value that was written here before it and
    /// waits to be sent back does so no more. Blocks on the disk if there is one.
    ///
    /// # Errors
    ///
    /// When the journal refuses. The value is forgotten all the same; after a crash it will be sent back in vain.
    pub fn answered(&mut self, op: &Op, answer: &Answer, now_ms: u64) -> Result<(), JournalError> {
        let (kind, key) = (op.kind(), op.key());
        let by = match answer {
            Answer::Superseded { by } => {
                // Told by whoever reads it next; nothing here depends on it.
                let _ = self.clock.observe(*by, now_ms);
                *by
            }
            Answer::Applied => op.upto(),
            Answer::Expired | Answer::Merged | Answer::Conflicted { .. } => return Ok(()),
        };
        if kind != Kind::Value || self.ledger.value(key).is_none_or(|waiting| waiting.version > by) {
            return Ok(());
        }
        let done = [Entry::Done { version: by, key: key.clone(), kind }];
        let appended = self.append(&done);
        self.ledger.apply(&done[0]);
        appended
    }

    pub(super) fn settle_queue(&mut self) {
        let ledger = &self.ledger;
        self.queue.settle_sent(|kind, key| ledger.contains(kind, key));
    }

    pub(super) fn count(&mut self, kind: Kind, key: &Key, answer: &Answer) {
        let (examples_max, hashed) = (self.settings.examples_max, self.settings.hash_keys);
        self.report.count(kind, key, answer, examples_max, hashed);
    }
}
