//! A fixed list of servers that are asked which of them is the primary.

use super::NodeMaker;
use super::group::{Found, role_of};
use crate::config::Address;
use crate::error::Result;
use crate::node::Node;
use crate::role::Role;
use futures::future::join_all;
use std::sync::Arc;

/// The servers, the one that is said to be the primary first.
#[derive(Debug)]
pub(super) struct Roles {
    nodes: Vec<Arc<Node>>,
}

impl Roles {
    pub(super) fn new(maker: &NodeMaker, primary: &Address, replicas: &[Address]) -> Result<Self> {
        let addresses = std::iter::once(primary).chain(replicas);
        Ok(Self { nodes: addresses.map(|address| maker.make(address.clone())).collect::<Result<_>>()? })
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = Arc<Node>> {
        self.nodes.iter().cloned()
    }

    /// Asks all. If several say that they are primary, the first in the list is taken, and it is said.
    pub(super) async fn find(&self) -> Found {
        let roles = join_all(self.nodes.iter().map(|node| async move {
            let role = if node.is_up() { role_of(node).await } else { Role::Unknown };
            (node, role)
        }))
        .await;
        let of = |wanted: Role| {
            roles.iter().filter(move |(_, role)| *role == wanted).map(|(node, _)| node.address.clone())
        };
        let primaries: Vec<Address> = of(Role::Primary).collect();
        if let [first, others @ ..] = primaries.as_slice()
            && !others.is_empty()
        {
            tracing::error!(taken = %first, others = ?others, "several servers say that they are primary");
        }
        Found { primary: primaries.into_iter().next(), replicas: of(Role::Replica).collect(), epoch: 0 }
    }
}
