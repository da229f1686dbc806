//! SENTINEL.

use super::connection::unknown_subcommand;
use crate::lab::sim::dispatch::{Answer, Call};
use crate::lab::sim::node::Face;
use crate::lab::sim::sentinel::{SentinelFace, SentinelMaster};
use crate::redis::Reply;
use std::net::SocketAddr;

pub(in crate::lab::sim) fn sentinel(call: &mut Call<'_>) -> Answer {
    let Face::Sentinel(face) = &call.node.face else { return Call::error("ERR this is no sentinel") };
    let sub = call.upper(1);
    match (sub.as_str(), call.args.len()) {
        ("MYID", 2) => Reply::bulk(&call.node.run_id).into(),
        ("MASTERS", 2) => {
            let masters = face.masters();
            Reply::Array(masters.iter().map(|(name, master)| describe(name, master)).collect()).into()
        }
        ("GET-MASTER-ADDR-BY-NAME", 3) => {
            let found = named(face, &call.args[2]).ok();
            found.map_or(Reply::NullArray, |(_, master)| address(master.addr)).into()
        }
        ("MASTER" | "REPLICAS" | "SLAVES" | "SENTINELS" | "CKQUORUM", 3) => {
            Answer::from(named(face, &call.args[2]).map(|(name, master)| about(&sub, &name, &master)))
        }
        ("MYID" | "MASTERS" | "GET-MASTER-ADDR-BY-NAME" | "MASTER", _)
        | ("REPLICAS" | "SLAVES" | "SENTINELS" | "CKQUORUM", _) => {
            Call::wrong_arity(&format!("sentinel|{sub}"))
        }
        _ => unknown_subcommand(call),
    }
}

fn named(face: &SentinelFace, name: &[u8]) -> Result<(String, SentinelMaster), Reply> {
    let name = String::from_utf8_lossy(name).into_owned();
    let found = face.masters().get(&name).cloned();
    found.map(|master| (name, master)).ok_or_else(|| Reply::error("ERR No such master with that name"))
}

fn about(sub: &str, name: &str, master: &SentinelMaster) -> Reply {
    match sub {
        "MASTER" => describe(name, master),
        "SENTINELS" => {
            let others = master.sentinels.iter().map(|addr| instance(*addr, "sentinel", vec![]));
            Reply::Array(others.collect())
        }
        "CKQUORUM" => {
            let usable = master.sentinels.len() + 1;
            Reply::Simple(format!(
                "OK {usable} usable Sentinels. Quorum and failover authorization can be reached"
            ))
        }
        _ => {
            Reply::Array(master.replicas.iter().map(|(addr, flags)| replica(master, *addr, flags)).collect())
        }
    }
}

fn address(addr: SocketAddr) -> Reply {
    Reply::bulks([addr.ip().to_string(), addr.port().to_string()])
}

fn describe(name: &str, master: &SentinelMaster) -> Reply {
    let more = vec![
        ("config-epoch", master.epoch.to_string()),
        ("num-slaves", master.replicas.len().to_string()),
        ("num-other-sentinels", master.sentinels.len().to_string()),
        ("quorum", master.quorum.to_string()),
    ];
    named_instance(name, master.addr, &master.flags, more)
}

fn replica(master: &SentinelMaster, addr: SocketAddr, flags: &str) -> Reply {
    let more = vec![
        ("master-link-status", "ok".to_owned()),
        ("master-host", master.addr.ip().to_string()),
        ("master-port", master.addr.port().to_string()),
    ];
    instance(addr, flags, more)
}

fn instance(addr: SocketAddr, flags: &str, more: Vec<(&str, String)>) -> Reply {
    named_instance(&addr.to_string(), addr, flags, more)
}

fn named_instance(name: &str, addr: SocketAddr, flags: &str, more: Vec<(&str, String)>) -> Reply {
    let mut fields = vec![
        ("name", name.to_owned()),
        ("ip", addr.ip().to_string()),
        ("port", addr.port().to_string()),
        ("runid", format!("{:0>40}", addr.port())),
        ("flags", flags.to_owned()),
    ];
    fields.extend(more);
    Reply::Map(fields.into_iter().map(|(field, value)| (Reply::bulk(field), Reply::bulk(value))).collect())
}
