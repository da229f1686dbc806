//! Whether a command may be sent twice.

use super::table::{Access, Spec};
use super::{arg, has_word};
use redis::Cmd;

/// What happens if a command is executed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Replay {
    /// The same as once, and the same answer. Sent again when its answer was lost.
    Safe,
    /// The data is the same as after once, but the second answer differs (`DEL` says 0 where it said 1). Sent
    /// again only if the caller says that the answer does not matter.
    AnswerDiffers,
    /// Something happens twice (`INCR`, `LPUSH`, a script). Never sent again by itself.
    Unsafe,
}

/// Writes whose second execution changes nothing and answers the same. Not `LTRIM` and `LSET`, whose places count from
/// what is there then; not `FLUSHALL`, which would take what came between.
const SAFE: &[&str] = &[
    "EXPIREAT",
    "HMSET",
    "MSET",
    "PEXPIREAT",
    "PFMERGE",
    "PSETEX",
    "SDIFFSTORE",
    "SETEX",
    "SETRANGE",
    "SINTERSTORE",
    "SUNIONSTORE",
    "ZDIFFSTORE",
    "ZINTERSTORE",
    "ZRANGESTORE",
    "ZUNIONSTORE",
];

/// Writes whose second execution changes nothing, and answers otherwise.
const ANSWER_DIFFERS: &[&str] = &[
    "DEL",
    "GEOADD",
    "HDEL",
    "HSET",
    "PERSIST",
    "PFADD",
    "SADD",
    "SETBIT",
    "SREM",
    "UNLINK",
    "XACK",
    "XDEL",
    "ZREM",
    "ZREMRANGEBYLEX",
    "ZREMRANGEBYSCORE",
];

/// What sending `cmd` twice does. What is not known counts as unsafe.
pub(super) fn of(spec: &Spec, cmd: &Cmd) -> Replay {
    match spec.access {
        Access::Read => Replay::Safe,
        Access::Script => Replay::Unsafe,
        Access::Admin => admin(spec.name),
        Access::Write if spec.name == "SET" => set(cmd),
        // A time from now: later by what lies between the two, unless it depends on the time there was.
        Access::Write if spec.name == "EXPIRE" || spec.name == "PEXPIRE" => {
            if has_word(cmd, 3, &["NX", "XX", "GT", "LT"]) { Replay::AnswerDiffers } else { Replay::Safe }
        }
        Access::Write if spec.name == "ZADD" => {
            if has_word(cmd, 2, &["INCR"]) {
                Replay::Unsafe
            } else {
                Replay::AnswerDiffers
            }
        }
        Access::Write if SAFE.contains(&spec.name) => Replay::Safe,
        Access::Write if ANSWER_DIFFERS.contains(&spec.name) => Replay::AnswerDiffers,
        Access::Write => Replay::Unsafe,
    }
}

/// `SET` alone is safe; with a condition or with `GET` the second answer tells of the first execution.
fn set(cmd: &Cmd) -> Replay {
    if has_word(cmd, 3, &["NX", "XX", "GET", "IFEQ", "IFNE", "IFDEQ", "IFDNE"]) {
        Replay::AnswerDiffers
    } else {
        Replay::Safe
    }
}

fn admin(name: &str) -> Replay {
    const ASKS: &[&str] = &[
        "COMMAND", "ECHO", "INFO", "LASTSAVE", "PING", "PUBSUB", "ROLE", "SCRIPT", "TIME", "WAIT", "WAITAOF",
        "CLUSTER", "LATENCY",
    ];
    if ASKS.contains(&name) { Replay::Safe } else { Replay::Unsafe }
}

/// True if a command that can wait does: `XREAD` only with `BLOCK`.
pub(super) fn waits(spec: &Spec, cmd: &Cmd) -> bool {
    match spec.name {
        "XREAD" | "XREADGROUP" => has_word(cmd, 1, &["BLOCK"]),
        "WAIT" | "WAITAOF" => arg(cmd, 1).is_some(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Facts;
    use super::*;

    fn facts(line: &str) -> Facts {
        let mut words = line.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            cmd.arg(word);
        });
        Facts::of(&cmd)
    }

    #[test]
    fn only_what_is_the_same_twice_is_sent_twice() {
        for safe in
            ["GET a", "MGET a b", "SET a 1", "set a 1 EX 5", "MSET a 1", "PING", "EXPIRE a 5", "XRANGE s - +"]
        {
            assert_eq!(facts(safe).replay, Replay::Safe, "{safe}");
        }
        for differs in ["SET a 1 NX", "SET a 1 EX 5 get", "DEL a", "SADD s a", "ZADD z 1 a", "EXPIRE a 5 NX"]
        {
            assert_eq!(facts(differs).replay, Replay::AnswerDiffers, "{differs}");
        }
        for not in [
            "INCR a",
            "LPUSH l a",
            "XADD s * a 1",
            "EVAL x 0",
            "LTRIM l 1 -1",
            "FLUSHALL",
            "ZADD z INCR 1 a",
            "RPOPLPUSH a b",
            "JSON.SET a $ 1",
        ] {
            assert_eq!(facts(not).replay, Replay::Unsafe, "{not}");
        }
        // The key's name is no option.
        assert_eq!(facts("SET NX 1").replay, Replay::Safe);
        assert_eq!(facts("SET a NX").replay, Replay::Safe);
    }

    #[test]
    fn what_waits_is_known() {
        assert!(facts("BLPOP a 5").blocks);
        assert!(facts("XREAD BLOCK 5 STREAMS a 0").blocks);
        assert!(!facts("XREAD STREAMS a 0").blocks);
        assert!(facts("MULTI").changes_connection);
        assert_eq!(facts("JSON.GET a").name, "?");
    }
}
