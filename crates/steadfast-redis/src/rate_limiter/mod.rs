//! A rate limit that all processes share, and that still limits when Redis is away.
//!
//! Redis decides, in its own time, by one script. Each process keeps a local limit warm with what Redis rules; when
//! Redis cannot be asked, the local one decides, with this process's share: the limit divided by the number of
//! processes that were last seen. So an outage neither opens the door nor closes it.

mod rule;

pub use rule::Rate;

use crate::client::{Client, Script};
use crate::error::Result;
use redis::FromRedisValue;
use rule::{Local, Ruling};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

static GCRA: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("gcra.lua")));
/// How often a process says that it is there, and looks who else is.
const PEERS_EVERY: Duration = Duration::from_secs(10);
/// A process that has not been heard of for so long is gone.
const PEER_GONE: Duration = Duration::from_secs(30);
/// How long that may take.
const PEERS_WITHIN: Duration = Duration::from_secs(2);

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// Redis, for all processes together.
    Shared,
    /// This process, for its share.
    Local,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// It may go on.
    pub allowed: bool,
    /// Requests that may follow at once.
    pub remaining: u32,
    /// When it may be tried again, if it was refused.
    pub retry_after: Duration,
    /// When all of the burst may be used again.
    pub reset_after: Duration,
    /// Who decided.
    pub source: Source,
}

/// How a [`RateLimiter`] works.
#[derive(Debug, Clone)]
pub struct RateLimiterOptions {
    /// What its keys begin with.
    pub prefix: String,
    /// The most keys that this process remembers for itself. Beyond it, keys that are not known are refused while Redis is
    /// away.
    pub keys_max: usize,
    /// The processes that share the limit, if that is fixed; none: they are counted in Redis.
    pub peers: Option<u32>,
    /// How long Redis may take before this process decides alone.
    pub patience: Duration,
}

impl Default for RateLimiterOptions {
    fn default() -> Self {
        Self {
            prefix: "rate:".to_owned(),
            keys_max: 100_000,
            peers: None,
            patience: Duration::from_millis(50),
        }
    }
}

/// A rate limit for many keys. Cheap to clone; clones are the same limit.
#[derive(Debug, Clone)]
pub struct RateLimiter(Arc<Limit>);

#[derive(Debug)]
struct Limit {
    client: Client,
    rate: Rate,
    options: RateLimiterOptions,
    local: Mutex<Local>,
    started: Instant,
    peers: AtomicU32,
    /// When peers are looked for again, in ms since `started`.
    look_at_ms: AtomicU64,
    name: u64,
}

impl RateLimiter {
    /// A limit of `rate` for each key.
    pub fn new(client: &Client, rate: Rate, options: RateLimiterOptions) -> Self {
        let local = Mutex::new(Local::new(options.keys_max));
        let peers = AtomicU32::new(options.peers.unwrap_or(1));
        Self(Arc::new(Limit {
            client: client.clone(),
            rate,
            options,
            local,
            started: Instant::now(),
            peers,
            look_at_ms: AtomicU64::new(0),
            name: fastrand::u64(..),
        }))
    }

    /// Whether `count` requests of `key` may go on. Always decides: within the options' patience and a little.
    ///
    /// Cancel safe: dropped, the requests may have been counted.
    pub async fn check(&self, key: &str, count: u32) -> Decision {
        let limit = &*self.0;
        self.look_for_peers();
        match self.ask(key, count).await {
            Ok(ruling) => {
                limit.local().keep_warm(key, ruling, limit.now_us());
                limit.decision(ruling, limit.rate, Source::Shared)
            }
            Err(error) => {
                tracing::debug!(%error, "the rate limit is decided locally");
                let share = limit.rate.share_of(limit.peers.load(Ordering::Relaxed));
                let ruling = limit.local().decide(key, share, count, limit.now_us());
                limit.decision(ruling, share, Source::Local)
            }
        }
    }

    /// How many processes share the limit, as last seen.
    pub fn peers(&self) -> u32 {
        self.0.peers.load(Ordering::Relaxed)
    }

    async fn ask(&self, key: &str, count: u32) -> Result<Ruling> {
        let limit = &*self.0;
        let cost = limit.rate.cost_us().saturating_mul(u64::from(count));
        let call =
            GCRA.call().key(format!("{}{key}", limit.options.prefix)).arg(cost).arg(limit.rate.burst_us());
        let answer = limit.client.run_script(&call, Instant::now() + limit.options.patience).await?;
        let (allowed, room_us, retry_us, reset_us): (u8, u64, u64, u64) =
            crate::client::converted(answer, "EVALSHA")?;
        Ok(Ruling { allowed: allowed == 1, room_us, retry_us, reset_us })
    }

    /// Counts the processes, beside the call, every now and then.
    fn look_for_peers(&self) {
        let limit = &*self.0;
        let now = u64::try_from(limit.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = limit.look_at_ms.load(Ordering::Relaxed);
        let next = now + u64::try_from(PEERS_EVERY.as_millis()).unwrap_or(u64::MAX);
        let is_mine = now >= due
            && limit.look_at_ms.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if limit.options.peers.is_none() && is_mine {
            let limiter = self.clone();
            limit.client.spawn(async move {
                if let Ok(peers) = limiter.count_peers().await {
                    limiter.0.peers.store(peers.max(1), Ordering::Relaxed);
                }
            });
        }
    }

    async fn count_peers(&self) -> Result<u32> {
        static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("peers.lua")));
        let limit = &*self.0;
        let call = COUNT
            .call()
            .key(format!("{}peers", limit.options.prefix))
            .arg(limit.name)
            .arg(PEER_GONE.as_millis() as u64);
        let answer = limit.client.run_script(&call, Instant::now() + PEERS_WITHIN).await?;
        u32::from_redis_value(answer).map_or_else(|_| Ok(1), Ok)
    }
}

impl Limit {
    fn local(&self) -> std::sync::MutexGuard<'_, Local> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn decision(&self, ruling: Ruling, rate: Rate, source: Source) -> Decision {
        Decision {
            allowed: ruling.allowed,
            remaining: u32::try_from(ruling.room_us / rate.cost_us()).unwrap_or(u32::MAX),
            retry_after: Duration::from_micros(ruling.retry_us),
            reset_after: Duration::from_micros(ruling.reset_us),
            source,
        }
    }
}
