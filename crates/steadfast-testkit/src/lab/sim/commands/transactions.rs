//! MULTI, EXEC, DISCARD, WATCH.

use crate::lab::sim::dispatch::{Answer, Call, run};
use crate::lab::sim::node::Node;
use crate::lab::sim::session::{Multi, Session, Watched};
use crate::lab::sim::{errors, table};
use crate::redis::{Reply, Request};

pub(in crate::lab::sim) fn multi(call: &mut Call<'_>) -> Answer {
    if call.session.multi.is_some() {
        return Call::error("ERR MULTI calls can not be nested");
    }
    call.session.multi = Some(Multi::default());
    Reply::ok().into()
}

pub(in crate::lab::sim) fn discard(call: &mut Call<'_>) -> Answer {
    if call.session.multi.take().is_none() {
        return Call::error("ERR DISCARD without MULTI");
    }
    call.session.watched.clear();
    Reply::ok().into()
}

pub(in crate::lab::sim) fn watch(call: &mut Call<'_>) -> Answer {
    if call.session.multi.is_some() {
        return Call::error("ERR WATCH inside MULTI is not allowed");
    }
    let db = call.session.db;
    for key in &call.args[1..] {
        let protocol = call.session.protocol;
        let changed = call.node.on_data(db, protocol, |cx| cx.store.changed(db, key, cx.now));
        call.session.watched.push(Watched { db, key: key.clone(), changed });
    }
    Reply::ok().into()
}

pub(in crate::lab::sim) fn unwatch(call: &mut Call<'_>) -> Answer {
    call.session.watched.clear();
    Reply::ok().into()
}

pub(in crate::lab::sim) fn exec(call: &mut Call<'_>) -> Answer {
    let Some(multi) = call.session.multi.take() else { return Call::error("ERR EXEC without MULTI") };
    let watched = std::mem::take(&mut call.session.watched);
    if multi.broken {
        return Call::error(errors::EXECABORT);
    }
    let moved = |watched: &Watched| {
        let Watched { db, key, changed } = watched;
        call.node.on_data(*db, call.session.protocol, |cx| cx.store.changed(*db, key, cx.now)) != *changed
    };
    if watched.iter().any(moved) {
        return Reply::NullArray.into();
    }
    call.session.executing = true;
    let replies = multi.queue.iter().flat_map(|args| one(call.node, call.session, args)).collect();
    call.session.executing = false;
    Reply::Array(replies).into()
}

fn one(node: &Node, session: &mut Session, args: &Request) -> Vec<Reply> {
    let Some(spec) = table::find(&args[0]) else { return Vec::new() };
    match run(node, session, spec, args) {
        Answer::Replies(replies) => replies,
        Answer::Close(reply) | Answer::Wait { nothing: reply, .. } => vec![reply],
    }
}
