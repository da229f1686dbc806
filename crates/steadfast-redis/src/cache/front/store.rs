//! The outbox behind a task: asked from anywhere, never blocking a thread that runs tasks.
//!
//! One task owns it. Writes that come while the disk is busy are the next group: one write and one sync for all.

use super::time::Time;
use super::trouble::{closed, refused};
use crate::cache::{
    Change, DiskFolder, JournalError, Outbox, OutboxSettings, Recorded, Recovered, Refused, Version,
};
use crate::error::{Outcome, Result};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

/// Asks that may wait; whoever comes then waits to be let in.
const ASKS_MAX: usize = 1_024;
/// Writes that are one group.
const GROUP_MAX: usize = 256;

type Job = Box<dyn FnOnce(&mut Outbox, u64) + Send>;

enum Ask {
    Record { change: Change, sent: Option<Version>, answer: oneshot::Sender<Result<Recorded, Refused>> },
    Do { job: Job, blocks: bool },
    Close { keep: bool, answer: oneshot::Sender<Result<usize, JournalError>> },
}

/// The way to the outbox.
#[derive(Debug)]
pub(super) struct Store {
    asks: mpsc::Sender<Ask>,
    waiting: Arc<AtomicUsize>,
}

struct Owner {
    /// None after a panic while it was elsewhere.
    outbox: Option<Box<Outbox>>,
    asks: mpsc::Receiver<Ask>,
    waiting: Arc<AtomicUsize>,
    time: Time,
    /// How often the journal is looked after, if there is one.
    maintain: Option<Duration>,
}

/// Opens the outbox, with what its journal holds. Blocks on the disk.
pub(super) fn open(
    folder: Option<PathBuf>,
    settings: OutboxSettings,
    now_ms: u64,
) -> Result<(Box<Outbox>, Recovered), JournalError> {
    let mut rng = fastrand::Rng::new();
    let node = crate::cache::NodeId::random(&mut rng);
    match folder {
        None => Ok((Box::new(Outbox::in_memory(settings, node)), Recovered::default())),
        Some(folder) => {
            let folder = DiskFolder::open(folder)?;
            let (outbox, recovered) = Outbox::open(folder, settings, node, now_ms, &mut rng)?;
            Ok((Box::new(outbox), recovered))
        }
    }
}

impl Store {
    /// Gives `outbox` to a task of `tasks`, which ends when the last store is gone.
    pub(super) fn start(
        outbox: Box<Outbox>,
        time: Time,
        maintain: Option<Duration>,
        tasks: &TaskTracker,
    ) -> Self {
        let (sender, asks) = mpsc::channel(ASKS_MAX);
        let waiting = Arc::new(AtomicUsize::new(outbox.len()));
        let owner = Owner { outbox: Some(outbox), asks, waiting: Arc::clone(&waiting), time, maintain };
        tasks.spawn(owner.run());
        Self { asks: sender, waiting }
    }

    /// How many keys have something to be sent back.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Takes a write: a new one, or one that was sent under a version and not answered.
    ///
    /// Cancel safe in that it is taken whole or not at all.
    pub(super) async fn record(&self, change: Change, sent: Option<Version>) -> Result<Recorded> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Record { change, sent, answer }).await?;
        let outcome = if sent.is_some() { Outcome::Ambiguous } else { Outcome::NotSent };
        answered.await.map_err(|_| closed())?.map_err(|why| refused(why, outcome))
    }

    /// Does something with the outbox that does not touch the disk.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Outbox, u64) -> T + Send + 'static,
    ) -> Result<T> {
        self.run(job, false).await
    }

    /// Does something with the outbox that may block on the disk.
    pub(super) async fn with_disk<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Outbox, u64) -> T + Send + 'static,
    ) -> Result<T> {
        self.run(job, true).await
    }

    /// Closes the outbox; how many keys are left in it.
    pub(super) async fn close(&self, keep: bool) -> Result<Result<usize, JournalError>> {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Close { keep, answer }).await?;
        answered.await.map_err(|_| closed())
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Outbox, u64) -> T + Send + 'static,
        blocks: bool,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let waiting = Arc::clone(&self.waiting);
        let job: Job = Box::new(move |outbox, now_ms| {
            let done = job(outbox, now_ms);
            waiting.store(outbox.len(), Ordering::Release);
            // Whoever asked may have gone.
            let _ = answer.send(done);
        });
        self.ask(Ask::Do { job, blocks }).await?;
        answered.await.map_err(|_| closed())
    }

    async fn ask(&self, ask: Ask) -> Result<()> {
        self.asks.send(ask).await.map_err(|_| closed())
    }
}

impl Ask {
    fn blocks(&self) -> bool {
        match self {
            Self::Record { .. } | Self::Close { .. } => true,
            Self::Do { blocks, .. } => *blocks,
        }
    }
}

impl Owner {
    async fn run(mut self) {
        let mut asks = Vec::new();
        let mut tick = tokio::time::interval(self.maintain.unwrap_or(Duration::from_secs(3_600)));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                count = self.asks.recv_many(&mut asks, GROUP_MAX) => if count == 0 { return },
                _ = tick.tick(), if self.maintain.is_some() => asks.push(maintain()),
            }
            let Some(outbox) = self.outbox.take() else { return };
            let on_disk = self.maintain.is_some() && asks.iter().any(Ask::blocks);
            let (group, waiting, time) =
                (std::mem::take(&mut asks), Arc::clone(&self.waiting), self.time.clone());
            let done = if on_disk {
                let work = move || serve(outbox, group, &waiting, &time);
                tokio::task::spawn_blocking(work).await
            } else {
                Ok(serve(outbox, group, &waiting, &time))
            };
            match done {
                Ok(Some(outbox)) => self.outbox = Some(outbox),
                Ok(None) => return,
                Err(error) => {
                    tracing::error!(%error, "the cache's outbox broke; writes are refused until a restart");
                    return;
                }
            }
        }
    }
}

fn maintain() -> Ask {
    let job: Job = Box::new(|outbox, now_ms| {
        if let Err(error) = outbox.maintain(now_ms) {
            tracing::warn!(%error, "the cache's journal cannot be looked after");
        }
    });
    Ask::Do { job, blocks: true }
}

/// Does what is asked, in order; the outbox, unless it was closed.
fn serve(mut outbox: Box<Outbox>, asks: Vec<Ask>, waiting: &AtomicUsize, time: &Time) -> Option<Box<Outbox>> {
    let mut changes = Vec::new();
    let mut answers = Vec::new();
    let flush = |outbox: &mut Outbox, changes: &mut Vec<_>, answers: &mut Vec<oneshot::Sender<_>>| {
        let recorded = outbox.record_all(changes, time.now_ms());
        changes.clear();
        // Whoever is told reads what it wrote.
        waiting.store(outbox.len(), Ordering::Release);
        for (answer, recorded) in answers.drain(..).zip(recorded) {
            let _ = answer.send(recorded);
        }
    };
    for ask in asks {
        match ask {
            Ask::Record { change, sent, answer } => {
                changes.push((change, sent));
                answers.push(answer);
                continue;
            }
            Ask::Do { job, .. } => {
                flush(&mut outbox, &mut changes, &mut answers);
                job(&mut outbox, time.now_ms());
            }
            Ask::Close { keep, answer } => {
                flush(&mut outbox, &mut changes, &mut answers);
                let left = outbox.len();
                let _ = answer.send(outbox.close(keep, time.now_ms()).map(|()| left));
                return None;
            }
        }
    }
    flush(&mut outbox, &mut changes, &mut answers);
    Some(outbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use steadfast_clock::SystemClock;

    fn set(number: usize) -> Change {
        let key = Bytes::from(format!("k{number}"));
        Change::Set { key, value: Bytes::from_static(b"v"), ttl_ms: Some(60_000) }
    }

    #[tokio::test]
    async fn what_is_acknowledged_is_there_after_a_crash_and_groups_share_a_sync() {
        let dir = tempfile::tempdir().unwrap();
        let time = Time::start(SystemClock::shared());
        let tasks = TaskTracker::new();
        let settings = OutboxSettings::default();
        let (outbox, _) = open(Some(dir.path().to_owned()), settings, time.now_ms()).unwrap();
        let store = Store::start(outbox, time.clone(), Some(Duration::from_secs(1)), &tasks);
        let writes = (0..200).map(|number| store.record(set(number), None));
        for recorded in futures::future::join_all(writes).await {
            recorded.unwrap();
        }
        assert_eq!(store.waiting(), 200);
        assert_eq!(store.with(|outbox, _| outbox.len()).await.unwrap(), 200);
        drop(store);
        tasks.close();
        tasks.wait().await;
        let (outbox, recovered) = open(Some(dir.path().to_owned()), settings, time.now_ms()).unwrap();
        assert_eq!((outbox.len(), recovered.keys), (200, 200));
    }

    #[tokio::test]
    async fn a_closed_store_refuses() {
        let time = Time::start(SystemClock::shared());
        let (outbox, _) = open(None, OutboxSettings::default(), time.now_ms()).unwrap();
        let store = Store::start(outbox, time, None, &TaskTracker::new());
        store.record(set(1), None).await.unwrap();
        assert_eq!(store.close(false).await.unwrap().unwrap(), 1);
        assert_eq!(store.record(set(2), None).await.unwrap_err().code(), "CLOSED");
    }
}
