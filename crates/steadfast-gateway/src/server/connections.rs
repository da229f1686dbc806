//! Who may connect, and who is closed for whom.

use super::activity::Activity;
use crate::metrics as names;
use crate::network::peer_key;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// The share of all connections that is closed at once where there is no room: looking for them costs a
/// look at every connection, and a flood must not buy one with each of its own.
const SHED_SHARE: usize = 64;

/// All open connections.
#[derive(Debug)]
pub(super) struct Connections {
    max: usize,
    per_peer_max: usize,
    base: Instant,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    by_id: HashMap<u64, Entry>,
    by_peer: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Entry {
    peer: IpAddr,
    activity: Arc<Activity>,
    shed: CancellationToken,
}

/// The right to be connected; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    activity: Arc<Activity>,
    shed: CancellationToken,
    connections: Arc<Connections>,
}

impl Slot {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Ends when the connection is to be closed for another.
    pub(super) fn shed(&self) -> WaitForCancellationFuture<'_> {
        self.shed.cancelled()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
    }
}

impl Connections {
    pub(super) fn new(max: usize, per_peer_max: usize) -> Arc<Self> {
        Arc::new(Self { max, per_peer_max, base: Instant::now(), open: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for one more from `peer`, closing those that are missed least if need be: idle ones, or
    /// ones in the middle of a request that does not end; those that never carried a believed request
    /// before any that did; the longest at it first. A trusted proxy carries everybody's connections, so it is not counted as one peer.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr, trusted: bool) -> Result<Slot, &'static str> {
        let peer = peer_key(peer);
        let mut open = self.lock();
        let of_peer = open.by_peer.get(&peer).copied().unwrap_or(0);
        if !trusted && of_peer >= self.per_peer_max && open.shed(Some(peer), self.batch()) == 0 {
            return Err("peer_full");
        }
        if open.by_id.len() >= self.max && open.shed(None, self.batch()) == 0 {
            return Err("full");
        }
        let activity = Arc::new(Activity::new(self.base));
        let shed = CancellationToken::new();
        let id = open.insert(Entry { peer, activity: Arc::clone(&activity), shed: shed.clone() });
        drop(open);
        Ok(Slot { id, activity, shed, connections: Arc::clone(self) })
    }

    /// Closes a few idle connections, so that there are file descriptors again. Says how many.
    pub(super) fn shed_idle(&self) -> usize {
        self.lock().shed(None, self.batch())
    }

    fn batch(&self) -> usize {
        (self.max / SHED_SHARE).max(1)
    }
}

impl Open {
    fn insert(&mut self, entry: Entry) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        *self.by_peer.entry(entry.peer).or_default() += 1;
        self.by_id.insert(id, entry);
        metrics::gauge!(names::CONNECTIONS).increment(1.0);
        id
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.by_id.remove(&id)?;
        if let Some(count) = self.by_peer.get_mut(&entry.peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&entry.peer);
            }
        }
        metrics::gauge!(names::CONNECTIONS).decrement(1.0);
        Some(entry)
    }

    /// Closes those of `peer`, or of all, that are missed least: up to `batch` of which none was ever
    /// believed, or one that was. Says how many.
    fn shed(&mut self, peer: Option<IpAddr>, batch: usize) -> usize {
        loop {
            let of_peer = self.by_id.iter().filter(|(_, entry)| peer.is_none_or(|peer| peer == entry.peer));
            let mut least: Vec<(bool, u64, u64)> = of_peer
                .filter_map(|(id, entry)| {
                    entry.activity.expendable().map(|(proven, since)| (proven, since, *id))
                })
                .collect();
            if least.len() > batch {
                least.select_nth_unstable(batch - 1);
                least.truncate(batch);
            }
            least.sort_unstable();
            let strangers = least.partition_point(|(proven, ..)| !proven);
            least.truncate(strangers.max(1));
            if least.is_empty() {
                return 0;
            }
            let closed = least.into_iter().filter(|(.., id)| self.close(*id)).count();
            // They may all have begun a request since they were looked at: then others are tried.
            if closed > 0 {
                return closed;
            }
        }
    }

    fn close(&mut self, id: u64) -> bool {
        if !self.by_id.get(&id).is_some_and(|entry| entry.activity.give_up()) {
            return false;
        }
        if let Some(entry) = self.remove(id) {
            entry.shed.cancel();
            metrics::counter!(names::CONNECTIONS_DROPPED, "reason" => "shed").increment(1);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_makes_room() {
        let connections = Connections::new(2, 2);
        let first = connections.admit(ip(1), false).expect("room");
        let second = connections.admit(ip(2), false).expect("room");
        assert_eq!(connections.admit(ip(3), false).expect_err("both are new"), "full");
        first.activity.end();
        tokio::time::advance(Duration::from_millis(5)).await;
        second.activity.end();
        let third = connections.admit(ip(3), false).expect("the first one goes");
        assert!(first.shed.is_cancelled() && !second.shed.is_cancelled());
        drop(first);
        assert_eq!(connections.lock().by_id.len(), 2, "what was shed is not counted off twice");
        second.activity.begin();
        second.activity.body_came();
        third.activity.begin();
        third.activity.body_came();
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(connections.admit(ip(4), false).expect_err("all are busy"), "full");
        drop(third);
        assert!(connections.admit(ip(4), false).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_peer_takes_room_only_from_itself() {
        let connections = Connections::new(10, 2);
        let other = connections.admit(ip(9), false).expect("room");
        let slots: Vec<Slot> = (0..2).map(|_| connections.admit(ip(1), false).expect("room")).collect();
        slots[0].activity.end();
        let third = connections.admit(ip(1), false).expect("its own idle one goes");
        assert!(slots[0].shed.is_cancelled() && !other.shed.is_cancelled());
        slots[1].activity.begin();
        third.activity.begin();
        assert_eq!(connections.admit(ip(1), false).expect_err("its own are busy"), "peer_full");
        assert!(connections.admit(ip(1), true).is_ok(), "a trusted proxy is not one peer");
        drop((other, slots, third));
        assert!(connections.lock().by_peer.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_believed_stays_before_any_stranger() {
        let connections = Connections::new(256, 256);
        let known = connections.admit(ip(1), false).expect("room");
        known.activity.prove();
        known.activity.end();
        tokio::time::advance(Duration::from_secs(9)).await;
        let strangers: Vec<Slot> =
            (0..255).map(|n| connections.admit(ip(2 + n % 8), false).expect("room")).collect();
        tokio::time::advance(Duration::from_secs(1)).await;
        let newcomer = connections.admit(ip(99), false).expect("strangers go");
        let closed = strangers.iter().filter(|slot| slot.shed.is_cancelled()).count();
        assert_eq!(closed, 256 / SHED_SHARE, "several at once");
        assert!(strangers[..closed].iter().all(|slot| slot.shed.is_cancelled()), "the oldest");
        assert!(!known.shed.is_cancelled() && !newcomer.shed.is_cancelled());
        for slot in &strangers[closed..] {
            slot.activity.begin();
            slot.activity.body_came();
        }
        let more: Vec<Slot> = (1..closed).map(|_| connections.admit(ip(98), false).expect("room")).collect();
        let last = connections.admit(ip(97), false).expect("nobody else is idle");
        assert!(known.shed.is_cancelled(), "the last to go");
        drop((strangers, newcomer, more, last));
    }
}
