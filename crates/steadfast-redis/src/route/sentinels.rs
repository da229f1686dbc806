//! Sentinels: who they say is the primary, and what they announce.

use super::fields::{fields, list, text};
use super::group::Found;
use super::{Making, NodeMaker, SharedMaking};
use crate::client::sentinel_settings;
use crate::config::{Address, SentinelLogin};
use crate::dial::DialSettings;
use crate::error::Result;
use crate::lane::Answer;
use crate::node::{Node, Renewal};
use crate::pubsub::{Event, Heartbeat, Link, LinkOrder, LinkSettings, Topic, Where, inbox};
use crate::resp::Reply;
use crate::retry::{DialBudget, InvalidConfig};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use redis::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

/// How long one sentinel may take.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);
/// How long the others have after the first has answered.
const OTHERS_WITHIN: Duration = Duration::from_millis(30);
/// The most sentinels that are asked.
const SENTINELS_MAX: usize = 16;
/// How many of them are listened to.
const LISTENED_MAX: usize = 3;
/// Time between the heartbeats on a connection that listens to one.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// One sentinel's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    primary: Address,
    epoch: u64,
    replicas: Vec<Address>,
    sentinels: Vec<Address>,
}

/// The sentinels of one primary.
#[derive(Debug)]
pub(super) struct Sentinels {
    maker: NodeMaker,
    name: String,
    poll_ms: AtomicU64,
    nodes: Mutex<BTreeMap<Address, Arc<Node>>>,
}

impl Sentinels {
    pub(super) fn new(
        maker: &NodeMaker,
        seeds: &[Address],
        name: &str,
        login: &SentinelLogin,
        poll_every: Duration,
    ) -> Result<Self> {
        let making = of_sentinels(maker.making.get(), login);
        let maker = NodeMaker { making: SharedMaking::new(making), ..maker.clone() };
        let nodes =
            seeds.iter().map(|seed| Ok((seed.clone(), maker.make(seed.clone())?))).collect::<Result<_>>()?;
        let poll_ms = AtomicU64::new(whole_ms(poll_every));
        Ok(Self { maker, name: name.to_owned(), poll_ms, nodes: Mutex::new(nodes) })
    }

    /// How often they are asked without a reason.
    pub(super) fn poll_every(&self) -> Duration {
        Duration::from_millis(self.poll_ms.load(Ordering::Relaxed))
    }

    /// Goes on with other settings; `making` is what other nodes are made of.
    pub(super) fn reconfigure(
        &self,
        making: Making,
        login: &SentinelLogin,
        poll_every: Duration,
        renewal: Renewal,
    ) -> std::result::Result<(), InvalidConfig> {
        self.poll_ms.store(whole_ms(poll_every), Ordering::Relaxed);
        let making = of_sentinels(making, login);
        self.maker.making.replace(making.clone());
        self.nodes().iter().try_for_each(|node| node.take(&making, renewal))
    }

    /// Asks all of them.
    pub(super) async fn find(&self, primary: Option<&Address>, epoch: u64) -> Found {
        let claims = self.claims().await;
        for sentinel in claims.iter().flat_map(|claim| &claim.sentinels) {
            self.learn(sentinel);
        }
        let total = self.nodes().len();
        let Some(claim) = choose(&claims, primary, epoch, total) else {
            return Found { primary: None, replicas: Vec::new(), epoch };
        };
        let others: BTreeSet<&Address> =
            claims.iter().map(|other| &other.primary).filter(|other| **other != claim.primary).collect();
        if !others.is_empty() {
            tracing::warn!(taken = %claim.primary, ?others, "sentinels disagree: the highest epoch counts");
        }
        Found { primary: Some(claim.primary.clone()), replicas: claim.replicas.clone(), epoch: claim.epoch }
    }

    async fn claims(&self) -> Vec<Claim> {
        let nodes = self.nodes();
        // Who is not connected would only hold up those who are.
        let up: Vec<&Arc<Node>> = nodes.iter().filter(|node| node.is_up()).collect();
        let asked = if up.is_empty() { nodes.iter().collect() } else { up };
        let mut answers: FuturesUnordered<_> = asked.into_iter().map(|node| self.ask(node)).collect();
        let mut until = Instant::now() + ANSWER_WITHIN;
        let mut claims = Vec::new();
        while let Ok(Some(answer)) = tokio::time::timeout_at(until, answers.next()).await {
            if let Some(claim) = answer {
                if claims.is_empty() {
                    until = until.min(Instant::now() + OTHERS_WITHIN);
                }
                claims.push(claim);
            }
        }
        claims
    }

    async fn ask(&self, node: &Arc<Node>) -> Option<Claim> {
        // The first names the new primary as soon as it has taken over; the second, and the announcement, only when the
        // replicas follow it, which may be a second later.
        let questions = ["GET-MASTER-ADDR-BY-NAME", "MASTER", "REPLICAS", "SENTINELS"];
        let packed = questions
            .iter()
            .flat_map(|what| redis::cmd("SENTINEL").arg(what).arg(&self.name).get_packed_command());
        let answer =
            node.send(packed.collect(), Some(questions.len()), false, Instant::now() + ANSWER_WITHIN).await;
        match answer {
            Ok(Answer::Many(replies)) => claim(&replies, node.address.host()),
            _ => None,
        }
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn learn(&self, address: &Address) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() < SENTINELS_MAX
            && !nodes.contains_key(address)
            && let Ok(node) = self.maker.make(address.clone())
        {
            nodes.insert(address.clone(), node);
        }
    }

    /// Listens to what they announce: any word of another primary starts a search.
    pub(super) fn listen(&self, maker: &NodeMaker, search: &Arc<Notify>) {
        for node in self.nodes().into_iter().take(LISTENED_MAX) {
            let place = Arc::new(At(Arc::clone(&node)));
            let settings = LinkSettings { heartbeat: Heartbeat::Ping, every: Arc::new(|| HEARTBEAT) };
            let (orders, ordered) = mpsc::channel(4);
            maker.tasks.spawn(Link::new(place, settings, ordered, maker.stop.clone()).run());
            let (stop, search) = (maker.stop.clone(), Arc::clone(search));
            maker.tasks.spawn(async move {
                let topics = vec![Topic::Channel("+switch-master".to_owned())];
                let (sink, mut heard) = inbox(16, topics.clone(), orders.clone());
                // Its answer is not waited for: the link subscribes whenever it is connected.
                let (done, _) = oneshot::channel();
                let _ = orders.send(LinkOrder::Subscribe { topics, inbox: sink, done }).await;
                loop {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        event = heard.next() => match event {
                            Some(Event::Message(_) | Event::Gap(_)) => search.notify_one(),
                            None => return,
                        },
                    }
                }
            });
        }
    }
}

/// What sentinels are made of.
fn of_sentinels(mut making: Making, login: &SentinelLogin) -> Making {
    making.settings = sentinel_settings(&making.settings, login);
    making
}

fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// A sentinel that is listened to.
#[derive(Debug)]
struct At(Arc<Node>);

impl Where for At {
    fn place(&self) -> BoxFuture<'_, Result<(Address, DialSettings, DialBudget)>> {
        let node = &self.0;
        let place = (node.address.clone(), node.settings().dial.clone(), node.dial_budget.clone());
        Box::pin(std::future::ready(Ok(place)))
    }

    fn moved(&self) -> BoxFuture<'static, ()> {
        let mut state = self.0.state();
        Box::pin(async move {
            let generation = state.borrow_and_update().generation;
            let _ = state.wait_for(|state| state.generation != generation).await;
        })
    }
}

fn claim(replies: &[Reply], host: &str) -> Option<Claim> {
    let [Reply::Value(Value::Array(place)), Reply::Value(master), replicas, sentinels] = replies else {
        return None;
    };
    let [ip, port] = place.as_slice() else { return None };
    let master = fields(master);
    let address = |fields: &std::collections::HashMap<String, String>| {
        Address::of_node(&format!("{}:{}", fields.get("ip")?, fields.get("port")?), host)
    };
    let is_usable = |fields: &std::collections::HashMap<String, String>| {
        let flags = fields.get("flags").map_or("", String::as_str);
        !flags.contains("down") && !flags.contains("disconnected")
    };
    Some(Claim {
        primary: Address::of_node(&format!("{}:{}", text(ip)?, text(port)?), host)?,
        epoch: master.get("config-epoch")?.parse().ok()?,
        replicas: list(replicas).iter().filter(|one| is_usable(one)).filter_map(address).collect(),
        sentinels: list(sentinels).iter().filter_map(address).collect(),
    })
}

/// The claim that counts. A failover needs a majority and raises the epoch, so the highest epoch is right even if
/// only one sentinel knows of it yet, and one that says less is behind. Less than what was known before is taken only
/// if more than half of all sentinels agree on it: they were set up anew.
fn choose<'a>(claims: &'a [Claim], primary: Option<&Address>, epoch: u64, total: usize) -> Option<&'a Claim> {
    let best = claims.iter().max_by_key(|claim| (claim.epoch, Some(&claim.primary) == primary))?;
    if best.epoch >= epoch {
        return Some(best);
    }
    let agree = claims.iter().filter(|claim| claim.primary == best.primary).count();
    (agree * 2 > total).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim_of(port: u16, epoch: u64) -> Claim {
        Claim { primary: Address::tcp("h", port), epoch, replicas: Vec::new(), sentinels: Vec::new() }
    }

    #[test]
    fn the_highest_epoch_counts_and_none_goes_back() {
        let (old, new) = (claim_of(1, 4), claim_of(2, 5));
        let claims = [old.clone(), old.clone(), new.clone()];
        assert_eq!(choose(&claims, None, 0, 3), Some(&new), "one that is ahead is right");
        assert_eq!(
            choose(std::slice::from_ref(&old), Some(&new.primary), 5, 3),
            None,
            "one that is behind is not"
        );
        assert_eq!(choose(&[], None, 0, 3), None);
    }

    #[test]
    fn sentinels_that_were_set_up_anew_are_believed_when_most_agree() {
        let anew = claim_of(3, 0);
        let two = [anew.clone(), anew.clone()];
        assert_eq!(choose(&two, None, 9, 3), Some(&anew));
        assert_eq!(choose(&two, None, 9, 4), None);
    }
}
