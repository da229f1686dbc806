//! Pools as the peers' documentation makes them.

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use std::path::Path;
use std::time::Duration;

/// Write-ahead log, a busy timeout, and what is told of connections and syncing.
pub(crate) async fn pool(
    path: &Path,
    connections: u32,
    synchronous: Option<SqliteSynchronous>,
) -> anyhow::Result<SqlitePool> {
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(Duration::from_secs(60));
    if let Some(synchronous) = synchronous {
        options = options.synchronous(synchronous);
    }
    let pool =
        SqlitePoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(120));
    Ok(pool.connect_with(options).await?)
}

/// Of the SQLite that all contenders share in this build.
pub(crate) async fn version() -> anyhow::Result<String> {
    let pool = SqlitePool::connect("sqlite::memory:").await?;
    Ok(sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&pool).await?)
}

/// What `PRAGMA synchronous` says on a connection of the pool.
pub(crate) async fn synchronous(pool: &SqlitePool) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await?)
}
