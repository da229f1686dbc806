//! The commands that people use most, typed. Everything else goes by [`Client::query`] with [`crate::cmd`].

use super::Client;
use crate::error::Result;
use redis::{FromRedisValue, ToRedisArgs};
use std::time::Duration;

/// A number of milliseconds as the server takes it: at least one, for nothing expires in no time.
fn ms(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}

macro_rules! commands {
    ($( $(#[doc = $doc:literal])+ $name:ident ( $($arg:ident : $type:ty),* ) -> $answer:ty = $first:expr $(, $more:expr)*; )+) => {
        /// Typed commands. Each is sent within the handle's time ([`Client::within`]), and fails as [`Client::query`] does.
        impl Client { $(
            $(#[doc = $doc])+
            ///
            /// # Errors
            /// As [`Client::query`].
            pub async fn $name(&self, $($arg: $type),*) -> Result<$answer> {
                let mut cmd = redis::cmd($first);
                $( cmd.arg($more); )*
                self.query(&cmd).await
            }
        )+ }
    };
}

commands! {
    /// How many of `keys` there are (`EXISTS`).
    exists(keys: impl ToRedisArgs) -> i64 = "EXISTS", keys;
    /// Removes `keys`; how many there were (`DEL`).
    del(keys: impl ToRedisArgs) -> i64 = "DEL", keys;
    /// Sets `key` for good (`SET`).
    set(key: impl ToRedisArgs, value: impl ToRedisArgs) -> () = "SET", key, value;
    /// Sets `key` for `ttl` (`SET … PX`); at least a millisecond.
    set_for(key: impl ToRedisArgs, value: impl ToRedisArgs, ttl: Duration) -> () = "SET", key, value, "PX", ms(ttl);
    /// Sets `key` for `ttl` if it is not there; whether it was set (`SET … NX PX`).
    set_new(key: impl ToRedisArgs, value: impl ToRedisArgs, ttl: Duration) -> bool = "SET", key, value, "NX", "PX", ms(ttl);
    /// Adds to a number, which starts at 0; the sum (`INCRBY`).
    incr(key: impl ToRedisArgs, by: i64) -> i64 = "INCRBY", key, by;
    /// Lets `key` expire after `ttl`; whether it was there (`PEXPIRE`).
    expire(key: impl ToRedisArgs, ttl: Duration) -> bool = "PEXPIRE", key, ms(ttl);
    /// Milliseconds until `key` expires; -1 if it does not, -2 if it is not there (`PTTL`).
    ttl_ms(key: impl ToRedisArgs) -> i64 = "PTTL", key;
    /// Sets fields of a hash; how many were new (`HSET`).
    hset(key: impl ToRedisArgs, fields: impl ToRedisArgs) -> i64 = "HSET", key, fields;
    /// Removes fields of a hash; how many there were (`HDEL`).
    hdel(key: impl ToRedisArgs, fields: impl ToRedisArgs) -> i64 = "HDEL", key, fields;
    /// Puts values at the head of a list; how long it is (`LPUSH`).
    lpush(key: impl ToRedisArgs, values: impl ToRedisArgs) -> i64 = "LPUSH", key, values;
    /// Puts values at the end of a list; how long it is (`RPUSH`).
    rpush(key: impl ToRedisArgs, values: impl ToRedisArgs) -> i64 = "RPUSH", key, values;
    /// The length of a list (`LLEN`).
    llen(key: impl ToRedisArgs) -> i64 = "LLEN", key;
    /// Adds members to a set; how many were new (`SADD`).
    sadd(key: impl ToRedisArgs, members: impl ToRedisArgs) -> i64 = "SADD", key, members;
    /// Removes members of a set; how many there were (`SREM`).
    srem(key: impl ToRedisArgs, members: impl ToRedisArgs) -> i64 = "SREM", key, members;
    /// Whether `member` is in a set (`SISMEMBER`).
    sismember(key: impl ToRedisArgs, member: impl ToRedisArgs) -> bool = "SISMEMBER", key, member;
    /// Puts a member into a sorted set or moves it; how many were new (`ZADD`).
    zadd(key: impl ToRedisArgs, score: f64, member: impl ToRedisArgs) -> i64 = "ZADD", key, score, member;
    /// Removes members of a sorted set; how many there were (`ZREM`).
    zrem(key: impl ToRedisArgs, members: impl ToRedisArgs) -> i64 = "ZREM", key, members;
    /// Sends `message` to those who listen; how many on the node that was asked (`PUBLISH`).
    publish(channel: impl ToRedisArgs, message: impl ToRedisArgs) -> i64 = "PUBLISH", channel, message;
}

macro_rules! reads {
    ($( $(#[doc = $doc:literal])+ $name:ident ( $($arg:ident : $type:ty),* ) = $first:expr $(, $more:expr)*; )+) => {
        /// Typed reads: the answer is of the type that is asked for; `Option` where there may be nothing.
        impl Client { $(
            $(#[doc = $doc])+
            ///
            /// # Errors
            /// As [`Client::query`].
            pub async fn $name<T: FromRedisValue>(&self, $($arg: $type),*) -> Result<T> {
                let mut cmd = redis::cmd($first);
                $( cmd.arg($more); )*
                self.query(&cmd).await
            }
        )+ }
    };
}

reads! {
    /// The value of `key` (`GET`).
    get(key: impl ToRedisArgs) = "GET", key;
    /// The values of `keys`, in order (`MGET`). In a cluster they must lie in one slot.
    mget(keys: impl ToRedisArgs) = "MGET", keys;
    /// A field of a hash (`HGET`).
    hget(key: impl ToRedisArgs, field: impl ToRedisArgs) = "HGET", key, field;
    /// All fields of a hash (`HGETALL`).
    hgetall(key: impl ToRedisArgs) = "HGETALL", key;
    /// Takes the head of a list out (`LPOP`).
    lpop(key: impl ToRedisArgs) = "LPOP", key;
    /// Takes the end of a list out (`RPOP`).
    rpop(key: impl ToRedisArgs) = "RPOP", key;
    /// A part of a list; -1 is its end (`LRANGE`).
    lrange(key: impl ToRedisArgs, first: i64, last: i64) = "LRANGE", key, first, last;
    /// All members of a set (`SMEMBERS`).
    smembers(key: impl ToRedisArgs) = "SMEMBERS", key;
    /// A part of a sorted set, lowest first; -1 is its end (`ZRANGE`).
    zrange(key: impl ToRedisArgs, first: i64, last: i64) = "ZRANGE", key, first, last;
    /// The score of a member (`ZSCORE`).
    zscore(key: impl ToRedisArgs, member: impl ToRedisArgs) = "ZSCORE", key, member;
}

/// Walking through all keys.
impl Client {
    /// One step of `SCAN`: the cursor for the next, 0 at the end, and some keys. A key that is there all the time comes at
    /// least once. Of one node: in a cluster use [`Client::on_primaries`].
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn scan(&self, cursor: u64, pattern: &str, count: usize) -> Result<(u64, Vec<String>)> {
        self.query(redis::cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(count)).await
    }
}
