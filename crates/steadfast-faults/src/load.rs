//! Steady traffic, and what became of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_redis::{Client, Cmd, Result, Value};
use steadfast_testkit::wait_for;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// The pause of a caller between two calls.
const PAUSE: Duration = Duration::from_millis(2);
/// How long traffic may take to come about.
const WARM_WITHIN: Duration = Duration::from_secs(10);

/// Callers that send one command after the other, with a short pause.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    tally: Mutex<Tally>,
}

/// What became of the calls since a moment.
#[derive(Debug, Clone)]
pub struct Tally {
    since: Instant,
    until: Option<Instant>,
    last_good: Instant,
    first_good: Option<Duration>,
    gap: Duration,
    latencies: Vec<Duration>,
    /// Good answers.
    pub good: u64,
    /// Failures.
    pub bad: u64,
    /// Failures by their code.
    pub codes: BTreeMap<String, u64>,
}

impl Load {
    /// `callers` of `command`, which is given the caller's number; each call within `timeout`.
    pub fn start<F>(client: &Client, callers: usize, timeout: Duration, command: F) -> Self
    where
        F: Fn(usize) -> Cmd + Send + Sync + 'static,
    {
        Self::start_paced(client, callers, timeout, PAUSE, command)
    }

    /// The same with a pause of its own between the calls of a caller.
    pub fn start_paced<F>(
        client: &Client,
        callers: usize,
        timeout: Duration,
        pause: Duration,
        command: F,
    ) -> Self
    where
        F: Fn(usize) -> Cmd + Send + Sync + 'static,
    {
        let (stop, tally) = (AtomicBool::new(false), Mutex::new(Tally::since(Instant::now())));
        let shared = Arc::new(Shared { stop, tally });
        let (tasks, command) = (TaskTracker::new(), Arc::new(command));
        for caller in 0..callers {
            let (client, shared, command) = (client.clone(), Arc::clone(&shared), Arc::clone(&command));
            tasks.spawn(async move {
                while !shared.stop.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    let done = client.execute(&command(caller), started + timeout).await;
                    shared.tally().count(started, &done);
                    tokio::time::sleep(pause).await;
                }
            });
        }
        Self { shared, tasks }
    }

    /// Waits until some calls were answered, and counts from then on. What was counted before.
    ///
    /// # Errors
    /// They are not.
    pub async fn warm(&self) -> anyhow::Result<Tally> {
        let warm = wait_for(WARM_WITHIN, || async { self.tally().good >= 50 }).await;
        anyhow::ensure!(warm, "no traffic came about: {:?}", self.tally().codes);
        Ok(self.mark())
    }

    /// Counts anew from now on, and returns what was counted before. Calls under way are counted when they end.
    pub fn mark(&self) -> Tally {
        let now = Instant::now();
        let mut tally = std::mem::replace(&mut *self.shared.tally(), Tally::since(now));
        tally.until = Some(now);
        tally
    }

    /// What was counted so far.
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Waits until a call that was started after the last mark was answered well; how long after the mark.
    pub async fn first_good(&self, within: Duration) -> Option<Duration> {
        wait_for(within, || async { self.shared.tally().first_good.is_some() }).await;
        self.shared.tally().first_good
    }

    /// Ends it when the calls under way have ended, and returns what was counted since the last mark.
    pub async fn stop(self) -> Tally {
        self.shared.stop.store(true, Ordering::Relaxed);
        let until = Instant::now();
        self.tasks.close();
        self.tasks.wait().await;
        let mut tally = self.tally();
        tally.until = Some(until);
        tally
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn since(since: Instant) -> Self {
        Self {
            since,
            until: None,
            last_good: since,
            first_good: None,
            gap: Duration::ZERO,
            latencies: Vec::new(),
            good: 0,
            bad: 0,
            codes: BTreeMap::new(),
        }
    }

    fn count(&mut self, started: Instant, done: &Result<Value>) {
        let now = Instant::now();
        self.latencies.push(now - started);
        match done {
            Ok(_) => {
                self.gap = self.gap.max(now - self.last_good);
                self.last_good = now;
                if started >= self.since {
                    self.first_good.get_or_insert(now - self.since);
                }
                self.good += 1;
            }
            Err(error) => {
                self.bad += 1;
                *self.codes.entry(error.code().to_owned()).or_default() += 1;
            }
        }
    }

    /// The longest time without a good answer, the one that goes on included.
    pub fn gap(&self) -> Duration {
        let until = self.until.unwrap_or_else(Instant::now);
        self.gap.max(until.saturating_duration_since(self.last_good))
    }

    /// The longest call.
    pub fn longest(&self) -> Duration {
        self.latencies.iter().max().copied().unwrap_or_default()
    }

    /// Below this are `share` of the calls.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let place = (sorted.len() as f64 * share) as usize;
        sorted.get(place.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
    }

    /// Failures in words: `3 OPEN, 1 CLOSED`, or `none`.
    pub fn failures(&self) -> String {
        if self.codes.is_empty() {
            return "none".to_owned();
        }
        self.codes.iter().map(|(code, count)| format!("{count} {code}")).collect::<Vec<_>>().join(", ")
    }
}
