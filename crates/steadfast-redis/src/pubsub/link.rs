//! The connection that listens, and the one task that keeps it.

use super::inbox::{GapReason, Inbox, Message};
use super::wire::{Incoming, Topic, read};
use crate::config::Address;
use crate::dial::{DialSettings, Dialed, Stream, dial};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::resp::Decoder;
use crate::retry::DialBudget;
use bytes::BytesMut;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The pause after a connection that did not come about, beside what the dial budget asks for.
const AGAIN_AFTER: Duration = Duration::from_millis(50);

/// How often it is looked whether there are to be heartbeats, while there are none.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why we leave a connection ourselves.
const MOVED: &str = "the server is another now";
const UNUSED: &str = "nobody listens";

/// Where to listen, asked at each dial.
pub(crate) trait Where: std::fmt::Debug + Send + Sync + 'static {
    /// The address to dial, and how.
    fn place(&self) -> BoxFuture<'_, Result<(Address, DialSettings, DialBudget)>>;
    /// Returns when the place is another, or the server behind it.
    fn moved(&self) -> BoxFuture<'static, ()>;
}

/// How a connection that only listens proves that it lives.
#[derive(Clone)]
pub(crate) enum Heartbeat {
    /// `PING` on it.
    Ping,
    /// A message of our own on this channel, sent by this.
    Message { channel: String, send: Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync> },
}

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ping => "Ping",
            Self::Message { .. } => "Message",
        })
    }
}

#[derive(Clone)]
pub(crate) struct LinkSettings {
    pub(crate) heartbeat: Heartbeat,
    /// Says the time between heartbeats, which may change; silence for twice as long replaces the connection. Zero: no
    /// heartbeat.
    pub(crate) every: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl std::fmt::Debug for LinkSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkSettings").field("heartbeat", &self.heartbeat).finish_non_exhaustive()
    }
}

/// What a link is told.
#[derive(Debug)]
pub(crate) enum LinkOrder {
    /// Listen for these too. Answered when the server has confirmed, or refused.
    Subscribe { topics: Vec<Topic>, inbox: Inbox, done: oneshot::Sender<Result<()>> },
    /// Somebody has gone who listened for these.
    Sweep(Vec<Topic>),
}

/// A connection that listens, for many subscribers.
#[derive(Debug)]
pub(crate) struct Link {
    place: Arc<dyn Where>,
    settings: LinkSettings,
    orders: mpsc::Receiver<LinkOrder>,
    readers: BTreeMap<Topic, Vec<Inbox>>,
    unconfirmed: Vec<Unconfirmed>,
    /// A message came for somebody who has gone.
    has_unread: bool,
    stop: CancellationToken,
}

/// One who waits for confirmation.
#[derive(Debug)]
struct Unconfirmed {
    missing: Vec<Topic>,
    topics: Vec<Topic>,
    inbox: Inbox,
    done: oneshot::Sender<Result<()>>,
}

struct Wire {
    io: Stream,
    decoder: Decoder,
    input: BytesMut,
    heard: Instant,
    every: Duration,
    /// Until then heartbeats were others, or none.
    quiet_until: Instant,
    beat: Instant,
    since: Instant,
    budget: DialBudget,
}

impl Link {
    pub(crate) fn new(
        place: Arc<dyn Where>,
        settings: LinkSettings,
        orders: mpsc::Receiver<LinkOrder>,
        stop: CancellationToken,
    ) -> Self {
        let (readers, unconfirmed) = (BTreeMap::new(), Vec::new());
        Self { place, settings, orders, readers, unconfirmed, has_unread: false, stop }
    }

    /// Keeps the connection as long as somebody subscribes, until the client is closed.
    pub(crate) async fn run(mut self) {
        let stop = self.stop.clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.keep() => {}
        }
        self.readers.values().flatten().for_each(Inbox::close);
    }

    async fn keep(&mut self) {
        let mut was_connected = false;
        loop {
            // Without subscribers there is no connection.
            while self.readers.is_empty() {
                let Some(order) = self.orders.recv().await else { return };
                self.obey(order);
                was_connected = false;
            }
            let Some(mut wire) = self.connect().await else {
                // What fails at once fails again at once: without a pause nothing else would run, the end neither.
                tokio::time::sleep(AGAIN_AFTER).await;
                // Who has gone meanwhile is not connected for.
                while let Ok(order) = self.orders.try_recv() {
                    self.obey(order);
                }
                continue;
            };
            if was_connected {
                self.readers.values().flatten().for_each(|inbox| inbox.gap(GapReason::Reconnected));
            }
            was_connected = true;
            let why = self.listen(&mut wire).await;
            // One that we left says nothing of the server.
            if why != MOVED && why != UNUSED {
                wire.budget.connection_lost(wire.since.elapsed());
            }
            tracing::info!(why, "subscription connection ended");
        }
    }

    /// Dials and subscribes to everything, once; waits as long as the dial budget asks after a failure.
    async fn connect(&mut self) -> Option<Wire> {
        let place = Arc::clone(&self.place);
        let made = async {
            let (address, settings, budget) = place.place().await?;
            let permit = loop {
                match budget.try_dial() {
                    Ok(permit) => break permit,
                    Err(wait) => tokio::time::sleep(wait.wait).await,
                }
            };
            let Dialed { io, .. } = dial(&settings, &address).await?;
            permit.succeeded();
            Ok::<_, Error>((io, settings.reply_bytes_max, budget))
        };
        let (io, bound, budget) = match made.await {
            Ok(made) => made,
            Err(error) => {
                tracing::warn!(%error, "cannot connect for subscriptions");
                self.refuse_all(&error);
                return None;
            }
        };
        let (now, every) = (Instant::now(), (self.settings.every)());
        let mut wire = Wire {
            io,
            decoder: Decoder::new(bound),
            input: BytesMut::new(),
            heard: now,
            quiet_until: now,
            every,
            beat: now + every,
            since: now,
            budget,
        };
        let mut packed: Vec<u8> =
            self.readers.keys().flat_map(|topic| topic.command(true).get_packed_command()).collect();
        if let Heartbeat::Message { channel, .. } = &self.settings.heartbeat {
            packed.extend(Topic::Channel(channel.clone()).command(true).get_packed_command());
        }
        write(&mut wire, &packed).await.ok()?;
        Some(wire)
    }

    /// Listens until the connection ends; why it did.
    async fn listen(&mut self, wire: &mut Wire) -> &'static str {
        let place = Arc::clone(&self.place);
        let mut moved = place.moved();
        loop {
            loop {
                match wire.decoder.decode(&mut wire.input) {
                    Ok(Some(reply)) => match read(reply) {
                        // The shard's slot has moved: the server says goodbye to its subscribers.
                        Incoming::Unsubscribed(topic @ Topic::Shard(_))
                            if self.readers.contains_key(&topic) =>
                        {
                            return "the slot is elsewhere now";
                        }
                        incoming => self.take(incoming),
                    },
                    Ok(None) => break,
                    Err(_) => return "what came was no message",
                }
            }
            if std::mem::take(&mut self.has_unread) {
                let gone = self.readers.keys().cloned().collect();
                let packed = self.obey(LinkOrder::Sweep(gone));
                if self.readers.is_empty() {
                    return UNUSED;
                }
                if write(wire, &packed).await.is_err() {
                    return "cannot write";
                }
            }
            let every = (self.settings.every)();
            if every != wire.every {
                // Silence until now is no proof by the new time.
                let now = Instant::now();
                (wire.every, wire.quiet_until, wire.beat) = (every, now, now + every);
            }
            // Without heartbeats it is looked now and then whether there are to be some.
            let beat = if every.is_zero() { Instant::now() + LOOK_EVERY } else { wire.beat };
            tokio::select! {
                read = wire.io.read_buf(&mut wire.input) => match read {
                    Ok(0) | Err(_) => return "closed by the server",
                    Ok(_) => wire.heard = Instant::now(),
                },
                Some(order) = self.orders.recv() => {
                    let packed = self.obey(order);
                    if write(wire, &packed).await.is_err() {
                        return "cannot write";
                    }
                    if self.readers.is_empty() {
                        return UNUSED;
                    }
                }
                () = &mut moved => return MOVED,
                () = tokio::time::sleep_until(beat) => {
                    if every.is_zero() {
                        continue;
                    }
                    if wire.heard.max(wire.quiet_until).elapsed() > every * 2 {
                        return "silent for two heartbeats";
                    }
                    wire.beat = Instant::now() + every;
                    if !self.send_beat(wire).await {
                        return "cannot write";
                    }
                }
            }
        }
    }

    async fn send_beat(&self, wire: &mut Wire) -> bool {
        // A message that cannot be published (no permission, another lane in trouble) is no proof against this connection.
        if let Heartbeat::Message { send, .. } = &self.settings.heartbeat
            && send().await
        {
            return true;
        }
        write(wire, &redis::cmd("PING").get_packed_command()).await.is_ok()
    }

    fn take(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(topic, message) => self.deliver(&topic, message),
            Incoming::Subscribed(topic) => {
                for one in &mut self.unconfirmed {
                    one.missing.retain(|waited| *waited != topic);
                }
                for one in self.unconfirmed.extract_if(.., |one| one.missing.is_empty()) {
                    let _ = one.done.send(Ok(()));
                }
            }
            Incoming::Refused(text) => self.refuse_all(&Error::from_server(&text, false)),
            Incoming::Unsubscribed(_) | Incoming::Pong | Incoming::Other => {}
        }
    }

    fn deliver(&mut self, topic: &Topic, message: Message) {
        let Some(inboxes) = self.readers.get(topic) else { return };
        // Its order to be swept out may have found no room.
        self.has_unread |= inboxes.iter().any(|inbox| !inbox.is_open());
        if let [only] = inboxes.as_slice() {
            only.deliver(message);
            return;
        }
        for inbox in inboxes {
            inbox.deliver(message.clone());
        }
    }

    /// Notes who wants what; the commands that follow from it.
    fn obey(&mut self, order: LinkOrder) -> Vec<u8> {
        let mut packed = Vec::new();
        match order {
            LinkOrder::Subscribe { topics, inbox, done } => {
                for topic in &topics {
                    // Again for one that is subscribed already: its confirmation is what the caller waits for.
                    packed.extend(topic.command(true).get_packed_command());
                    self.readers.entry(topic.clone()).or_default().push(inbox.clone());
                }
                self.unconfirmed.push(Unconfirmed { missing: topics.clone(), topics, inbox, done });
            }
            LinkOrder::Sweep(topics) => {
                self.unconfirmed.retain(|one| one.inbox.is_open());
                for topic in topics {
                    let Some(inboxes) = self.readers.get_mut(&topic) else { continue };
                    inboxes.retain(Inbox::is_open);
                    if inboxes.is_empty() {
                        self.readers.remove(&topic);
                        packed.extend(topic.command(false).get_packed_command());
                    }
                }
            }
        }
        packed
    }

    /// Tells those who wait for confirmation that they will not get it; they are no subscribers then.
    fn refuse_all(&mut self, error: &Error) {
        for Unconfirmed { topics, inbox, done, .. } in self.unconfirmed.drain(..) {
            let _ = done.send(Err(error.clone().with_outcome(Outcome::Rejected)));
            for topic in topics {
                if let Some(inboxes) = self.readers.get_mut(&topic) {
                    // This one and no other: one that waited too long may have been swept out before.
                    inboxes.retain(|other| !other.is(&inbox));
                    if inboxes.is_empty() {
                        self.readers.remove(&topic);
                    }
                }
            }
        }
    }
}

async fn write(wire: &mut Wire, packed: &[u8]) -> Result<()> {
    let written = async {
        wire.io.write_all(packed).await?;
        wire.io.flush().await
    };
    // A socket that takes nothing for so long is dead, whatever it says.
    let written = tokio::time::timeout(Duration::from_secs(2), written).await;
    match written {
        Ok(Ok(())) => Ok(()),
        _ => {
            Err(Error::new(ErrorKind::Connection, "CLOSED", Outcome::NotSent, "the connection takes nothing"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::inbox;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A place that is never there, and says so at once.
    #[derive(Debug, Default)]
    struct Nowhere(AtomicU32);

    impl Where for Nowhere {
        fn place(&self) -> BoxFuture<'_, Result<(Address, DialSettings, DialBudget)>> {
            assert!(self.0.fetch_add(1, Ordering::Relaxed) < 100, "asked without a pause");
            let gone = Error::new(ErrorKind::Connection, "CLOSED", Outcome::NotSent, "nowhere");
            Box::pin(std::future::ready(Err(gone)))
        }

        fn moved(&self) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    /// As with a client that was dropped amid a subscription: the link must not keep its thread for itself.
    #[tokio::test(start_paused = true)]
    async fn a_place_that_fails_at_once_is_asked_again_after_a_pause_and_the_link_can_be_ended() {
        let (orders, ordered) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let settings = LinkSettings { heartbeat: Heartbeat::Ping, every: Arc::new(|| Duration::ZERO) };
        let place = Arc::new(Nowhere::default());
        let link = Link::new(Arc::clone(&place) as Arc<dyn Where>, settings, ordered, stop.clone());
        let topics = vec![Topic::Channel("news".to_owned())];
        let (sink, _subscription) = inbox(4, topics.clone(), orders.clone());
        let (first, _told) = oneshot::channel();
        orders
            .send(LinkOrder::Subscribe { topics: topics.clone(), inbox: sink.clone(), done: first })
            .await
            .unwrap();
        let mut link = Box::pin(link.run());
        let running = tokio::time::timeout(Duration::from_secs(1), &mut link).await;
        assert!(running.is_err(), "it goes on for those who wait");
        // Refused, nobody waits any more: it asks no further.
        assert!(place.0.load(Ordering::Relaxed) >= 1);
        stop.cancel();
        link.await;
    }

    /// One who waited too long for its confirmation and has gone must not take another's place along: the other would
    /// listen for ever and hear nothing.
    #[tokio::test]
    async fn a_refusal_of_one_who_has_gone_leaves_the_others_their_subscriptions() {
        let (orders, ordered) = mpsc::channel(8);
        let settings = LinkSettings { heartbeat: Heartbeat::Ping, every: Arc::new(|| Duration::ZERO) };
        let place = Arc::new(Nowhere::default());
        let mut link = Link::new(place, settings, ordered, CancellationToken::new());
        let topics = vec![Topic::Channel("news".to_owned())];
        let subscribe = |link: &mut Link| {
            let (sink, subscription) = inbox(4, topics.clone(), orders.clone());
            let (done, told) = oneshot::channel();
            link.obey(LinkOrder::Subscribe { topics: topics.clone(), inbox: sink, done });
            (subscription, told)
        };
        let (mut stays, mut told) = subscribe(&mut link);
        link.take(Incoming::Subscribed(topics[0].clone()));
        assert!(told.try_recv().unwrap().is_ok());
        let (goes, _told) = subscribe(&mut link);
        drop(goes);
        // Swept out, or not yet: the refusal comes to it alone.
        for is_swept in [false, true] {
            if is_swept {
                link.obey(LinkOrder::Sweep(topics.clone()));
            }
            link.refuse_all(&Error::new(ErrorKind::Connection, "CLOSED", Outcome::NotSent, "nowhere"));
            link.deliver(&topics[0], message());
            let heard = tokio::time::timeout(Duration::from_secs(1), stays.next()).await;
            assert!(matches!(heard, Ok(Some(crate::pubsub::Event::Message(_)))), "{is_swept}");
            link.unconfirmed.clear();
            let (goes, _told) = subscribe(&mut link);
            drop(goes);
        }
    }

    /// Its order to be swept out is lost when the queue of orders is full.
    #[tokio::test]
    async fn one_who_has_gone_unnoticed_is_found_by_the_next_message() {
        let (orders, ordered) = mpsc::channel(1);
        let settings = LinkSettings { heartbeat: Heartbeat::Ping, every: Arc::new(|| Duration::ZERO) };
        let mut link = Link::new(Arc::new(Nowhere::default()), settings, ordered, CancellationToken::new());
        let topics = vec![Topic::Channel("news".to_owned())];
        let (sink, subscription) = inbox(4, topics.clone(), orders.clone());
        let (done, _told) = oneshot::channel();
        link.obey(LinkOrder::Subscribe { topics: topics.clone(), inbox: sink, done });
        orders.try_send(LinkOrder::Sweep(Vec::new())).unwrap();
        drop(subscription);
        assert!(!link.has_unread);
        link.deliver(&topics[0], message());
        assert!(link.has_unread, "it is swept out before the next read");
    }

    fn message() -> Message {
        Message { channel: "news".to_owned(), pattern: None, payload: Vec::new() }
    }
}
