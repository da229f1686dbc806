//! Deletes everything whose name begins so.

use super::{Cache, Cleared, Inner, Written};
use crate::cache::Key;
use crate::client::converted;
use crate::error::Result;
use futures::StreamExt;
use std::sync::Arc;
use tokio::time::Instant;

/// Keys that a server is asked for in one step.
const STEP: usize = 500;
/// Deletions on their way at once.
const AT_ONCE: usize = 32;

impl Cache {
    /// Deletes all values whose names begin with `prefix`; all of this cache if it is empty. Counters, dedup keys,
    /// sets and hashes stay. It takes as long as Redis needs to walk through its keys, step by step, within `deadline`.
    ///
    /// While Redis is away those are deleted that this process knows of, and the answer says that these may not be all.
    ///
    /// # Errors
    /// As [`Cache::set`]; what was deleted by then stays deleted.
    pub async fn clear(&self, prefix: impl AsRef<[u8]>, deadline: Instant) -> Result<Cleared> {
        let inner = self.inner();
        let begin = inner.beginning(prefix.as_ref());
        let mut deleted = inner.clear_known(&begin).await?;
        if inner.writes_are_away() || inner.reads_are_away() {
            return Ok(Cleared { deleted, complete: false });
        }
        let mut complete = true;
        for node in inner.client.primaries(deadline).await? {
            let mut cursor = 0_u64;
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(cursor).arg("MATCH").arg(pattern(&begin)).arg("COUNT").arg(STEP);
                let (next, keys): (u64, Vec<Vec<u8>>) =
                    match inner.client.on_node(&node, &scan, deadline).await {
                        Ok(step) => converted(step, "SCAN")?,
                        Err(error) if inner.goes_on_after(&error, false) => {
                            return Ok(Cleared { deleted, complete: false });
                        }
                        Err(error) => return Err(error),
                    };
                let (count, all) = inner.delete_all(keys.into_iter().map(Key::from)).await?;
                deleted += count;
                complete &= all;
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(Cleared { deleted, complete })
    }
}

impl Inner {
    /// What the keys begin with whose names begin with `prefix`.
    fn beginning(&self, prefix: &[u8]) -> Key {
        let whole = if prefix.is_empty() {
            Key::from(format!("{}v:{{}}", self.options.prefix))
        } else {
            self.value_key(prefix)
        };
        // Without the closing brace.
        whole.slice(..whole.len() - 1)
    }

    /// Deletes what is known here.
    async fn clear_known(self: &Arc<Self>, begin: &Key) -> Result<u64> {
        let mut known = self.near.keys(begin);
        if self.store.waiting() > 0 {
            let begin = begin.clone();
            known.extend(self.store.with(move |outbox, _| outbox.waiting_values(&begin)).await?);
        }
        known.sort_unstable();
        known.dedup();
        self.delete_all(known.into_iter()).await.map(|(count, _)| count)
    }

    /// How many were deleted, and whether the server knows of all.
    async fn delete_all(self: &Arc<Self>, keys: impl Iterator<Item = Key> + Send) -> Result<(u64, bool)> {
        let mut deletions =
            futures::stream::iter(keys.map(|key| self.delete_key(key))).buffer_unordered(AT_ONCE);
        let (mut count, mut all) = (0, true);
        while let Some(deleted) = deletions.next().await {
            all &= deleted? == Written::Stored;
            count += 1;
        }
        Ok((count, all))
    }
}

/// The pattern of all keys that begin so.
fn pattern(begin: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(begin.len() + 8);
    for byte in begin {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            pattern.push(b'\\');
        }
        pattern.push(*byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_no_patterns() {
        assert_eq!(pattern(b"c:v:{a*[x]?\\"), b"c:v:{a\\*\\[x\\]\\?\\\\*");
    }
}
