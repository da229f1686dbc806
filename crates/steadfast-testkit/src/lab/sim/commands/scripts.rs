//! SCRIPT, EVAL, EVALSHA.

use super::connection::unknown_subcommand;
use crate::lab::sim::data::integer;
use crate::lab::sim::dispatch::{Answer, Call};
use crate::lab::sim::errors;
use crate::lab::sim::scripts::ScriptCall;
use crate::redis::Reply;

pub(in crate::lab::sim) fn script(call: &mut Call<'_>) -> Answer {
    let scripts = &call.node.scripts;
    match (call.upper(1).as_str(), call.args.len()) {
        ("LOAD", 3) => Reply::bulk(scripts.load(&call.args[2])).into(),
        ("EXISTS", 3..) => {
            let loaded = |sha: &Vec<u8>| {
                let sha = String::from_utf8_lossy(sha).to_ascii_lowercase();
                Reply::Integer(i64::from(scripts.is_loaded(&sha)))
            };
            Reply::Array(call.args[2..].iter().map(loaded).collect()).into()
        }
        ("FLUSH", 2 | 3) => {
            if !["", "SYNC", "ASYNC"].contains(&call.upper(2).as_str()) {
                return Call::error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
            }
            scripts.flush();
            Reply::ok().into()
        }
        ("KILL", 2) => Call::error("NOTBUSY No scripts in execution right now."),
        ("LOAD" | "EXISTS" | "FLUSH" | "KILL", _) => Call::wrong_arity(&format!("script|{}", call.upper(1))),
        _ => unknown_subcommand(call),
    }
}

pub(in crate::lab::sim) fn eval(call: &mut Call<'_>) -> Answer {
    let count = match key_count(call) {
        Ok(count) => count,
        Err(error) => return error.into(),
    };
    let sha = call.node.scripts.load(&call.args[1]);
    run(call, &sha, count)
}

pub(in crate::lab::sim) fn evalsha(call: &mut Call<'_>) -> Answer {
    let count = match key_count(call) {
        Ok(count) => count,
        Err(error) => return error.into(),
    };
    let sha = String::from_utf8_lossy(&call.args[1]).to_ascii_lowercase();
    if !call.node.scripts.is_loaded(&sha) {
        return Call::error(errors::NOSCRIPT);
    }
    run(call, &sha, count)
}

fn key_count(call: &Call<'_>) -> Result<usize, Reply> {
    let count = integer(&call.args[2])?;
    let count = usize::try_from(count).map_err(|_| Reply::error("ERR Number of keys can't be negative"))?;
    if count > call.args.len() - 3 {
        return Err(Reply::error("ERR Number of keys can't be greater than number of args"));
    }
    Ok(count)
}

fn run(call: &Call<'_>, sha: &str, count: usize) -> Answer {
    let Some(body) = call.node.scripts.body(sha) else {
        return Call::error(format!("ERR the simulator was not told what script {sha} does"));
    };
    let (keys, args) = call.args[3..].split_at(count);
    // Inside a script replies are those of RESP2, whatever the connection speaks.
    let protocol = crate::redis::Protocol::Resp2;
    let outcome = call.node.on_data(call.session.db, protocol, |cx| {
        body(&mut ScriptCall { node: call.node, cx, sha, keys, args })
    });
    outcome.into()
}
