//! INFO.

use crate::lab::sim::dispatch::{Answer, Call};
use crate::lab::sim::node::{Face, Node, Role};
use crate::redis::Reply;
use std::fmt::Write as _;
use tokio::time::Instant;

/// The version it says it has.
pub(super) const VERSION: &str = "7.0.15";

type Fields = Vec<(String, String)>;

/// The sections in their order, those asked for; what was set by the test wins over what is made up here.
pub(in crate::lab::sim) fn info(call: &mut Call<'_>) -> Answer {
    let asked: Vec<String> =
        call.args[1..].iter().map(|arg| String::from_utf8_lossy(arg).to_lowercase()).collect();
    let everything = asked.is_empty()
        || asked.iter().any(|name| ["all", "default", "everything"].contains(&name.as_str()));
    let mut sections = sections(call.node);
    for ((section, field), value) in &call.node.settings().info {
        set(&mut sections, section, field, value);
    }
    let mut text = String::new();
    for (name, fields) in
        sections.iter().filter(|(name, _)| everything || asked.contains(&name.to_lowercase()))
    {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        let _ = write!(text, "# {name}\r\n");
        for (field, value) in fields {
            let _ = write!(text, "{field}:{value}\r\n");
        }
    }
    Reply::Verbatim("txt".to_owned(), text.into_bytes()).into()
}

fn set(sections: &mut Vec<(String, Fields)>, section: &str, field: &str, value: &str) {
    let place = sections.iter().position(|(name, _)| name.eq_ignore_ascii_case(section));
    let place = place.unwrap_or_else(|| {
        let mut name = section.to_owned();
        name[..1].make_ascii_uppercase();
        sections.push((name, Vec::new()));
        sections.len() - 1
    });
    let fields = &mut sections[place].1;
    match fields.iter_mut().find(|(name, _)| name == field) {
        Some((_, known)) => value.clone_into(known),
        None => fields.push((field.to_owned(), value.to_owned())),
    }
}

fn sections(node: &Node) -> Vec<(String, Fields)> {
    let mut sections = vec![
        section("Server", server(node)),
        section("Clients", clients(node)),
        section("Memory", memory(node)),
        section("Persistence", persistence()),
        section("Stats", vec![("total_connections_received", node.observed.times_dialled().to_string())]),
        section("Replication", replication(node)),
    ];
    let clustered = matches!(node.face, Face::Cluster(_));
    sections.push(section("Cluster", vec![("cluster_enabled", u8::from(clustered).to_string())]));
    if let Face::Sentinel(face) = &node.face {
        sections.push(section("Sentinel", vec![("sentinel_masters", face.master_names().len().to_string())]));
        return sections;
    }
    sections.push(section("Keyspace", keyspace(node)));
    sections
}

fn section(name: &str, fields: Vec<(&str, String)>) -> (String, Fields) {
    (name.to_owned(), fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect())
}

fn server(node: &Node) -> Vec<(&'static str, String)> {
    let mode = match node.face {
        Face::Standalone => "standalone",
        Face::Sentinel(_) => "sentinel",
        Face::Cluster(_) => "cluster",
    };
    let up = Instant::now().saturating_duration_since(node.started);
    vec![
        ("redis_version", VERSION.to_owned()),
        ("redis_mode", mode.to_owned()),
        ("process_id", std::process::id().to_string()),
        ("run_id", node.run_id.clone()),
        ("tcp_port", node.addr.port().to_string()),
        ("uptime_in_seconds", up.as_secs().to_string()),
    ]
}

fn clients(node: &Node) -> Vec<(&'static str, String)> {
    let clients = node.clients.lock();
    let blocked = clients.values().filter(|client| client.unblock.is_some()).count();
    vec![
        ("connected_clients", clients.len().to_string()),
        ("maxclients", "10000".to_owned()),
        ("blocked_clients", blocked.to_string()),
    ]
}

fn memory(node: &Node) -> Vec<(&'static str, String)> {
    let settings = node.settings();
    let configured = |name| settings.config.get(name).cloned().unwrap_or_default();
    vec![
        ("used_memory", "1048576".to_owned()),
        ("maxmemory", configured("maxmemory")),
        ("maxmemory_policy", configured("maxmemory-policy")),
        ("mem_fragmentation_ratio", "1.00".to_owned()),
    ]
}

fn persistence() -> Vec<(&'static str, String)> {
    let fields = [
        ("loading", "0"),
        ("rdb_bgsave_in_progress", "0"),
        ("rdb_last_bgsave_status", "ok"),
        ("aof_enabled", "0"),
        ("aof_last_write_status", "ok"),
    ];
    fields.map(|(name, value)| (name, value.to_owned())).to_vec()
}

fn replication(node: &Node) -> Vec<(&'static str, String)> {
    match &node.settings().role {
        Role::Primary { replicas } => vec![
            ("role", "master".to_owned()),
            ("connected_slaves", replicas.len().to_string()),
            ("master_failover_state", "no-failover".to_owned()),
            ("master_replid", node.run_id.clone()),
            ("master_repl_offset", "0".to_owned()),
        ],
        Role::Replica { of, link_up } => vec![
            ("role", "slave".to_owned()),
            ("master_host", of.ip().to_string()),
            ("master_port", of.port().to_string()),
            ("master_link_status", if *link_up { "up" } else { "down" }.to_owned()),
            ("slave_read_only", "1".to_owned()),
            ("connected_slaves", "0".to_owned()),
        ],
    }
}

fn keyspace(node: &Node) -> Vec<(&'static str, String)> {
    const NAMES: [&str; 16] = [
        "db0", "db1", "db2", "db3", "db4", "db5", "db6", "db7", "db8", "db9", "db10", "db11", "db12", "db13",
        "db14", "db15",
    ];
    let now = Instant::now();
    let mut store = node.data.lock();
    let counted = NAMES.iter().enumerate().map(|(db, name)| (*name, store.keys(db, now).len()));
    let counted: Vec<_> = counted.filter(|(_, keys)| *keys > 0).collect();
    counted.into_iter().map(|(name, keys)| (name, format!("keys={keys},expires=0,avg_ttl=0"))).collect()
}
