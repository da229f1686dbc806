//! Subscriptions of a client.

use super::{Client, Inner};
use crate::config::{Address, ReadPreference};
use crate::dial::DialSettings;
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::node::Node;
use crate::pubsub::{Heartbeat, Link, LinkOrder, LinkSettings, Subscription, Topic, Where, inbox};
use crate::retry::DialBudget;
use crate::route::Need;
use futures::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Orders to a link that wait to be obeyed.
const ORDERS_MAX: usize = 64;
/// How long it may take to learn where to listen.
const FIND_WITHIN: Duration = Duration::from_secs(2);
/// How long a heartbeat may take to be published.
const BEAT_WITHIN: Duration = Duration::from_secs(1);

/// The link of a client, made with its first subscription.
#[derive(Debug, Default)]
pub(crate) struct Links(Mutex<Option<mpsc::Sender<LinkOrder>>>);

impl Client {
    /// Subscribes to `channels`. Returns when the server has confirmed; what is published from then on is received, or a gap
    /// is told ([`crate::pubsub::Event::Gap`]).
    ///
    /// All subscriptions of a client share one connection. It is made again when it breaks, when it is silent, and when
    /// the primary is another.
    ///
    /// # Errors
    /// The server refused, or did not confirm by `deadline`.
    pub async fn subscribe(&self, channels: &[&str], deadline: Instant) -> Result<Subscription> {
        self.listen(topics(channels, Topic::Channel), deadline).await
    }

    /// The same for patterns, such as `news.*`.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn psubscribe(&self, patterns: &[&str], deadline: Instant) -> Result<Subscription> {
        self.listen(topics(patterns, Topic::Pattern), deadline).await
    }

    /// The same for one channel of a cluster's shard, on a connection of its own to the node that has its slot.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn ssubscribe(&self, channel: &str, deadline: Instant) -> Result<Subscription> {
        let topics = vec![Topic::Shard(channel.to_owned())];
        let orders = self.start_link(Some(crate::slot::slot(channel.as_bytes())), Heartbeat::Ping);
        self.order(orders, topics, deadline).await
    }

    async fn listen(&self, topics: Vec<Topic>, deadline: Instant) -> Result<Subscription> {
        let orders = {
            let mut link = self.inner.links.0.lock().unwrap_or_else(PoisonError::into_inner);
            link.get_or_insert_with(|| self.start_link(None, self.heartbeat())).clone()
        };
        self.order(orders, topics, deadline).await
    }

    async fn order(
        &self,
        orders: mpsc::Sender<LinkOrder>,
        topics: Vec<Topic>,
        deadline: Instant,
    ) -> Result<Subscription> {
        if topics.is_empty() {
            let why = "there is nothing to subscribe to";
            return Err(Error::new(ErrorKind::Validation, "EMPTY", Outcome::NotSent, why).of("SUBSCRIBE"));
        }
        let (sink, subscription) = inbox(self.inner.manner().buffer_max, topics.clone(), orders.clone());
        let (done, confirmed) = oneshot::channel();
        let ordered = async {
            let order = LinkOrder::Subscribe { topics, inbox: sink, done };
            orders.send(order).await.map_err(|_| closed())?;
            confirmed.await.map_err(|_| closed())?
        };
        let late = || {
            let why = "the server did not confirm in time";
            Err(Error::new(ErrorKind::Timeout, "DEADLINE", Outcome::Ambiguous, why))
        };
        let confirmed = tokio::time::timeout_at(deadline, ordered).await.unwrap_or_else(|_| late());
        confirmed.map_err(|error| error.of("SUBSCRIBE"))?;
        Ok(subscription)
    }

    fn start_link(&self, slot: Option<u16>, heartbeat: Heartbeat) -> mpsc::Sender<LinkOrder> {
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let place = Arc::new(Primary { client: Arc::downgrade(&self.inner), slot, node: Mutex::default() });
        let inner = Arc::downgrade(&self.inner);
        let every = move || inner.upgrade().map_or(Duration::ZERO, |inner| inner.manner().heartbeat);
        let settings = LinkSettings { heartbeat, every: Arc::new(every) };
        self.spawn(Link::new(place, settings, ordered, self.inner.stop.clone()).run());
        orders
    }

    /// A message of our own, on a channel that nobody else knows.
    fn heartbeat(&self) -> Heartbeat {
        let channel = format!("steadfast:heartbeat:{:016x}", fastrand::u64(..));
        let (inner, options, to) = (Arc::downgrade(&self.inner), self.options, channel.clone());
        let send = move || -> BoxFuture<'static, bool> {
            let (inner, to) = (inner.clone(), to.clone());
            Box::pin(async move {
                let Some(inner) = inner.upgrade() else { return false };
                let client = Client { inner, options };
                let publish = redis::cmd("PUBLISH").arg(to).arg("").to_owned();
                client.execute(&publish, Instant::now() + BEAT_WITHIN).await.is_ok()
            })
        };
        Heartbeat::Message { channel, send: Arc::new(send) }
    }
}

fn topics(names: &[&str], of: fn(String) -> Topic) -> Vec<Topic> {
    names.iter().map(|name| of((*name).to_owned())).collect()
}

fn closed() -> Error {
    Error::new(ErrorKind::Connection, "CLOSED", Outcome::NotSent, "the client was closed")
}

/// The primary, whichever that is; of a slot, if there are several.
#[derive(Debug)]
struct Primary {
    client: Weak<Inner>,
    slot: Option<u16>,
    /// Where the link listens.
    node: Mutex<Option<(Arc<Node>, u64)>>,
}

impl Where for Primary {
    fn place(&self) -> BoxFuture<'_, Result<(Address, DialSettings, DialBudget)>> {
        Box::pin(async move {
            let inner = self.client.upgrade().ok_or_else(closed)?;
            let need = Need { slot: self.slot, writes: false, read_from: ReadPreference::Primary };
            let node = inner.router.route(need, None, Instant::now() + FIND_WITHIN).await?;
            let generation = node.state().borrow().generation;
            let place = (node.address.clone(), node.settings().dial.clone(), node.dial_budget.clone());
            *self.node.lock().unwrap_or_else(PoisonError::into_inner) = Some((node, generation));
            Ok(place)
        })
    }

    fn moved(&self) -> BoxFuture<'static, ()> {
        let node = self.node.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let Some((node, generation)) = node else { return std::future::pending().await };
            let (mut state, stopping) = (node.state(), node.stopping());
            tokio::select! {
                // Another server, another primary, or settings under which connections have to be others.
                _ = state.wait_for(|state| state.is_demoted || state.generation != generation) => {}
                // A node that was given up is no place to listen either.
                () = stopping.cancelled() => {}
            }
        })
    }
}
