//! Hashes.

use super::{Cx, Outcome, errors, fail, integer, upper};
use crate::redis::Reply;

/// HSET and HMSET.
pub(in crate::lab::sim) fn hset(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let name = upper(&args[0]);
    if !args.len().is_multiple_of(2) {
        return fail(&format!("ERR wrong number of arguments for '{}' command", name.to_lowercase()));
    }
    let hash = cx.store.hash_or_new(cx.db, &args[1], cx.now)?;
    let mut added = 0;
    for pair in args[2..].chunks_exact(2) {
        match hash.iter_mut().find(|(field, _)| *field == pair[0]) {
            Some((_, value)) => value.clone_from(&pair[1]),
            None => {
                hash.push((pair[0].clone(), pair[1].clone()));
                added += 1;
            }
        }
    }
    cx.store.settle(cx.db, &args[1]);
    Ok(if name == "HMSET" { Reply::ok() } else { Reply::Integer(added) })
}

pub(in crate::lab::sim) fn hsetnx(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    if field(cx, &args[1], &args[2])?.is_some() {
        return Ok(Reply::Integer(0));
    }
    hset(cx, args)
}

pub(in crate::lab::sim) fn hget(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(field(cx, &args[1], &args[2])?.map_or(Reply::Null, Reply::Bulk))
}

pub(in crate::lab::sim) fn hmget(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let mut values = Vec::new();
    for name in &args[2..] {
        values.push(field(cx, &args[1], name)?.map_or(Reply::Null, Reply::Bulk));
    }
    Ok(Reply::Array(values))
}

pub(in crate::lab::sim) fn hexists(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(Reply::Integer(i64::from(field(cx, &args[1], &args[2])?.is_some())))
}

pub(in crate::lab::sim) fn hgetall(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let fields = cx.store.hash(cx.db, &args[1], cx.now)?.map_or_else(Vec::new, |hash| hash.clone());
    let pairs = fields.into_iter().map(|(field, value)| (Reply::Bulk(field), Reply::Bulk(value)));
    Ok(Reply::Map(pairs.collect()))
}

pub(in crate::lab::sim) fn hlen(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(cx.store.hash(cx.db, &args[1], cx.now)?.map_or(0, |hash| hash.len())))
}

pub(in crate::lab::sim) fn hdel(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let Some(hash) = cx.store.hash(cx.db, &args[1], cx.now)? else { return Ok(Reply::Integer(0)) };
    let before = hash.len();
    hash.retain(|(field, _)| !args[2..].contains(field));
    let gone = before - hash.len();
    if gone > 0 {
        cx.store.settle(cx.db, &args[1]);
    }
    Ok(Reply::count(gone))
}

pub(in crate::lab::sim) fn hincrby(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let by = integer(&args[3])?;
    let before = field(cx, &args[1], &args[2])?.map_or(Ok(0), |text| integer(&text));
    let before = before.map_err(|_| Reply::error("ERR hash value is not an integer"))?;
    let sum = before.checked_add(by).ok_or_else(|| Reply::error(errors::OVERFLOW))?;
    let value = sum.to_string().into_bytes();
    hset(cx, &[b"HSET".to_vec(), args[1].clone(), args[2].clone(), value])?;
    Ok(Reply::Integer(sum))
}

fn field(cx: &mut Cx<'_>, key: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>, Reply> {
    let Some(hash) = cx.store.hash(cx.db, key, cx.now)? else { return Ok(None) };
    Ok(hash.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone()))
}
