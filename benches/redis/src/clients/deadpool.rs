//! deadpool-redis: a connection for each call, checked when it is taken.

use super::{CONNECT_WITHIN, Caller, Connected, Target, redis_info};
use deadpool_redis::{Manager, Pool, Runtime};
use redis::{AsyncConnectionConfig, Value};

/// The most connections of the pool.
const SIZE_MAX: usize = 50;

pub(super) fn connect(to: &Target) -> anyhow::Result<Connected<Deadpool>> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(to.timeout));
    let manager = Manager::new_with_config(redis_info(to, false)?, config)?;
    let size = to.tasks.clamp(1, SIZE_MAX);
    let pool = Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(to.timeout))
        .create_timeout(Some(CONNECT_WITHIN))
        .recycle_timeout(Some(to.timeout))
        .build()?;
    let settings =
        format!("{size} connections, no-delay, wait, recycle and response timeout {:?}", to.timeout);
    Ok(Connected { caller: Deadpool(pool), settings })
}

#[derive(Clone)]
pub(super) struct Deadpool(Pool);

impl Caller for Deadpool {
    async fn get(&mut self, key: &str) -> anyhow::Result<bool> {
        let mut connection = self.0.get().await?;
        let value: Value = redis::cmd("GET").arg(key).query_async(&mut connection).await?;
        Ok(matches!(value, Value::BulkString(_)))
    }

    async fn set(&mut self, key: &str, value: &str) -> anyhow::Result<()> {
        let mut connection = self.0.get().await?;
        let _: Value = redis::cmd("SET").arg(key).arg(value).query_async(&mut connection).await?;
        Ok(())
    }

    async fn incr(&mut self, key: &str) -> anyhow::Result<()> {
        let mut connection = self.0.get().await?;
        let _: Value = redis::cmd("INCR").arg(key).query_async(&mut connection).await?;
        Ok(())
    }
}
