//! Strings and counters.

use super::{Cx, Outcome, Value, errors, fail, integer, upper};
use crate::redis::Reply;
use std::time::Duration;
use tokio::time::Instant;

/// The longest time to live, in milliseconds: what is left of an `i64` when the time of day is added.
const EXPIRE_MAX_MS: i64 = i64::MAX / 4;

pub(in crate::lab::sim) fn get(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let found = cx.store.text(cx.db, &args[1], cx.now)?;
    Ok(found.map_or(Reply::Null, Reply::bulk))
}

pub(in crate::lab::sim) fn getdel(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let reply = get(cx, args)?;
    cx.store.remove(cx.db, &args[1]);
    Ok(reply)
}

pub(in crate::lab::sim) fn mget(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let one = |key: &Vec<u8>| match cx.store.text(cx.db, key, cx.now) {
        Ok(Some(text)) => Reply::bulk(text),
        _ => Reply::Null,
    };
    Ok(Reply::Array(args[1..].iter().map(one).collect()))
}

pub(in crate::lab::sim) fn mset(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    if args.len().is_multiple_of(2) {
        return fail("ERR wrong number of arguments for 'mset' command");
    }
    for pair in args[1..].chunks_exact(2) {
        cx.store.put(cx.db, &pair[0], Value::Text(pair[1].clone()), None);
    }
    Ok(Reply::ok())
}

pub(in crate::lab::sim) fn setex(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let unit = if upper(&args[0]) == "SETEX" { "EX" } else { "PX" };
    let expires = expiry(cx, unit, &args[2], &args[0])?;
    cx.store.put(cx.db, &args[1], Value::Text(args[3].clone()), Some(expires));
    Ok(Reply::ok())
}

pub(in crate::lab::sim) fn setnx(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    if cx.store.entry(cx.db, &args[1], cx.now).is_some() {
        return Ok(Reply::Integer(0));
    }
    cx.store.put(cx.db, &args[1], Value::Text(args[2].clone()), None);
    Ok(Reply::Integer(1))
}

#[derive(Default)]
struct SetOptions {
    only_new: bool,
    only_old: bool,
    get: bool,
    keep_ttl: bool,
    expires: Option<Instant>,
}

pub(in crate::lab::sim) fn set(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let options = set_options(cx, args)?;
    let (key, value) = (&args[1], &args[2]);
    let before = if options.get { cx.store.text(cx.db, key, cx.now)?.cloned() } else { None };
    let entry = cx.store.entry(cx.db, key, cx.now);
    let (exists, kept) = (entry.is_some(), entry.and_then(|entry| entry.expires));
    let refused = (options.only_new && exists) || (options.only_old && !exists);
    if !refused {
        let expires = options.expires.or(kept.filter(|_| options.keep_ttl));
        cx.store.put(cx.db, key, Value::Text(value.clone()), expires);
    }
    match (options.get, refused) {
        (true, _) => Ok(before.map_or(Reply::Null, Reply::Bulk)),
        (false, true) => Ok(Reply::Null),
        (false, false) => Ok(Reply::ok()),
    }
}

fn set_options(cx: &Cx<'_>, args: &[Vec<u8>]) -> Result<SetOptions, Reply> {
    let mut options = SetOptions::default();
    let mut rest = args[3..].iter();
    while let Some(word) = rest.next() {
        match upper(word).as_str() {
            "NX" if !options.only_old => options.only_new = true,
            "XX" if !options.only_new => options.only_old = true,
            "GET" => options.get = true,
            "KEEPTTL" if options.expires.is_none() => options.keep_ttl = true,
            unit @ ("EX" | "PX" | "EXAT" | "PXAT") if options.expires.is_none() && !options.keep_ttl => {
                let Some(amount) = rest.next() else { return fail(errors::SYNTAX) };
                options.expires = Some(expiry(cx, unit, amount, &args[0])?);
            }
            _ => return fail(errors::SYNTAX),
        }
    }
    Ok(options)
}

/// When something expires that is to live so long (`EX`, `PX`) or until then (`EXAT`, `PXAT`).
pub(super) fn expiry(cx: &Cx<'_>, unit: &str, amount: &[u8], command: &[u8]) -> Result<Instant, Reply> {
    let amount = integer(amount)?;
    let scale = if unit.starts_with('E') { 1_000 } else { 1 };
    let invalid = || {
        let command = String::from_utf8_lossy(command).to_ascii_lowercase();
        Reply::error(format!("ERR invalid expire time in '{command}' command"))
    };
    let amount_ms = amount.checked_mul(scale).filter(|ms| (1..EXPIRE_MAX_MS).contains(ms));
    let amount_ms = u64::try_from(amount_ms.ok_or_else(invalid)?).map_err(|_| invalid())?;
    let left_ms = if unit.ends_with("AT") { amount_ms.saturating_sub(cx.unix_us / 1_000) } else { amount_ms };
    // Farther than the clock reaches is as good as for ever.
    Ok(cx.now.checked_add(Duration::from_millis(left_ms)).unwrap_or(cx.now + Duration::from_secs(1 << 32)))
}

pub(in crate::lab::sim) fn incr(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    add(cx, &args[1], 1)
}

pub(in crate::lab::sim) fn decr(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    add(cx, &args[1], -1)
}

pub(in crate::lab::sim) fn incrby(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let by = integer(&args[2])?;
    add(cx, &args[1], by)
}

pub(in crate::lab::sim) fn decrby(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let by = integer(&args[2])?.checked_neg().ok_or_else(|| Reply::error("ERR decrement would overflow"))?;
    add(cx, &args[1], by)
}

fn add(cx: &mut Cx<'_>, key: &[u8], by: i64) -> Outcome {
    let before = cx.store.text(cx.db, key, cx.now)?.map_or(Ok(0), |text| integer(text))?;
    let sum = before.checked_add(by).ok_or_else(|| Reply::error(errors::OVERFLOW))?;
    *cx.store.text_or_new(cx.db, key, cx.now)? = sum.to_string().into_bytes();
    cx.store.settle(cx.db, key);
    Ok(Reply::Integer(sum))
}

pub(in crate::lab::sim) fn append(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let text = cx.store.text_or_new(cx.db, &args[1], cx.now)?;
    text.extend_from_slice(&args[2]);
    let length = text.len();
    cx.store.settle(cx.db, &args[1]);
    Ok(Reply::count(length))
}

pub(in crate::lab::sim) fn strlen(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(cx.store.text(cx.db, &args[1], cx.now)?.map_or(0, |text| text.len())))
}
