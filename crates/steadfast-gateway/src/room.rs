//! Room for bodies on their way: what strangers may make us hold before they are believed.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// A bound on the bytes of all bodies that are arriving. Where it is reached, the body that has been
/// arriving longest gives way: one that comes as fast as it can is through before its turn comes.
#[derive(Debug)]
pub(crate) struct Room {
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    next: u64,
    /// By arrival.
    guests: BTreeMap<u64, (usize, CancellationToken)>,
}

/// A body that holds some of the room, until dropped.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    room: &'a Room,
    number: u64,
    out: CancellationToken,
}

impl Room {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more body, which holds nothing yet.
    pub(crate) fn enter(&self) -> Guest<'_> {
        let mut held = self.held();
        let (number, out) = (held.next, CancellationToken::new());
        held.next += 1;
        held.guests.insert(number, (0, out.clone()));
        Guest { room: self, number, out }
    }
}

impl Guest<'_> {
    /// Says that the body has `bytes` now. Whoever has been there longest, this one included, goes until
    /// there is room.
    pub(crate) fn hold(&self, bytes: usize) {
        let mut held = self.room.held();
        let Some((mine, _)) = held.guests.get_mut(&self.number) else { return };
        let before = std::mem::replace(mine, bytes);
        held.bytes = held.bytes - before + bytes;
        while held.bytes > self.room.bytes_max {
            let Some((_, (bytes, out))) = held.guests.pop_first() else { break };
            held.bytes -= bytes;
            out.cancel();
        }
    }

    /// Ends when the body has to give way.
    pub(crate) fn crowded_out(&self) -> WaitForCancellationFuture<'_> {
        self.out.cancelled()
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut held = self.room.held();
        if let Some((bytes, _)) = held.guests.remove(&self.number) {
            held.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_oldest_gives_way() {
        let room = Room::new(100);
        let (first, second) = (room.enter(), room.enter());
        first.hold(40);
        second.hold(60);
        assert!(!first.out.is_cancelled() && !second.out.is_cancelled());
        let third = room.enter();
        third.hold(1);
        assert!(first.out.is_cancelled() && !second.out.is_cancelled());
        first.hold(90);
        assert_eq!(room.held().bytes, 61, "who is out holds nothing more");
        drop((first, second));
        assert_eq!(room.held().bytes, 1);
        third.hold(101);
        assert!(third.out.is_cancelled(), "alone it is too large all the same");
        assert_eq!(room.held().bytes, 0);
    }

    proptest! {
        #[test]
        fn the_bound_holds_and_the_sum_is_right(steps in prop::collection::vec((0_usize..8, 0_usize..60), 1..200)) {
            let room = Room::new(100);
            let mut guests: Vec<Guest<'_>> = Vec::new();
            for (which, bytes) in steps {
                match guests.get(which) {
                    Some(_) if bytes == 0 => drop(guests.remove(which)),
                    Some(guest) => guest.hold(bytes),
                    None => guests.push(room.enter()),
                }
                let held = room.held();
                prop_assert!(held.bytes <= 100);
                prop_assert_eq!(held.bytes, held.guests.values().map(|(bytes, _)| bytes).sum::<usize>());
            }
            drop(guests);
            prop_assert!(room.held().guests.is_empty());
        }
    }
}
