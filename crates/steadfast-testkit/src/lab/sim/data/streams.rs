//! Streams: what is appended, counted and read back.

use super::{Cx, Outcome, errors, fail, integer, upper};
use crate::redis::Reply;

/// The id of an entry: milliseconds and a number.
type Id = (u64, u64);

/// A stream.
#[derive(Debug, Clone, Default)]
pub(in crate::lab::sim) struct Stream {
    entries: Vec<(Id, Vec<Vec<u8>>)>,
    last: Id,
}

impl Stream {
    pub(in crate::lab::sim) fn new() -> Self {
        Self::default()
    }
}

/// XADD with NOMKSTREAM and MAXLEN.
pub(in crate::lab::sim) fn xadd(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let (mut at, mut make, mut most) = (2, true, None);
    loop {
        match upper(args.get(at).map_or(&[][..], Vec::as_slice)).as_str() {
            "NOMKSTREAM" => make = false,
            "MAXLEN" => {
                at += usize::from(args.get(at + 1).is_some_and(|word| word == b"~" || word == b"=")) + 1;
                let bound = integer(args.get(at).map_or(&[][..], Vec::as_slice))?;
                most = Some(
                    usize::try_from(bound)
                        .map_err(|_| Reply::error("ERR The MAXLEN argument must be >= 0."))?,
                );
            }
            _ => break,
        }
        at += 1;
    }
    let (Some(wanted), fields) = (args.get(at), args.get(at + 1..).unwrap_or_default()) else {
        return fail(errors::SYNTAX);
    };
    if fields.is_empty() || !fields.len().is_multiple_of(2) {
        return fail("ERR wrong number of arguments for 'xadd' command");
    }
    let now_ms = cx.unix_us / 1_000;
    let last = cx.store.stream(cx.db, &args[1], cx.now)?.map(|stream| stream.last);
    if last.is_none() && !make {
        return Ok(Reply::Null);
    }
    let id = next_id(wanted, last.unwrap_or_default(), now_ms)?;
    let stream = cx.store.stream_or_new(cx.db, &args[1], cx.now)?;
    stream.entries.push((id, fields.to_vec()));
    stream.last = id;
    let excess = stream.entries.len().saturating_sub(most.unwrap_or(usize::MAX));
    stream.entries.drain(..excess);
    cx.store.settle(cx.db, &args[1]);
    Ok(Reply::bulk(text(id)))
}

fn next_id(wanted: &[u8], last: Id, now_ms: u64) -> Result<Id, Reply> {
    if wanted == b"*" {
        return Ok(if now_ms > last.0 { (now_ms, 0) } else { (last.0, last.1 + 1) });
    }
    let id = parse(wanted, 0)?;
    match id {
        (0, 0) => fail("ERR The ID specified in XADD must be greater than 0-0"),
        id if id <= last => {
            fail("ERR The ID specified in XADD is equal or smaller than the target stream top item")
        }
        id => Ok(id),
    }
}

fn parse(id: &[u8], number: u64) -> Result<Id, Reply> {
    let parsed = std::str::from_utf8(id).ok().and_then(|id| match id.split_once('-') {
        Some((ms, number)) => Some((ms.parse().ok()?, number.parse().ok()?)),
        None => Some((id.parse().ok()?, number)),
    });
    parsed.ok_or_else(|| Reply::error("ERR Invalid stream ID specified as stream command argument"))
}

fn text(id: Id) -> String {
    format!("{}-{}", id.0, id.1)
}

pub(in crate::lab::sim) fn xlen(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(cx.store.stream(cx.db, &args[1], cx.now)?.map_or(0, |stream| stream.entries.len())))
}

/// XRANGE with COUNT.
pub(in crate::lab::sim) fn xrange(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let from = if args[2] == b"-" { (0, 0) } else { parse(&args[2], 0)? };
    let to = if args[3] == b"+" { (u64::MAX, u64::MAX) } else { parse(&args[3], u64::MAX)? };
    let most = match (args.get(4).map(|word| upper(word)).as_deref(), args.get(5), args.len()) {
        (None, ..) => usize::MAX,
        (Some("COUNT"), Some(count), 6) => usize::try_from(integer(count)?).unwrap_or(0),
        _ => return fail(errors::SYNTAX),
    };
    let Some(stream) = cx.store.stream(cx.db, &args[1], cx.now)? else { return Ok(Reply::Array(vec![])) };
    let found = stream.entries.iter().filter(|(id, _)| (from..=to).contains(id)).take(most);
    let entries = found.map(|(id, fields)| Reply::Array(vec![Reply::bulk(text(*id)), Reply::bulks(fields)]));
    Ok(Reply::Array(entries.collect()))
}
