//! One flight for each key: who asks for what is on its way waits for it.
//!
//! A flight is a task of its own. So a caller that goes takes nothing with it, and one that cannot wait any longer may
//! leave it to go on.

use crate::cache::Key;
use futures::FutureExt;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug)]
pub(super) struct Flights<T> {
    flying: Arc<Mutex<HashMap<Key, Flying<T>>>>,
    most: usize,
}

#[derive(Debug)]
struct Flying<T> {
    number: u64,
    landed: watch::Receiver<Option<T>>,
}

/// A flight that was joined.
#[derive(Debug, Clone)]
pub(super) struct Flight<T>(watch::Receiver<Option<T>>);

/// There are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooMany;

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// At most so many at once.
    pub(super) fn new(most: usize) -> Self {
        Self { flying: Arc::default(), most }
    }

    /// The flight for `key`: the one that is on its way, or a new one of `work`. It ends with `stop`.
    pub(super) fn join<W: Future<Output = T> + Send + 'static>(
        &self,
        key: &Key,
        tasks: &TaskTracker,
        stop: &CancellationToken,
        work: impl FnOnce() -> W,
    ) -> Result<Flight<T>, TooMany> {
        let mut flying = lock(&self.flying);
        if let Some(there) = flying.get(key) {
            return Ok(Flight(there.landed.clone()));
        }
        if flying.len() >= self.most {
            return Err(TooMany);
        }
        let (land, landed) = watch::channel(None);
        let number = fastrand::u64(..);
        flying.insert(key.clone(), Flying { number, landed: landed.clone() });
        let (all, key, stop, work) = (Arc::clone(&self.flying), key.clone(), stop.clone(), work());
        tasks.spawn(async move {
            // A panic ends this flight, and is told by its end; the next one starts anew.
            let done = tokio::select! {
                done = AssertUnwindSafe(work).catch_unwind() => done.ok(),
                () = stop.cancelled() => None,
            };
            {
                let mut flying = lock(&all);
                if flying.get(&key).is_some_and(|there| there.number == number) {
                    flying.remove(&key);
                }
            }
            land.send_replace(done);
        });
        Ok(Flight(landed))
    }

    /// Whether one is on its way.
    #[cfg(test)]
    pub(super) fn is_flying(&self, key: &Key) -> bool {
        lock(&self.flying).contains_key(key)
    }

    /// Those who come from now on do not join what is on its way.
    pub(super) fn forget(&self, key: &Key) {
        lock(&self.flying).remove(key);
    }
}

impl<T: Clone + Send + Sync> Flight<T> {
    /// What it brings; none: it ended without an answer.
    ///
    /// Cancel safe.
    pub(super) async fn landed(&mut self) -> Option<T> {
        // Both an answer and the end without one count.
        let _ = self.0.wait_for(Option::is_some).await;
        self.0.borrow().clone()
    }
}

fn lock<T>(flying: &Mutex<HashMap<Key, Flying<T>>>) -> MutexGuard<'_, HashMap<Key, Flying<T>>> {
    flying.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    const KEY: Key = Key::from_static(b"k");

    fn set() -> (Flights<u32>, TaskTracker, CancellationToken) {
        (Flights::new(2), TaskTracker::new(), CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn many_join_one_and_a_caller_that_goes_takes_nothing_with_it() {
        let (flights, tasks, stop) = set();
        let runs = Arc::new(AtomicUsize::new(0));
        let fly = || {
            let runs = Arc::clone(&runs);
            let work = move || async move {
                runs.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                7
            };
            flights.join(&KEY, &tasks, &stop, work).unwrap()
        };
        let mut first = fly();
        assert!(tokio::time::timeout(Duration::from_millis(10), first.landed()).await.is_err());
        drop(first);
        let mut others: Vec<_> = (0..20).map(|_| fly()).collect();
        for other in &mut others {
            assert_eq!(other.landed().await, Some(7));
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert_eq!(fly().landed().await, Some(7));
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_poisons_nothing_and_there_is_a_bound() {
        let (flights, tasks, stop) = set();
        let mut bad = flights.join(&KEY, &tasks, &stop, || async { panic!("on purpose") }).unwrap();
        assert_eq!(bad.landed().await, None);
        let mut good = flights.join(&KEY, &tasks, &stop, || async { 3 }).unwrap();
        assert_eq!(good.landed().await, Some(3));
        for name in ["a", "b"] {
            flights.join(&Key::from(name), &tasks, &stop, std::future::pending).unwrap();
        }
        assert_eq!(flights.join(&KEY, &tasks, &stop, || async { 1 }).unwrap_err(), TooMany);
        stop.cancel();
        tasks.close();
        tasks.wait().await;
        assert!(!flights.is_flying(&Key::from("a")));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_forgotten_is_not_joined_and_removes_nothing_of_others() {
        let (flights, tasks, stop) = set();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let mut old = flights
            .join(&KEY, &tasks, &stop, || async {
                let _ = gone.await;
                1
            })
            .unwrap();
        flights.forget(&KEY);
        flights.join(&KEY, &tasks, &stop, std::future::pending).unwrap();
        go.send(()).unwrap();
        assert_eq!(old.landed().await, Some(1));
        assert!(flights.is_flying(&KEY));
        stop.cancel();
    }
}
