//! Steady traffic, and what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use steadfast_redis::{Client, Cmd};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Callers that send one command after the other, with a short pause.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    started: Instant,
    stop: AtomicBool,
    good: AtomicU64,
    bad: AtomicU64,
    /// When the last good answer came, in us since `started`.
    last_good_us: AtomicU64,
    /// The longest call.
    longest_us: AtomicU64,
    /// The longest time without a good answer.
    gap_us: AtomicU64,
}

impl Load {
    /// `callers` of `command`, each call within `timeout`.
    pub fn start(client: &Client, callers: usize, timeout: Duration, command: fn(usize) -> Cmd) -> Self {
        let shared = Arc::new(Shared {
            started: Instant::now(),
            stop: AtomicBool::new(false),
            good: AtomicU64::new(0),
            bad: AtomicU64::new(0),
            last_good_us: AtomicU64::new(0),
            longest_us: AtomicU64::new(0),
            gap_us: AtomicU64::new(0),
        });
        let tasks = TaskTracker::new();
        for caller in 0..callers {
            let (client, shared) = (client.clone(), Arc::clone(&shared));
            tasks.spawn(async move {
                while !shared.stop.load(Ordering::Relaxed) {
                    let since = Instant::now();
                    let done = client.execute(&command(caller), since + timeout).await;
                    shared.count(since, done.is_ok());
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            });
        }
        Self { shared, tasks }
    }

    /// Good answers so far.
    pub fn good(&self) -> u64 {
        self.shared.good.load(Ordering::Relaxed)
    }

    /// Failures so far.
    pub fn bad(&self) -> u64 {
        self.shared.bad.load(Ordering::Relaxed)
    }

    /// The longest time without a good answer so far.
    pub fn gap(&self) -> Duration {
        Duration::from_micros(self.shared.gap_us.load(Ordering::Relaxed))
    }

    /// The longest call so far.
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.shared.longest_us.load(Ordering::Relaxed))
    }

    /// Ends it.
    pub async fn stop(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Shared {
    fn count(&self, since: Instant, good: bool) {
        let us = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.longest_us.fetch_max(us(since.elapsed()), Ordering::Relaxed);
        if good {
            let now = us(self.started.elapsed());
            let last = self.last_good_us.swap(now, Ordering::Relaxed);
            self.gap_us.fetch_max(now.saturating_sub(last), Ordering::Relaxed);
            self.good.fetch_add(1, Ordering::Relaxed);
        } else {
            self.bad.fetch_add(1, Ordering::Relaxed);
        }
    }
}
