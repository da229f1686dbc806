//! Which of a primary and its replicas a command goes to.

use super::Need;
use crate::command::Access;
use crate::config::ReadPreference;
use crate::node::Node;
use std::sync::Arc;

/// The node for a command; another than `shut`, if another will do. None while there is none.
pub(super) fn choose(
    primary: Option<&Arc<Node>>,
    replicas: &[Arc<Node>],
    need: Need,
    shut: Option<&Arc<Node>>,
) -> Option<Arc<Node>> {
    let primary = primary.filter(|node| !node.is_demoted());
    if need.writes || need.read_from == ReadPreference::Primary {
        return primary.cloned();
    }
    let is_open = |node: &&Arc<Node>| shut.is_none_or(|shut| !Arc::ptr_eq(shut, node));
    // One that fails at once is never busy: without the first part of the key it would be given everything.
    let least = |nodes: &[&Arc<Node>]| {
        let key = |node: &&&Arc<Node>| (node.guard.is_shut(Access::Read), node.load().in_flight);
        nodes.iter().min_by_key(key).map(|node| Arc::clone(node))
    };
    let up: Vec<&Arc<Node>> = replicas.iter().filter(|node| node.is_up()).collect();
    let others: Vec<&Arc<Node>> = up.iter().copied().filter(is_open).collect();
    match need.read_from {
        ReadPreference::Primary => None,
        ReadPreference::PreferReplica => {
            let open: Vec<_> =
                others.iter().copied().filter(|node| !node.guard.is_shut(Access::Read)).collect();
            least(&open).or_else(|| primary.cloned()).or_else(|| least(&up))
        }
        // One that is connected and refuses says why.
        ReadPreference::Replica => least(&others)
            .or_else(|| least(&up))
            .or_else(|| replicas.iter().find(|node| node.is_connected()).cloned()),
        ReadPreference::Nearest => {
            let all = others.iter().copied().chain(primary.filter(|node| node.is_up()).filter(is_open));
            let key = |node: &&Arc<Node>| {
                (node.guard.is_shut(Access::Read), node.counters.latency.quantile_us(0.5))
            };
            all.min_by_key(key).or(primary).cloned()
        }
    }
}
