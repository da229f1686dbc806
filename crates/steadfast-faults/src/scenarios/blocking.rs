//! Commands that wait: a consumer goes on, nobody else waits with it, and nothing is lost with a caller that goes away.

use super::{client_with, get, in_ms, lasts, ms, poll, seconds, shown, shown_or_never};
use crate::load::Load;
use crate::scenario::{Length, On, Outcome, Scenario, Seen};
use anyhow::{Context, ensure};
use futures::FutureExt;
use futures::future::join_all;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use steadfast_redis::{Client, FromRedisValue, Value, cmd};
use steadfast_testkit::lab::proxy::{Proxy, Shape};
use steadfast_testkit::lab::sim::{Dial, Sim};
use steadfast_testkit::redis::{Replicated, Reply, Server};
use steadfast_testkit::{Dice, wait_for};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// How long the server waits for an element, and how long a worker leaves it time.
const POLL_S: f64 = 0.5;
const POLL_WITHIN: Duration = seconds(5);

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F13",
        on: On::Real,
        fault: "a worker's connection dies while it waits (BLMOVE for 0.5 s): half-open, all others are well",
        expected: "the worker has the next element within 2.5 s, and the others' calls go on",
        play: |_| never_returns().boxed(),
    },
    Scenario {
        id: "F13b",
        on: On::Real,
        fault: "somebody ends its wait by CLIENT UNBLOCK ... ERROR, ten times",
        expected: "it waits again and is told nothing",
        play: |_| unblocked().boxed(),
    },
    Scenario {
        id: "F14",
        on: On::Real,
        fault: "workers wait at a primary that becomes a replica: connected, PING fine, and nothing comes any more",
        expected: "all of them have elements of the new primary within 500 ms",
        play: |_| consumes_nothing().boxed(),
    },
    Scenario {
        id: "F15",
        on: On::Real,
        fault: "10,000 elements, and callers of BLPOP that go away at random",
        expected: "each element is with one caller or in the list: none lost, none twice",
        play: |length| go_away(length).boxed(),
    },
    Scenario {
        id: "F16",
        on: On::Simulated,
        fault: "5 connections for 25 callers that block, a line for 10, and one whose time is over while it waits in line",
        expected: "5 wait, 10 in line, 10 refused at once; the late one is sent nothing; shared calls are not held up",
        play: |_| exhausted().boxed(),
    },
    Scenario {
        id: "F16b",
        on: On::Simulated,
        fault: "dials hang, and 20 callers with 500 ms each want a connection of their own",
        expected: "all are told after their own 500 ms, not after each other's",
        play: |_| not_in_turn().boxed(),
    },
];

/// A worker that takes what comes, and counts it.
struct Worker {
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tasks: TaskTracker,
}

impl Worker {
    fn start(client: &Client) -> Self {
        let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let worker = Self { done, stop, tasks: TaskTracker::new() };
        let (client, done, stop) = (client.clone(), Arc::clone(&worker.done), Arc::clone(&worker.stop));
        worker.tasks.spawn(async move {
            let take = cmd("BLMOVE").arg("jobs").arg("taken").arg("LEFT").arg("RIGHT").arg(POLL_S).to_owned();
            while !stop.load(Ordering::Relaxed) {
                match client.blocking(&take, Instant::now() + POLL_WITHIN).await {
                    Ok(Value::Nil) => {}
                    Ok(_) => {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    // What its poll says of the connection, the worker does not act on: it polls again.
                    Err(_) => tokio::time::sleep(ms(5)).await,
                }
            }
        });
        worker
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

async fn push(server: &Server) -> anyhow::Result<()> {
    server.expect(&["RPUSH", "jobs", "a"]).await.map(drop)
}

/// Waits until so many callers wait at the server.
async fn blocked(server: &Server, count: usize) -> bool {
    let count = count.to_string();
    wait_for(seconds(10), || async {
        server.info("clients", "blocked_clients").await.is_ok_and(|blocked| blocked == count)
    })
    .await
}

async fn never_returns() -> Outcome {
    let server = Server::start().await?;
    let proxy = Proxy::start(server.addr()).await?;
    let client = client_with(&proxy.url(), &[])?;
    client.ping().await?;
    let before = proxy.counters().dials;
    let worker = Worker::start(&client);
    push(&server).await?;
    ensure!(wait_for(seconds(5), || async { worker.done() == 1 }).await, "the worker does not work");
    let load = Load::start(&client, 8, seconds(1), get);
    load.warm().await?;
    // The one it waits on is the one that was dialled for it.
    ensure!(proxy.shape_connection(before + 1, Shape::black_hole()), "no connection of its own");
    let since = Instant::now();
    // What is pushed while the dead one still waits is moved to `taken` by the server, and lost to this worker.
    let next = wait_for(seconds(15), || async { push(&server).await.is_ok() && worker.done() > 1 });
    let took = next.await.then(|| since.elapsed());
    let tally = load.stop().await;
    let holds = took.is_some_and(|took| took <= ms(2_500)) && tally.bad == 0;
    let figure = format!(
        "next element after {}, others: {} failed, longest {}",
        shown_or_never(took),
        tally.bad,
        shown(tally.longest())
    );
    Ok(Seen::new(holds, "gave that connection up", figure))
}

async fn unblocked() -> Outcome {
    let server = Server::start().await?;
    let client = client_with(server.url(), &[])?;
    let blpop = cmd("BLPOP").arg("jobs").arg(10).to_owned();
    let waiting = client.blocking(&blpop, in_ms(15_000));
    let ended = async {
        for _ in 0..10 {
            ensure!(blocked(&server, 1).await, "nobody waits");
            let list = server.expect(&["CLIENT", "LIST"]).await?;
            let list = list.text().context("CLIENT LIST is no text")?.to_owned();
            let line = list.lines().find(|line| line.contains("cmd=blpop")).context("nobody waits")?;
            let id = line.split(' ').find_map(|word| word.strip_prefix("id=")).context("no id")?;
            server.expect(&["CLIENT", "UNBLOCK", id, "ERROR"]).await?;
        }
        ensure!(blocked(&server, 1).await, "it does not wait again");
        push(&server).await
    };
    let (popped, ended) = futures::join!(waiting, ended);
    ended?;
    let good = popped.as_ref().is_ok_and(|popped| *popped != Value::Nil);
    Ok(Seen::new(good, "waited again", format!("given {:?}", popped.map(|_| "the element"))))
}

async fn consumes_nothing() -> Outcome {
    const WORKERS: u64 = 8;
    let servers = Replicated::start(1).await?;
    let (old, new) = (&servers.primary, &servers.replicas[0]);
    let url = format!("redis://127.0.0.1:{},127.0.0.1:{}", old.port(), new.port());
    let client = client_with(&url, &[])?;
    let workers: Vec<Worker> = (0..WORKERS).map(|_| Worker::start(&client)).collect();
    ensure!(blocked(old, workers.len()).await, "the workers do not wait");
    new.expect(&["REPLICAOF", "NO", "ONE"]).await?;
    old.expect(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await?;
    let since = Instant::now();
    // Each takes one and waits again: so many at the same time are so many workers.
    let moved = wait_for(seconds(10), || async {
        let blocked = new.info("clients", "blocked_clients").await;
        blocked.is_ok_and(|blocked| blocked == WORKERS.to_string())
    });
    let took = moved.await.then(|| since.elapsed());
    for _ in 0..WORKERS {
        push(new).await?;
    }
    let all = || workers.iter().map(Worker::done).sum::<u64>();
    let done = wait_for(seconds(5), || async { all() == WORKERS }).await;
    let holds = took.is_some_and(|took| took <= ms(500)) && done;
    let figure =
        format!("all wait there after {}, {} of {WORKERS} elements taken", shown_or_never(took), all());
    Ok(Seen::new(holds, "moved with the primary", figure))
}

async fn pop(client: &Client) -> Option<String> {
    let blpop = cmd("BLPOP").arg("list").arg(0.02).to_owned();
    let popped = client.blocking(&blpop, in_ms(5_000)).await.ok()?;
    Option::<(String, String)>::from_redis_value(popped).ok()?.map(|(_, element)| element)
}

/// Pops until nothing has come for a while, and goes away amid most calls.
async fn hasty(client: Client, seed: u64) -> Vec<String> {
    let (mut dice, mut mine, mut idle) = (Dice::seeded(seed), Vec::new(), 0);
    while idle < 20 {
        let patience = Duration::from_micros(if dice.percent(30) { 500_000 } else { dice.below(2_000) });
        match tokio::time::timeout(patience, pop(&client)).await {
            Ok(Some(element)) => {
                mine.push(element);
                idle = 0;
            }
            Ok(None) => idle += 1,
            Err(_) => {}
        }
    }
    mine
}

async fn go_away(length: Length) -> Outcome {
    let elements = if length == Length::Full { 10_000 } else { 2_000 };
    let server = Server::start().await?;
    let client = client_with(server.url(), &[])?;
    let tasks = TaskTracker::new();
    let poppers: Vec<_> = (0..16).map(|seed| tasks.spawn(hasty(client.clone(), seed))).collect();
    for chunk in 0..elements / 100 {
        let names: Vec<String> = (0..100).map(|one| format!("{}", chunk * 100 + one)).collect();
        let args: Vec<&str> = ["RPUSH", "list"].into_iter().chain(names.iter().map(String::as_str)).collect();
        server.expect(&args).await?;
    }
    let (mut taken, mut twice) = (BTreeSet::new(), 0);
    for popper in join_all(poppers).await {
        for element in popper? {
            twice += u64::from(!taken.insert(element));
        }
    }
    let mut lost = elements;
    // What was popped for those who had gone comes back.
    wait_for(seconds(15), || {
        let (server, taken) = (&server, &taken);
        async move {
            let left = server.command(&["LLEN", "list"]).await.ok().and_then(|left| left.integer());
            left.is_some_and(|left| left + taken.len() as i64 >= elements)
        }
    })
    .await;
    let left = server.expect(&["LRANGE", "list", "0", "-1"]).await?;
    for element in left.items().unwrap_or_default().iter().filter_map(Reply::text) {
        twice += u64::from(!taken.insert(element.to_owned()));
    }
    lost -= taken.len() as i64;
    let figure = format!("{lost} of {elements} lost, {twice} twice");
    Ok(Seen::new(lost == 0 && twice == 0, "put back what was popped for nobody", figure))
}

async fn exhausted() -> Outcome {
    let sim = Sim::start().await?;
    let settings = ["pool.lanes_max=1", "pool.connections_max=6", "pool.waiters_max=10"];
    let client = client_with(&sim.url(), &settings)?;
    client.ping().await?;
    let load = Load::start(&client, 8, seconds(1), get);
    load.warm().await?;
    let blpop = cmd("BLPOP").arg("list").arg(0).to_owned();
    let hold = |within: Duration| {
        let (client, blpop, since) = (client.clone(), &blpop, Instant::now());
        async move { (client.blocking(blpop, since + within).await, since.elapsed()) }
    };
    let first = join_all((0..5).map(|_| hold(seconds(2))));
    let rest = async {
        ensure!(sim.wait_until(seconds(5), |sim| sim.waiting() == 5).await, "nobody waits");
        let late = hold(ms(300));
        let line = async {
            ensure!(
                poll(seconds(1), || async { client.pool().waiting == 1 }).await,
                "the late one stands in no line"
            );
            Ok(join_all((0..19).map(|_| hold(seconds(4)))).await)
        };
        let served = async {
            lasts(ms(800)).await;
            let sent = sim.received("BLPOP");
            for number in 0..14 {
                sim.command(&["RPUSH", "list", &number.to_string()]);
                lasts(ms(10)).await;
            }
            sent
        };
        let (late, line, sent) = futures::join!(late, line, served);
        Ok((late, line?, sent))
    };
    let (first, rest) = futures::join!(first, rest);
    let (late, line, sent) = rest?;
    let is =
        |done: &steadfast_redis::Result<Value>, code| done.as_ref().is_err_and(|error| error.code() == code);
    let refused = line.iter().filter(|(done, took)| is(done, "POOL_EXHAUSTED") && *took < ms(300)).count();
    let good =
        first.iter().chain(&line).filter(|(done, _)| done.as_ref().is_ok_and(|v| *v != Value::Nil)).count();
    let told = is(&late.0, "POOL_EXHAUSTED") && (ms(290)..ms(500)).contains(&late.1);
    let tally = load.stop().await;
    let (bad, longest) = (tally.bad, tally.longest());
    let holds = refused == 10 && good == 14 && told && sent == 5 && bad == 0 && longest <= ms(200);
    let figure = format!(
        "{good} served, {refused} refused at once, the late one told after {}, {sent} sent before any was served; shared \
         calls: {bad} failed, longest {}",
        shown(late.1),
        shown(longest)
    );
    Ok(Seen::new(holds, "in line, in order", figure))
}

async fn not_in_turn() -> Outcome {
    let sim = Sim::start().await?;
    let client = client_with(&sim.url(), &["connection.connect_timeout_ms=5000"])?;
    client.ping().await?;
    sim.dial(Dial::Hang).await;
    let blpop = cmd("BLPOP").arg("list").arg(1).to_owned();
    let calls = (0..20).map(|_| async {
        let since = Instant::now();
        let done = client.blocking(&blpop, since + ms(500)).await;
        (done.is_err(), since.elapsed())
    });
    let all = join_all(calls).await;
    let longest = all.iter().map(|(_, took)| *took).max().unwrap_or_default();
    let holds = all.iter().all(|(failed, _)| *failed) && longest <= ms(700);
    Ok(Seen::new(holds, "each for itself", format!("longest {}", shown(longest))))
}
