//! The commands a simulated server knows: arity, keys, when they are allowed, and what runs them.
//!
//! The figures are those of `COMMAND INFO` of Redis 7.0; a test compares them with a real server.

use super::commands::{cluster, connection, info, pubsub, scripts, sentinel, server, transactions};
use super::data::{self, Cx, Outcome};
use super::dispatch::{Answer, Call};

/// What a command does to the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing, or nothing that a replica refuses.
    Other,
    Read,
    Write,
    /// A write that needs memory.
    Grow,
}

/// In which states of the server a command is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowed {
    /// When the data set is loaded and up to date.
    Normally,
    /// Also on a replica that lost its primary.
    Stale,
    /// Also while loading.
    Always,
    /// Also before logging in.
    Unauthenticated,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Run {
    /// Works on the data alone.
    Data(fn(&mut Cx<'_>, &[Vec<u8>]) -> Outcome),
    /// Waits for an element.
    Blocking,
    /// Works on the connection or the server.
    Session(fn(&mut Call<'_>) -> Answer),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    pub(super) name: &'static str,
    /// The number of words with the name; at least so many if negative.
    pub(super) arity: i32,
    /// The first key, the last (from the end if negative) and the step; all 0 without keys.
    pub(super) keys: (i32, i32, i32),
    pub(super) access: Access,
    pub(super) allowed: Allowed,
    pub(super) run: Run,
}

type DataRun = fn(&mut Cx<'_>, &[Vec<u8>]) -> Outcome;
type SessionRun = fn(&mut Call<'_>) -> Answer;
type Keys = (i32, i32, i32);

const ONE: Keys = (1, 1, 1);
const ALL: Keys = (1, -1, 1);
const NONE: Keys = (0, 0, 0);

const fn on_data(name: &'static str, arity: i32, keys: Keys, access: Access, run: DataRun) -> Spec {
    Spec { name, arity, keys, access, allowed: Allowed::Normally, run: Run::Data(run) }
}

const fn read(name: &'static str, arity: i32, keys: Keys, run: DataRun) -> Spec {
    on_data(name, arity, keys, Access::Read, run)
}

const fn write(name: &'static str, arity: i32, keys: Keys, run: DataRun) -> Spec {
    on_data(name, arity, keys, Access::Write, run)
}

const fn grow(name: &'static str, arity: i32, keys: Keys, run: DataRun) -> Spec {
    on_data(name, arity, keys, Access::Grow, run)
}

const fn blocking(name: &'static str, arity: i32, keys: Keys, access: Access) -> Spec {
    Spec { name, arity, keys, access, allowed: Allowed::Normally, run: Run::Blocking }
}

const fn session(name: &'static str, arity: i32, allowed: Allowed, run: SessionRun) -> Spec {
    Spec { name, arity, keys: NONE, access: Access::Other, allowed, run: Run::Session(run) }
}

const TABLE: &[Spec] = &[
    read("GET", 2, ONE, data::get),
    grow("SET", -3, ONE, data::set),
    grow("SETEX", 4, ONE, data::setex),
    grow("PSETEX", 4, ONE, data::setex),
    grow("SETNX", 3, ONE, data::setnx),
    write("GETDEL", 2, ONE, data::getdel),
    read("MGET", -2, ALL, data::mget),
    grow("MSET", -3, (1, -1, 2), data::mset),
    grow("APPEND", 3, ONE, data::append),
    read("STRLEN", 2, ONE, data::strlen),
    grow("INCR", 2, ONE, data::incr),
    grow("DECR", 2, ONE, data::decr),
    grow("INCRBY", 3, ONE, data::incrby),
    grow("DECRBY", 3, ONE, data::decrby),
    write("DEL", -2, ALL, data::del),
    write("UNLINK", -2, ALL, data::del),
    read("EXISTS", -2, ALL, data::exists),
    read("TYPE", 2, ONE, data::kind),
    write("EXPIRE", -3, ONE, data::expire),
    write("PEXPIRE", -3, ONE, data::expire),
    write("EXPIREAT", -3, ONE, data::expire),
    write("PEXPIREAT", -3, ONE, data::expire),
    write("PERSIST", 2, ONE, data::persist),
    read("TTL", 2, ONE, data::ttl),
    read("PTTL", 2, ONE, data::ttl),
    read("KEYS", 2, NONE, data::keys),
    read("SCAN", -2, NONE, data::scan),
    read("DBSIZE", 1, NONE, data::dbsize),
    write("FLUSHALL", -1, NONE, data::flush),
    write("FLUSHDB", -1, NONE, data::flush),
    grow("LPUSH", -3, ONE, data::push),
    grow("RPUSH", -3, ONE, data::push),
    grow("LPUSHX", -3, ONE, data::push),
    grow("RPUSHX", -3, ONE, data::push),
    write("LPOP", -2, ONE, data::pop),
    write("RPOP", -2, ONE, data::pop),
    read("LLEN", 2, ONE, data::llen),
    read("LRANGE", 4, ONE, data::lrange),
    write("LTRIM", 4, ONE, data::ltrim),
    write("LREM", 4, ONE, data::lrem),
    grow("LMOVE", 5, (1, 2, 1), data::lmove),
    grow("RPOPLPUSH", 3, (1, 2, 1), data::rpoplpush),
    blocking("BLPOP", -3, (1, -2, 1), Access::Write),
    blocking("BRPOP", -3, (1, -2, 1), Access::Write),
    blocking("BLMOVE", 6, (1, 2, 1), Access::Grow),
    blocking("BRPOPLPUSH", 4, (1, 2, 1), Access::Grow),
    blocking("BZPOPMIN", -3, (1, -2, 1), Access::Write),
    blocking("BZPOPMAX", -3, (1, -2, 1), Access::Write),
    grow("ZADD", -4, ONE, data::zadd),
    grow("ZINCRBY", 4, ONE, data::zincrby),
    read("ZSCORE", 3, ONE, data::zscore),
    read("ZCARD", 2, ONE, data::zcard),
    write("ZREM", -3, ONE, data::zrem),
    read("ZRANGE", -4, ONE, data::zrange),
    write("ZPOPMIN", -2, ONE, data::zpop),
    write("ZPOPMAX", -2, ONE, data::zpop),
    grow("HSET", -4, ONE, data::hset),
    grow("HMSET", -4, ONE, data::hset),
    grow("HSETNX", 4, ONE, data::hsetnx),
    read("HGET", 3, ONE, data::hget),
    read("HMGET", -3, ONE, data::hmget),
    read("HEXISTS", 3, ONE, data::hexists),
    read("HGETALL", 2, ONE, data::hgetall),
    read("HLEN", 2, ONE, data::hlen),
    write("HDEL", -3, ONE, data::hdel),
    grow("HINCRBY", 4, ONE, data::hincrby),
    grow("SADD", -3, ONE, data::sadd),
    write("SREM", -3, ONE, data::srem),
    read("SMEMBERS", 2, ONE, data::smembers),
    read("SISMEMBER", 3, ONE, data::sismember),
    read("SCARD", 2, ONE, data::scard),
    grow("XADD", -5, ONE, data::xadd),
    read("XLEN", 2, ONE, data::xlen),
    read("XRANGE", -4, ONE, data::xrange),
    session("PING", -1, Allowed::Normally, connection::ping),
    session("ECHO", 2, Allowed::Always, connection::echo),
    session("HELLO", -1, Allowed::Unauthenticated, connection::hello),
    session("AUTH", -2, Allowed::Unauthenticated, connection::auth),
    session("QUIT", -1, Allowed::Unauthenticated, connection::quit),
    session("RESET", 1, Allowed::Unauthenticated, connection::reset),
    session("SELECT", 2, Allowed::Always, connection::select),
    session("CLIENT", -2, Allowed::Always, connection::client),
    session("MULTI", 1, Allowed::Always, transactions::multi),
    session("EXEC", 1, Allowed::Always, transactions::exec),
    session("DISCARD", 1, Allowed::Always, transactions::discard),
    Spec { keys: ALL, ..session("WATCH", -2, Allowed::Always, transactions::watch) },
    session("UNWATCH", 1, Allowed::Always, transactions::unwatch),
    session("SCRIPT", -2, Allowed::Stale, scripts::script),
    session("EVAL", -3, Allowed::Stale, scripts::eval),
    session("EVALSHA", -3, Allowed::Stale, scripts::evalsha),
    session("SUBSCRIBE", -2, Allowed::Always, pubsub::subscribe),
    session("PSUBSCRIBE", -2, Allowed::Always, pubsub::psubscribe),
    session("UNSUBSCRIBE", -1, Allowed::Always, pubsub::unsubscribe),
    session("PUNSUBSCRIBE", -1, Allowed::Always, pubsub::punsubscribe),
    session("PUBLISH", 3, Allowed::Always, pubsub::publish),
    session("PUBSUB", -2, Allowed::Always, pubsub::pubsub),
    session("ROLE", 1, Allowed::Always, server::role),
    session("INFO", -1, Allowed::Always, info::info),
    session("CONFIG", -2, Allowed::Always, server::config),
    session("WAIT", 3, Allowed::Normally, server::wait),
    session("TIME", 1, Allowed::Always, server::time),
    session("COMMAND", -1, Allowed::Always, server::command),
    session("CLUSTER", -2, Allowed::Stale, cluster::cluster),
    session("ASKING", 1, Allowed::Normally, cluster::asking),
    session("READONLY", 1, Allowed::Always, cluster::readonly),
    session("READWRITE", 1, Allowed::Always, cluster::readwrite),
    session("SENTINEL", -2, Allowed::Always, sentinel::sentinel),
];

/// All commands.
pub(super) fn all() -> &'static [Spec] {
    TABLE
}

/// The command of this name, in any case.
pub(super) fn find(name: &[u8]) -> Option<&'static Spec> {
    TABLE.iter().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}

impl Spec {
    /// Whether so many words can be right.
    pub(super) fn takes(&self, words: usize) -> bool {
        let words = i32::try_from(words).unwrap_or(i32::MAX);
        if self.arity >= 0 { words == self.arity } else { words >= -self.arity }
    }

    pub(super) fn writes(&self) -> bool {
        matches!(self.access, Access::Write | Access::Grow)
    }

    /// The keys among the words of a command.
    pub(super) fn keys_of<'a>(&self, args: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
        if self.name.starts_with("EVAL") {
            let count = args.get(2).and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
            return args.iter().skip(3).take(count.unwrap_or(0)).map(Vec::as_slice).collect();
        }
        let (first, last, step) = self.keys;
        let words = i32::try_from(args.len()).unwrap_or(i32::MAX);
        let last = if last < 0 { words + last } else { last };
        let place = |number: i32| usize::try_from(number).unwrap_or(0);
        if step == 0 || first > last {
            return Vec::new();
        }
        let places = (place(first)..=place(last)).step_by(place(step));
        places.filter_map(|at| args.get(at)).map(Vec::as_slice).collect()
    }
}
