//! Connections for reads, away from the writer.

use crate::failure::{Failure, unavailable};
use crate::open;
use rusqlite::{Connection, InterruptHandle};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_core::ports::RecordsError;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// A bounded pool. A read beyond the bound waits its turn, within its time.
#[derive(Debug)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
    total: usize,
    time: Duration,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// The running query's handle, from its start until its connection goes back to the pool.
type Running = Arc<Mutex<Option<InterruptHandle>>>;

/// Stops a query that nobody waits for any more, so that it does not keep its connection busy.
struct StopOnDrop(Running);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = lock(&self.0).as_ref() {
            handle.interrupt();
        }
    }
}

/// What these locks guard is whole at every moment, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Readers {
    pub(crate) fn new(path: PathBuf, total: usize, time: Duration) -> Self {
        let total = total.clamp(1, 64);
        let shared = Shared { path, idle: Mutex::new(Vec::with_capacity(total)) };
        Self {
            shared: Arc::new(shared),
            permits: Arc::new(Semaphore::new(total)),
            total,
            time,
            tasks: TaskTracker::new(),
        }
    }

    /// Runs `query` on one consistent snapshot, taken after every write that was answered before.
    pub(crate) async fn read<T, Q>(&self, doing: &'static str, query: Q) -> Result<T, RecordsError>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let late = || unavailable(format!("{doing}: no answer in time"));
        timeout(self.time, self.read_now(doing, query)).await.map_err(|_| late())?
    }

    async fn read_now<T, Q>(&self, doing: &'static str, query: Q) -> Result<T, RecordsError>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let closed = || unavailable(format!("{doing}: the records are closed"));
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let busy = self.total - self.permits.available_permits().min(self.total);
        metrics::gauge!("steadfast_records_readers_busy").set(busy as f64);
        let shared = Arc::clone(&self.shared);
        let running = Running::default();
        let _stop = StopOnDrop(Arc::clone(&running));
        let task = self.tasks.spawn_blocking(move || {
            let _permit = permit;
            shared.run(&running, query)
        });
        let result = task.await.map_err(|source| RecordsError::Inconsistent {
            what: format!("{doing} panicked"),
            source: Some(Box::new(source)),
        })?;
        result.map_err(|failure| failure.into_error(doing))
    }

    /// Refuses further reads and waits for the running ones, which have their own time.
    pub(crate) async fn close(&self) {
        self.permits.close();
        self.tasks.close();
        let _ = timeout(self.time, self.tasks.wait()).await;
        lock(&self.shared.idle).clear();
    }
}

impl Shared {
    fn run<T>(
        &self,
        running: &Mutex<Option<InterruptHandle>>,
        query: impl FnOnce(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let idle = lock(&self.idle).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => open::read_connection(&self.path)?,
        };
        *lock(running) = Some(conn.get_interrupt_handle());
        let result = {
            let snapshot = conn.unchecked_transaction()?;
            let result = query(&snapshot);
            snapshot.finish()?;
            result
        };
        // Before the pool has it back, or a late stop would hit another's query.
        *lock(running) = None;
        // After an error of SQLite's the connection is not used again: the next read opens a fresh one.
        if !matches!(result, Err(Failure::Sql(_))) {
            lock(&self.idle).push(conn);
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_query_without_end_is_stopped_and_frees_its_connection() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records.db");
        Connection::open(&path).expect("opens").execute_batch("CREATE TABLE t (x)").expect("made");
        let readers = Readers::new(path, 1, Duration::from_millis(200));
        let quick =
            |conn: &Connection| Ok(conn.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, u32>(0))?);
        assert_eq!(readers.read("counting", quick).await.expect("reads"), 0);
        let endless = |conn: &Connection| {
            let sql =
                "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x % 2) FROM n";
            Ok(conn.query_row(sql, [], |row| row.get::<_, u32>(0))?)
        };
        let late = readers.read("going on for ever", endless).await;
        assert!(matches!(late, Err(RecordsError::Unavailable { .. })), "{late:?}");
        // There is one connection only: had the query gone on, this would come too late.
        assert_eq!(readers.read("counting", quick).await.expect("reads"), 0);
        readers.close().await;
        assert!(readers.read("counting", quick).await.is_err());
    }
}
