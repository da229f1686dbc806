//! Ours, shared by all tasks.

use super::{Caller, Connected, Target};
use std::time::Duration;
use steadfast_redis::{Client, Value, cmd};
use tokio::time::Instant;

pub(super) async fn connect(to: &Target) -> anyhow::Result<Connected<Ours>> {
    let client = Client::open(&to.url)?;
    client.ping().await?;
    let settings = format!("as it comes (no-delay), deadline {:?}", to.timeout);
    Ok(Connected { caller: Ours { client, timeout: to.timeout }, settings })
}

#[derive(Clone)]
pub(super) struct Ours {
    client: Client,
    timeout: Duration,
}

impl Caller for Ours {
    async fn get(&mut self, key: &str) -> anyhow::Result<bool> {
        let value = self.client.execute(cmd("GET").arg(key), Instant::now() + self.timeout).await?;
        Ok(matches!(value, Value::BulkString(_)))
    }

    async fn set(&mut self, key: &str, value: &str) -> anyhow::Result<()> {
        self.client.execute(cmd("SET").arg(key).arg(value), Instant::now() + self.timeout).await?;
        Ok(())
    }

    async fn incr(&mut self, key: &str) -> anyhow::Result<()> {
        self.client.execute(cmd("INCR").arg(key), Instant::now() + self.timeout).await?;
        Ok(())
    }
}
