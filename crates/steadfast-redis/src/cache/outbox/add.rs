//! Additions that go to the server at once, each under a token: lost answers double nothing.
//!
//! The server tells what it has applied by the last token of each node. So of one key there is one addition on its
//! way at a time, and none while something of that key waits to be sent back: the caller sees to the first, this
//! to the second.

use super::{Change, Outbox, Recorded, Refused};
use crate::cache::entry::{Entry, Expiry, Kind};
use crate::cache::journal::JournalFolder;
use crate::cache::sync::Op;

impl<F: JournalFolder> Outbox<F> {
    /// The operation that adds at once. It may be sent as often as need be until it is answered; the next one on
    /// this key must not be made before. If it stays without an answer, [`record_add`](Outbox::record_add) it.
    ///
    /// # Errors
    ///
    /// As for recording; [`Refused::Waiting`] if additions of this key wait to be sent back: then record this one.
    pub(crate) fn online_add(&mut self, change: &Change, now_ms: u64) -> Result<Op, Refused> {
        let Change::Add { key, delta, window_ms } = change else { return Err(Refused::InDoubt) };
        if self.is_waiting(Kind::Counter, key) {
            return Err(Refused::Waiting);
        }
        self.check(change, 0)?;
        let token = self.clock.tick(now_ms);
        match self.entry(change, token, now_ms)? {
            Entry::Add { key, .. } => {
                Ok(Op::Add { key, token, delta: *delta, remaining_ms: window_ms.unwrap_or(0) })
            }
            _ => Err(Refused::InDoubt),
        }
    }

    /// Takes an addition that was sent and not answered: it will be asked for again under its token. Blocks on the
    /// disk if there is one.
    ///
    /// # Errors
    ///
    /// As for recording; [`Refused::Waiting`] if other additions of this key have been taken meanwhile.
    pub(crate) fn record_add(&mut self, op: &Op, now_ms: u64) -> Result<Recorded, Refused> {
        let Op::Add { key, token, delta, remaining_ms } = op else { return Err(Refused::InDoubt) };
        if self.is_waiting(Kind::Counter, key) {
            return Err(Refused::Waiting);
        }
        let expiry = (*remaining_ms > 0).then(|| Expiry::after(now_ms, *remaining_ms));
        let entry = Entry::Seal { version: *token, key: key.clone(), delta: *delta, expiry };
        let (needed, bytes_max) = (self.ledger.growth(&entry), self.settings.memory_bytes_max);
        if self.ledger.bytes() + needed > bytes_max {
            self.trim(now_ms);
        }
        let bytes = self.ledger.bytes();
        if bytes + needed > bytes_max {
            return Err(Refused::MemoryFull { bytes, needed, bytes_max });
        }
        let entries = [entry];
        self.write_down(&entries, now_ms)?;
        self.ledger.apply(&entries[0]);
        self.queue.push(Kind::Counter, key);
        Ok(Recorded { version: *token, first: true, position: self.position })
    }

    /// The keys under `prefix` whose values were set here and wait to be sent back.
    pub(crate) fn waiting_values(&self, prefix: &[u8]) -> Vec<bytes::Bytes> {
        let of = |(kind, key): (Kind, &bytes::Bytes)| {
            (kind == Kind::Value && key.starts_with(prefix)).then(|| key.clone())
        };
        self.ledger.keys().filter_map(of).collect()
    }
}
