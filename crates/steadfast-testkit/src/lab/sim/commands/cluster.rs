//! CLUSTER, ASKING, READONLY, READWRITE.

use super::connection::unknown_subcommand;
use crate::lab::sim::cluster::{ClusterFace, ClusterNode, Topology};
use crate::lab::sim::data::integer;
use crate::lab::sim::dispatch::{Answer, Call};
use crate::lab::sim::errors;
use crate::lab::sim::node::{Condition, Face};
use crate::lab::sim::slots::{SLOTS, slot_of};
use crate::redis::Reply;
use std::fmt::Write as _;

pub(in crate::lab::sim) fn asking(call: &mut Call<'_>) -> Answer {
    if face(call).is_none() {
        return Call::error(errors::NO_CLUSTER);
    }
    call.session.asking = true;
    Reply::ok().into()
}

pub(in crate::lab::sim) fn readonly(call: &mut Call<'_>) -> Answer {
    if face(call).is_none() {
        return Call::error(errors::NO_CLUSTER);
    }
    call.session.readonly = true;
    Reply::ok().into()
}

pub(in crate::lab::sim) fn readwrite(call: &mut Call<'_>) -> Answer {
    call.session.readonly = false;
    if face(call).is_none() { Call::error(errors::NO_CLUSTER) } else { Reply::ok().into() }
}

fn face<'a>(call: &Call<'a>) -> Option<&'a ClusterFace> {
    match &call.node.face {
        Face::Cluster(face) => Some(face),
        _ => None,
    }
}

pub(in crate::lab::sim) fn cluster(call: &mut Call<'_>) -> Answer {
    let Some(face) = face(call) else { return Call::error(errors::NO_CLUSTER) };
    let view = face.with_view(Topology::clone);
    let down = call.node.settings().conditions.contains(&Condition::ClusterDown);
    match (call.upper(1).as_str(), call.args.len()) {
        ("MYID", 2) => Reply::bulk(&face.id).into(),
        ("INFO", 2) => text(&info(&view, face, down)),
        ("NODES", 2) => text(&nodes(&view, &face.id)),
        ("SLOTS", 2) => slots(&view).into(),
        ("SHARDS", 2) => shards(&view).into(),
        ("KEYSLOT", 3) => Reply::Integer(i64::from(slot_of(&call.args[2]))).into(),
        ("COUNTKEYSINSLOT", 3) => Answer::from(keys_in_slot(call).map(|keys| Reply::count(keys.len()))),
        ("GETKEYSINSLOT", 4) => Answer::from(keys_in_slot(call).and_then(|keys| {
            let most = usize::try_from(integer(&call.args[3])?).unwrap_or(0);
            Ok(Reply::bulks(keys.into_iter().take(most)))
        })),
        ("REPLICAS" | "SLAVES", 3) => {
            let id = String::from_utf8_lossy(&call.args[2]).into_owned();
            Reply::bulks(view.replicas_of(&id).map(|node| line(&view, node, &face.id))).into()
        }
        _ => unknown_subcommand(call),
    }
}

fn text(text: &str) -> Answer {
    Reply::Verbatim("txt".to_owned(), text.as_bytes().to_vec()).into()
}

fn info(view: &Topology, face: &ClusterFace, down: bool) -> String {
    let assigned: usize = view.ranges().iter().map(|(range, _)| range.len()).sum();
    let primaries = view.nodes.iter().filter(|node| node.primary.is_none()).count();
    let state = if down || !view.is_whole() { "fail" } else { "ok" };
    let fields = [
        ("cluster_state", state.to_owned()),
        ("cluster_slots_assigned", assigned.to_string()),
        ("cluster_slots_ok", assigned.to_string()),
        ("cluster_slots_pfail", "0".to_owned()),
        ("cluster_slots_fail", (usize::from(SLOTS) - assigned).to_string()),
        ("cluster_known_nodes", view.nodes.len().to_string()),
        ("cluster_size", primaries.to_string()),
        ("cluster_current_epoch", view.epoch.to_string()),
        (
            "cluster_my_epoch",
            if view.node(&face.id).is_some() { view.epoch.to_string() } else { String::new() },
        ),
    ];
    fields.map(|(name, value)| format!("{name}:{value}\r\n")).concat()
}

fn nodes(view: &Topology, own: &str) -> String {
    view.nodes.iter().map(|node| line(view, node, own) + "\n").collect()
}

/// One line of CLUSTER NODES.
fn line(view: &Topology, node: &ClusterNode, own: &str) -> String {
    let myself = if node.id == own { "myself," } else { "" };
    let role = if node.primary.is_some() { "slave" } else { "master" };
    let fail = if node.failed { ",fail" } else { "" };
    let link = if node.failed { "disconnected" } else { "connected" };
    let primary = node.primary.as_deref().unwrap_or("-");
    let bus = u32::from(node.addr.port()) + 10_000;
    let (id, addr, epoch) = (&node.id, node.addr, view.epoch);
    let mut line = format!("{id} {addr}@{bus} {myself}{role}{fail} {primary} 0 0 {epoch} {link}");
    for (range, _) in view.ranges().iter().filter(|(_, owner)| owner.id == *id) {
        let _ = match range.start() == range.end() {
            true => write!(line, " {}", range.start()),
            false => write!(line, " {}-{}", range.start(), range.end()),
        };
    }
    for (slot, to) in view.moving.iter().filter(|_| node.id == own) {
        let from = view.owner(*slot).map_or("", |owner| &owner.id);
        if from == own {
            let _ = write!(line, " [{slot}->-{to}]");
        } else if to == own {
            let _ = write!(line, " [{slot}-<-{from}]");
        }
    }
    line
}

fn slots(view: &Topology) -> Reply {
    let describe = |node: &ClusterNode| {
        Reply::Array(vec![
            Reply::bulk(node.addr.ip().to_string()),
            Reply::Integer(i64::from(node.addr.port())),
            Reply::bulk(&node.id),
            Reply::Map(Vec::new()),
        ])
    };
    let ranges = view.ranges().into_iter().map(|(range, owner)| {
        let mut fields =
            vec![Reply::Integer(i64::from(*range.start())), Reply::Integer(i64::from(*range.end()))];
        fields.push(describe(owner));
        fields.extend(view.replicas_of(&owner.id).filter(|node| !node.failed).map(describe));
        Reply::Array(fields)
    });
    Reply::Array(ranges.collect())
}

fn shards(view: &Topology) -> Reply {
    let primaries = view.nodes.iter().filter(|node| node.primary.is_none());
    let shard = |primary: &ClusterNode| {
        let own = view.ranges().into_iter().filter(|(_, owner)| owner.id == primary.id);
        let bounds = own.flat_map(|(range, _)| [*range.start(), *range.end()]);
        let nodes = std::iter::once(primary).chain(view.replicas_of(&primary.id)).map(shard_node);
        Reply::Map(vec![
            (
                Reply::bulk("slots"),
                Reply::Array(bounds.map(|slot| Reply::Integer(i64::from(slot))).collect()),
            ),
            (Reply::bulk("nodes"), Reply::Array(nodes.collect())),
        ])
    };
    Reply::Array(primaries.map(shard).collect())
}

fn shard_node(node: &ClusterNode) -> Reply {
    let ip = node.addr.ip().to_string();
    let fields = [
        ("id", Reply::bulk(&node.id)),
        ("port", Reply::Integer(i64::from(node.addr.port()))),
        ("ip", Reply::bulk(&ip)),
        ("endpoint", Reply::bulk(&ip)),
        ("role", Reply::bulk(if node.primary.is_some() { "replica" } else { "master" })),
        ("replication-offset", Reply::Integer(0)),
        ("health", Reply::bulk(if node.failed { "failed" } else { "online" })),
    ];
    Reply::Map(fields.into_iter().map(|(name, value)| (Reply::bulk(name), value)).collect())
}

fn keys_in_slot(call: &Call<'_>) -> Result<Vec<Vec<u8>>, Reply> {
    let slot = integer(&call.args[2])?;
    let slot = u16::try_from(slot).ok().filter(|slot| *slot < SLOTS);
    let slot = slot.ok_or_else(|| Reply::error("ERR Invalid slot"))?;
    let mut keys = call.node.on_data(0, call.session.protocol, |cx| cx.store.keys(0, cx.now));
    keys.retain(|key| slot_of(key) == slot);
    Ok(keys)
}
