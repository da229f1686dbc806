//! Keys that are to be seen once.

use super::{Cache, Written};
use crate::cache::{Answer, Change, Key, prefixed};
use crate::error::Result;
use std::time::Duration;

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Nobody has seen it before within its window.
    First,
    /// It has been seen.
    Again,
    /// This process has not seen it; whether another has cannot be said, because Redis is away or its answer was lost.
    /// Process it, in such a way that twice is as once.
    Unsure,
}

impl Seen {
    /// Whether it is to be processed: unless it has certainly been seen.
    pub fn is_to_be_processed(self) -> bool {
        self != Self::Again
    }
}

/// Tells what has been seen, over all processes; by [`Cache::dedup`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dedup {
    cache: Cache,
}

impl Cache {
    /// Tells what has been seen, with this cache's journal.
    pub fn dedup(&self) -> Dedup {
        Dedup { cache: self.clone() }
    }
}

impl Dedup {
    /// Whether `name` is seen for the first time within `window`, which begins with its first sighting.
    ///
    /// While Redis is away, what this process has seen is remembered here, in the journal too if there is one, and is
    /// told when Redis is back. That another process has seen it as well is then counted as `conflicted` in
    /// [`Cache::report`].
    ///
    /// # Errors
    /// As [`Cache::set`]. Whether to process it then is the caller's to say.
    ///
    /// Cancel safety: dropped, the key may count as seen.
    pub async fn first_seen(&self, name: impl AsRef<[u8]>, window: Duration) -> Result<Seen> {
        let inner = self.cache.inner();
        let key = prefixed(&format!("{}d:", inner.options.prefix), name.as_ref());
        if self.is_remembered(&key).await? {
            return Ok(Seen::Again);
        }
        let window_ms = super::read::ms(window).max(1);
        let done = inner.write(Change::Remember { key, window_ms }).await?;
        Ok(match (done.written, done.answer) {
            (Written::Fallback, _) if done.first => Seen::Unsure,
            (Written::Fallback, _) => Seen::Again,
            (_, Some(Answer::Conflicted { why })) if !why.starts_with("seen first") => {
                return Err(super::trouble::conflict(&why));
            }
            (_, Some(Answer::Conflicted { .. })) => Seen::Again,
            _ => Seen::First,
        })
    }

    async fn is_remembered(&self, key: &Key) -> Result<bool> {
        let inner = self.cache.inner();
        if inner.store.waiting() == 0 {
            return Ok(false);
        }
        let key = key.clone();
        inner.store.with(move |outbox, now_ms| outbox.is_remembered(&key, now_ms)).await
    }
}
