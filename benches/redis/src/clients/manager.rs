//! redis-rs's connection manager, shared by all tasks.

use super::bare::Redis;
use super::{CONNECT_WITHIN, Connected, Target, redis_info};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};

pub(super) async fn connect(to: &Target, resp3: bool) -> anyhow::Result<Connected<Redis<ConnectionManager>>> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(to.timeout));
    let client = redis::Client::open(redis_info(to, resp3)?)?;
    let manager = ConnectionManager::new_with_config(client, config).await?;
    let settings = format!("no-delay, response timeout {:?}", to.timeout);
    Ok(Connected { caller: Redis(manager), settings })
}
