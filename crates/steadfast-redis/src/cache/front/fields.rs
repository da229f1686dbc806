//! Sets and hashes: fields that are put and removed one by one, also while Redis is away.

use super::near::KnownFields;
use super::trouble::{conflict, disabled, refused};
use super::{Cache, Found, Inner, Source, Written, server};
use crate::cache::{Answer, Change, FieldVersions, Key, Kind, Refused, Version, field_versions, prefixed};
use crate::client::converted;
use crate::error::{Error, Outcome, Result};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Cache {
    /// Puts `field` into the set or hash `name`. An element of a set is a field with an empty value.
    ///
    /// It replaces what is in Redis, or, while Redis is away, what this process last read there. What others put at the
    /// same time stays beside it: the latest is what is read, and if somebody removes one, the other is still there.
    /// Fields have no lifetime.
    ///
    /// # Errors
    /// As [`Cache::set`].
    ///
    /// Cancel safety: dropped, it may or may not have been put.
    pub async fn put_field(
        &self,
        name: impl AsRef<[u8]>,
        field: impl Into<Bytes>,
        value: impl Into<Bytes>,
    ) -> Result<Written> {
        self.inner().change_field(name.as_ref(), field.into(), Some(value.into())).await
    }

    /// Removes `field` from the set or hash `name`: what is in Redis, or, while Redis is away, what this process last
    /// read there and what it put itself. What others put meanwhile stays: adding wins.
    ///
    /// # Errors
    /// As [`Cache::set`].
    ///
    /// Cancel safety: dropped, it may or may not have been removed.
    pub async fn remove_field(&self, name: impl AsRef<[u8]>, field: impl Into<Bytes>) -> Result<Written> {
        self.inner().change_field(name.as_ref(), field.into(), None).await
    }

    /// The fields of the set or hash `name`, with what this process has put and removed and not sent back. While Redis is
    /// away they are those that were last read, marked as stale.
    ///
    /// # Errors
    /// As [`Cache::get`].
    ///
    /// Cancel safe.
    pub async fn fields(&self, name: impl AsRef<[u8]>) -> Result<Found<BTreeMap<Bytes, Bytes>>> {
        let inner = self.inner();
        let key = inner.fields_key(name.as_ref());
        let (mut fields, stale) = match inner.read_fields(&key).await {
            Some(Ok(fields)) => (fields, false),
            Some(Err(error)) => return Err(error),
            None => {
                (inner.near.fields(&key).map(|known| KnownFields::clone(&known)).unwrap_or_default(), true)
            }
        };
        let mut source = if stale { Source::Near } else { Source::Redis };
        if inner.store.waiting() > 0 {
            let change = move |outbox: &mut crate::cache::Outbox, _| {
                outbox.change_fields(&key, &mut fields);
                (outbox.is_waiting(Kind::Fields, &key), fields)
            };
            let is_waiting;
            (is_waiting, fields) = inner.store.with(change).await?;
            if is_waiting {
                source = Source::Fallback;
            }
        }
        let shown = |(field, versions): (Bytes, FieldVersions)| Some((field, versions.value()?.clone()));
        Ok(Found { value: fields.into_iter().filter_map(shown).collect(), stale, source })
    }
}

impl Inner {
    fn fields_key(&self, name: &[u8]) -> Key {
        prefixed(&format!("{}f:", self.options.prefix), name)
    }

    /// What Redis holds; none: it is gone on without.
    async fn read_fields(&self, key: &Key) -> Option<Result<KnownFields>> {
        if self.reads_are_away() {
            return None;
        }
        let ask = redis::cmd("HGETALL").arg(&key[..]).to_owned();
        let read = self.client.execute(&ask, self.deadline()).await;
        match read.and_then(|answer| converted::<Vec<(Vec<u8>, Vec<u8>)>>(answer, "HGETALL")) {
            Ok(pairs) => {
                self.reads.answered();
                let pairs = pairs.into_iter().map(|(name, blob)| (Bytes::from(name), Bytes::from(blob)));
                let fields = field_versions(pairs).map_err(|error| conflict(&error.to_string()));
                Some(fields.inspect(|fields| self.near.keep_fields(key, fields.clone())))
            }
            Err(error) if self.goes_on_after(&error, false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    async fn change_field(
        self: &Arc<Self>,
        name: &[u8],
        field: Bytes,
        value: Option<Bytes>,
    ) -> Result<Written> {
        let key = self.fields_key(name);
        // The server tells what it has done by the order of versions: one at a time.
        let _alone = self.stripes.lock(&key).await;
        // What is known is what it replaces.
        let known = if self.writes_are_away() { None } else { self.read_fields(&key).await.transpose()? };
        let is_there = known.is_some();
        let known = known.or_else(|| self.near.fields(&key).map(|known| KnownFields::clone(&known)));
        let observed = known.as_ref().and_then(|known| known.get(&field));
        let observed: Vec<Version> = observed.map(|of| of.versions().collect()).unwrap_or_default();
        let change = match &value {
            Some(value) => {
                Change::PutField { key: key.clone(), field: field.clone(), value: value.clone(), observed }
            }
            None => Change::RemoveField { key: key.clone(), field: field.clone(), observed },
        };
        if !is_there {
            return self.keep_field(change, None).await;
        }
        let of = change.clone();
        let stamped = self.store.with(move |outbox, now_ms| {
            let version = outbox.stamp(now_ms);
            outbox.online(&of, version).map(|op| (op, version))
        });
        let (op, version) = match stamped.await? {
            Ok(stamped) => stamped,
            // Behind those that wait.
            Err(Refused::Waiting) => return self.keep_field(change, None).await,
            Err(why) => return Err(refused(why, Outcome::NotSent)),
        };
        match server::apply(&self.client, &op, self.deadline()).await {
            Ok((Answer::Conflicted { why }, _)) => Err(conflict(&why)),
            Ok(_) => {
                self.writes.answered();
                let mut known = known.unwrap_or_default();
                known.entry(field).or_default().change(version, value.as_ref(), observed_of(&change));
                self.near.keep_fields(&key, known);
                Ok(Written::Stored)
            }
            Err(error) => self.field_not_answered(change, version, error).await,
        }
    }

    async fn field_not_answered(&self, change: Change, version: Version, error: Error) -> Result<Written> {
        if !self.note(&error, true) {
            return Err(error);
        }
        if !self.is_enabled() {
            return Err(disabled(error));
        }
        self.keep_field(change, Some(version)).await
    }

    async fn keep_field(&self, change: Change, sent: Option<Version>) -> Result<Written> {
        let written = self.keep(change, sent).await?.written;
        self.nudge_if_back();
        Ok(written)
    }
}

fn observed_of(change: &Change) -> &[Version] {
    match change {
        Change::PutField { observed, .. } | Change::RemoveField { observed, .. } => observed,
        _ => &[],
    }
}
