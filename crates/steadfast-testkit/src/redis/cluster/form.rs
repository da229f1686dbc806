//! Six nodes that do not know each other yet become a cluster.

use super::{AGREED_WITHIN, Cluster, SLOTS};
use crate::redis::replicated::wait_linked;
use crate::redis::{Builder, Server};
use crate::wait::wait_for;
use anyhow::{Context, ensure};
use futures::future::try_join_all;

/// How many primaries there are, and as many replicas.
const PRIMARIES: u16 = 3;

/// Starts the nodes, each with an epoch of its own: equal ones would have to be settled first.
pub(super) async fn nodes(settings: impl Fn(Builder) -> Builder + Send + Sync) -> anyhow::Result<Cluster> {
    let builders = (0..PRIMARIES * 2).map(|_| settings(Server::builder().clustered()));
    let nodes = try_join_all(builders.map(Builder::start)).await?;
    let mut ids = Vec::new();
    for (epoch, node) in (1..).zip(&nodes) {
        let epoch: u32 = epoch;
        node.expect(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()]).await?;
        let id = node.expect(&["CLUSTER", "MYID"]).await?;
        ids.push(id.text().context("an id is not text")?.to_owned());
    }
    Ok(Cluster { nodes, ids })
}

/// Introduces them, shares out the slots, attaches the replicas, and waits until all is well.
pub(super) async fn join(cluster: &Cluster) -> anyhow::Result<()> {
    let count = usize::from(PRIMARIES);
    for (index, node) in (0..PRIMARIES).zip(&cluster.nodes) {
        let (first, last) = third(index);
        node.expect(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await?;
    }
    for node in &cluster.nodes[1..] {
        let (port, bus) = (node.port().to_string(), bus_port(node).await?);
        cluster.nodes[0].expect(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]).await?;
    }
    for node in &cluster.nodes {
        ensure!(knows_all(node, cluster).await, "a node does not get to know the others:\n{}", node.log());
    }
    for (replica, primary) in cluster.nodes[count..].iter().zip(&cluster.ids) {
        replica.expect(&["CLUSTER", "REPLICATE", primary]).await?;
    }
    for replica in &cluster.nodes[count..] {
        wait_linked(replica).await?;
    }
    for primary in &cluster.nodes[..count] {
        ensure!(sees_replicas(primary).await, "a node does not hear of the replicas:\n{}", primary.log());
    }
    cluster.settled().await
}

/// The first and the last slot of a primary.
fn third(index: u16) -> (u16, u16) {
    let share = SLOTS.div_ceil(PRIMARIES);
    (index * share, ((index + 1) * share).min(SLOTS) - 1)
}

async fn bus_port(node: &Server) -> anyhow::Result<String> {
    let reply = node.expect(&["CONFIG", "GET", "cluster-port"]).await?;
    Ok(reply.field("cluster-port").and_then(|port| port.text()).context("no cluster port")?.to_owned())
}

/// Waits until a node has shaken hands with all others.
async fn knows_all(node: &Server, cluster: &Cluster) -> bool {
    let introduced = || async {
        let reply = node.command(&["CLUSTER", "NODES"]).await.ok()?;
        let text = reply.text()?.to_owned();
        let known = cluster.ids.iter().all(|id| text.contains(id.as_str()));
        Some(known && !text.contains("handshake"))
    };
    wait_for(AGREED_WITHIN, || async { introduced().await == Some(true) }).await
}

/// Waits until a node counts a replica for each primary.
async fn sees_replicas(node: &Server) -> bool {
    let seen = || async {
        let reply = node.command(&["CLUSTER", "NODES"]).await.ok()?;
        Some(reply.text()?.matches("slave").count() == usize::from(PRIMARIES))
    };
    wait_for(AGREED_WITHIN, || async { seen().await == Some(true) }).await
}

#[cfg(test)]
mod tests {
    use super::third;

    #[test]
    fn every_slot_has_one_primary() {
        assert_eq!([third(0), third(1), third(2)], [(0, 5_461), (5_462, 10_923), (10_924, 16_383)]);
    }
}
