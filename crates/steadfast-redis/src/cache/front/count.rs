//! Counters that lose and double nothing.
//!
//! An addition is sent under a token, as often as need be, and counts once. The server tells tokens by their order, so
//! of one key one addition of this process is on its way at a time.

use super::trouble::{conflict, disabled, refused};
use super::{Cache, Counted, Inner, Written, server};
use crate::cache::{Answer, Change, Key, Refused, counter_sum, prefixed};
use crate::error::{Outcome, Result};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

const STRIPES: usize = 256;

/// One lock for each of so many parts of all keys.
#[derive(Debug)]
pub(super) struct Stripes(Vec<Mutex<()>>);

impl Default for Stripes {
    fn default() -> Self {
        Self((0..STRIPES).map(|_| Mutex::new(())).collect())
    }
}

impl Stripes {
    pub(super) async fn lock(&self, key: &Key) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
        self.0[usize::try_from(hash % STRIPES as u64).unwrap_or_default()].lock().await
    }
}

impl Cache {
    /// Adds `delta` to the counter `name`. A counter that is not there begins at 0 and, if `window` is given, ends that
    /// long after its first addition.
    ///
    /// Counted once, whatever is lost on the way and however long Redis is away, as long as the window lasts.
    ///
    /// # Errors
    /// As [`Cache::set`]; and if the sum does not fit 64 bits.
    ///
    /// Cancel safety: dropped, it may or may not have been added.
    pub async fn increment(
        &self,
        name: impl AsRef<[u8]>,
        delta: i64,
        window: Option<Duration>,
    ) -> Result<Counted> {
        let inner = self.inner();
        let key = inner.counter_key(name.as_ref());
        let window_ms = window.map(|window| super::read::ms(window).max(1));
        let change = Change::Add { key: key.clone(), delta, window_ms };
        let _alone = inner.stripes.lock(&key).await;
        if inner.writes_are_away() {
            return inner.keep_addition(change).await;
        }
        let of = change.clone();
        let op = match inner.store.with(move |outbox, now_ms| outbox.online_add(&of, now_ms)).await? {
            Ok(op) => op,
            // Behind those that wait.
            Err(Refused::Waiting) => return inner.keep_addition(change).await,
            Err(why) => return Err(refused(why, Outcome::NotSent)),
        };
        let error = match server::apply(&inner.client, &op, inner.deadline()).await {
            Ok((Answer::Conflicted { why }, _)) => return Err(conflict(&why)),
            Ok((_, sum)) => {
                inner.writes.answered();
                return Ok(Counted { sum, written: Written::Stored });
            }
            Err(error) => error,
        };
        if !inner.note(&error, true) {
            return Err(error);
        }
        if !inner.is_enabled() {
            return Err(disabled(error));
        }
        let recorded = inner.store.with_disk(move |outbox, now_ms| outbox.record_add(&op, now_ms)).await?;
        recorded.map_err(|why| refused(why, error.outcome()))?;
        Ok(Counted { sum: None, written: Written::Fallback })
    }

    /// What the counter `name` has come to: the sum in Redis and what this process has added and not sent back. While
    /// Redis is away only the latter is known, and `sum` is none.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn counter(&self, name: impl AsRef<[u8]>) -> Result<CounterValue> {
        let inner = self.inner();
        let key = inner.counter_key(name.as_ref());
        let of = key.clone();
        let added_here = match inner.store.waiting() {
            0 => 0,
            _ => inner.store.with(move |outbox, now_ms| outbox.added(&of, now_ms)).await?,
        };
        let away = CounterValue { sum: None, added_here };
        if inner.reads_are_away() {
            return Ok(away);
        }
        let ask = redis::cmd("HGET").arg(&key[..]).arg("n").to_owned();
        match inner.client.execute(&ask, inner.deadline()).await {
            Ok(sum) => {
                inner.reads.answered();
                let sum: Option<Vec<u8>> = crate::client::converted(sum, "HGET")?;
                let sum =
                    sum.map_or(Ok(0), |sum| counter_sum(&sum)).map_err(|why| conflict(&why.to_string()))?;
                Ok(CounterValue { sum: Some(sum), added_here })
            }
            Err(error) if inner.goes_on_after(&error, false) => Ok(away),
            Err(error) => Err(error),
        }
    }
}

/// What is known of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CounterValue {
    /// The sum in Redis.
    pub sum: Option<i64>,
    /// What this process has added that Redis may not know of.
    pub added_here: i64,
}

impl Inner {
    fn counter_key(&self, name: &[u8]) -> Key {
        prefixed(&format!("{}n:", self.options.prefix), name)
    }

    async fn keep_addition(&self, change: Change) -> Result<Counted> {
        self.keep(change, None).await?;
        self.nudge_if_back();
        Ok(Counted { sum: None, written: Written::Fallback })
    }
}
