//! The scripts on a real server against the same rules in memory: same operations, same answers, same state.

use super::histories::histories;
use super::memory::{Data, Server};
use crate::cache::version::{NodeId, Version};
use crate::cache::{
    Answer, Change, DiskFolder, FieldOp, Limits, Op, Outbox, OutboxSettings, Script, field_versions,
    prefixed, stored_value,
};
use bytes::Bytes;
use redis::{Connection, Value};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct RedisServer {
    process: Child,
    _dir: tempfile::TempDir,
    connection: Connection,
}

impl RedisServer {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
        let answering = steadfast_testkit::wait_for_some(Duration::from_secs(10), || async {
            let mut connection = client.get_connection().ok()?;
            redis::cmd("PING").exec(&mut connection).ok().map(|()| connection)
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let connection = runtime.block_on(answering).expect("redis-server answers");
        Self { process, _dir: dir, connection }
    }

    fn command(&mut self, name: &str, args: &[&[u8]]) -> Value {
        let mut command = redis::cmd(name);
        for arg in args {
            command.arg(*arg);
        }
        command.query(&mut self.connection).unwrap()
    }

    fn eval(&mut self, script: Script, keys: &[Bytes], args: &[Bytes]) -> redis::RedisResult<Vec<Vec<u8>>> {
        let mut command = redis::cmd("EVAL");
        command.arg(script.source).arg(keys.len());
        for arg in keys.iter().chain(args) {
            command.arg(&arg[..]);
        }
        command.query(&mut self.connection)
    }

    fn apply(&mut self, op: &Op) -> Answer {
        let reply = self.eval(op.script(), &op.keys(), &op.args()).unwrap();
        Answer::from_reply(&reply).unwrap()
    }

    fn bytes(&mut self, name: &str, args: &[&[u8]]) -> Option<Bytes> {
        match self.command(name, args) {
            Value::BulkString(bytes) => Some(bytes.into()),
            _ => None,
        }
    }

    /// What a key holds, as the rules in memory have it, but for tokens.
    fn data(&mut self, key: &[u8], like: Option<&Data>) -> Option<Data> {
        let Value::SimpleString(kind) = self.command("TYPE", &[key]) else { panic!() };
        match (kind.as_str(), like) {
            ("string", Some(Data::Value { .. })) => {
                let (version, value) = stored_value(&self.bytes("GET", &[key]).unwrap()).unwrap();
                Some(Data::Value { version, value })
            }
            ("string", like) => {
                let version = self.bytes("GET", &[key]).unwrap();
                let version = std::str::from_utf8(&version).unwrap().parse().unwrap();
                Some(if matches!(like, Some(Data::Floor(_))) {
                    Data::Floor(version)
                } else {
                    Data::Sighting(version)
                })
            }
            ("hash", Some(Data::Counter { tokens, .. })) => {
                let sum = self.bytes("HGET", &[key, b"n"]).unwrap();
                let sum = crate::cache::counter_sum(&sum).unwrap();
                Some(Data::Counter { sum, tokens: tokens.clone() })
            }
            ("hash", like) => {
                let Value::Array(flat) = self.command("HGETALL", &[key]) else { panic!() };
                let texts: Vec<Bytes> = flat
                    .into_iter()
                    .map(|value| match value {
                        Value::BulkString(bytes) => bytes.into(),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                let pairs = texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
                let Some(Data::Fields { fields, tokens }) = like else { panic!("{like:?}") };
                let read = field_versions(pairs).unwrap();
                for (field, versions) in &read {
                    let expected = fields[field].last_key_value().map(|(_, value)| value);
                    assert_eq!(versions.value(), expected);
                    assert!(versions.versions().eq(fields[field].keys().copied()));
                }
                assert_eq!(read.len(), fields.len());
                Some(Data::Fields { fields: fields.clone(), tokens: tokens.clone() })
            }
            ("none", _) => None,
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const HOUR_MS: u64 = 3_600_000;

fn random_op(rng: &mut fastrand::Rng) -> Op {
    let version =
        |rng: &mut fastrand::Rng| Version::new(rng.u64(1..40), rng.u32(..2), NodeId::new(rng.u64(1..4)));
    let name = |rng: &mut fastrand::Rng, kind: &str| Bytes::from(format!("{kind}{{{}}}", rng.u8(..2)));
    let text =
        |rng: &mut fastrand::Rng| Bytes::from((0..rng.usize(..6)).map(|_| rng.u8(..)).collect::<Vec<u8>>());
    match rng.u8(..6) {
        0 | 1 => Op::Set {
            key: name(rng, "v"),
            version: version(rng),
            value: text(rng),
            remaining_ms: HOUR_MS,
            floor_ms: if rng.bool() { 2 * HOUR_MS } else { 0 },
        },
        2 => Op::Delete { key: name(rng, "v"), version: version(rng), keep_ms: HOUR_MS, expired: rng.bool() },
        3 => {
            let delta = if rng.u8(..10) == 0 { i64::MAX - 3 } else { rng.i64(-9..9) };
            let remaining_ms = if rng.bool() { HOUR_MS } else { 0 };
            Op::Add { key: name(rng, "c"), token: version(rng), delta, remaining_ms }
        }
        4 => {
            let remaining_ms = HOUR_MS * rng.u64(1..4);
            Op::Remember { key: name(rng, "d"), version: version(rng), remaining_ms }
        }
        _ => {
            let mut ops: Vec<FieldOp> = (0..rng.usize(1..4))
                .map(|_| {
                    let field = Bytes::from(vec![b'a' + rng.u8(..3)]);
                    let value = rng.bool().then(|| text(rng));
                    let observed = (0..rng.usize(..3)).map(|_| version(rng)).collect();
                    let Op::Fields { mut ops, .. } =
                        Op::field(&Bytes::new(), &field, value, version(rng), &[])
                    else {
                        unreachable!()
                    };
                    ops[0].observed = observed;
                    ops.swap_remove(0)
                })
                .collect();
            ops.sort_by_key(|op| op.version);
            ops.dedup_by_key(|op| op.version);
            Op::Fields { key: name(rng, "f"), ops }
        }
    }
}

#[test]
fn the_scripts_do_as_the_rules_in_memory() {
    let mut real = RedisServer::start();
    let mut rng = fastrand::Rng::with_seed(fastrand::u64(..));
    let seed = rng.get_seed();
    let mut answers = std::collections::HashMap::new();
    for round in 0..histories().div_ceil(5) {
        real.command("FLUSHALL", &[]);
        let mut memory = Server::default();
        for _ in 0..50 {
            let op = random_op(&mut rng);
            let (want, seen) = (memory.apply(&op), real.apply(&op));
            assert_eq!(seen, want, "seed {seed} round {round}: {op:?}");
            *answers
                .entry(format!("{} {want:?}", op.script().name).chars().take(24).collect::<String>())
                .or_insert(0) += 1;
            for key in op.keys() {
                let like = memory.get(&key);
                assert_eq!(
                    real.data(&key, like.map(|(data, _)| data)).as_ref(),
                    like.map(|(data, _)| data),
                    "seed {seed} round {round}: {op:?}"
                );
                let ttl = match real.command("PTTL", &[&key]) {
                    Value::Int(ttl) => u64::try_from(ttl).ok(),
                    other => panic!("{other:?}"),
                };
                let want = like.and_then(|(_, ends_ms)| ends_ms).map(|ends_ms| ends_ms - memory.now_ms);
                assert_eq!(ttl.is_some(), want.is_some(), "seed {seed} round {round}: {op:?}");
                if let Some((ttl, want)) = ttl.zip(want) {
                    assert!(ttl <= want && ttl + 60_000 > want, "seed {seed} round {round}: {ttl} of {want}");
                }
            }
        }
    }
    assert!(answers.len() >= 10, "{answers:?}");
}

#[test]
fn the_scripts_refuse_what_is_not_theirs() {
    let mut real = RedisServer::start();
    let version = Version::new(5, 0, NodeId::new(1));
    let key = Bytes::from_static(b"k");
    let set = Op::Set { key: key.clone(), version, value: Bytes::new(), remaining_ms: 9_000, floor_ms: 0 };
    let delete = Op::Delete { key: key.clone(), version, keep_ms: 9_000, expired: false };
    let add = Op::Add { key: key.clone(), token: version, delta: 1, remaining_ms: 0 };
    let remember = Op::Remember { key: key.clone(), version, remaining_ms: 9_000 };
    let put = Op::field(&key, &key, Some(Bytes::new()), version, &[]);
    for (command, args, refused) in [
        ("LPUSH", &["k", "x"][..], [&set, &delete, &add, &remember, &put].as_slice()),
        ("SET", &["k", "plain"], &[&set, &delete, &add, &remember, &put]),
        ("SET", &["{k}~k", "plain"], &[&set, &delete]),
        ("LPUSH", &["{k}~k", "x"], &[&set, &delete]),
        ("HSET", &["k", "n", "many"], &[&add, &set]),
        ("HSET", &["k", "f:k", "short"], &[&put]),
    ] {
        for op in refused {
            real.command("FLUSHALL", &[]);
            real.command(command, &args.iter().map(|arg| arg.as_bytes()).collect::<Vec<_>>());
            let before = real.command("DUMP", &[args[0].as_bytes()]);
            let answer = real.apply(op);
            assert!(matches!(answer, Answer::Conflicted { .. }), "{command} {op:?}: {answer:?}");
            assert_eq!(real.command("DUMP", &[args[0].as_bytes()]), before);
            assert_eq!(real.command("DBSIZE", &[]), Value::Int(1));
        }
    }
}

#[test]
fn the_scripts_refuse_bad_arguments_before_they_write() {
    let mut real = RedisServer::start();
    let keys = [Bytes::from_static(b"k"), Bytes::from_static(b"{k}~k")];
    for script in Script::ALL {
        for args in [
            &["x", "1", "1", "1", "1"][..],
            &["00000000000500000000000000000001", "many", "x", "y"],
            &["1", "1", "x"],
        ] {
            let args: Vec<Bytes> = args.iter().map(|arg| Bytes::from_static(arg.as_bytes())).collect();
            let error = real.eval(script, &keys, &args).unwrap_err().to_string();
            assert!(error.contains("bad arguments"), "{}: {error}", script.name);
        }
    }
    assert_eq!(real.command("DBSIZE", &[]), Value::Int(0));
}

/// A server without memory, or one that is a replica today, is no reason to give anything up.
#[test]
fn what_the_server_cannot_do_today_is_an_error_and_no_answer() {
    let mut real = RedisServer::start();
    let mut rng = fastrand::Rng::with_seed(7);
    // A server without memory lets a script go on that has removed something.
    let writes = |op: &Op| match op {
        Op::Fields { ops, .. } => ops.iter().all(|op| op.value.is_some()),
        _ => true,
    };
    let ops: Vec<Op> = (0..60).map(|_| random_op(&mut rng)).filter(writes).collect();
    let states: [&[&[u8]]; 2] =
        [&[b"CONFIG", b"SET", b"maxmemory", b"1"], &[b"REPLICAOF", b"127.0.0.1", b"1"]];
    for state in states {
        real.command("FLUSHALL", &[]);
        real.command(std::str::from_utf8(state[0]).unwrap(), &state[1..]);
        for op in &ops {
            let reply = real.eval(op.script(), &op.keys(), &op.args());
            let error = reply.expect_err(&format!("{op:?}")).to_string();
            assert!(
                error.contains("OOM") || error.contains("READONLY") || error.contains("read only"),
                "{op:?}: {error}"
            );
        }
        assert_eq!(real.command("DBSIZE", &[]), Value::Int(0));
        real.command("CONFIG", &[b"SET", b"maxmemory", b"0"]);
    }
}

/// The whole way: written here, sent, answers lost, the process gone, sent again by the next one.
#[test]
fn what_was_written_here_is_on_the_real_server_once() {
    const NOW_MS: u64 = 1_800_000_000_000;
    let mut real = RedisServer::start();
    let dir = tempfile::tempdir().unwrap();
    let mut rng = fastrand::Rng::new();
    let mut open = || {
        let folder = DiskFolder::open(dir.path()).unwrap();
        let node = NodeId::random(&mut rng);
        Outbox::open(folder, OutboxSettings::default(), node, NOW_MS, &mut rng).unwrap().0
    };
    let text = |text: &str| Bytes::from(text.to_owned());
    let key = |name: &str| prefixed("cache:", name.as_bytes());
    let changes = [
        Change::Set { key: key("}v"), value: text("value"), ttl_ms: Some(60_000) },
        Change::Delete { key: key("gone") },
        Change::Add { key: key("c"), delta: 5, window_ms: Some(60_000) },
        Change::Remember { key: key("d"), window_ms: 60_000 },
        Change::PutField { key: key("s"), field: text("f"), value: text("x"), observed: Vec::new() },
    ];
    let limits = Limits::new(100, 1 << 20);
    let mut outbox = open();
    assert!(outbox.record(&changes, NOW_MS).iter().all(Result::is_ok));
    for op in outbox.plan(limits, NOW_MS).unwrap().ops() {
        assert_eq!(real.apply(op), Answer::Applied);
    }
    drop(outbox);
    let mut outbox = open();
    outbox.record(&[Change::Add { key: key("c"), delta: 2, window_ms: Some(60_000) }], NOW_MS);
    while !outbox.is_empty() {
        let batch = outbox.plan(limits, NOW_MS).unwrap();
        let answers = batch.ops().iter().map(|op| Ok(real.apply(op))).collect();
        outbox.settle(batch, answers, NOW_MS);
    }
    assert_eq!((outbox.report().applied, outbox.report().merged), (5, 1));
    let (_, value) = stored_value(&real.bytes("GET", &[&key("}v")]).unwrap()).unwrap();
    assert_eq!(value, "value");
    assert_eq!(real.bytes("HGET", &[&key("c"), b"n"]).unwrap(), "7");
    for name in ["}v", "c", "d"] {
        let Value::Int(left_ms) = real.command("PTTL", &[&key(name)]) else { panic!() };
        assert!((50_000..=60_000).contains(&left_ms), "{name} has {left_ms} ms");
    }
    assert_eq!(real.command("EXISTS", &[&key("gone")]), Value::Int(0));
}

/// Tokens of nodes that are long gone do not stay for ever.
#[test]
fn tokens_are_forgotten_in_time() {
    let mut real = RedisServer::start();
    let key = Bytes::from_static(b"c");
    for node in 1..=50 {
        let token = Version::new(5, 0, NodeId::new(node));
        let args = [token.to_string(), "1".to_owned(), "0".to_owned(), "0".to_owned()].map(Bytes::from);
        real.eval(Script::ADD_COUNTER, std::slice::from_ref(&key), &args).unwrap();
        // Each look takes a while: 20 take more than the millisecond that the script sees.
        for _ in 0..20 {
            real.command("TIME", &[]);
        }
    }
    let tokens = real.bytes("HGET", &[b"c", b"s"]).unwrap();
    assert!(tokens.len() < 46 * 50, "{} bytes", tokens.len());
    assert_eq!(real.bytes("HGET", &[b"c", b"n"]).unwrap(), "50");
}
