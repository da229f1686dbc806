//! Which node a command goes to.

use crate::config::{Address, Checked, ReadPreference, Topology};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::node::{Node, NodeSettings};
use crate::retry::{DialBudget, DialConfig, SystemJitter};
use crate::time::TokioClock;
use std::sync::Arc;
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

/// Makes nodes, all with the same settings and in the same task tracker.
#[derive(Debug, Clone)]
pub(crate) struct NodeMaker {
    pub(crate) settings: NodeSettings,
    pub(crate) dials: DialConfig,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl NodeMaker {
    pub(crate) fn make(&self, address: Address) -> Result<Arc<Node>> {
        let budget =
            DialBudget::new(&self.dials, TokioClock::shared(), SystemJitter::shared()).map_err(|error| {
                Error::new(ErrorKind::Validation, "CONFIG", Outcome::NotSent, error.to_string())
                    .because(error)
            })?;
        Ok(Node::start(address, self.settings.clone(), budget, &self.tasks, &self.stop))
    }
}

/// Where commands go.
#[derive(Debug)]
pub(crate) enum Router {
    /// One address, whatever stands behind it.
    Single(Arc<Node>),
}

impl Router {
    /// What `config` asks for, with its nodes at work.
    pub(crate) fn start(config: &Checked, maker: &NodeMaker) -> Result<Self> {
        match config.topology() {
            Topology::Standalone { address } => Ok(Self::Single(maker.make(address.clone())?)),
            _ => unimplemented!(),
        }
    }

    /// The node for a command, if that is known by `deadline`.
    pub(crate) async fn route(&self, _need: Need, _deadline: Instant) -> Result<Arc<Node>> {
        match self {
            Self::Single(node) => Ok(Arc::clone(node)),
        }
    }

    /// All nodes that are known.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        match self {
            Self::Single(node) => vec![Arc::clone(node)],
        }
    }
}
