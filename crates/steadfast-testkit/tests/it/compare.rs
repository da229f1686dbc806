//! The simulator answers as redis-server does, to the same commands in the same order.

use steadfast_testkit::lab::sim::Sim;
use steadfast_testkit::redis::{Connection, Reply, Server};

/// Each line is a command; words are separated by spaces, `_` stands for an empty word.
const COMMANDS: &str = "
PING
PING hello
PING a b
ECHO hi
ECHO
SELECT 1
SELECT 99
SELECT x
DBSIZE
SET a 1
SET a 2 NX
SET a 2 XX GET
SET n 2 XX
SET n 2 NX GET
SET n 3 GET
SET e 1 EX 100
SET e 1 PX 100000 NX
SET e 1 EX 0
SET e 1 EX x
SET e 1 EX
SET e 1 EX 1 PX 1
SET e 1 NX XX
SET e 1 BOGUS
SET e 2 KEEPTTL
SET e 1 PXAT 1
EXISTS e
SET e 1 EX 100
TTL e
TTL a
TTL missing
PERSIST e
PERSIST e
EXPIRE e 50
EXPIRE e 40 GT
EXPIRE e 60 GT
EXPIRE e 70 LT
EXPIRE e 70 NX
EXPIRE e 70 XX
EXPIRE e 70 BOGUS
EXPIRE e x
EXPIRE missing 10
TTL e
PEXPIRE e 0
EXISTS e a n a
GET a
GET missing
GETDEL n
GETDEL n
SETNX n 1
SETNX n 2
SETEX x 10 v
SETEX x 0 v
PSETEX x 10000 v
MSET k1 v1 k2 v2
MSET k1
MSET k1 v1 k2
MGET k1 k2 missing
APPEND k1 more
STRLEN k1
STRLEN missing
INCR a
INCR k1
INCRBY a 40
INCRBY a x
DECR a
DECRBY a 2
SET max 9223372036854775807
INCR max
TYPE a
TYPE missing
LPUSH l a b c
RPUSH l d
LPUSHX none a
RPUSHX l e
LLEN l
LLEN missing
LLEN a
LRANGE l 0 -1
LRANGE l -2 100
LRANGE l 5 1
LRANGE missing 0 -1
LRANGE l x 1
LPOP l
RPOP l
LPOP l 2
LPOP missing
LPOP missing 2
LPOP l -1
LPOP l 1 2
RPUSH l x y x z x
LREM l 2 x
LREM l -1 z
LREM l 0 nothing
LTRIM l 0 1
LRANGE l 0 -1
LMOVE l m LEFT RIGHT
LMOVE missing m LEFT RIGHT
LMOVE l m UP RIGHT
LMOVE l l RIGHT LEFT
RPOPLPUSH l m
LRANGE m 0 -1
EXISTS l
TYPE m
INCR m
GET m
LPUSH a x
RPUSH q 1 2 3
BLPOP missing q 1
BRPOP q missing 1
BLMOVE q r LEFT LEFT 1
BRPOPLPUSH r q 1
BLPOP nothing 0.01
BLMOVE nothing q LEFT LEFT 0.01
BLPOP q x
BLPOP q -1
BLPOP a 1
BZPOPMIN nothing 0.01
HSET h f 1 g 2
HSET h f 3
HSET h f
HSET h f 1 g
HMSET h i 4
HSETNX h f 9
HSETNX h j 9
HGET h f
HGET h missing
HGET missing f
HMGET h f missing g
HGETALL h
HGETALL missing
HEXISTS h f
HLEN h
HDEL h f g missing
HINCRBY h i 5
HINCRBY h s 5
HSET h t text
HINCRBY h t 1
HGET a f
SADD s 1 2 3
SADD s 3 4
SREM s 1 9
SMEMBERS s
SMEMBERS missing
SISMEMBER s 2
SISMEMBER s 9
SCARD s
SADD a x
ZADD z 1 one 2 two
ZADD z 3 two 4 four
ZADD z CH 5 two 4 four
ZADD z NX 9 one 9 new
ZADD z XX 9 none
ZADD z GT CH 1 two
ZADD z LT CH 1 two
ZADD z INCR 2.5 one
ZADD z NX INCR 2.5 one
ZADD z NX XX 1 a
ZADD z INCR 1 a 2 b
ZADD z x a
ZADD z 1
ZINCRBY z 1 one
ZSCORE z one
ZSCORE z missing
ZCARD z
ZRANGE z 0 -1
ZRANGE z 0 -1 WITHSCORES
ZRANGE z 0 0 BOGUS
ZREM z one missing
ZPOPMIN z
ZPOPMAX z
ZPOPMIN missing
ZADD z 7 seven
BZPOPMIN z 1
BZPOPMAX nothing 0.01
ZADD a 1 x
XADD st 5-1 f v g w
XADD st 5-1 f v
XADD st 5-2 f
XADD st 0-0 f v
XADD st bad f v
XADD st MAXLEN ~ 100 6-0 f v
XADD none NOMKSTREAM * f v
XADD st 7 f v
XLEN st
XLEN missing
XRANGE st - +
XRANGE st 5 5
XRANGE st 5-2 + COUNT 1
XRANGE st - + COUNT
XRANGE missing - +
TYPE st
GET st
DEL st
KEYS k1*
KEYS nothing*
DEL k1 k2 k2 missing
UNLINK x
DBSIZE
MULTI
MULTI
SET t 1
INCR t
GET t
BLPOP nothing 0
LPUSH t x
EXEC
EXEC
DISCARD
MULTI
SET t 9
DISCARD
GET t
MULTI
NOSUCH
SET t 9
EXEC
GET t
MULTI
GET
EXEC
WATCH t
MULTI
GET t
WATCH t
EXEC
WATCH t
SET t 5
MULTI
SET t 6
EXEC
GET t
WATCH gone
UNWATCH
WATCH
SCRIPT EXISTS 0000000000000000000000000000000000000000
SCRIPT LOAD return-1
SCRIPT LOAD
SCRIPT EXISTS
SCRIPT NOSUCH
SCRIPT FLUSH x
EVALSHA 0000000000000000000000000000000000000000 0
EVALSHA 0000000000000000000000000000000000000000 x
EVALSHA 0000000000000000000000000000000000000000 2 k
EVALSHA 0000000000000000000000000000000000000000 -1
CLIENT GETNAME
CLIENT SETNAME me
CLIENT GETNAME
CLIENT SETNAME
CLIENT NOSUCH
CLIENT UNBLOCK 99999
CLIENT UNBLOCK 99999 BOGUS
CLIENT UNBLOCK x
CLIENT NO-EVICT on
CLIENT KILL ID 99999
CLIENT KILL 1.2.3.4:5
CONFIG GET maxmemory-policy
CONFIG GET maxmemory-p* appendonly
CONFIG GET nothing-of-that-name
CONFIG GET
CONFIG SET maxmemory-policy allkeys-lru
CONFIG GET maxmemory-policy
CONFIG SET maxmemory-policy noeviction
CONFIG SET maxmemory
CONFIG NOSUCH
CONFIG RESETSTAT
ROLE
WAIT 0 0
WAIT x 0
AUTH secret
AUTH default anything
AUTH nobody secret
AUTH a b c
HELLO 4
HELLO x
HELLO 2 AUTH nobody x
HELLO 2 BOGUS
READONLY
READWRITE
ASKING
CLUSTER INFO
SENTINEL MASTERS
NOSUCH
NOSUCH with args
GET
GET a b
PUBLISH channel message
PUBSUB CHANNELS
PUBSUB NUMSUB a b
PUBSUB NUMPAT
FLUSHDB
FLUSHALL BOGUS
FLUSHALL ASYNC
DBSIZE
RESET
PING
";

#[tokio::test]
async fn the_same_commands_have_the_same_replies_in_both_protocols() -> anyhow::Result<()> {
    let (server, sim) = tokio::try_join!(Server::start(), Sim::start())?;
    let mut differences = Vec::new();
    for protocol in ["2", "3"] {
        let mut real = Connection::open(server.addr()).await?;
        let mut ours = Connection::open(sim.addr()).await?;
        compare_greetings(&mut real, &mut ours, protocol).await?;
        for line in COMMANDS.lines().filter(|line| !line.is_empty()) {
            let args: Vec<&str> = line.split(' ').collect();
            let (wanted, got) = (sorted(real.command(&args).await?), sorted(ours.command(&args).await?));
            if wanted != got {
                differences.push(format!("RESP{protocol} {line}:\n  redis {wanted:?}\n  sim   {got:?}"));
            }
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    Ok(())
}

/// The id is a server's own business.
async fn compare_greetings(
    real: &mut Connection,
    ours: &mut Connection,
    protocol: &str,
) -> anyhow::Result<()> {
    let hello = ["HELLO", protocol];
    let (wanted, got) = (real.command(&hello).await?, ours.command(&hello).await?);
    for name in ["server", "version", "proto", "mode", "role", "modules"] {
        assert_eq!(wanted.field(name), got.field(name), "{name} in RESP{protocol}");
    }
    assert!(got.field("id").and_then(Reply::integer).is_some());
    assert_eq!(std::mem::discriminant(&wanted), std::mem::discriminant(&got));
    Ok(())
}

/// Where Redis promises no order there is none to compare.
fn sorted(reply: Reply) -> Reply {
    let by_text = |items: Vec<Reply>| {
        let mut items = items;
        items.sort_by_key(|item| format!("{item:?}"));
        items
    };
    match reply {
        Reply::Set(items) => Reply::Set(by_text(items)),
        Reply::Map(mut pairs) => {
            pairs.sort_by_key(|(key, _)| format!("{key:?}"));
            Reply::Map(pairs)
        }
        // The answer to CONFIG GET with several names in RESP2: pairs without order.
        Reply::Array(items) if items.iter().any(|item| item.text() == Some("maxmemory-policy")) => {
            Reply::Array(by_text(items))
        }
        other => other,
    }
}

#[tokio::test]
async fn the_table_of_commands_is_that_of_redis() -> anyhow::Result<()> {
    let (server, sim) = tokio::try_join!(Server::start(), Sim::start())?;
    let mut ours = Connection::open(sim.addr()).await?;
    let known = ours.command(&["COMMAND"]).await?;
    let mut differences = Vec::new();
    for wanted in known.items().unwrap_or_default() {
        let wanted = wanted.items().expect("a command");
        let name = wanted[0].text().expect("a name");
        if name == "sentinel" {
            continue;
        }
        let real = server.expect(&["COMMAND", "INFO", name]).await?;
        let real = real.items().and_then(|items| items[0].items()).expect("a command").to_vec();
        // The flags of containers are those of their subcommands: not compared.
        let container = ["client", "cluster", "config", "pubsub", "script"].contains(&name);
        let same = real[1] == wanted[1]
            && real[3..6] == wanted[3..6]
            && (container || flags(&real[2]) == flags(&wanted[2]));
        if !same {
            differences.push(format!("{name}: redis {:?}, sim {:?}", &real[..6], wanted));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

fn flags(reply: &Reply) -> Vec<String> {
    let known = ["readonly", "write", "denyoom", "loading", "stale", "no_auth"];
    let flags = reply.items().unwrap_or_default().iter().filter_map(Reply::text);
    known.iter().filter(|flag| flags.clone().any(|other| other == **flag)).map(ToString::to_string).collect()
}

#[tokio::test]
async fn pubsub_and_transactions_look_the_same_on_the_wire() -> anyhow::Result<()> {
    let (server, sim) = tokio::try_join!(Server::start(), Sim::start())?;
    for protocol in ["2", "3"] {
        let mut seen = Vec::new();
        for addr in [server.addr(), sim.addr()] {
            let mut subscriber = Connection::open(addr).await?;
            let mut publisher = Connection::open(addr).await?;
            subscriber.command(&["HELLO", protocol]).await?;
            let mut replies = vec![subscriber.command(&["SUBSCRIBE", "a", "b"]).await?];
            replies.push(subscriber.receive().await?);
            replies.push(subscriber.command(&["PSUBSCRIBE", "a*"]).await?);
            replies.push(subscriber.command(&["PING"]).await?);
            replies.push(subscriber.command(&["PING", "x"]).await?);
            replies.push(subscriber.command(&["GET", "x"]).await?);
            replies.push(publisher.command(&["PUBLISH", "a", "hello"]).await?);
            replies.push(subscriber.receive().await?);
            replies.push(subscriber.receive().await?);
            replies.push(publisher.command(&["PUBSUB", "NUMSUB", "a", "c"]).await?);
            replies.push(publisher.command(&["PUBSUB", "NUMPAT"]).await?);
            replies.push(subscriber.command(&["UNSUBSCRIBE", "b", "a"]).await?);
            replies.push(subscriber.receive().await?);
            replies.push(subscriber.command(&["PUNSUBSCRIBE", "other", "a*"]).await?);
            replies.push(subscriber.receive().await?);
            replies.push(subscriber.command(&["UNSUBSCRIBE"]).await?);
            replies.push(subscriber.command(&["GET", "x"]).await?);
            seen.push(replies);
        }
        assert_eq!(seen[0], seen[1], "RESP{protocol}");
    }
    Ok(())
}

#[tokio::test]
async fn refusals_before_login_look_the_same() -> anyhow::Result<()> {
    let server = Server::builder().password("right").user_acl("worker on >w ~* &* +@all").start().await?;
    let sim = Sim::builder().password("right").user("worker", "w").start().await?;
    let commands: [&[&str]; 12] = [
        &["GET", "a"],
        &["NOSUCH"],
        &["PING"],
        &["HELLO", "3"],
        &["AUTH", "wrong"],
        &["AUTH", "worker", "right"],
        &["HELLO", "2", "AUTH", "worker", "wrong"],
        &["CLIENT", "GETNAME"],
        &["HELLO", "2", "AUTH", "worker"],
        &["AUTH", "worker", "w"],
        &["AUTH", "right"],
        &["PING"],
    ];
    let mut real = Connection::open(server.addr()).await?;
    let mut ours = Connection::open(sim.addr()).await?;
    for args in commands {
        assert_eq!(real.command(args).await?, ours.command(args).await?, "{args:?}");
    }
    let hello = ["HELLO", "3", "AUTH", "worker", "w", "SETNAME", "me"];
    for client in [&mut real, &mut ours] {
        assert_eq!(client.command(&hello).await?.field("proto"), Some(&Reply::Integer(3)));
        assert_eq!(client.command(&["CLIENT", "GETNAME"]).await?, Reply::bulk("me"));
    }
    Ok(())
}

#[tokio::test]
async fn protocol_errors_look_the_same() -> anyhow::Result<()> {
    let (server, sim) = tokio::try_join!(Server::start(), Sim::start())?;
    let all: [&[u8]; 5] = [
        b"*1\r\n$4\r\nPING\r\n*1\r\n+x\r\n",
        b"*2147483648\r\n",
        b"*1\r\n$-7\r\n",
        b"*x\r\n",
        b"PING\r\n\r\nECHO hi\r\nQUIT\r\nPING\r\n",
    ];
    for bytes in all {
        let mut seen = Vec::new();
        for addr in [server.addr(), sim.addr()] {
            let mut client = Connection::open(addr).await?;
            client.send_raw(bytes).await?;
            seen.push(String::from_utf8_lossy(&client.ended().await?).into_owned());
        }
        assert_eq!(seen[0], seen[1]);
    }
    Ok(())
}
