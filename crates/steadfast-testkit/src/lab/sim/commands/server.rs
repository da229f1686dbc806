//! ROLE, CONFIG, WAIT, TIME, COMMAND.

use super::connection::unknown_subcommand;
use crate::lab::sim::data::integer;
use crate::lab::sim::dispatch::{Answer, Call};
use crate::lab::sim::node::{Face, Role};
use crate::lab::sim::table::{self, Access, Allowed, Spec};
use crate::lab::sim::{errors, glob};
use crate::redis::Reply;
use tokio::time::Instant;

pub(in crate::lab::sim) fn role(call: &mut Call<'_>) -> Answer {
    if let Face::Sentinel(face) = &call.node.face {
        let names = Reply::bulks(face.master_names());
        return Reply::Array(vec![Reply::bulk("sentinel"), names]).into();
    }
    let reply = match &call.node.settings().role {
        Role::Primary { replicas } => {
            let replicas = replicas
                .iter()
                .map(|addr| Reply::bulks([addr.ip().to_string(), addr.port().to_string(), "0".to_owned()]));
            vec![Reply::bulk("master"), Reply::Integer(0), Reply::Array(replicas.collect())]
        }
        Role::Replica { of, link_up } => vec![
            Reply::bulk("slave"),
            Reply::bulk(of.ip().to_string()),
            Reply::Integer(i64::from(of.port())),
            Reply::bulk(if *link_up { "connected" } else { "connect" }),
            Reply::Integer(if *link_up { 0 } else { -1 }),
        ],
    };
    Reply::Array(reply).into()
}

pub(in crate::lab::sim) fn config(call: &mut Call<'_>) -> Answer {
    match (call.upper(1).as_str(), call.args.len()) {
        ("GET", 3..) => config_get(call),
        ("SET", 4..) if call.args.len().is_multiple_of(2) => config_set(call),
        ("RESETSTAT" | "REWRITE", 2) => Reply::ok().into(),
        ("GET" | "SET" | "RESETSTAT" | "REWRITE", _) => {
            Call::wrong_arity(&format!("config|{}", call.upper(1)))
        }
        _ => unknown_subcommand(call),
    }
}

fn config_get(call: &Call<'_>) -> Answer {
    let settings = call.node.settings();
    let wanted = |name: &str| {
        let name = name.to_ascii_lowercase();
        call.args[2..].iter().any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let found = settings.config.iter().filter(|(name, _)| wanted(name));
    Reply::Map(found.map(|(name, value)| (Reply::bulk(name), Reply::bulk(value))).collect()).into()
}

fn config_set(call: &Call<'_>) -> Answer {
    let mut settings = call.node.settings();
    for pair in call.args[2..].chunks_exact(2) {
        let name = String::from_utf8_lossy(&pair[0]).to_ascii_lowercase();
        let value = String::from_utf8_lossy(&pair[1]).into_owned();
        match settings.config.get_mut(&name) {
            Some(known) => *known = value,
            None => {
                return Call::error(format!(
                    "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                ));
            }
        }
    }
    Reply::ok().into()
}

pub(in crate::lab::sim) fn wait(call: &mut Call<'_>) -> Answer {
    let settings = call.node.settings();
    if matches!(settings.role, Role::Replica { .. }) {
        return Call::error(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        );
    }
    match integer(&call.args[1]).and_then(|_| integer(&call.args[2])) {
        Ok(_) => Reply::Integer(settings.wait_replicas).into(),
        Err(error) => error.into(),
    }
}

pub(in crate::lab::sim) fn time(call: &mut Call<'_>) -> Answer {
    let now_us = call.node.unix_us(Instant::now());
    Reply::bulks([(now_us / 1_000_000).to_string(), (now_us % 1_000_000).to_string()]).into()
}

/// COMMAND, COMMAND COUNT, COMMAND INFO, COMMAND DOCS: each command with six fields, as before 7.0.
pub(in crate::lab::sim) fn command(call: &mut Call<'_>) -> Answer {
    match (call.upper(1).as_str(), call.args.len()) {
        ("", _) | ("INFO", 2) => Reply::Array(table::all().iter().map(describe).collect()).into(),
        ("COUNT", 2) => Reply::count(table::all().len()).into(),
        ("INFO", _) => {
            let one = |name: &Vec<u8>| table::find(name).map_or(Reply::NullArray, describe);
            Reply::Array(call.args[2..].iter().map(one).collect()).into()
        }
        ("DOCS", _) => Reply::Map(Vec::new()).into(),
        ("COUNT", _) => Call::error(errors::SYNTAX),
        _ => unknown_subcommand(call),
    }
}

fn describe(spec: &Spec) -> Reply {
    let access = match spec.access {
        Access::Other => &[][..],
        Access::Read => &["readonly"],
        Access::Write => &["write"],
        Access::Grow => &["write", "denyoom"],
    };
    let allowed = match spec.allowed {
        Allowed::Normally => &[][..],
        Allowed::Stale => &["stale"],
        Allowed::Always => &["loading", "stale"],
        Allowed::Unauthenticated => &["loading", "stale", "no_auth"],
    };
    let flags = access.iter().chain(allowed).map(|flag| Reply::Simple((*flag).to_owned()));
    let (first, last, step) = spec.keys;
    let mut fields = vec![
        Reply::bulk(spec.name.to_ascii_lowercase()),
        Reply::Integer(i64::from(spec.arity)),
        Reply::Set(flags.collect()),
    ];
    fields.extend([first, last, step].map(|number| Reply::Integer(i64::from(number))));
    Reply::Array(fields)
}
