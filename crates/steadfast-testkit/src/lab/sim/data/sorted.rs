//! Sorted sets.

use super::{Cx, Outcome, errors, fail, float, integer, span, upper};
use crate::redis::{Protocol, Reply};

#[derive(Default)]
struct AddOptions {
    only_new: bool,
    only_old: bool,
    greater: bool,
    less: bool,
    changed: bool,
    increment: bool,
}

impl AddOptions {
    /// The options and how many words they take.
    fn read(words: &[Vec<u8>]) -> (Self, usize) {
        let mut options = Self::default();
        for (place, word) in words.iter().enumerate() {
            match upper(word).as_str() {
                "NX" => options.only_new = true,
                "XX" => options.only_old = true,
                "GT" => options.greater = true,
                "LT" => options.less = true,
                "CH" => options.changed = true,
                "INCR" => options.increment = true,
                _ => return (options, place),
            }
        }
        (options, words.len())
    }

    /// The score that takes the place of `before`, if any does.
    fn score(&self, before: Option<f64>, wanted: f64) -> Option<f64> {
        let wanted = if self.increment { before.unwrap_or(0.0) + wanted } else { wanted };
        let allowed = match before {
            None => !self.only_old,
            Some(before) => {
                !self.only_new && (!self.greater || wanted > before) && (!self.less || wanted < before)
            }
        };
        allowed.then_some(wanted)
    }
}

pub(in crate::lab::sim) fn zadd(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let (options, words) = AddOptions::read(&args[2..]);
    let pairs = &args[2 + words..];
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return fail(errors::SYNTAX);
    }
    if options.only_new && options.only_old {
        return fail("ERR XX and NX options at the same time are not compatible");
    }
    if options.increment && pairs.len() > 2 {
        return fail("ERR INCR option supports a single increment-element pair");
    }
    let scores: Vec<f64> = pairs.chunks_exact(2).map(|pair| float(&pair[0])).collect::<Result<_, _>>()?;
    let set = cx.store.sorted_or_new(cx.db, &args[1], cx.now)?;
    let (mut added, mut changed, mut last) = (0, 0, None);
    for (pair, wanted) in pairs.chunks_exact(2).zip(scores) {
        let before = set.iter().find(|(_, member)| *member == pair[1]).map(|(score, _)| *score);
        last = options.score(before, wanted);
        let Some(score) = last.filter(|score| before != Some(*score)) else { continue };
        added += i64::from(before.is_none());
        changed += 1;
        set.retain(|(_, member)| *member != pair[1]);
        let place = set.partition_point(|(other, member)| (*other, member) < (score, &pair[1]));
        set.insert(place, (score, pair[1].clone()));
    }
    cx.store.settle(cx.db, &args[1]);
    Ok(match options.increment {
        true => last.map_or(Reply::Null, Reply::Double),
        false => Reply::Integer(if options.changed { changed } else { added }),
    })
}

pub(in crate::lab::sim) fn zincrby(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let (key, by, member) = (args[1].clone(), args[2].clone(), args[3].clone());
    zadd(cx, &[b"ZADD".to_vec(), key, b"INCR".to_vec(), by, member])
}

pub(in crate::lab::sim) fn zscore(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let Some(set) = cx.store.sorted(cx.db, &args[1], cx.now)? else { return Ok(Reply::Null) };
    let found = set.iter().find(|(_, member)| *member == args[2]);
    Ok(found.map_or(Reply::Null, |(score, _)| Reply::Double(*score)))
}

pub(in crate::lab::sim) fn zcard(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    Ok(Reply::count(cx.store.sorted(cx.db, &args[1], cx.now)?.map_or(0, |set| set.len())))
}

pub(in crate::lab::sim) fn zrem(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let Some(set) = cx.store.sorted(cx.db, &args[1], cx.now)? else { return Ok(Reply::Integer(0)) };
    let before = set.len();
    set.retain(|(_, member)| !args[2..].contains(member));
    let gone = before - set.len();
    if gone > 0 {
        cx.store.settle(cx.db, &args[1]);
    }
    Ok(Reply::count(gone))
}

/// ZRANGE by place, with WITHSCORES.
pub(in crate::lab::sim) fn zrange(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let (start, stop) = (integer(&args[2])?, integer(&args[3])?);
    let scores = match args.get(4).map(|word| upper(word)) {
        None => false,
        Some(word) if word == "WITHSCORES" && args.len() == 5 => true,
        Some(_) => return fail(errors::SYNTAX),
    };
    let Some(set) = cx.store.sorted(cx.db, &args[1], cx.now)? else { return Ok(Reply::Array(vec![])) };
    let found = &set[span(start, stop, set.len())];
    if !scores {
        return Ok(Reply::bulks(found.iter().map(|(_, member)| member)));
    }
    let pairs = found.iter().map(|(score, member)| [Reply::bulk(member), Reply::Double(*score)]);
    Ok(Reply::Array(match cx.protocol {
        Protocol::Resp2 => pairs.flatten().collect(),
        Protocol::Resp3 => pairs.map(|pair| Reply::Array(pair.to_vec())).collect(),
    }))
}

/// ZPOPMIN and ZPOPMAX without a count.
pub(in crate::lab::sim) fn zpop(cx: &mut Cx<'_>, args: &[Vec<u8>]) -> Outcome {
    let least = upper(&args[0]) == "ZPOPMIN";
    let popped = take(cx, &args[1], least)?;
    let items = popped.map(|(score, member)| vec![Reply::Bulk(member), Reply::Double(score)]);
    Ok(Reply::Array(items.unwrap_or_default()))
}

pub(super) fn take(cx: &mut Cx<'_>, key: &[u8], least: bool) -> Result<Option<(f64, Vec<u8>)>, Reply> {
    let Some(set) = cx.store.sorted(cx.db, key, cx.now)? else { return Ok(None) };
    let taken = if least || set.len() < 2 { Some(set.remove(0)) } else { set.pop() };
    cx.store.settle(cx.db, key);
    Ok(taken)
}
