//! Sets.

use super::{Cx, Outcome};
use crate::redis::Reply;

pub(in crate::lab::sim) fn sadd(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let set = cx.store.set_or_new(cx.db, &args[1], cx.now)?;
    let added = args[2..].iter().filter(|member| set.insert((*member).clone())).count();
    cx.store.settle(cx.db, &args[1]);
    Ok(Reply::count(added))
}

pub(in crate::lab::sim) fn srem(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let Some(set) = cx.store.set(cx.db, &args[1], cx.now)? else { return Ok(Reply::Integer(0)) };
    let gone = args[2..].iter().filter(|member| set.remove(*member)).count();
    if gone > 0 {
        cx.store.settle(cx.db, &args[1]);
    }
    Ok(Reply::count(gone))
}

pub(in crate::lab::sim) fn smembers(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let members = cx.store.set(cx.db, &args[1], cx.now)?;
    Ok(Reply::Set(members.map_or_else(Vec::new, |set| set.iter().map(Reply::bulk).collect())))
}

pub(in crate::lab::sim) fn sismember(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let set = cx.store.set(cx.db, &args[1], cx.now)?;
    Ok(Reply::Integer(i64::from(set.is_some_and(|set| set.contains(&args[2])))))
}

pub(in crate::lab::sim) fn scard(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(cx.store.set(cx.db, &args[1], cx.now)?.map_or(0, |set| set.len())))
}
