//! How many lanes a node needs. Pure.

use super::lanes::Entry;

/// Commands in flight on each lane from which one more helps: beyond it, replies wait for each other rather than for
/// the server.
pub(super) const CROWDED: usize = 256;

/// True if every lane is crowded.
pub(super) fn wants_more(entries: &[Entry]) -> bool {
    !entries.is_empty() && entries.iter().all(|entry| is_crowded(entry.lane.in_flight()))
}

const fn is_crowded(in_flight: usize) -> bool {
    in_flight >= CROWDED
}
