//! SUBSCRIBE, PUBLISH and the like.

use super::connection::unknown_subcommand;
use crate::lab::sim::clients::Client;
use crate::lab::sim::dispatch::{Answer, Call};
use crate::lab::sim::glob;
use crate::redis::Reply;
use std::collections::BTreeSet;

type Side = fn(&mut Client) -> &mut BTreeSet<Vec<u8>>;

const CHANNELS: Side = |client| &mut client.channels;
const PATTERNS: Side = |client| &mut client.patterns;

pub(in crate::lab::sim) fn subscribe(call: &mut Call<'_>) -> Answer {
    join(call, "subscribe", CHANNELS)
}

pub(in crate::lab::sim) fn psubscribe(call: &mut Call<'_>) -> Answer {
    join(call, "psubscribe", PATTERNS)
}

pub(in crate::lab::sim) fn unsubscribe(call: &mut Call<'_>) -> Answer {
    leave(call, "unsubscribe", CHANNELS)
}

pub(in crate::lab::sim) fn punsubscribe(call: &mut Call<'_>) -> Answer {
    leave(call, "punsubscribe", PATTERNS)
}

fn join(call: &mut Call<'_>, word: &str, side: Side) -> Answer {
    let mut clients = call.node.clients.lock();
    let Some(client) = clients.get_mut(&call.session.id) else {
        return Call::error("ERR the test itself cannot subscribe: use a connection");
    };
    let mut replies = Vec::new();
    for name in &call.args[1..] {
        side(client).insert(name.clone());
        replies.push(notice(word, Reply::bulk(name), client));
    }
    Answer::Replies(replies)
}

fn leave(call: &mut Call<'_>, word: &str, side: Side) -> Answer {
    let mut clients = call.node.clients.lock();
    let Some(client) = clients.get_mut(&call.session.id) else {
        return Call::error("ERR the test itself cannot subscribe: use a connection");
    };
    let all = call.args.len() == 1;
    let names: Vec<Vec<u8>> =
        if all { side(client).iter().cloned().collect() } else { call.args[1..].to_vec() };
    let mut replies = Vec::new();
    for name in &names {
        side(client).remove(name);
        replies.push(notice(word, Reply::bulk(name), client));
    }
    if names.is_empty() {
        replies.push(notice(word, Reply::Null, client));
    }
    Answer::Replies(replies)
}

fn notice(word: &str, name: Reply, client: &Client) -> Reply {
    Reply::Push(vec![Reply::bulk(word), name, Reply::count(client.subscriptions())])
}

pub(in crate::lab::sim) fn publish(call: &mut Call<'_>) -> Answer {
    Reply::count(call.node.clients.publish(&call.args[1], &call.args[2])).into()
}

pub(in crate::lab::sim) fn pubsub(call: &mut Call<'_>) -> Answer {
    let clients = call.node.clients.lock();
    let count = |name: &[u8]| clients.values().filter(|client| client.channels.contains(name)).count();
    match call.upper(1).as_str() {
        "CHANNELS" => {
            let pattern = call.args.get(2).map_or(b"*".as_slice(), Vec::as_slice);
            let names: BTreeSet<&Vec<u8>> = clients.values().flat_map(|client| &client.channels).collect();
            Reply::bulks(names.into_iter().filter(|name| glob::matches(pattern, name))).into()
        }
        "NUMSUB" => {
            let pairs = call.args[2..].iter().flat_map(|name| [Reply::bulk(name), Reply::count(count(name))]);
            Reply::Array(pairs.collect()).into()
        }
        "NUMPAT" => {
            let patterns: BTreeSet<&Vec<u8>> = clients.values().flat_map(|client| &client.patterns).collect();
            Reply::count(patterns.len()).into()
        }
        _ => unknown_subcommand(call),
    }
}
