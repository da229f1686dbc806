//! The attacks by name.

use super::{floods, holds};
use crate::attack::socket::address_of;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// An attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// 2,000 connections that send a byte of a head per second, each opened again when it is closed.
    Slowloris,
    /// 1,000 connections that send a byte of a body per second, and 20 bodies without an end per second.
    SlowBodies,
    /// 300 heads per second with a header of 64 KiB or of hundreds of lines, each on its own connection.
    HeaderFlood,
    /// 10,000 connections that do nothing, from 50 addresses, each opened again when it is closed.
    Idle,
    /// 3,000 forged webhooks per second from addresses that change.
    BadSignatures,
    /// 1,000 deliveries per second of one and the same rightly signed webhook.
    Replay,
    /// 500 pieces of malformed HTTP per second, each on its own connection.
    Malformed,
    /// 4,000 requests per second on 20 connections, a hundred at a time, for what is there and what is not.
    Pipelining,
    /// 1,000 connections per second, opened and reset.
    Churn,
}

/// What an attacker did.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Offered {
    /// Requests or connections tried.
    pub offered: u64,
    /// … of which so many were answered with an error, closed or not even accepted.
    pub refused: u64,
}

/// Counts what an attacker does.
#[derive(Debug, Default)]
pub(super) struct Count {
    offered: AtomicU64,
    refused: AtomicU64,
}

impl Count {
    pub(super) fn offered(&self) {
        self.offered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// Attacks the webhook at `url` for `length`.
pub async fn attack(kind: Kind, url: &Url, length: Duration) -> anyhow::Result<Offered> {
    let (to, until, count) = (address_of(url)?, Instant::now() + length, Count::default());
    match kind {
        Kind::Slowloris => holds::slowloris(to, until, &count).await,
        Kind::SlowBodies => holds::slow_bodies(to, until, &count).await,
        Kind::Idle => holds::idle(to, until, &count).await,
        Kind::Churn => holds::churn(to, until, &count).await,
        Kind::HeaderFlood => floods::headers(to, until, &count).await,
        Kind::BadSignatures => floods::bad_signatures(to, url, until, &count).await,
        Kind::Replay => floods::replay(to, url, until, &count).await,
        Kind::Malformed => floods::malformed(to, until, &count).await,
        Kind::Pipelining => floods::pipelining(to, until, &count).await,
    }
    Ok(Offered { offered: count.offered.into_inner(), refused: count.refused.into_inner() })
}
