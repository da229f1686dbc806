//! Steady traffic, and what became of each call.

use crate::clients::Caller;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

/// What each caller does between two calls.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
/// How often it is looked at whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What is called.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    Get,
    Set,
}

/// A call that is over.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    pub(crate) error: Option<String>,
}

/// Callers that make one call after the other, with a short pause. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Traffic(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    op: Op,
    callers: usize,
    stop: AtomicBool,
    calls: Mutex<Vec<Call>>,
    running: TaskTracker,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Traffic {
    pub(crate) fn new(op: Op, callers: usize) -> Self {
        Self(Arc::new(Shared {
            op,
            callers,
            stop: AtomicBool::new(false),
            calls: Mutex::default(),
            running: TaskTracker::new(),
        }))
    }

    /// Sends it through a client.
    pub(crate) fn start<C: Caller>(&self, caller: &C) {
        for _ in 0..self.0.callers {
            self.0.running.spawn(one_caller(caller.clone(), Arc::clone(&self.0)));
        }
    }

    /// Waits for the first good answers: without them nothing that follows means anything.
    pub(crate) async fn warm(&self) -> anyhow::Result<()> {
        let since = Instant::now();
        while lock(&self.0.calls).iter().filter(|call| call.error.is_none()).count() < self.0.callers * 3 {
            anyhow::ensure!(since.elapsed() < Duration::from_secs(5), "no traffic came about");
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// From `since` to the first good answer to a call for which `counts` holds; none within `bound`.
    pub(crate) async fn recovered(
        &self,
        since: Instant,
        bound: Duration,
        counts: impl Fn(&Call) -> bool,
    ) -> Option<Duration> {
        loop {
            let found = {
                let calls = lock(&self.0.calls);
                let good = calls.iter().filter(|call| call.error.is_none() && counts(call));
                good.map(|call| call.ended).min()
            };
            match found {
                Some(ended) => return Some(ended.saturating_duration_since(since)),
                None if since.elapsed() >= bound => return None,
                None => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Ends it, and gives all calls.
    pub(crate) async fn stop(self) -> Vec<Call> {
        self.0.stop.store(true, Ordering::Relaxed);
        self.0.running.close();
        self.0.running.wait().await;
        std::mem::take(&mut *lock(&self.0.calls))
    }
}

async fn one_caller<C: Caller>(mut caller: C, shared: Arc<Shared>) {
    while !shared.stop.load(Ordering::Relaxed) {
        let started = Instant::now();
        let done = match shared.op {
            Op::Get => caller.get("traffic").await.map(drop),
            Op::Set => caller.set("traffic", "value").await,
        };
        let error = done.err().map(|error| format!("{error:#}"));
        lock(&shared.calls).push(Call { started, ended: Instant::now(), error });
        sleep(PAUSE).await;
    }
}

/// Milliseconds, or that it did not come about.
pub(crate) fn shown(took: Option<Duration>, bound: Duration) -> String {
    took.map_or_else(
        || format!("not within {} s", bound.as_secs()),
        |took| format!("{} ms", took.as_millis()),
    )
}
