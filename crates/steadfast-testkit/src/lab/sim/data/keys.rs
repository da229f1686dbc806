//! Keys whatever they hold: existence, expiry, the whole database.

use super::{Cx, Outcome, errors, fail, integer, upper};
use crate::lab::sim::glob;
use crate::redis::Reply;
use std::time::Duration;

pub(in crate::lab::sim) fn del(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let mut gone = 0;
    for key in &args[1..] {
        if cx.store.entry(cx.db, key, cx.now).is_some() {
            cx.store.remove(cx.db, key);
            gone += 1;
        }
    }
    Ok(Reply::Integer(gone))
}

pub(in crate::lab::sim) fn exists(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let here = args[1..].iter().filter(|key| cx.store.entry(cx.db, key, cx.now).is_some()).count();
    Ok(Reply::count(here))
}

pub(in crate::lab::sim) fn kind(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let kind = cx.store.value(cx.db, &args[1], cx.now).map_or("none", |value| value.kind());
    Ok(Reply::Simple(kind.to_owned()))
}

/// EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT with NX, XX, GT, LT.
pub(in crate::lab::sim) fn expire(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let name = upper(&args[0]);
    let mut left_ms = integer(&args[2])?;
    if !name.starts_with('P') {
        let invalid =
            || Reply::error(format!("ERR invalid expire time in '{}' command", name.to_lowercase()));
        left_ms = left_ms.checked_mul(1_000).ok_or_else(invalid)?;
    }
    if name.ends_with("AT") {
        left_ms = left_ms.saturating_sub(i64::try_from(cx.unix_us / 1_000).unwrap_or(i64::MAX));
    }
    let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
    let expires = cx.now.checked_add(left).unwrap_or(cx.now + Duration::from_secs(1 << 32));
    let Some(entry) = cx.store.entry(cx.db, &args[1], cx.now) else { return Ok(Reply::Integer(0)) };
    for option in &args[3..] {
        let holds = match upper(option).as_str() {
            "NX" => entry.expires.is_none(),
            "XX" => entry.expires.is_some(),
            "GT" => entry.expires.is_some_and(|before| expires > before),
            "LT" => entry.expires.is_none_or(|before| expires < before),
            _ => return fail(&format!("ERR Unsupported option {}", String::from_utf8_lossy(option))),
        };
        if !holds {
            return Ok(Reply::Integer(0));
        }
    }
    entry.expires = Some(expires);
    if left_ms <= 0 {
        cx.store.remove(cx.db, &args[1]);
    } else {
        cx.store.settle(cx.db, &args[1]);
    }
    Ok(Reply::Integer(1))
}

pub(in crate::lab::sim) fn persist(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let had = cx.store.entry(cx.db, &args[1], cx.now).and_then(|entry| entry.expires.take()).is_some();
    if had {
        cx.store.settle(cx.db, &args[1]);
    }
    Ok(Reply::Integer(i64::from(had)))
}

/// TTL and PTTL.
pub(in crate::lab::sim) fn ttl(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let left = match cx.store.remaining(cx.db, &args[1], cx.now) {
        None => -2,
        Some(None) => -1,
        Some(Some(left)) => {
            let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
            // Redis rounds to the nearest second.
            if upper(&args[0]) == "PTTL" { left_ms } else { (left_ms + 500) / 1_000 }
        }
    };
    Ok(Reply::Integer(left))
}

pub(in crate::lab::sim) fn keys(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let found = cx.store.keys(cx.db, cx.now).into_iter().filter(|key| glob::matches(&args[1], key));
    Ok(Reply::bulks(found))
}

/// Everything in one go: the cursor is always 0.
pub(in crate::lab::sim) fn scan(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let mut pattern = b"*".to_vec();
    for option in args[2..].chunks(2) {
        match (upper(&option[0]).as_str(), option.get(1)) {
            ("MATCH", Some(wanted)) => pattern.clone_from(wanted),
            ("COUNT" | "TYPE", Some(_)) => {}
            _ => return fail(errors::SYNTAX),
        }
    }
    let found = cx.store.keys(cx.db, cx.now).into_iter().filter(|key| glob::matches(&pattern, key));
    Ok(Reply::Array(vec![Reply::bulk("0"), Reply::bulks(found)]))
}

pub(in crate::lab::sim) fn dbsize(cx: &mut Cx<'_>, _: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(cx.store.keys(cx.db, cx.now).len()))
}

/// FLUSHALL and FLUSHDB.
pub(in crate::lab::sim) fn flush(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let mode = args.get(1).map(|mode| upper(mode));
    if args.len() > 2 || mode.is_some_and(|mode| mode != "SYNC" && mode != "ASYNC") {
        return fail(errors::SYNTAX);
    }
    match upper(&args[0]).as_str() {
        "FLUSHDB" => cx.store.clear(cx.db),
        _ => (0..super::Store::databases()).for_each(|db| cx.store.clear(db)),
    }
    Ok(Reply::ok())
}
