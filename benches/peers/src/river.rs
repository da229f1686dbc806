//! River for Rust on SQLite.

use crate::{Contender, HANDLED, Payload, Queue, database, sqlite};
use async_trait::async_trait;
use riverqueue::migrate::SqliteMigrator;
use riverqueue::{
    Client, InsertOpts, Job, JobArgs, QueueConfig, RunHandle, WorkContext, WorkOutcome, Workers,
};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Mutex;

#[derive(Clone, Debug, Deserialize, JobArgs, Serialize)]
#[river(kind = "noop")]
struct Noop {
    #[serde(flatten)]
    payload: Payload,
}

struct River {
    pool: SqlitePool,
    client: Client,
    run: Mutex<Option<RunHandle>>,
}

/// As its example for SQLite does it; then with more jobs at a time and the shortest wait between fetches, on
/// several connections and on one, which spares a database with one writer the contention.
pub(crate) async fn contenders(folder: &Path) -> anyhow::Result<Vec<Contender>> {
    let mut all = Vec::new();
    for (index, (connections, workers, cooldown_ms)) in
        [(10, 100, 100), (10, 1_000, 1), (1, 1_000, 1)].into_iter().enumerate()
    {
        let path = database(folder, &format!("river-{index}"))?;
        // Its documentation leaves `synchronous` as SQLite has it.
        let pool = sqlite::pool(&path, connections, None).await?;
        SqliteMigrator::new(pool.clone()).migrate_up().await?;
        let level = sqlite::synchronous(&pool).await?;
        anyhow::ensure!(level == 2, "synchronous is {level}, not FULL");
        let mut handlers = Workers::new();
        handlers.add_fn(noop)?;
        let config = QueueConfig::new(workers).with_fetch_cooldown(Duration::from_millis(cooldown_ms));
        let client = Client::builder(pool.clone()).workers(handlers).queue("default", config).build()?;
        all.push(Contender {
            name: "River",
            settings: format!(
                "synchronous=FULL on every connection (SQLite's default), WAL, {connections} connections, {workers} \
                 jobs at a time, fetch cooldown {cooldown_ms} ms"
            ),
            queue: Arc::new(River { pool, client, run: Mutex::new(None) }),
        });
    }
    Ok(all)
}

async fn noop(_context: WorkContext, _job: Job<Noop>) -> Result<WorkOutcome, std::io::Error> {
    HANDLED.fetch_add(1, Ordering::SeqCst);
    Ok(WorkOutcome::Complete)
}

#[async_trait]
impl Queue for River {
    async fn enqueue(&self) -> anyhow::Result<()> {
        self.client.insert(Noop { payload: Payload::new() }).await?;
        Ok(())
    }

    async fn enqueue_many(&self, count: u64) -> anyhow::Result<()> {
        let jobs = (0..count).map(|_| (Noop { payload: Payload::new() }, InsertOpts::default()));
        self.client.insert_many(jobs).await?;
        Ok(())
    }

    async fn start(&self) -> anyhow::Result<()> {
        *self.run.lock().await = Some(self.client.start()?);
        Ok(())
    }

    async fn done(&self) -> anyhow::Result<u64> {
        let done: i64 = sqlx::query_scalar("SELECT count(*) FROM river_job WHERE state = 'completed'")
            .fetch_one(&self.pool)
            .await?;
        Ok(u64::try_from(done)?)
    }

    async fn stop(&self) -> anyhow::Result<()> {
        if let Some(mut run) = self.run.lock().await.take() {
            run.stop().await?;
        }
        self.pool.close().await;
        Ok(())
    }
}
