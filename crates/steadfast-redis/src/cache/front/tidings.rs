//! Processes tell each other what they wrote: key and version, never the value.
//!
//! A message that is lost costs freshness, never more: whoever missed some knows by a gap and asks the server again.

use super::near::Near;
use crate::cache::{Key, NodeId, Version};
use crate::client::{Client, Pipeline};
use crate::pubsub::{Event, Subscription};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Messages that may wait to be sent; beyond it, others are told that they missed some.
const WAITING_MAX: usize = 4_096;
/// Messages in one round trip.
const GROUP_MAX: usize = 128;
/// How long a group may take, and a subscription.
const WITHIN: Duration = Duration::from_secs(2);
/// How long to wait after one that failed.
const PAUSE: Duration = Duration::from_secs(1);
const NODE_DIGITS: usize = 12;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Tiding {
    Set(Version, Key),
    Deleted(Version, Key),
    /// Messages are missing.
    Gap,
}

/// Tells others.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    queue: Option<mpsc::Sender<Tiding>>,
    owed: Arc<AtomicBool>,
}

impl Teller {
    /// Nobody is told.
    pub(super) fn silent() -> Self {
        Self { queue: None, owed: Arc::default() }
    }

    /// A write has reached the server.
    pub(super) fn tell(&self, key: &Key, version: Version, is_deleted: bool) {
        let Some(queue) = &self.queue else { return };
        let tiding = if is_deleted { Tiding::Deleted } else { Tiding::Set };
        if queue.try_send(tiding(version, key.clone())).is_err() {
            self.owed.store(true, Ordering::Relaxed);
        }
    }
}

/// The sending half and the work that sends.
pub(super) fn teller(
    client: Client,
    channel: String,
    node: NodeId,
    stop: CancellationToken,
) -> (Teller, impl Future<Output = ()> + Send) {
    let (queue, waiting) = mpsc::channel(WAITING_MAX);
    let owed = Arc::new(AtomicBool::new(false));
    let teller = Teller { queue: Some(queue), owed: Arc::clone(&owed) };
    (teller, send_all(client, channel, node, waiting, owed, stop))
}

async fn send_all(
    client: Client,
    channel: String,
    node: NodeId,
    mut waiting: mpsc::Receiver<Tiding>,
    owed: Arc<AtomicBool>,
    stop: CancellationToken,
) {
    let client = client.ignoring_answers();
    let mut group = Vec::new();
    loop {
        let owes = owed.load(Ordering::Relaxed);
        tokio::select! {
            () = stop.cancelled() => return,
            count = waiting.recv_many(&mut group, GROUP_MAX) => if count == 0 { return },
            () = tokio::time::sleep(PAUSE), if owes => {}
        }
        if owed.swap(false, Ordering::Relaxed) {
            group = vec![Tiding::Gap];
        }
        let mut publish = Pipeline::new();
        for tiding in group.drain(..) {
            publish.cmd("PUBLISH").arg(&channel).arg(write(node, &tiding));
        }
        if publish.is_empty() {
            continue;
        }
        let sent = client.pipeline(&publish, Instant::now() + WITHIN).await;
        if sent.is_err() {
            owed.store(true, Ordering::Relaxed);
        }
    }
}

/// Hears what others write, until `stop`.
pub(super) async fn listen(
    client: Client,
    channel: String,
    node: NodeId,
    near: Arc<Near>,
    hears: oneshot::Sender<()>,
    stop: CancellationToken,
) {
    let (mut told, mut hears) = (false, Some(hears));
    while !stop.is_cancelled() {
        // From here on nothing is missed that is not told.
        match client.subscribe(&[&channel], Instant::now() + WITHIN).await {
            Ok(heard) => {
                near.age_all();
                told = false;
                // Nobody waits for it any more, if it took too long.
                let _ = hears.take().map(|hears| hears.send(()));
                let ended = tokio::select! {
                    () = stop.cancelled() => true,
                    () = hear(heard, node, &near) => false,
                };
                if ended {
                    return;
                }
            }
            Err(error) if !told => {
                told = true;
                tracing::info!(%error, "the cache does not hear what other processes write");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn hear(mut heard: Subscription, node: NodeId, near: &Near) {
    while let Some(event) = heard.next().await {
        match event {
            Event::Message(message) => match read(&message.payload) {
                Some((from, _)) if from == node.to_string() => {}
                Some((_, Tiding::Set(version, key))) => near.invalidate(&key, version, false),
                Some((_, Tiding::Deleted(version, key))) => near.invalidate(&key, version, true),
                Some((_, Tiding::Gap)) | None => near.age_all(),
            },
            Event::Gap(_) => near.age_all(),
        }
    }
    near.age_all();
}

fn write(node: NodeId, tiding: &Tiding) -> Vec<u8> {
    let (head, key) = match tiding {
        Tiding::Set(version, key) => (format!("{node}s{version}"), &key[..]),
        Tiding::Deleted(version, key) => (format!("{node}d{version}"), &key[..]),
        Tiding::Gap => (format!("{node}g"), &[][..]),
    };
    [head.as_bytes(), key].concat()
}

/// Who says what; none: it is no message of ours.
fn read(payload: &[u8]) -> Option<(String, Tiding)> {
    let (node, rest) = payload.split_at_checked(NODE_DIGITS)?;
    let node = std::str::from_utf8(node).ok()?.to_owned();
    let (kind, rest) = rest.split_first()?;
    if *kind == b'g' {
        return Some((node, Tiding::Gap));
    }
    let (version, key) = rest.split_at_checked(Version::DIGITS)?;
    let version = std::str::from_utf8(version).ok()?.parse().ok()?;
    let key = Bytes::copy_from_slice(key);
    match kind {
        b's' => Some((node, Tiding::Set(version, key))),
        b'd' => Some((node, Tiding::Deleted(version, key))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_told_is_heard(node in 0_u64..1 << 48, bits in any::<u128>(), key in prop::collection::vec(any::<u8>(), 0..20), kind in 0..3) {
            let (node, version, key) = (NodeId::new(node), Version::from_bits(bits), Bytes::from(key));
            let tiding = match kind {
                0 => Tiding::Set(version, key),
                1 => Tiding::Deleted(version, key),
                _ => Tiding::Gap,
            };
            prop_assert_eq!(read(&write(node, &tiding)), Some((node.to_string(), tiding)));
        }

        #[test]
        fn any_bytes_are_read_or_not(payload in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&payload);
        }
    }
}
