//! Commands by what they do and where their keys are, up to Redis 8. A test holds it against a real server.

use super::operation::Operation;
use std::collections::HashMap;
use std::sync::LazyLock;

/// What a command does to the data. Breakers and routes are kept apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// It only reads: a replica may answer.
    Read,
    /// It may write.
    Write,
    /// It runs a script or function, which may write.
    Script,
    /// It asks or tells the server something that is not data.
    Admin,
}

impl Access {
    /// The word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Script => "script",
            Self::Admin => "admin",
        }
    }
}

/// Where a command's keys are among its arguments; the name is at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    None,
    /// One, at this place.
    At(usize),
    /// Two, from place 1.
    Two,
    /// All from this place to the end.
    From(usize),
    /// All from place 1 but the last argument.
    AllButLast,
    /// Every second from place 1.
    Pairs,
    /// As many as the number at this place says, after it.
    Counted(usize),
    /// One at place 1 and as many as the number at place 2 says.
    StoreCounted,
    /// The first half of what follows `STREAMS`.
    Streams,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    pub(crate) keys: Keys,
    pub(crate) blocks: bool,
    pub(crate) changes_connection: bool,
    /// Under which it is counted.
    pub(crate) operation: Operation,
}

const GROUPS: &[(Access, Keys, &str)] = &[
    (
        Access::Read,
        Keys::At(1),
        "BITCOUNT BITFIELD_RO BITPOS DIGEST DUMP EXPIRETIME GEODIST GEOHASH GEOPOS GEORADIUSBYMEMBER_RO GEORADIUS_RO \
         GEOSEARCH GET GETBIT GETRANGE HEXISTS HEXPIRETIME HGET HGETALL HKEYS HLEN HMGET HPEXPIRETIME HPTTL HRANDFIELD \
         HSCAN HSTRLEN HTTL HVALS LINDEX LLEN LPOS LRANGE PEXPIRETIME PTTL SCARD SISMEMBER SMEMBERS SMISMEMBER SORT_RO \
         SRANDMEMBER SSCAN STRLEN SUBSTR TTL TYPE XLEN XPENDING XRANGE XREVRANGE ZCARD ZCOUNT ZLEXCOUNT ZMSCORE \
         ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN \
         ZSCORE",
    ),
    (Access::Read, Keys::At(2), "MEMORY OBJECT XINFO"),
    (Access::Read, Keys::Two, "LCS"),
    (Access::Read, Keys::From(1), "EXISTS MGET PFCOUNT SDIFF SINTER SUNION TOUCH"),
    (Access::Read, Keys::Counted(1), "SINTERCARD ZDIFF ZINTER ZINTERCARD ZUNION"),
    (Access::Read, Keys::Streams, "XREAD"),
    (Access::Read, Keys::None, "DBSIZE KEYS LOLWUT RANDOMKEY SCAN"),
    (
        Access::Write,
        Keys::At(1),
        "APPEND BITFIELD DECR DECRBY DELEX EXPIRE EXPIREAT GEOADD GEORADIUS GEORADIUSBYMEMBER GETDEL GETEX GETSET HDEL \
         HEXPIRE HEXPIREAT HGETDEL HGETEX HINCRBY HINCRBYFLOAT HMSET HPERSIST HPEXPIRE HPEXPIREAT HSET HSETEX HSETNX INCR \
         INCRBY INCRBYFLOAT LINSERT LPOP LPUSH LPUSHX LREM LSET LTRIM MOVE PERSIST PEXPIRE PEXPIREAT PFADD PSETEX \
         RESTORE RESTORE-ASKING RPOP RPUSH RPUSHX SADD SET SETBIT SETEX SETNX SETRANGE SORT SPOP SREM XACK XACKDEL XADD \
         XAUTOCLAIM XCLAIM XDEL XDELEX XSETID XTRIM ZADD ZINCRBY ZPOPMAX ZPOPMIN ZREM ZREMRANGEBYLEX ZREMRANGEBYRANK \
         ZREMRANGEBYSCORE",
    ),
    (Access::Write, Keys::At(2), "PFDEBUG XGROUP"),
    (Access::Write, Keys::At(3), "MIGRATE"),
    (
        Access::Write,
        Keys::Two,
        "BLMOVE BRPOPLPUSH COPY GEOSEARCHSTORE LMOVE RENAME RENAMENX RPOPLPUSH SMOVE ZRANGESTORE",
    ),
    (Access::Write, Keys::From(1), "DEL PFMERGE SDIFFSTORE SINTERSTORE SUNIONSTORE UNLINK"),
    (Access::Write, Keys::From(2), "BITOP"),
    (Access::Write, Keys::AllButLast, "BLPOP BRPOP BZPOPMAX BZPOPMIN"),
    (Access::Write, Keys::Pairs, "MSET MSETNX"),
    (Access::Write, Keys::Counted(1), "LMPOP MSETEX ZMPOP"),
    (Access::Write, Keys::Counted(2), "BLMPOP BZMPOP"),
    (Access::Write, Keys::StoreCounted, "ZDIFFSTORE ZINTERSTORE ZUNIONSTORE"),
    (Access::Write, Keys::Streams, "XREADGROUP"),
    (Access::Write, Keys::None, "FLUSHALL FLUSHDB SWAPDB"),
    (Access::Write, Keys::At(1), "SPUBLISH"),
    (Access::Script, Keys::Counted(2), "EVAL EVALSHA FCALL"),
    (Access::Read, Keys::Counted(2), "EVALSHA_RO EVAL_RO FCALL_RO"),
    (
        Access::Admin,
        Keys::None,
        "ACL ASKING AUTH BGREWRITEAOF BGSAVE CLIENT CLUSTER COMMAND CONFIG DEBUG DISCARD ECHO EXEC FAILOVER FUNCTION HELLO \
         INFO LASTSAVE LATENCY MODULE MONITOR MULTI PFSELFTEST PING PSUBSCRIBE PSYNC PUBLISH PUBSUB PUNSUBSCRIBE QUIT \
         READONLY READWRITE REPLCONF REPLICAOF RESET ROLE SAVE SCRIPT SELECT SHUTDOWN SLAVEOF SLOWLOG SUBSCRIBE SYNC TIME \
         UNSUBSCRIBE UNWATCH WAIT WAITAOF",
    ),
    (Access::Admin, Keys::From(1), "SSUBSCRIBE SUNSUBSCRIBE WATCH"),
];

const BLOCKS: &[&str] = &[
    "BLMOVE",
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BZMPOP",
    "BZPOPMAX",
    "BZPOPMIN",
    "WAIT",
    "WAITAOF",
    "XREAD",
    "XREADGROUP",
];

const CHANGES_CONNECTION: &[&str] = &[
    "ASKING",
    "AUTH",
    "DISCARD",
    "EXEC",
    "HELLO",
    "MONITOR",
    "MULTI",
    "PSUBSCRIBE",
    "PSYNC",
    "PUNSUBSCRIBE",
    "QUIT",
    "READONLY",
    "READWRITE",
    "REPLCONF",
    "RESET",
    "SELECT",
    "SSUBSCRIBE",
    "SUBSCRIBE",
    "SUNSUBSCRIBE",
    "SYNC",
    "UNSUBSCRIBE",
    "UNWATCH",
    "WATCH",
];

/// The longest name in the table.
const NAME_MAX: usize = 24;

static TABLE: LazyLock<HashMap<&'static str, Spec>> = LazyLock::new(|| {
    let mut table = HashMap::new();
    let all = GROUPS.iter().flat_map(|(access, keys, names)| {
        names.split_ascii_whitespace().map(move |name| (access, keys, name))
    });
    for (place, (access, keys, name)) in all.enumerate() {
        let spec = Spec {
            name,
            access: *access,
            keys: *keys,
            blocks: BLOCKS.contains(&name),
            changes_connection: CHANGES_CONNECTION.contains(&name),
            operation: Operation::at(place),
        };
        table.insert(name, spec);
    }
    table
});

/// All names, in the order of their operations.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    GROUPS.iter().flat_map(|(_, _, names)| names.split_ascii_whitespace())
}

/// A command that is not in the table, of a module or of a newer server: taken for a write with its key first.
static UNKNOWN: Spec = Spec {
    name: "?",
    access: Access::Write,
    keys: Keys::At(1),
    blocks: false,
    changes_connection: false,
    operation: Operation::UNKNOWN,
};

/// What the table says of `name`, in any case.
pub(crate) fn spec(name: &[u8]) -> &'static Spec {
    let mut upper = [0_u8; NAME_MAX];
    let Some(place) = upper.get_mut(..name.len()) else { return &UNKNOWN };
    place.copy_from_slice(name);
    place.make_ascii_uppercase();
    std::str::from_utf8(place).ok().and_then(|name| TABLE.get(name)).unwrap_or(&UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_no_name_is_there_twice() {
        assert_eq!(spec(b"get").name, "GET");
        assert_eq!(spec(b"XreadGroup").keys, Keys::Streams);
        assert_eq!(spec(b"JSON.SET"), &UNKNOWN);
        assert_eq!(spec(b""), &UNKNOWN);
        assert_eq!(spec(&[b'X'; 100]), &UNKNOWN);
        let names: usize = GROUPS.iter().map(|(_, _, names)| names.split_ascii_whitespace().count()).sum();
        assert_eq!(names, TABLE.len());
        assert!(BLOCKS.iter().chain(CHANGES_CONNECTION).all(|name| TABLE.contains_key(name)));
        assert!(TABLE.keys().all(|name| name.len() <= NAME_MAX));
    }
}
