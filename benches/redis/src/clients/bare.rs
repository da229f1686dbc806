//! redis-rs's multiplexed connection, shared by all tasks.

use super::{CONNECT_WITHIN, Caller, Connected, Target, redis_info};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Value};

pub(super) async fn connect(to: &Target) -> anyhow::Result<Connected<Redis<MultiplexedConnection>>> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(to.timeout));
    let client = redis::Client::open(redis_info(to, false)?)?;
    let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let settings = format!("one connection, no-delay, response timeout {:?}", to.timeout);
    Ok(Connected { caller: Redis(connection), settings })
}

/// Anything that takes redis-rs's commands.
#[derive(Clone)]
pub(super) struct Redis<C>(pub(super) C);

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Caller for Redis<C> {
    async fn get(&mut self, key: &str) -> anyhow::Result<bool> {
        let value: Value = redis::cmd("GET").arg(key).query_async(&mut self.0).await?;
        Ok(matches!(value, Value::BulkString(_)))
    }

    async fn set(&mut self, key: &str, value: &str) -> anyhow::Result<()> {
        let _: Value = redis::cmd("SET").arg(key).arg(value).query_async(&mut self.0).await?;
        Ok(())
    }

    async fn incr(&mut self, key: &str) -> anyhow::Result<()> {
        let _: Value = redis::cmd("INCR").arg(key).query_async(&mut self.0).await?;
        Ok(())
    }
}
