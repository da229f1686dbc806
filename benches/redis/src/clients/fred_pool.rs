//! fred's pool, shared by all tasks.

use super::{CONNECT_WITHIN, Caller, Connected, Target};
use fred::interfaces::{ClientLike, KeysInterface};
use fred::prelude::{Builder, Config, Pool, ReconnectPolicy, TcpConfig, Value};
use fred::types::config::UnresponsiveConfig;
use std::time::Duration;

/// The reconnection policy of its documentation: without end, 100 ms doubling up to 30 s.
const POLICY: (u32, u32, u32, u32) = (0, 100, 30_000, 2);

/// With `unresponsive` it closes connections on which nothing came for so long.
pub(super) async fn connect(to: &Target, unresponsive: Option<Duration>) -> anyhow::Result<Connected<Fred>> {
    let (timeout, size) = (to.timeout, to.fred_size);
    let (attempts, min_ms, max_ms, base) = POLICY;
    let mut builder = Builder::from_config(Config::from_url(&to.url)?);
    builder
        .with_connection_config(|config| {
            config.connection_timeout = CONNECT_WITHIN;
            config.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() };
            if unresponsive.is_some() {
                let interval = Duration::from_secs(1);
                config.unresponsive = UnresponsiveConfig { max_timeout: unresponsive, interval };
            }
        })
        .with_performance_config(|config| config.default_command_timeout = timeout)
        .set_policy(ReconnectPolicy::new_exponential(attempts, min_ms, max_ms, base));
    let pool = builder.build_pool(size)?;
    let _runs = pool.init().await?;
    let settings = format!(
        "{size} connections, no-delay, command timeout {timeout:?}, reconnects for ever (100 ms to 30 s), \
         reconnects upon READONLY"
    );
    Ok(Connected { caller: Fred(pool), settings })
}

#[derive(Clone)]
pub(super) struct Fred(Pool);

impl Caller for Fred {
    async fn get(&mut self, key: &str) -> anyhow::Result<bool> {
        let value: Value = self.0.get(key).await?;
        Ok(!value.is_null())
    }

    async fn set(&mut self, key: &str, value: &str) -> anyhow::Result<()> {
        let _: Value = self.0.set(key, value, None, None, false).await?;
        Ok(())
    }

    async fn incr(&mut self, key: &str) -> anyhow::Result<()> {
        let _: Value = self.0.incr(key).await?;
        Ok(())
    }
}
