//! A primary and its replicas, and who is which: found by sentinels, or by asking the servers themselves.

use super::choose::choose;
use super::roles::Roles;
use super::sentinels::Sentinels;
use super::{Need, NodeMaker};
use crate::config::{Address, ReadPreference};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::lane::Answer;
use crate::node::Node;
use crate::resp::Reply;
use crate::role::Role;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How often the primary is looked for while there is none that works.
const SEARCH_EVERY: Duration = Duration::from_millis(50);
/// How long a server may take to say what it is.
const ROLE_WITHIN: Duration = Duration::from_millis(200);

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) primary: Option<Address>,
    pub(super) replicas: Vec<Address>,
    /// The number of the configuration that says so; never goes back. 0 if there are none.
    pub(super) epoch: u64,
}

/// Who says which server is the primary.
#[derive(Debug)]
pub(super) enum Finder {
    Sentinels(Sentinels),
    Roles(Roles),
}

impl Finder {
    async fn find(&self, known: &Known) -> Found {
        let primary = known.primary.as_ref().map(|node| &node.address);
        match self {
            Self::Sentinels(sentinels) => sentinels.find(primary, known.epoch).await,
            Self::Roles(roles) => roles.find().await,
        }
    }

    /// How often to look without a reason.
    fn pace(&self) -> Duration {
        match self {
            Self::Sentinels(sentinels) => sentinels.poll_every(),
            Self::Roles(_) => Duration::from_secs(10),
        }
    }
}

/// What is known of a group.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) primary: Option<Arc<Node>>,
    pub(super) replicas: Vec<Arc<Node>>,
    pub(super) epoch: u64,
}

/// A primary and its replicas.
#[derive(Debug)]
pub(crate) struct Group {
    maker: NodeMaker,
    finder: Finder,
    known: watch::Sender<Known>,
    nodes: Mutex<BTreeMap<Address, Arc<Node>>>,
    /// Look now.
    search: Arc<Notify>,
}

impl Group {
    /// A group, and the task that keeps it.
    pub(super) fn start(maker: NodeMaker, finder: Finder) -> Arc<Self> {
        let search = Arc::clone(&maker.trouble);
        // The same nodes as the finder's: two for one server would dial it twice, and only one would be reloaded.
        let nodes = match &finder {
            Finder::Roles(roles) => roles.nodes().map(|node| (node.address.clone(), node)).collect(),
            Finder::Sentinels(_) => BTreeMap::new(),
        };
        let (known, nodes) = (watch::Sender::default(), Mutex::new(nodes));
        let group = Arc::new(Self { maker, finder, known, nodes, search });
        group.maker.tasks.spawn(Arc::clone(&group).keep());
        group
    }

    /// The node for a command, once there is one; another than `shut`, if another will do.
    pub(super) async fn route(
        &self,
        need: Need,
        shut: Option<&Arc<Node>>,
        deadline: Instant,
    ) -> Result<Arc<Node>> {
        let mut known = self.known.subscribe();
        loop {
            let picked = {
                let known = known.borrow_and_update();
                choose(known.primary.as_ref(), &known.replicas, need, shut)
            };
            if let Some(node) = picked {
                return Ok(node);
            }
            self.search.notify_one();
            if self.maker.stop.is_cancelled() {
                return Err(Error::new(
                    ErrorKind::Connection,
                    "CLOSED",
                    Outcome::NotSent,
                    "the client was closed",
                ));
            }
            if tokio::time::timeout_at(deadline, known.changed()).await.is_err() {
                return Err(unknown(need));
            }
        }
    }

    pub(super) const fn finder(&self) -> &Finder {
        &self.finder
    }

    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The primary, if it is known.
    pub(super) fn primary(&self) -> Option<Arc<Node>> {
        self.known.borrow().primary.clone()
    }

    async fn keep(self: Arc<Self>) {
        let stop = self.maker.stop.clone();
        if let Finder::Sentinels(sentinels) = &self.finder {
            sentinels.listen(&self.maker, &self.search);
        }
        let mut looked = Instant::now();
        while !stop.is_cancelled() {
            self.look().await;
            let known = self.known.borrow().primary.clone();
            let works = known.is_some_and(|node| node.is_up() && !node.is_demoted());
            let pause = if works { self.finder.pace() } else { SEARCH_EVERY };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.search.notified() => {
                    // However often it is asked for: not more often than this.
                    tokio::time::sleep_until(looked + SEARCH_EVERY / 2).await;
                }
            }
            looked = Instant::now();
        }
    }

    /// Looks once, and takes what it found if the servers agree.
    async fn look(&self) {
        let known = self.known.borrow().clone();
        let found = self.finder.find(&known).await;
        let Some(address) = found.primary else { return };
        let Ok(primary) = self.node(&address) else { return };
        let is_new = known.primary.as_ref().is_none_or(|old| old.address != address);
        if !is_new && !primary.is_up() {
            // Its own keeper dials it. To wait for it here would hold up the news of another.
            return;
        }
        let role = if is_new || primary.state().borrow().role != Role::Primary {
            role_of(&primary).await
        } else {
            Role::Primary
        };
        // Sentinels may be ahead of the server, or behind it.
        if role != Role::Primary {
            tracing::debug!(
                node = &*primary.name,
                role = role.as_str(),
                "said to be the primary, and is not yet"
            );
            return;
        }
        let replicas = found.replicas.iter().filter_map(|address| self.node(address).ok()).collect();
        let now = Known { primary: Some(Arc::clone(&primary)), replicas, epoch: found.epoch };
        primary.set_primary();
        if is_new {
            tracing::info!(node = &*primary.name, epoch = found.epoch, "primary found");
        }
        self.known.send_replace(now.clone());
        if let Some(old) = known.primary.filter(|_| is_new) {
            old.set_demoted(true);
        }
        self.forget_others(&now);
    }

    fn node(&self, address: &Address) -> Result<Arc<Node>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(address) {
            return Ok(Arc::clone(node));
        }
        let node = self.maker.make(address.clone())?;
        nodes.insert(address.clone(), Arc::clone(&node));
        Ok(node)
    }

    /// Closes nodes that belong to the group no more. A former primary stays until its calls have been answered.
    fn forget_others(&self, now: &Known) {
        if matches!(self.finder, Finder::Roles(_)) {
            return;
        }
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.retain(|address, node| {
            let belongs = now.primary.iter().chain(&now.replicas).any(|member| member.address == *address);
            let keep = belongs || node.load().in_flight > 0;
            if !keep {
                node.close();
            }
            keep
        });
    }
}

/// What the server itself says it is.
pub(super) async fn role_of(node: &Node) -> Role {
    let packed = redis::cmd("ROLE").get_packed_command();
    match node.send(packed, None, false, Instant::now() + ROLE_WITHIN).await {
        Ok(Answer::One(Reply::Value(value))) => Role::of(&value).unwrap_or_default(),
        // It answers, and does not say: a service that hides the command.
        Ok(Answer::One(Reply::Error(_))) => Role::Primary,
        _ => Role::Unknown,
    }
}

fn unknown(need: Need) -> Error {
    let (why, advice) = if need.writes || need.read_from == ReadPreference::Primary {
        (
            "no primary was found in time",
            "check that a server is primary, and that the sentinels (if any) can be reached and agree",
        )
    } else {
        ("no replica was found in time", "check the replicas, or allow the primary to answer reads")
    };
    Error::new(ErrorKind::Connection, "NO_PRIMARY", Outcome::NotSent, why).advise(advice)
}
