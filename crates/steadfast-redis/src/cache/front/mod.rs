//! The cache that people use: fast while the server is there, going on while it is not.

mod back;
mod clear;
mod count;
mod dedup;
mod fields;
mod flights;
mod found;
mod json;
mod load;
mod mode;
mod near;
mod options;
mod read;
mod server;
mod store;
mod tidings;
mod time;
mod trouble;
mod write;

pub use count::CounterValue;
pub use dedup::{Dedup, Seen};
pub use found::{CacheReport, Cleared, Closed, Counted, Found, LoadError, Source, Written};
pub use options::CacheOptions;

use super::{Key, NodeId, OutboxSettings, Recovered, Report, prefixed};
use crate::client::Client;
use crate::config::{Fallback, JournalSync};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::metrics::CacheMeter;
use count::Stripes;
use flights::Flights;
use mode::Mode;
use near::Near;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Store;
use tidings::Teller;
use time::Time;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use trouble::Trouble;

/// Reads of the server that may be on their way at once.
const LOOKUPS_MAX: usize = 65_536;
/// How often a journal is looked after, at most.
const MAINTAIN_MS: u64 = 1_000;

/// A cache over Redis that goes on while Redis is away. Cheap to clone; clones are the same cache.
///
/// Reads are served from this process while what it knows is fresh, then by Redis; when Redis is slow or away, by what
/// is known, marked as stale. Writes go to Redis with a version; when it cannot take them, they are kept here, in a
/// journal too if `fallback.journal_folder` is set, and are sent when it is back: the latest of each key counts, no
/// counter is doubled, nothing that was deleted comes back, lifetimes run on.
///
/// Dropping the last clone is as a crash: what was acknowledged and not sent back is kept as far as there is a
/// journal. [`Cache::close`] sends back what it can.
///
/// One cache opens a journal folder at a time. Keys live under [`CacheOptions::prefix`] in a form of their own: only
/// caches read them.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Handle>);

/// What callers hold: when the last is gone, the tasks end.
#[derive(Debug)]
struct Handle {
    inner: Arc<Inner>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

#[derive(Debug)]
struct Inner {
    client: Client,
    options: CacheOptions,
    fallback: Mutex<Fallback>,
    time: Time,
    near: Arc<Near>,
    store: Store,
    reads: Mode,
    writes: Mode,
    teller: Teller,
    lookups: Flights<Result<Option<Arc<near::Entry>>>>,
    loads: Flights<Result<Option<Found>, LoadError>>,
    stripes: Stripes,
    recovered: usize,
    meter: CacheMeter,
    /// What came of sending back, as far as it was counted in the metrics.
    counted: Mutex<Report>,
    /// One drain at a time.
    draining: tokio::sync::Mutex<()>,
    /// Something is to be probed or sent back.
    nudge: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Cache {
    /// Opens a cache over `client`, with what the journal holds from an earlier run.
    ///
    /// # Errors
    /// Options that cannot work; a journal that cannot be opened, because another process has it open or the disk
    /// refuses. Whether Redis can be reached makes no difference.
    pub async fn open(client: &Client, options: CacheOptions) -> Result<Self> {
        options.check()?;
        let (fallback, time) = (client.fallback(), Time::start(Arc::clone(&options.clock)));
        let folder = fallback.journal_folder.clone().filter(|_| fallback.enabled);
        let has_journal = folder.is_some();
        let (settings, now_ms) = (OutboxSettings::from(&fallback), time.now_ms());
        let opened = tokio::task::spawn_blocking(move || store::open(folder, settings, now_ms)).await;
        let (outbox, recovered) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => {
                let why = format!("the cache cannot be opened: {error}");
                return Err(Error::new(ErrorKind::Fallback, "JOURNAL", Outcome::NotSent, why).because(error));
            }
            Err(_) => return Err(trouble::closed()),
        };
        tell_recovered(&recovered);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let maintain = has_journal.then(|| maintain_every(&fallback));
        let store = Store::start(outbox, time.clone(), maintain, &tasks);
        let kept = options.near_ttl.saturating_add(options.stale_max).max(Duration::from_secs(1));
        let near = Arc::new(Near::new(options.near_bytes_max, options.near_fields_bytes_max, kept));
        let (teller, hears) = start_tidings(client, &options, &near, &tasks, &stop);
        // What is kept before it hears of others' writes would be stale the moment it does. Without Redis it starts all the same.
        let _ = tokio::time::timeout(HEARS_WITHIN, hears).await;
        let mode = || Mode::new(options.failures_to_enter, options.probes_to_leave);
        let inner = Arc::new(Inner {
            client: client.clone(),
            fallback: Mutex::new(fallback),
            time,
            near,
            store,
            reads: mode(),
            writes: mode(),
            teller,
            lookups: Flights::new(LOOKUPS_MAX),
            loads: Flights::new(options.loads_max),
            stripes: Stripes::default(),
            recovered: recovered.keys,
            meter: CacheMeter::new(&options.prefix),
            counted: Mutex::default(),
            draining: tokio::sync::Mutex::new(()),
            nudge: Notify::new(),
            tasks,
            stop,
            options,
        });
        inner.tasks.spawn(back::run(Arc::clone(&inner)));
        Ok(Self(Arc::new(Handle { inner })))
    }

    /// True while reads or writes do without Redis.
    pub fn is_fallback_mode(&self) -> bool {
        self.inner().is_fallback()
    }

    /// What it is doing, and what came of sending back.
    ///
    /// # Errors
    /// After [`Cache::close`].
    pub async fn report(&self) -> Result<CacheReport> {
        let inner = self.inner();
        let (waiting, waiting_bytes, journal_bytes, sync) = inner
            .store
            .with(|outbox, _| (outbox.len(), outbox.bytes(), outbox.journal_bytes(), outbox.report().clone()))
            .await?;
        let (near_entries, near_bytes) = inner.near.size();
        Ok(CacheReport {
            is_fallback: inner.is_fallback(),
            fallbacks: inner.reads.entered().max(inner.writes.entered()),
            waiting,
            waiting_bytes,
            journal_bytes,
            recovered: inner.recovered,
            near_entries,
            near_bytes,
            sync,
        })
    }

    /// Sends back now what waits, without the pauses that the background makes, and says what came of all that was ever
    /// sent back. Leaves the fallback if Redis answers.
    ///
    /// # Errors
    /// Redis did not answer for all of it; what it did not is sent again later. After [`Cache::close`].
    pub async fn sync_with_redis(&self) -> Result<CacheReport> {
        let inner = self.inner();
        inner.probe_until_back().await;
        inner.drain(false).await?;
        self.report().await
    }

    /// Sends back what it can by `deadline`, then ends everything. What is left is kept in the journal if
    /// `fallback.persist_on_shutdown` says so, and discarded if not.
    ///
    /// # Errors
    /// The journal refuses; what is in it is then kept as after a crash.
    pub async fn close(&self, deadline: Instant) -> Result<Closed> {
        let inner = self.inner();
        let send = async {
            if inner.store.waiting() > 0 && !inner.writes.is_away() {
                inner.drain(false).await
            } else {
                Ok(())
            }
        };
        // The journal needs a moment, too.
        let spare = deadline.saturating_duration_since(Instant::now()).mul_f64(0.8);
        if let Ok(Err(error)) = tokio::time::timeout(spare, send).await {
            tracing::warn!(%error, "the cache is closed with writes that Redis does not have");
        }
        inner.stop.cancel();
        let keep = {
            let fallback = inner.fallback();
            fallback.persist_on_shutdown && fallback.journal_folder.is_some()
        };
        let closing = tokio::time::timeout_at(deadline, inner.store.close(keep)).await;
        let late = || {
            Error::new(ErrorKind::Timeout, "DEADLINE", Outcome::NotSent, "the journal was not closed in time")
        };
        let closed = closing.map_err(|_| late())??;
        let left = closed.map_err(|error| {
            Error::new(ErrorKind::Fallback, "JOURNAL", Outcome::NotSent, error.to_string()).because(error)
        })?;
        if left > 0 && !keep {
            tracing::warn!(
                left,
                "writes that Redis does not have were discarded: set fallback.persist_on_shutdown and fallback.journal_folder to keep them"
            );
        }
        inner.tasks.close();
        let _ = tokio::time::timeout_at(deadline, inner.tasks.wait()).await;
        Ok(Closed { left, kept: keep && left > 0 })
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.0.inner
    }
}

impl Inner {
    fn fallback(&self) -> std::sync::MutexGuard<'_, Fallback> {
        self.fallback.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether reads and writes go on without the server.
    fn is_enabled(&self) -> bool {
        self.fallback().enabled
    }

    fn is_fallback(&self) -> bool {
        (self.reads.is_away() || self.writes.is_away()) && self.is_enabled()
    }

    fn reads_are_away(&self) -> bool {
        self.reads.is_away() && self.is_enabled()
    }

    fn writes_are_away(&self) -> bool {
        self.writes.is_away() && self.is_enabled()
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.options.redis_hard
    }

    fn value_key(&self, name: &[u8]) -> Key {
        prefixed(&format!("{}v:", self.options.prefix), name)
    }

    /// Takes note of what a failure says about the server; true if it says anything.
    fn note(&self, error: &Error, is_write: bool) -> bool {
        let Some(trouble) = trouble::trouble(error) else { return false };
        if !self.is_enabled() {
            return true;
        }
        let now_ms = self.time.now_ms();
        let (writes, reads) = match trouble {
            Trouble::NoWrites => (self.writes.failed(true, now_ms), false),
            // Both are told, whichever comes first.
            Trouble::Away => (self.writes.failed(true, now_ms), self.reads.failed(true, now_ms)),
            Trouble::Unsent => (self.writes.failed(false, now_ms), self.reads.failed(false, now_ms)),
            Trouble::Slow if is_write => (self.writes.failed(false, now_ms), false),
            Trouble::Slow => (false, self.reads.failed(false, now_ms)),
            Trouble::Busy => (false, false),
        };
        for (is_write, entered) in [(true, writes), (false, reads)] {
            if entered && self.client.measures() {
                self.meter.away(is_write, true);
            }
        }
        if writes || reads {
            let (reads, writes) = (self.reads.is_away(), self.writes.is_away());
            tracing::warn!(reads, writes, reason = %error, "the cache goes on without Redis");
            self.nudge.notify_one();
        }
        true
    }
}

fn maintain_every(fallback: &Fallback) -> Duration {
    Duration::from_millis(match fallback.journal_sync {
        JournalSync::Interval => fallback.journal_sync_interval_ms.min(MAINTAIN_MS),
        JournalSync::Always | JournalSync::Request => MAINTAIN_MS,
    })
}

fn tell_recovered(recovered: &Recovered) {
    if recovered.keys > 0 {
        tracing::info!(
            keys = recovered.keys,
            "the cache's journal holds writes that Redis does not have yet"
        );
    }
    for damage in recovered.damages.iter().filter(|damage| !damage.torn) {
        let (segment, offset, bytes) = (&damage.segment, damage.offset, damage.bytes);
        tracing::error!(segment, offset, bytes, "the cache's journal is damaged; what stood there is lost");
    }
}

/// How long a cache that is opened waits until it hears what others write.
const HEARS_WITHIN: Duration = Duration::from_millis(500);

fn start_tidings(
    client: &Client,
    options: &CacheOptions,
    near: &Arc<Near>,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> (Teller, oneshot::Receiver<()>) {
    let (told, hears) = oneshot::channel();
    if !options.tell_others {
        return (Teller::silent(), hears);
    }
    let node = NodeId::random(&mut fastrand::Rng::new());
    let channel = format!("{}tidings", options.prefix);
    let (teller, sending) = tidings::teller(client.clone(), channel.clone(), node, stop.clone());
    tasks.spawn(sending);
    tasks.spawn(tidings::listen(client.clone(), channel, node, Arc::clone(near), told, stop.clone()));
    (teller, hears)
}
