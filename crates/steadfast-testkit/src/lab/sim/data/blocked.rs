//! Commands that wait for an element.

use super::{Cx, Store, fail, lists, sorted, upper};
use crate::redis::{Protocol, Reply};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What a blocking command waits for.
#[derive(Debug, Clone)]
pub(in crate::lab::sim) struct Wanted {
    keys: Vec<Vec<u8>>,
    how: How,
    /// None waits for ever.
    pub(in crate::lab::sim) timeout: Option<Duration>,
}

#[derive(Debug, Clone)]
enum How {
    Pop { left: bool },
    Take { least: bool },
    Shift { to: Vec<u8>, from_left: bool, to_left: bool },
}

/// A connection that waits. It is served even if its client has given up, as long as its socket stands.
#[derive(Debug)]
pub(in crate::lab::sim) struct Waiter {
    pub(in crate::lab::sim) db: usize,
    pub(in crate::lab::sim) protocol: Protocol,
    pub(in crate::lab::sim) wanted: Wanted,
    pub(in crate::lab::sim) served: oneshot::Sender<Reply>,
}

impl Wanted {
    /// BLPOP, BRPOP, BZPOPMIN, BZPOPMAX, BLMOVE, BRPOPLPUSH.
    pub(in crate::lab::sim) fn parse(args: &[Vec<u8>]) -> Result<Self, Reply> {
        let name = upper(&args[0]);
        let last = args.len() - 1;
        let timeout = timeout(&args[last])?;
        let (keys, how) = match name.as_str() {
            "BLPOP" | "BRPOP" => (args[1..last].to_vec(), How::Pop { left: name == "BLPOP" }),
            "BZPOPMIN" | "BZPOPMAX" => (args[1..last].to_vec(), How::Take { least: name == "BZPOPMIN" }),
            "BRPOPLPUSH" => {
                let to = args[2].clone();
                (vec![args[1].clone()], How::Shift { to, from_left: false, to_left: true })
            }
            _ => {
                let (from_left, to_left) = (lists::side(&args[3])?, lists::side(&args[4])?);
                (vec![args[1].clone()], How::Shift { to: args[2].clone(), from_left, to_left })
            }
        };
        Ok(Self { keys, how, timeout })
    }

    /// What is there at once, if anything is.
    pub(in crate::lab::sim) fn serve(&self, cx: &mut Cx<'_>) -> Result<Option<Reply>, Reply> {
        for key in &self.keys {
            let found = match &self.how {
                How::Pop { left } => pop(cx, key, *left)?,
                How::Take { least } => sorted::take(cx, key, *least)?.map(|(score, member)| {
                    Reply::Array(vec![Reply::bulk(key), Reply::Bulk(member), Reply::Double(score)])
                }),
                How::Shift { to, from_left, to_left } => {
                    lists::shift(cx, key, to, *from_left, *to_left)?.map(Reply::Bulk)
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The reply when nothing came in time.
    pub(in crate::lab::sim) const fn nothing() -> Reply {
        Reply::NullArray
    }
}

fn pop(cx: &mut Cx<'_>, key: &[u8], left: bool) -> Result<Option<Reply>, Reply> {
    let Some(list) = cx.store.list(cx.db, key, cx.now)? else { return Ok(None) };
    let item = if left { list.pop_front() } else { list.pop_back() };
    cx.store.settle(cx.db, key);
    Ok(item.map(|item| Reply::Array(vec![Reply::bulk(key), Reply::Bulk(item)])))
}

fn timeout(arg: &[u8]) -> Result<Option<Duration>, Reply> {
    let seconds: Option<f64> = std::str::from_utf8(arg).ok().and_then(|text| text.parse().ok());
    let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()) else {
        return fail("ERR timeout is not a float or out of range");
    };
    if seconds < 0.0 {
        return fail("ERR timeout is negative");
    }
    let timeout = Duration::try_from_secs_f64(seconds);
    let timeout = timeout.map_err(|_| Reply::error("ERR timeout is out of range"))?;
    Ok(Some(timeout).filter(|timeout| !timeout.is_zero()))
}

impl Store {
    /// Has the connection wait, behind those that wait already.
    pub(in crate::lab::sim) fn wait(&mut self, waiter: Waiter) {
        self.waiters.push(waiter);
    }

    /// How many connections wait for something.
    pub(in crate::lab::sim) fn waiting(&mut self) -> usize {
        self.waiters.retain(|waiter| !waiter.served.is_closed());
        self.waiters.len()
    }

    /// Serves whoever waits for what is there now, those first who wait longest.
    pub(in crate::lab::sim) fn serve_waiters(&mut self, now: Instant, unix_us: u64) {
        let mut waiters = std::mem::take(&mut self.waiters);
        let mut place = 0;
        while place < waiters.len() {
            let waiter = &waiters[place];
            if waiter.served.is_closed() {
                waiters.remove(place);
                continue;
            }
            let mut cx = Cx { store: self, db: waiter.db, now, protocol: waiter.protocol, unix_us };
            match waiter.wanted.serve(&mut cx) {
                Ok(Some(reply)) => {
                    // A socket that ends in this very moment takes the element with it, as with Redis.
                    let _ = waiters.remove(place).served.send(reply);
                    // What was moved may be what an earlier one waits for.
                    place = 0;
                }
                // A key of another type does not end the wait.
                Ok(None) | Err(_) => place += 1,
            }
        }
        self.waiters = waiters;
    }
}

#[cfg(test)]
mod tests {
    use super::super::lists::push;
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn waits(store: &mut Store, command: &str) -> oneshot::Receiver<Reply> {
        let (served, receiver) = oneshot::channel();
        let wanted = Wanted::parse(&words(command)).expect("a blocking command");
        store.wait(Waiter { db: 0, protocol: Protocol::Resp2, wanted, served });
        receiver
    }

    #[tokio::test]
    async fn who_waits_longest_is_served_first_and_who_is_gone_is_not() {
        let mut store = Store::default();
        let now = Instant::now();
        drop(waits(&mut store, "BLPOP q 0"));
        let mut third = waits(&mut store, "BRPOP r 0");
        let mut first = waits(&mut store, "BLMOVE q r LEFT LEFT 0");
        let mut second = waits(&mut store, "BLPOP q 0");
        let mut cx = Cx { store: &mut store, db: 0, now, protocol: Protocol::Resp2, unix_us: 0 };
        push(&mut cx, &words("RPUSH q a b")).expect("a list");
        store.serve_waiters(now, 0);
        assert_eq!(first.try_recv(), Ok(Reply::bulk("a")));
        assert_eq!(second.try_recv(), Ok(Reply::bulks(["q", "b"])));
        assert_eq!(third.try_recv(), Ok(Reply::bulks(["r", "a"])));
        assert_eq!(store.waiting(), 0);
    }
}
