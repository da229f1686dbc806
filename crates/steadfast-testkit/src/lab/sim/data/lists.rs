//! Lists.

use super::{Cx, Outcome, errors, fail, integer, span, upper};
use crate::redis::Reply;

/// LPUSH, RPUSH, LPUSHX, RPUSHX.
pub(in crate::lab::sim) fn push(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let name = upper(&args[0]);
    if name.ends_with('X') && cx.store.list(cx.db, &args[1], cx.now)?.is_none() {
        return Ok(Reply::Integer(0));
    }
    let list = cx.store.list_or_new(cx.db, &args[1], cx.now)?;
    for item in &args[2..] {
        if name.starts_with('L') {
            list.push_front(item.clone());
        } else {
            list.push_back(item.clone());
        }
    }
    let length = list.len();
    cx.store.settle(cx.db, &args[1]);
    Ok(Reply::count(length))
}

/// LPOP and RPOP, with a count or without.
pub(in crate::lab::sim) fn pop(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    if args.len() > 3 {
        let name = upper(&args[0]).to_lowercase();
        return fail(&format!("ERR wrong number of arguments for '{name}' command"));
    }
    let left = upper(&args[0]) == "LPOP";
    let count = match args.get(2) {
        Some(count) => Some(
            integer(count)
                .ok()
                .and_then(|count| usize::try_from(count).ok())
                .ok_or_else(|| Reply::error(errors::NOT_POSITIVE))?,
        ),
        None => None,
    };
    let Some(list) = cx.store.list(cx.db, &args[1], cx.now)? else {
        return Ok(if count.is_some() { Reply::NullArray } else { Reply::Null });
    };
    let taken = count.unwrap_or(1).min(list.len());
    let items: Vec<Vec<u8>> =
        (0..taken).filter_map(|_| if left { list.pop_front() } else { list.pop_back() }).collect();
    if taken > 0 {
        cx.store.settle(cx.db, &args[1]);
    }
    match count {
        Some(_) => Ok(Reply::bulks(items)),
        None => Ok(items.first().map_or(Reply::Null, Reply::bulk)),
    }
}

pub(in crate::lab::sim) fn llen(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(cx.store.list(cx.db, &args[1], cx.now)?.map_or(0, |list| list.len())))
}

pub(in crate::lab::sim) fn lrange(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let (start, stop) = (integer(&args[2])?, integer(&args[3])?);
    let Some(list) = cx.store.list(cx.db, &args[1], cx.now)? else { return Ok(Reply::Array(vec![])) };
    Ok(Reply::bulks(list.range(span(start, stop, list.len()))))
}

pub(in crate::lab::sim) fn ltrim(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let (start, stop) = (integer(&args[2])?, integer(&args[3])?);
    let Some(list) = cx.store.list(cx.db, &args[1], cx.now)? else { return Ok(Reply::ok()) };
    *list = list.range(span(start, stop, list.len())).cloned().collect();
    cx.store.settle(cx.db, &args[1]);
    Ok(Reply::ok())
}

/// LREM: so many from the front, or from the back if negative, or all if 0.
pub(in crate::lab::sim) fn lrem(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let count = integer(&args[2])?;
    let most =
        if count == 0 { usize::MAX } else { usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX) };
    let Some(list) = cx.store.list(cx.db, &args[1], cx.now)? else { return Ok(Reply::Integer(0)) };
    let mut gone = 0;
    while gone < most {
        let found = match count < 0 {
            true => list.iter().rposition(|item| *item == args[3]),
            false => list.iter().position(|item| *item == args[3]),
        };
        let Some(place) = found else { break };
        list.remove(place);
        gone += 1;
    }
    if gone > 0 {
        cx.store.settle(cx.db, &args[1]);
    }
    Ok(Reply::count(gone))
}

/// LMOVE: takes from one end of a list and puts it on an end of another.
pub(in crate::lab::sim) fn lmove(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let (from_left, to_left) = (side(&args[3])?, side(&args[4])?);
    Ok(shift(cx, &args[1], &args[2], from_left, to_left)?.map_or(Reply::Null, Reply::Bulk))
}

pub(in crate::lab::sim) fn rpoplpush(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(shift(cx, &args[1], &args[2], false, true)?.map_or(Reply::Null, Reply::Bulk))
}

pub(super) fn side(word: &[u8]) -> Result<bool, Reply> {
    match upper(word).as_str() {
        "LEFT" => Ok(true),
        "RIGHT" => Ok(false),
        _ => fail(errors::SYNTAX),
    }
}

pub(super) fn shift(
    cx: &mut Cx<'_>,
    from: &[u8],
    to: &[u8],
    from_left: bool,
    to_left: bool,
) -> Result<Option<Vec<u8>>, Reply> {
    if cx.store.list(cx.db, from, cx.now)?.is_none() {
        return Ok(None);
    }
    cx.store.list(cx.db, to, cx.now)?;
    let list = cx.store.list_or_new(cx.db, from, cx.now)?;
    let item = if from_left { list.pop_front() } else { list.pop_back() };
    let Some(item) = item else { return Ok(None) };
    let list = cx.store.list_or_new(cx.db, to, cx.now)?;
    if to_left {
        list.push_front(item.clone());
    } else {
        list.push_back(item.clone());
    }
    cx.store.settle(cx.db, from);
    cx.store.settle(cx.db, to);
    Ok(Some(item))
}
