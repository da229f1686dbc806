//! Writes: to the server under a version, or here until it is back.

use super::near::What;
use super::read::ms;
use super::trouble::{self, conflict, disabled, refused};
use super::{Cache, Inner, Written, server};
use crate::cache::{Answer, Change, Key, Op, Version};
use crate::error::{Error, Outcome, Result};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// How often a write is made anew when the server knows a later version.
const TRIES_MAX: u32 = 3;

/// Where a write has ended.
pub(super) struct Done {
    pub(super) written: Written,
    pub(super) version: Version,
    /// What the server said, if it said anything.
    pub(super) answer: Option<Answer>,
    /// Whether this process had not seen a key that is to be seen once.
    pub(super) first: bool,
}

impl Cache {
    /// Sets the value of `name` for `ttl`, or for the cache's usual lifetime.
    ///
    /// # Errors
    /// Nothing was written, unless [`Error::outcome`] is ambiguous: a lifetime that is too long or a value that is too
    /// large; something under the key that is none of the cache's. If Redis cannot take it: of kind
    /// [`ErrorKind::Fallback`](crate::ErrorKind::Fallback) if the fallback is off or full.
    ///
    /// Cancel safety: dropped, it may or may not have been written.
    pub async fn set(
        &self,
        name: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        ttl: Option<Duration>,
    ) -> Result<Written> {
        let inner = self.inner();
        let (key, value, ttl_ms) = (inner.value_key(name.as_ref()), value.into(), inner.options.ttl_ms(ttl));
        let change = Change::Set { key, value: value.clone(), ttl_ms: Some(ttl_ms) };
        let ends_ms = inner.time.now_ms().saturating_add(ttl_ms);
        inner.write_value(change, What::Value(value), ends_ms).await
    }

    /// Deletes the value of `name`. While Redis is away the deletion is remembered, so that the value does not come
    /// back.
    ///
    /// # Errors
    /// As [`Cache::set`].
    pub async fn delete(&self, name: impl AsRef<[u8]>) -> Result<Written> {
        let inner = self.inner();
        inner.delete_key(inner.value_key(name.as_ref())).await
    }
}

impl Inner {
    pub(super) async fn delete_key(self: &Arc<Self>, key: Key) -> Result<Written> {
        let ends_ms = self.time.now_ms().saturating_add(ms(self.options.near_ttl));
        self.write_value(Change::Delete { key }, What::Deleted, ends_ms).await
    }

    async fn write_value(self: &Arc<Self>, change: Change, what: What, ends_ms: u64) -> Result<Written> {
        let key = change.key().clone();
        // Who reads from now on must not join a read that began before.
        self.lookups.forget(&key);
        self.loads.forget(&key);
        let mark = self.near.mark(&key);
        let is_deleted = what == What::Deleted;
        let done = match self.write(change).await {
            Ok(done) => done,
            Err(error) => {
                // It may have been written all the same.
                self.near.invalidate(&key, Version::from_bits(u128::MAX), false);
                return Err(error);
            }
        };
        self.lookups.forget(&key);
        match done.written {
            Written::Stored => {
                self.near.put(&key, self.entry(what, done.version, ends_ms), mark);
                self.teller.tell(&key, done.version, is_deleted);
            }
            Written::Fallback => self.near.put(&key, self.entry(what, done.version, ends_ms), mark),
            Written::Superseded => self.near.invalidate(&key, Version::from_bits(u128::MAX), false),
        }
        Ok(done.written)
    }

    /// One write that the latest version wins, or a key that is to be seen once.
    pub(super) async fn write(&self, change: Change) -> Result<Done> {
        if self.writes_are_away() {
            return self.keep(change, None).await;
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let of = change.clone();
            let stamped = self.store.with(move |outbox, now_ms| {
                let version = outbox.stamp(now_ms);
                outbox.online(&of, version).map(|op| (op, version))
            });
            let (op, version) = stamped.await?.map_err(|why| refused(why, Outcome::NotSent))?;
            let answer = match server::apply(&self.client, &op, self.deadline()).await {
                Ok((answer, _)) => answer,
                Err(error) => return self.not_answered(change, version, error).await,
            };
            self.writes.answered();
            self.take_answer(&op, &answer).await?;
            let done = |written| Done { written, version, answer: Some(answer.clone()), first: true };
            match &answer {
                Answer::Superseded { .. } if tries < TRIES_MAX => {}
                Answer::Superseded { .. } => return Ok(done(Written::Superseded)),
                Answer::Conflicted { why } if !matches!(change, Change::Remember { .. }) => {
                    return Err(conflict(why));
                }
                _ => return Ok(done(Written::Stored)),
            }
        }
    }

    /// What the outbox must know of an answer: versions ahead of ours, and that an older write of the key need not be
    /// sent back any more.
    pub(super) async fn take_answer(&self, op: &Op, answer: &Answer) -> Result<()> {
        if self.store.waiting() == 0 && !matches!(answer, Answer::Superseded { .. }) {
            return Ok(());
        }
        let (op, answer) = (op.clone(), answer.clone());
        let taken = self.store.with_disk(move |outbox, now_ms| outbox.answered(&op, &answer, now_ms)).await?;
        if let Err(error) = taken {
            tracing::warn!(%error, "the cache's journal does not know of an answer; it will be asked for again");
        }
        Ok(())
    }

    async fn not_answered(&self, change: Change, version: Version, error: Error) -> Result<Done> {
        if !self.note(&error, true) {
            return Err(error);
        }
        if !self.is_enabled() {
            return Err(disabled(error));
        }
        self.keep(change, Some(version)).await
    }

    /// Keeps a write until the server is back: a new one, or one that was sent under a version.
    pub(super) async fn keep(&self, change: Change, sent: Option<Version>) -> Result<Done> {
        let recorded = self.store.record(change, sent).await?;
        Ok(Done {
            written: Written::Fallback,
            version: recorded.version,
            answer: None,
            first: recorded.first,
        })
    }

    /// Whether a failure means that the server cannot be used, and that it is gone on without.
    pub(super) fn goes_on_after(&self, error: &Error, is_write: bool) -> bool {
        self.note(error, is_write) && self.is_enabled() && trouble::trouble(error).is_some()
    }
}
