//! Which node a command goes to.

mod choose;
mod cluster;
pub(crate) mod fields;
mod group;
mod roles;
mod sentinels;

pub(crate) use cluster::Cluster;
pub(crate) use group::Group;

use crate::config::{Address, Checked, ReadPreference, Topology};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::fault::{Fault, Redirect};
use crate::node::{Guard, GuardConfig, Node, NodeSettings, Renewal};
use crate::retry::{DialBudget, DialConfig, InvalidConfig, SystemJitter};
use crate::time::TokioClock;
use crate::vitals::Vitals;
use cluster::{ClusterSettings, Refresh};
use group::Finder;
use roles::Roles;
use sentinels::Sentinels;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a command needs of the node that it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// The slot of its keys, if it has some.
    pub(crate) slot: Option<u16>,
    /// It may write: a replica will not do.
    pub(crate) writes: bool,
    /// What may answer, if it does not write.
    pub(crate) read_from: ReadPreference,
}

/// What a node is made of.
#[derive(Debug, Clone)]
pub(crate) struct Making {
    pub(crate) settings: NodeSettings,
    pub(crate) dials: DialConfig,
    pub(crate) guard: GuardConfig,
}

/// The same for all who make nodes; may be replaced while they do.
#[derive(Debug, Clone)]
pub(crate) struct SharedMaking(Arc<RwLock<Making>>);

impl SharedMaking {
    pub(crate) fn new(making: Making) -> Self {
        Self(Arc::new(RwLock::new(making)))
    }

    pub(crate) fn get(&self) -> Making {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn replace(&self, making: Making) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = making;
    }
}

/// Makes nodes, all with the same settings and in the same task tracker.
#[derive(Debug, Clone)]
pub(crate) struct NodeMaker {
    pub(crate) making: SharedMaking,
    pub(crate) vitals: Arc<Vitals>,
    /// Told when a node cannot be used as it was.
    pub(crate) trouble: Arc<Notify>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl NodeMaker {
    pub(crate) fn make(&self, address: Address) -> Result<Arc<Node>> {
        let (clock, making) = (TokioClock::shared(), self.making.get());
        let guards = DialBudget::new(&making.dials, Arc::clone(&clock), SystemJitter::shared())
            .and_then(|budget| Ok((budget, Guard::new(&address.to_string(), &making.guard, &clock)?)));
        let guards = guards.map_err(|error| {
            Error::new(ErrorKind::Validation, "CONFIG", Outcome::NotSent, error.to_string()).because(error)
        })?;
        let trouble = Arc::clone(&self.trouble);
        let vitals = self.vitals.of_node(&address.shown(), making.settings.serves_data);
        Ok(Node::start(address, making.settings, guards, vitals, trouble, &self.tasks, &self.stop))
    }
}

/// Where commands go.
#[derive(Debug)]
pub(crate) enum Router {
    /// One address, whatever stands behind it.
    Single(Arc<Node>),
    /// A primary and its replicas.
    Group(Arc<Group>),
    /// Slots over many primaries.
    Cluster(Arc<Cluster>),
}

impl Router {
    /// What `config` asks for, with its nodes at work.
    pub(crate) fn start(config: &Checked, maker: &NodeMaker) -> Result<Self> {
        match config.topology() {
            Topology::Standalone { address } => Ok(Self::Single(maker.make(address.clone())?)),
            Topology::Replicas { primary, replicas, .. } => {
                let roles = Roles::new(maker, primary, replicas)?;
                Ok(Self::Group(Group::start(maker.clone(), Finder::Roles(roles))))
            }
            Topology::Sentinel { sentinels, master_name, login, .. } => {
                let every = Duration::from_millis(config.sentinel.poll_interval_ms);
                let sentinels = Sentinels::new(maker, sentinels, master_name, login, every)?;
                Ok(Self::Group(Group::start(maker.clone(), Finder::Sentinels(sentinels))))
            }
            Topology::Cluster { seeds, .. } => {
                let settings = ClusterSettings {
                    seeds: seeds.clone(),
                    nodes_file: config.connection.nodes_file.clone(),
                };
                Ok(Self::Cluster(Cluster::start(maker.clone(), settings, refresh(config))))
            }
        }
    }

    /// Goes on as `config` says, as far as the topology stays the same; `of_data` and `of_sentinels` say what becomes of
    /// connections.
    pub(crate) fn reconfigure(
        &self,
        config: &Checked,
        making: &Making,
        (of_data, of_sentinels): (Renewal, Renewal),
    ) -> Result<(), InvalidConfig> {
        match (self, config.topology()) {
            (Self::Group(group), Topology::Sentinel { login, .. }) => {
                if let Finder::Sentinels(sentinels) = group.finder() {
                    let every = Duration::from_millis(config.sentinel.poll_interval_ms);
                    sentinels.reconfigure(making.clone(), login, every, of_sentinels)?;
                }
            }
            (Self::Cluster(cluster), _) => cluster.set_refresh(refresh(config)),
            _ => {}
        }
        self.nodes().iter().try_for_each(|node| node.take(making, of_data))
    }

    /// The node for a command, if that is known by `deadline`; another than `shut`, if another will do.
    pub(crate) async fn route(
        &self,
        need: Need,
        shut: Option<&Arc<Node>>,
        deadline: Instant,
    ) -> Result<Arc<Node>> {
        match self {
            Self::Single(node) => Ok(Arc::clone(node)),
            Self::Group(group) => group.route(need, shut, deadline).await,
            Self::Cluster(cluster) => cluster.route(need, shut, deadline).await,
        }
    }

    /// The node that `from` redirected to.
    ///
    /// # Errors
    /// There is no cluster, or the redirection names no address.
    pub(crate) fn redirected(&self, from: &Node, to: &Redirect, for_good: bool) -> Result<Arc<Node>> {
        match self {
            Self::Cluster(cluster) => cluster.redirected(from, to, for_good),
            _ => {
                let why = format!("it is part of a cluster: slot {} is on {}", to.slot, to.address);
                Err(Error::new(ErrorKind::Validation, "MOVED", Outcome::Rejected, why)
                    .advise("use redis-cluster:// for a cluster")
                    .on(&from.name))
            }
        }
    }

    /// What a node's refusal says of the route.
    pub(crate) fn note(&self, error: &Error) {
        if let (Self::Cluster(cluster), Some(Fault::ClusterDown | Fault::SlotUnserved | Fault::ReadOnly)) =
            (self, error.fault())
        {
            cluster.look();
        }
    }

    /// True if a node that turns out not to be the primary will not do.
    pub(crate) fn needs_primary(&self, need: Need) -> bool {
        match self {
            Self::Single(_) => need.writes,
            Self::Group(_) | Self::Cluster(_) => need.writes || need.read_from == ReadPreference::Primary,
        }
    }

    /// The primaries that are known.
    pub(crate) fn primaries(&self) -> Vec<Arc<Node>> {
        match self {
            Self::Single(node) => vec![Arc::clone(node)],
            Self::Group(group) => group.primary().into_iter().collect(),
            Self::Cluster(cluster) => cluster.primaries(),
        }
    }

    /// True if keys have slots.
    pub(crate) const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// All nodes that are known.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        match self {
            Self::Single(node) => vec![Arc::clone(node)],
            Self::Group(group) => group.nodes(),
            Self::Cluster(cluster) => cluster.nodes(),
        }
    }
}

/// How often a cluster's map is read.
fn refresh(config: &Checked) -> Refresh {
    Refresh {
        least: Duration::from_millis(config.cluster.refresh_min_ms),
        every: Duration::from_millis(config.cluster.refresh_interval_ms),
    }
}
