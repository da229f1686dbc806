//! Loads what is missing: once for all who ask, ahead of its end, and without letting anybody wait for long.

use super::near::What;
use super::read::{found, ms};
use super::trouble::{refused, trouble};
use super::{Cache, Found, Inner, LoadError, Source, server};
use crate::cache::{Answer, Change, Key, Version};
use crate::error::{Outcome, Result};
use bytes::Bytes;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

type Loaded = Result<Option<Found>, LoadError>;

impl Cache {
    /// The value of `name`, or what `loader` brings, which is then kept for `ttl` or the cache's usual lifetime.
    ///
    /// In this process one loader runs for a key at a time; all who ask wait for it. It goes on when its caller
    /// goes. If a value is known that may be outdated, it is served, marked as stale, once the load takes longer than
    /// [`CacheOptions::load_soft`](super::CacheOptions::load_soft) or fails. After
    /// [`CacheOptions::refresh_after`](super::CacheOptions::refresh_after) of a value's lifetime it is served and
    /// loaded anew in the background.
    ///
    /// What is loaded while Redis is away is kept in this process alone: it can be loaded again.
    ///
    /// # Errors
    /// The loader failed, panicked or took longer than [`CacheOptions::load_hard`](super::CacheOptions::load_hard),
    /// and nothing was known; too many loads run; [`LoadError::Cache`] as [`Cache::get`]. The next call loads anew.
    ///
    /// Cancel safe.
    pub async fn get_or_load<L, F, E>(
        &self,
        name: impl AsRef<[u8]>,
        ttl: Option<Duration>,
        loader: L,
    ) -> Result<Option<Found>, LoadError>
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Option<Bytes>, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let answer = self.found_or_loaded(name.as_ref(), ttl, loader).await;
        self.inner().count_read(answer.as_ref().ok().map(Option::as_ref));
        answer
    }

    async fn found_or_loaded<L, F, E>(
        &self,
        name: &[u8],
        ttl: Option<Duration>,
        loader: L,
    ) -> Result<Option<Found>, LoadError>
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Option<Bytes>, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let inner = self.inner();
        let (key, now_ms) = (inner.value_key(name), inner.time.now_ms());
        let seen = inner.near.get(&key, now_ms);
        let fresh = seen.as_ref().filter(|seen| seen.is_fresh && seen.entry.what != What::Deleted);
        if let Some(fresh) = fresh {
            let is_due = fresh.entry.value().is_some() && now_ms >= fresh.entry.refresh_ms;
            if is_due && !inner.reads_are_away() {
                // If there are too many, another reader will see to it.
                let _ = inner.join_load(&key, ttl, true, loader);
            }
            return Ok(found(&fresh.entry, false, Source::Near));
        }
        let stale = || seen.as_ref().and_then(|seen| found(&seen.entry, true, Source::Near));
        let mut flight = match inner.join_load(&key, ttl, false, loader) {
            Ok(flight) => flight,
            Err(error) => return stale().map(Some).ok_or(error),
        };
        let landed = match stale() {
            None => flight.landed().await,
            Some(stale) => match tokio::time::timeout(inner.options.load_soft, flight.landed()).await {
                Ok(landed) => landed,
                Err(_) => return Ok(Some(stale)),
            },
        };
        match landed.unwrap_or(Err(LoadError::Ended)) {
            Ok(loaded) => Ok(loaded),
            Err(error) => stale().map(Some).ok_or(error),
        }
    }
}

impl Inner {
    fn join_load<L, F, E>(
        self: &Arc<Self>,
        key: &Key,
        ttl: Option<Duration>,
        is_refresh: bool,
        loader: L,
    ) -> Result<super::flights::Flight<Loaded>, LoadError>
    where
        L: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<Option<Bytes>, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let (inner, of) = (Arc::clone(self), key.clone());
        let work = move || async move { inner.load(&of, ttl, is_refresh, loader).await };
        let flight = self.loads.join(key, &self.tasks, &self.stop, work);
        flight.map_err(|_| LoadError::Overloaded { loads_max: self.options.loads_max })
    }

    async fn load<L, F, E>(
        self: &Arc<Self>,
        key: &Key,
        ttl: Option<Duration>,
        is_refresh: bool,
        loader: L,
    ) -> Loaded
    where
        L: FnOnce() -> F + Send,
        F: Future<Output = Result<Option<Bytes>, E>> + Send,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        // Of before the load: whatever is written while it runs is later.
        let version = self.store.with(|outbox, now_ms| outbox.stamp(now_ms)).await?;
        if let Some(there) = self.is_there(key, is_refresh).await? {
            return Ok(Some(there));
        }
        let load_hard = self.options.load_hard;
        let loaded = match tokio::time::timeout(load_hard, loader()).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => {
                let error: Box<dyn StdError + Send + Sync> = error.into();
                return Err(LoadError::Failed(Arc::from(error)));
            }
            Err(_) => return Err(LoadError::TimedOut { ms: ms(load_hard) }),
        };
        match loaded {
            Some(value) => {
                self.store_loaded(key, value.clone(), self.options.ttl_ms(ttl), version).await?;
                Ok(Some(Found { value, stale: false, source: Source::Loader }))
            }
            None => {
                self.near.invalidate(key, version, true);
                if let Some(kept) = self.options.negative_ttl {
                    let ends_ms = self.time.now_ms().saturating_add(ms(kept));
                    self.near.put(key, self.entry(What::Nothing, version, ends_ms), self.near.mark(key));
                }
                Ok(None)
            }
        }
    }

    /// What need not be loaded. To refresh: only what somebody else has loaded meanwhile.
    async fn is_there(self: &Arc<Self>, key: &Key, is_refresh: bool) -> Result<Option<Found>> {
        if !is_refresh {
            return self.get_beyond(key, None).await;
        }
        match self.look_up(key).await {
            Ok(Some(entry)) if entry.refresh_ms > self.time.now_ms() => {
                Ok(found(&entry, false, Source::Redis))
            }
            _ => Ok(None),
        }
    }

    /// Gives others what was loaded, if that can be done.
    async fn store_loaded(&self, key: &Key, value: Bytes, ttl_ms: u64, version: Version) -> Result<()> {
        let (mark, ends_ms) = (self.near.mark(key), self.time.now_ms().saturating_add(ttl_ms));
        let keep = |value| self.near.put(key, self.entry(What::Value(value), version, ends_ms), mark);
        let change = Change::Set { key: key.clone(), value: value.clone(), ttl_ms: Some(ttl_ms) };
        let op = self.store.with(move |outbox, _| outbox.online(&change, version)).await?;
        let op = op.map_err(|why| refused(why, Outcome::NotSent))?;
        if self.writes_are_away() {
            keep(value);
            return Ok(());
        }
        match server::apply(&self.client, &op, self.deadline()).await {
            Ok((answer, _)) => {
                self.writes.answered();
                self.take_answer(&op, &answer).await?;
                match answer {
                    Answer::Conflicted { why } => return Err(super::trouble::conflict(&why)),
                    // Somebody has written meanwhile.
                    Answer::Superseded { .. } => {}
                    _ => {
                        keep(value);
                        self.teller.tell(key, version, false);
                    }
                }
                Ok(())
            }
            Err(error) if trouble(&error).is_some() => {
                self.note(&error, true);
                keep(value);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}
