//! Plans what is sent back next.

use super::Outbox;
use crate::cache::entry::{Entry, Expiry, Key, Kind};
use crate::cache::journal::{JournalError, JournalFolder};
use crate::cache::ledger::What;
use crate::cache::sync::{Answer, FieldOp, Op};
use crate::cache::version::Version;

/// How many operations on fields of one key are one script.
const FIELD_OPS_MAX: usize = 128;

/// How many keys are looked at for each that may be sent: those that have ended take no room in the batch.
const STEPS_PER_ENTRY: usize = 8;

/// How much is sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many operations, at least 1.
    pub entries_max: usize,
    /// How many bytes, about; one operation is sent however large it is.
    pub bytes_max: usize,
    /// For how long the server has been away, in milliseconds: deletions are remembered for longer than that.
    pub outage_ms: u64,
}

impl Limits {
    /// At most so many operations and bytes at once.
    pub fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { entries_max: entries_max.max(1), bytes_max, outage_ms: 0 }
    }

    /// After an outage of so many milliseconds.
    #[must_use]
    pub fn after_outage(mut self, outage_ms: u64) -> Self {
        self.outage_ms = outage_ms;
        self
    }
}

/// What is to be sent next: each operation on another key.
#[derive(Debug)]
pub struct Batch {
    pub(super) number: u64,
    pub(super) ops: Vec<Op>,
}

impl Batch {
    /// The operations: deletions first, then by version within each kind.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// Whether there is nothing to send in this round. Whether all is sent back, [`Outbox::is_empty`] says.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
}

/// What becomes of one key.
#[derive(Default)]
struct Step {
    /// Written down before anything is sent.
    entries: Vec<Entry>,
    /// Ended without being sent.
    ended: u64,
    op: Option<Op>,
}

impl<F: JournalFolder> Outbox<F> {
    /// What is to be sent next. Everything in it is on the disk when this returns, so that what the server knows of
    /// is never forgotten here. Blocks on the disk.
    ///
    /// There is one batch at a time: what is left of an earlier one that was not settled is planned again.
    ///
    /// # Errors
    ///
    /// When the journal refuses. Nothing may be sent then; plan again.
    pub fn plan(&mut self, limits: Limits, now_ms: u64) -> Result<Batch, JournalError> {
        self.queue.return_sent();
        self.queue.batch += 1;
        let mut batch = Batch { number: self.queue.batch, ops: Vec::new() };
        let mut steps = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        let steps_max = limits.entries_max.saturating_mul(STEPS_PER_ENTRY);
        while count < limits.entries_max
            && (bytes < limits.bytes_max || count == 0)
            && steps.len() < steps_max
        {
            let Some((kind, key)) = self.queue.next() else { break };
            let step = self.step(kind, &key, limits, now_ms);
            if let Some(op) = &step.op {
                count += 1;
                bytes += op.size();
            }
            steps.push((kind, key, step));
        }
        let entries: Vec<Entry> =
            steps.iter().flat_map(|(_, _, step)| step.entries.iter().cloned()).collect();
        if let Err(error) = self.append(&entries).and_then(|()| self.sync(now_ms)) {
            self.queue.return_sent();
            return Err(error);
        }
        for (kind, key, step) in steps {
            for entry in &step.entries {
                self.ledger.apply(entry);
            }
            for _ in 0..step.ended {
                self.count(kind, &key, &Answer::Expired);
            }
            batch.ops.extend(step.op);
        }
        batch.ops.sort_by_key(|op| (!matches!(op, Op::Delete { .. }), op.kind(), op.upto()));
        if batch.is_empty() {
            self.settle_queue();
        }
        Ok(batch)
    }

    fn step(&mut self, kind: Kind, key: &Key, limits: Limits, now_ms: u64) -> Step {
        match kind {
            Kind::Value => self.value_step(key, limits, now_ms),
            Kind::Counter => self.counter_step(key, now_ms),
            Kind::Dedup => self.dedup_step(key, now_ms),
            Kind::Fields => Step { op: self.fields_op(key, limits), ..Step::default() },
        }
    }

    fn value_step(&self, key: &Key, limits: Limits, now_ms: u64) -> Step {
        let mut step = Step::default();
        let Some(stored) = self.ledger.value(key) else { return step };
        let (key, version) = (key.clone(), stored.version);
        let (expired, live) = match &stored.what {
            What::Deleted => (false, None),
            What::Live { value, expiry } => {
                (true, Some((value, *expiry)).filter(|_| expiry.remaining_ms(now_ms) > 0))
            }
        };
        if let Some((value, expiry)) = live {
            let (remaining_ms, floor_ms) = (expiry.remaining_ms(now_ms), self.floor_ms(expiry, now_ms));
            step.op = Some(Op::Set { key, version, value: value.clone(), remaining_ms, floor_ms });
        } else if self.settings.remembered_ms(version.ms(), now_ms) == 0 {
            // Whatever it could have replaced has ended, too.
            step.entries.push(Entry::Done { version, key, kind: Kind::Value });
            step.ended = 1;
        } else {
            // What it had replaced must not be seen again.
            let keep_ms = self.settings.tombstone_ms(limits.outage_ms);
            step.op = Some(Op::Delete { key, version, keep_ms, expired });
        }
        step
    }

    fn counter_step(&mut self, key: &Key, now_ms: u64) -> Step {
        let mut step = Step::default();
        let Some(counter) = self.ledger.counter(key).copied() else { return step };
        let left = |expiry: Option<Expiry>| {
            expiry.map_or(Some(0), |expiry| match expiry.remaining_ms(now_ms) {
                0 => None,
                remaining_ms => Some(remaining_ms),
            })
        };
        let done = |version: Version| Entry::Done { version, key: key.clone(), kind: Kind::Counter };
        if let Some(sealed) = counter.sealed {
            match left(sealed.expiry) {
                Some(remaining_ms) => {
                    let (key, token, delta) = (key.clone(), sealed.token, sealed.delta);
                    step.op = Some(Op::Add { key, token, delta, remaining_ms });
                    return step;
                }
                None => {
                    step.entries.push(done(sealed.token));
                    step.ended += 1;
                }
            }
        }
        let Some(open) = counter.open else { return step };
        match left(open.expiry) {
            Some(remaining_ms) if open.delta != 0 => {
                let token = self.clock.tick(now_ms);
                let (delta, expiry) = (open.delta, open.expiry);
                step.entries.push(Entry::Seal { version: token, key: key.clone(), delta, expiry });
                step.op = Some(Op::Add { key: key.clone(), token, delta, remaining_ms });
            }
            left => {
                step.entries.push(done(open.last));
                step.ended += u64::from(left.is_none());
            }
        }
        step
    }

    fn dedup_step(&self, key: &Key, now_ms: u64) -> Step {
        let mut step = Step::default();
        let Some(sighting) = self.ledger.sighting(key) else { return step };
        let (key, version) = (key.clone(), sighting.version);
        match sighting.expiry.remaining_ms(now_ms) {
            0 => {
                step.entries.push(Entry::Done { version, key, kind: Kind::Dedup });
                step.ended = 1;
            }
            remaining_ms => step.op = Some(Op::Remember { key, version, remaining_ms }),
        }
        step
    }

    fn fields_op(&self, key: &Key, limits: Limits) -> Option<Op> {
        let mut ops: Vec<FieldOp> = self
            .ledger
            .fields(key)
            .map(|(field, change)| FieldOp {
                version: change.version,
                field: field.clone(),
                value: change.value.clone(),
                observed: change.observed.clone(),
            })
            .collect();
        // The order of versions is what tokens rest on.
        ops.sort_unstable_by_key(|op| op.version);
        let mut bytes = 0;
        let fits = ops.iter().take(FIELD_OPS_MAX).take_while(|op| {
            bytes += op.size();
            bytes <= limits.bytes_max
        });
        ops.truncate(fits.count().max(1));
        (!ops.is_empty()).then(|| Op::Fields { key: key.clone(), ops })
    }
}
