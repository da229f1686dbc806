//! The leases that a worker holds, from the reservation until its verdict is stored.

use crate::backend::Lease;
use crate::job::JobId;
use crate::worker::notes::Notes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why a job was told to stop through its lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// Somebody called it off.
    Cancelled,
    /// Somebody else may hold it by now.
    LeaseLost,
}

/// One held lease.
#[derive(Debug)]
pub(crate) struct Held {
    /// The proof.
    pub(crate) lease: Lease,
    /// Whether a failure of this attempt is final.
    pub(crate) last_attempt: bool,
    /// When it came.
    pub(crate) since: Instant,
    /// Tells the attempt to stop.
    pub(crate) stop: CancellationToken,
    /// Fires when the handler's future is no more.
    pub(crate) gone: CancellationToken,
    /// What the job says.
    pub(crate) notes: Arc<Notes>,
    facts: Mutex<Facts>,
}

#[derive(Debug)]
struct Facts {
    expires: Instant,
    ended: bool,
    stop: Option<Stop>,
}

impl Held {
    pub(crate) fn new(lease: Lease, last_attempt: bool, expires: Instant, notes: Arc<Notes>) -> Arc<Self> {
        Arc::new(Self {
            lease,
            last_attempt,
            since: Instant::now(),
            stop: CancellationToken::new(),
            gone: CancellationToken::new(),
            notes,
            facts: Mutex::new(Facts { expires, ended: false, stop: None }),
        })
    }

    /// Until when nobody else can hold the job, as far as known here: counted from when the last
    /// successful request was sent, so it errs on the early side.
    pub(crate) fn expires(&self) -> Instant {
        lock(&self.facts).expires
    }

    /// The lease was extended.
    pub(crate) fn extended_to(&self, expires: Instant) {
        lock(&self.facts).expires = expires;
    }

    /// Tells the attempt to stop. A lost lease outweighs all else. Returns whether this is news.
    pub(crate) fn stop_for(&self, why: Stop) -> bool {
        let mut facts = lock(&self.facts);
        let news = facts.stop.is_none() || (why == Stop::LeaseLost && facts.stop != Some(why));
        if news {
            facts.stop = Some(why);
        }
        drop(facts);
        self.stop.cancel();
        news
    }

    /// Why it was told to stop.
    pub(crate) fn why(&self) -> Option<Stop> {
        lock(&self.facts).stop
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.why() == Some(Stop::LeaseLost)
    }

    /// The attempt is over; what is left is to store its verdict.
    pub(crate) fn end(&self) {
        lock(&self.facts).ended = true;
        self.gone.cancel();
    }

    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.facts).ended
    }
}

/// All leases held.
#[derive(Debug, Default)]
pub(crate) struct Table {
    held: Mutex<HashMap<JobId, Arc<Held>>>,
}

impl Table {
    /// Adds a lease; returns an older one on the same job, which is thereby known to be lost.
    pub(crate) fn insert(&self, held: &Arc<Held>) -> Option<Arc<Held>> {
        lock(&self.held).insert(held.lease.id, Arc::clone(held))
    }

    /// Forgets a lease, but not a newer one on the same job.
    pub(crate) fn remove(&self, lease: &Lease) {
        let mut held = lock(&self.held);
        if held.get(&lease.id).is_some_and(|newest| newest.lease.fence == lease.fence) {
            held.remove(&lease.id);
        }
    }

    /// Every lease held.
    pub(crate) fn all(&self) -> Vec<Arc<Held>> {
        lock(&self.held).values().cloned().collect()
    }

    /// Leases held, and of those with an attempt under way the oldest's start.
    pub(crate) fn summary(&self) -> (usize, Option<Instant>) {
        let held = lock(&self.held);
        let oldest = held.values().filter(|held| !held.has_ended()).map(|held| held.since).min();
        (held.len(), oldest)
    }
}

/// Locks, also when a holder panicked: what is guarded here is valid after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Fence, WorkerId};

    fn held(id: JobId, counter: u64) -> Arc<Held> {
        let lease = Lease { id, fence: Fence { epoch: 1, counter }, worker: WorkerId::fresh() };
        Held::new(lease, false, Instant::now(), Notes::new(None))
    }

    #[tokio::test]
    async fn an_older_lease_leaves_the_newer_one_alone() {
        let table = Table::default();
        let (old, new) = (held(JobId([1; 16]), 1), held(JobId([1; 16]), 2));
        assert!(table.insert(&old).is_none());
        let replaced = table.insert(&new).expect("the older one");
        assert_eq!(replaced.lease, old.lease);
        table.remove(&old.lease);
        assert_eq!(table.all().len(), 1);
        table.remove(&new.lease);
        assert!(table.all().is_empty());
    }

    #[tokio::test]
    async fn a_lost_lease_outweighs_a_cancel_and_is_news_once() {
        let held = held(JobId([1; 16]), 1);
        assert!(held.stop_for(Stop::Cancelled));
        assert!(!held.stop_for(Stop::Cancelled));
        assert!(held.stop_for(Stop::LeaseLost));
        assert!(!held.stop_for(Stop::LeaseLost) && !held.stop_for(Stop::Cancelled));
        assert!(held.is_lost() && held.stop.is_cancelled());
    }
}
