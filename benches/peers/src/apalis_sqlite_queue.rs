//! apalis on SQLite.

use crate::{Contender, HANDLED, Payload, Queue, database, sqlite};
use apalis::prelude::*;
use apalis_sqlite::{Config, SqliteStorage};
use async_trait::async_trait;
use sqlx::SqlitePool;
use sqlx::sqlite::SqliteSynchronous;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;

const QUEUE: &str = "bench";

struct Apalis {
    pool: SqlitePool,
    storage: SqliteStorage<Payload>,
    concurrency: usize,
    worker: Mutex<Option<JoinHandle<()>>>,
}

/// As its `setup` leaves a pool (which turns syncing off on the connection it runs on); then with syncing on every
/// connection, with its default batch and with a large one.
pub(crate) async fn contenders(folder: &Path) -> anyhow::Result<Vec<Contender>> {
    let mut all = Vec::new();
    for (index, (connections, synced, batch, concurrency)) in
        [(1, false, 10, 100), (10, true, 10, 100), (10, true, 500, 1_000), (1, true, 500, 1_000)]
            .into_iter()
            .enumerate()
    {
        let path = database(folder, &format!("apalis-{index}"))?;
        let made = sqlite::pool(&path, 1, None).await?;
        SqliteStorage::setup(&made).await?;
        let pool = if synced {
            made.close().await;
            sqlite::pool(&path, connections, Some(SqliteSynchronous::Full)).await?
        } else {
            made
        };
        let level = sqlite::synchronous(&pool).await?;
        anyhow::ensure!(level == if synced { 2 } else { 0 }, "synchronous is {level}");
        let words =
            if synced { "synchronous=FULL on every connection" } else { "as shipped: synchronous=OFF" };
        let config = Config::default().queue(QUEUE).batch_size(batch);
        all.push(Contender {
            name: "apalis",
            settings: format!(
                "{words}, WAL, {connections} connections, fetches of {batch}, {concurrency} jobs at a time"
            ),
            queue: Arc::new(Apalis {
                storage: SqliteStorage::new(&pool).with_config(config),
                pool,
                concurrency,
                worker: Mutex::new(None),
            }),
        });
    }
    Ok(all)
}

async fn noop(_payload: Payload) -> Result<(), BoxDynError> {
    HANDLED.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

#[async_trait]
impl Queue for Apalis {
    async fn enqueue(&self) -> anyhow::Result<()> {
        let mut storage = self.storage.clone();
        storage.push(Payload::new()).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(())
    }

    async fn enqueue_many(&self, count: u64) -> anyhow::Result<()> {
        let tasks: anyhow::Result<Vec<_>> =
            (0..count).map(|_| Ok(TaskBuilder::new(serde_json::to_vec(&Payload::new())?).build())).collect();
        let mut transaction = self.pool.begin().await?;
        apalis_sqlite::queries::push_tasks(&mut *transaction, QUEUE, &tasks?).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn start(&self) -> anyhow::Result<()> {
        let (storage, concurrency) = (self.storage.clone(), self.concurrency);
        let running = tokio::spawn(async move {
            let worker = WorkerBuilder::new("bench").backend(storage).concurrency(concurrency).build(noop);
            if let Err(error) = worker.run().await {
                eprintln!("apalis ended: {error}");
            }
        });
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    async fn done(&self) -> anyhow::Result<u64> {
        let done: i64 = sqlx::query_scalar("SELECT count(*) FROM Jobs WHERE status = 'Done'")
            .fetch_one(&self.pool)
            .await?;
        Ok(u64::try_from(done)?)
    }

    async fn stop(&self) -> anyhow::Result<()> {
        let running = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.abort();
            let _ended = running.await;
        }
        self.pool.close().await;
        Ok(())
    }
}
