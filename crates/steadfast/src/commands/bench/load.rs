//! Both loops, on one thread of their own: the generator shares the machine with what it measures.

use super::client::Connection;
use super::figures::Latencies;
use super::pace::Pace;
use super::template::Template;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Who writes: message `index` of the loop comes from person `first + index % people`.
#[derive(Debug, Clone, Copy)]
pub(super) struct People {
    pub(super) first: u64,
    pub(super) people: u64,
}

/// What a loop sends.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) template: Template,
    pub(super) connections: u32,
    pub(super) messages: u64,
    /// Number of its first message: no two of a run are the same.
    pub(super) first: u64,
    pub(super) who: People,
}

impl Load {
    fn person(&self, index: u64) -> u64 {
        self.who.first + index % self.who.people.max(1)
    }
}

/// What a loop saw.
pub(super) struct Seen {
    pub(super) latencies: Latencies,
    pub(super) acknowledged: u64,
    pub(super) refused: u64,
    pub(super) took: Duration,
    /// When its first message was due.
    pub(super) begun: Instant,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        let latencies = Latencies::new()?;
        Ok(Self { latencies, acknowledged: 0, refused: 0, took: Duration::ZERO, begun: Instant::now() })
    }

    fn note(&mut self, status: u16, latency: Duration) {
        self.latencies.note(latency);
        if status == 200 { self.acknowledged += 1 } else { self.refused += 1 }
    }

    fn merge(&mut self, other: &Self) -> anyhow::Result<()> {
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.latencies.merge(&other.latencies)
    }
}

/// Each connection sends its next message when the last one is answered.
pub(super) async fn closed(load: Load) -> anyhow::Result<Seen> {
    on_a_thread(async move {
        let next = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        let begun = Instant::now();
        for _ in 0..load.connections.max(1) {
            let (mut load, next) = (load.clone(), Arc::clone(&next));
            tasks.spawn(async move {
                let mut seen = Seen::new()?;
                let mut connection = Connection::open(&load.template.url).await?;
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= load.messages {
                        return anyhow::Ok(seen);
                    }
                    let person = load.person(index);
                    let sent = Instant::now();
                    let status =
                        connection.exchange(load.template.request(load.first + index, person)).await?;
                    seen.note(status, sent.elapsed());
                }
            });
        }
        collect(tasks, begun).await
    })
    .await
}

/// Messages are due `per_second` times a second; whichever connection is free takes the next.
pub(super) async fn open(load: Load, per_second: u32) -> anyhow::Result<Seen> {
    on_a_thread(async move {
        let connections = load.connections.max(1);
        let mut ready = Vec::new();
        for _ in 0..connections {
            ready.push(Connection::open(&load.template.url).await?);
        }
        let pace = Pace::start(f64::from(per_second), load.messages, connections)?;
        let mut tasks = JoinSet::new();
        for mut connection in ready {
            let (mut load, pace) = (load.clone(), Arc::clone(&pace));
            tasks.spawn(async move {
                let mut seen = Seen::new()?;
                while let Some((index, due)) = pace.next().await {
                    let person = load.person(index);
                    let status =
                        connection.exchange(load.template.request(load.first + index, person)).await?;
                    seen.note(status, due.elapsed());
                }
                anyhow::Ok(seen)
            });
        }
        collect(tasks, pace.begun()).await
    })
    .await
}

async fn collect(mut tasks: JoinSet<anyhow::Result<Seen>>, begun: Instant) -> anyhow::Result<Seen> {
    let mut all = Seen::new()?;
    while let Some(joined) = tasks.join_next().await {
        all.merge(&joined.context("a connection's task broke")??)?;
    }
    all.took = begun.elapsed();
    all.begun = begun;
    Ok(all)
}

/// Runs `work` on one thread: no work moves between cores, none is woken elsewhere.
async fn on_a_thread<T: Send + 'static>(
    work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> anyhow::Result<T> {
    let run = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.context("cannot make a runtime")?.block_on(work)
    });
    run.await.context("the load's thread broke")?
}
