//! A node's exclusive connections: how many there are, who has none yet, which are idle.

use crate::lane::{Ended, Lane};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A connection nobody holds, and since when.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) lane: Lane,
    pub(super) client_id: Option<i64>,
    pub(super) generation: u64,
    pub(super) since: Instant,
}

#[derive(Debug)]
struct Kept {
    idle: Vec<Idle>,
    size_max: usize,
    /// Places that are held beyond `size_max`, since that was made less: they go as they are given back.
    surplus: usize,
    is_closed: bool,
}

/// One node's exclusive connections.
#[derive(Debug)]
pub(crate) struct Exclusives {
    kept: Mutex<Kept>,
    pub(super) room: Arc<Semaphore>,
    waiting: AtomicUsize,
    waiters_max: AtomicUsize,
    /// One was given back, or a dial succeeded: who waits for leave to dial looks again.
    pub(super) changed: Notify,
}

/// How many connections are held and waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ExclusiveLoad {
    pub(crate) held: usize,
    pub(crate) idle: usize,
    pub(crate) waiting: usize,
    pub(crate) size_max: usize,
}

impl Exclusives {
    pub(crate) fn new(size_max: usize, waiters_max: usize) -> Self {
        Self {
            kept: Mutex::new(Kept { idle: Vec::new(), size_max, surplus: 0, is_closed: false }),
            room: Arc::new(Semaphore::new(size_max)),
            waiting: AtomicUsize::new(0),
            waiters_max: AtomicUsize::new(waiters_max),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn load(&self) -> ExclusiveLoad {
        let (size_max, places, idle) = {
            let kept = self.lock();
            (kept.size_max, kept.size_max + kept.surplus, kept.idle.len())
        };
        let held = places.saturating_sub(self.room.available_permits());
        ExclusiveLoad { held, idle, waiting: self.waiting.load(Ordering::Relaxed), size_max }
    }

    /// From now on there may be so many, and so many may wait for one. Those that are held stay until they are given back.
    pub(crate) fn reconfigure(&self, size_max: usize, waiters_max: usize) {
        self.waiters_max.store(waiters_max, Ordering::Relaxed);
        let mut kept = self.lock();
        let places = kept.size_max + kept.surplus;
        kept.size_max = size_max;
        if size_max >= places {
            kept.surplus = 0;
            self.room.add_permits(size_max - places);
        } else {
            kept.surplus = places - size_max - self.room.forget_permits(places - size_max);
        }
    }

    /// One more waits, unless there are as many as may.
    ///
    /// # Errors
    /// How many wait.
    pub(super) fn stand(&self) -> Result<InLine<'_>, usize> {
        let waiters_max = self.waiters_max.load(Ordering::Relaxed);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= waiters_max {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(waiters_max);
        }
        Ok(InLine(&self.waiting))
    }

    /// Closes those nobody has held for `idle`, and those of another `generation`.
    pub(crate) fn reap(&self, idle: Duration, generation: u64) {
        self.lock().idle.retain(|one| {
            let keep = one.lane.is_open() && one.since.elapsed() < idle && one.generation == generation;
            if !keep {
                one.lane.retire();
            }
            keep
        });
    }

    /// The latest used that still works.
    pub(super) fn take(&self, generation: u64) -> Option<Idle> {
        let mut kept = self.lock();
        while let Some(one) = kept.idle.pop() {
            if one.lane.is_open() && one.generation == generation {
                return Some(one);
            }
            one.lane.retire();
        }
        None
    }

    /// Takes one back that is fit for the next, and its place.
    pub(super) fn give_back(&self, one: Option<Idle>, place: Option<OwnedSemaphorePermit>) {
        {
            let mut kept = self.lock();
            match one {
                Some(one) if !kept.is_closed && kept.surplus == 0 => kept.idle.push(one),
                Some(one) => one.lane.retire(),
                None => {}
            }
            if kept.surplus > 0
                && let Some(place) = place
            {
                kept.surplus -= 1;
                place.forget();
            }
        }
        self.changed.notify_waiters();
    }

    /// Closes what is idle, and keeps none from now on.
    pub(crate) fn close(&self) {
        let idle = {
            let mut kept = self.lock();
            kept.is_closed = true;
            std::mem::take(&mut kept.idle)
        };
        idle.iter().for_each(|one| one.lane.kill(Ended::Closed));
    }
}

/// One who waits; one less when dropped, also if the caller went away.
pub(super) struct InLine<'a>(&'a AtomicUsize);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(pool: &Exclusives) -> (usize, usize, usize) {
        let load = pool.load();
        (load.size_max, load.held, pool.room.available_permits())
    }

    /// Made smaller while all are held, and larger again before they are given back.
    #[test]
    fn the_number_of_places_follows_the_settings() {
        let pool = Exclusives::new(3, 1);
        let mut held: Vec<_> = (0..3).map(|_| Arc::clone(&pool.room).try_acquire_owned().unwrap()).collect();
        pool.reconfigure(1, 1);
        assert_eq!(places(&pool), (1, 3, 0));
        pool.give_back(None, held.pop());
        assert_eq!(places(&pool), (1, 2, 0), "none is free yet");
        pool.reconfigure(5, 1);
        assert_eq!(places(&pool), (5, 2, 3));
        pool.reconfigure(2, 1);
        held.drain(..).for_each(|place| pool.give_back(None, Some(place)));
        assert_eq!(places(&pool), (2, 0, 2));
    }

    #[test]
    fn the_line_is_as_long_as_the_settings_say() {
        let pool = Exclusives::new(1, 1);
        let first = pool.stand();
        assert!(first.is_ok() && pool.stand().is_err());
        pool.reconfigure(1, 2);
        assert!(pool.stand().is_ok());
    }
}
