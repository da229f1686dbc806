//! Reads: what is known here, then the server, then what is known here after all.

use super::near::{Entry, Seen, Times, What};
use super::trouble::{self, closed};
use super::{Cache, Found, Inner, Source, server};
use crate::cache::{Key, Local, Version};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::metrics::Reading;
use std::sync::Arc;
use std::time::Duration;

impl Cache {
    /// The value of `name`; none if there is none, or none is known while Redis is away
    /// ([`Cache::is_fallback_mode`] tells).
    ///
    /// A value that is known but may be outdated is served, marked as stale, when Redis takes longer than
    /// [`CacheOptions::redis_soft`](super::CacheOptions::redis_soft) or is away.
    ///
    /// # Errors
    /// What is stored under the key is none of the cache's; Redis refuses the read. That it is away is an error only
    /// if the fallback is off and nothing is known here.
    ///
    /// Cancel safe.
    pub async fn get(&self, name: impl AsRef<[u8]>) -> Result<Option<Found>> {
        let inner = self.inner();
        let key = inner.value_key(name.as_ref());
        let seen = inner.near.get(&key, inner.time.now_ms());
        let answer = match seen {
            Some(seen) if seen.is_fresh => Ok(found(&seen.entry, false, Source::Near)),
            seen => inner.get_beyond(&key, seen).await,
        };
        inner.count_read(answer.as_ref().ok().map(Option::as_ref));
        answer
    }
}

impl Inner {
    /// Counts one read; none: it failed.
    pub(super) fn count_read(&self, answer: Option<Option<&Found>>) {
        if !self.client.measures() {
            return;
        }
        self.meter.read(match answer {
            None => Reading::Failed,
            Some(None) => Reading::Nothing,
            Some(Some(found)) if found.stale => Reading::Stale,
            Some(Some(found)) => match found.source {
                Source::Near => Reading::Near,
                Source::Redis => Reading::Redis,
                Source::Fallback => Reading::Fallback,
                Source::Loader => Reading::Loader,
            },
        });
    }

    /// Reads what is not fresh here.
    pub(super) async fn get_beyond(self: &Arc<Self>, key: &Key, seen: Option<Seen>) -> Result<Option<Found>> {
        if self.reads_are_away() {
            return self.without_server(key, seen).await;
        }
        let looked = self.look_up(key);
        let has_stale = seen.as_ref().is_some_and(|seen| seen.entry.value().is_some());
        let looked = if has_stale {
            match tokio::time::timeout(self.options.redis_soft, looked).await {
                Ok(looked) => looked,
                // The look-up goes on.
                Err(_) => return self.without_server(key, seen).await,
            }
        } else {
            looked.await
        };
        match looked {
            Ok(entry) => self.with_local(key, entry).await,
            Err(error) if trouble::trouble(&error).is_none() => Err(error),
            Err(error) if !has_stale && !self.is_enabled() => Err(error),
            Err(_) => self.without_server(key, seen).await,
        }
    }

    /// Asks the server, together with everybody who asks for the same now.
    pub(super) async fn look_up(self: &Arc<Self>, key: &Key) -> Result<Option<Arc<Entry>>> {
        let (inner, of) = (Arc::clone(self), key.clone());
        let work = move || async move { inner.ask_server(&of).await };
        let flight = self.lookups.join(key, &self.tasks, &self.stop, work);
        let too_many = |_| {
            Error::new(
                ErrorKind::PoolExhausted,
                "OVERLOADED",
                Outcome::NotSent,
                "too many keys are read at once",
            )
        };
        flight.map_err(too_many)?.landed().await.unwrap_or_else(|| Err(closed()))
    }

    async fn ask_server(&self, key: &Key) -> Result<Option<Arc<Entry>>> {
        let (mark, before) = (self.near.mark(key), self.near.get(key, self.time.now_ms()));
        let read = server::read(&self.client, key, self.deadline()).await;
        let now_ms = self.time.now_ms();
        match read {
            Ok(Some(stored)) => {
                self.reads.answered();
                self.follow(stored.version, now_ms).await?;
                let ends_ms = stored.remaining_ms.map_or(u64::MAX, |left| now_ms.saturating_add(left));
                let entry = self.entry(What::Value(stored.value), stored.version, ends_ms);
                self.near.put(key, entry.clone(), mark);
                Ok(Some(Arc::new(entry)))
            }
            Ok(None) => {
                self.reads.answered();
                self.near.missed(key, before.as_ref().map(|seen| &seen.entry), now_ms);
                Ok(None)
            }
            Err(error) => {
                self.note(&error, false);
                Err(error)
            }
        }
    }

    /// Versions ahead of our time are followed, so that our next write is later than what was read.
    async fn follow(&self, version: Version, now_ms: u64) -> Result<()> {
        if version.ms() > now_ms {
            let followed = self.store.with(move |outbox, now_ms| outbox.observe(version, now_ms)).await?;
            if let Err(far) = followed {
                tracing::warn!(error = %far, "a value in Redis has a version from the future");
            }
        }
        Ok(())
    }

    /// An entry of ours, whose lifetime began with its version.
    pub(super) fn entry(&self, what: What, version: Version, ends_ms: u64) -> Entry {
        let life_ms = ends_ms.saturating_sub(version.ms());
        let refresh_ms = match self.options.refresh_after {
            // A share of a u64 of milliseconds is exact enough in a double.
            Some(share) => version.ms().saturating_add((life_ms as f64 * share) as u64),
            None => ends_ms,
        };
        let (near_ms, stale_ms) = (ms(self.options.near_ttl), ms(self.options.stale_max));
        Entry::new(
            what,
            version,
            Times { now_ms: self.time.now_ms(), ends_ms, near_ms, stale_ms, refresh_ms },
        )
    }

    /// What the server says, and what it has not been told yet.
    async fn with_local(&self, key: &Key, entry: Option<Arc<Entry>>) -> Result<Option<Found>> {
        let from_server =
            |entry: Option<Arc<Entry>>| entry.and_then(|entry| found(&entry, false, Source::Redis));
        match self.local(key).await? {
            Local::Unknown => Ok(from_server(entry)),
            Local::Absent => Ok(None),
            Local::Present { version, .. } if entry.as_ref().is_some_and(|entry| entry.version > version) => {
                Ok(from_server(entry))
            }
            Local::Present { value, .. } => Ok(Some(Found { value, stale: false, source: Source::Fallback })),
        }
    }

    /// What can be said without the server.
    pub(super) async fn without_server(&self, key: &Key, seen: Option<Seen>) -> Result<Option<Found>> {
        Ok(match self.local(key).await? {
            Local::Present { value, .. } => Some(Found { value, stale: false, source: Source::Fallback }),
            Local::Absent => None,
            Local::Unknown => seen.and_then(|seen| found(&seen.entry, !seen.is_fresh, Source::Near)),
        })
    }

    /// What was written here and waits to be sent back.
    pub(super) async fn local(&self, key: &Key) -> Result<Local> {
        if self.store.waiting() == 0 {
            return Ok(Local::Unknown);
        }
        let key = key.clone();
        self.store.with(move |outbox, now_ms| outbox.value(&key, now_ms)).await
    }
}

pub(super) fn found(entry: &Entry, stale: bool, source: Source) -> Option<Found> {
    entry.value().map(|value| Found { value: value.clone(), stale, source })
}

pub(super) fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
