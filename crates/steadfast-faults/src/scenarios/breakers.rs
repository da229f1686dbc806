//! What opens a circuit and what does not, and how it closes.

use super::{client, client_with, cluster, get, in_ms, lasts, ms, poll, seconds, set, shown, shown_or_never};
use crate::load::Load;
use crate::scenario::{Length, On, Outcome, Scenario, Seen};
use anyhow::{Context, ensure};
use futures::FutureExt;
use futures::future::join_all;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_redis::breaker::{BreakerConfig, CircuitBreaker, Evidence, Snapshot, State};
use steadfast_redis::retry::SystemJitter;
use steadfast_redis::{Client, Cmd, cmd};
use steadfast_testkit::lab::sim::{Action, Dial, End, Fault, Sim, SimCluster, errors};
use steadfast_testkit::wait_for;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// Callers that all want something at once.
const CALLERS: usize = 1_000;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F21",
        on: On::Simulated,
        fault: "nothing but errors of the callers' own: WRONGTYPE, NOSCRIPT, CROSSSLOT, NOPERM, wrong arguments",
        expected: "all reach the server, no circuit opens",
        play: |_| callers_errors().boxed(),
    },
    Scenario {
        id: "F21b",
        on: On::Simulated,
        fault: "after 20,000 good calls the connections are reset and new ones refused",
        expected: "the circuit opens within 50 ms",
        play: |length| refused(length).boxed(),
    },
    Scenario {
        id: "F21c",
        on: On::Simulated,
        fault: "after 20,000 good calls every call is answered with -BUSY",
        expected: "the circuit opens within its window (2 s here)",
        play: |length| busy(length).boxed(),
    },
    Scenario {
        id: "F22",
        on: On::Simulated,
        fault: "1,000 callers at a half-open circuit; one trial call never ends; results of before come late",
        expected: "1, 2, 4, 8, 16 at a time and never more; the lost lease is taken back; late results change nothing",
        play: |_| half_open().boxed(),
    },
    Scenario {
        id: "F22b",
        on: On::Simulated,
        fault: "a server that hung comes back, slow to answer, under 1,000 callers",
        expected: "never more than 16 calls in flight until the circuit is closed, and it is within 5 s",
        play: |_| comes_back().boxed(),
    },
    Scenario {
        id: "F23",
        on: On::Simulated,
        fault: "a server that is up for 1 s and down for 1 s, ten times",
        expected: "one episode, so one alert; open times that grow; at most 12 dials in 15 s of outage",
        play: |length| flapping(length).boxed(),
    },
];

/// The circuits of a client's first node.
fn circuits(client: &Client) -> anyhow::Result<[Snapshot; 3]> {
    let node = client.nodes().into_iter().next().context("no node")?;
    Ok([node.reads, node.writes, node.scripts])
}

/// Sends `command` 1,000 times; how many were told an error of this code.
async fn told(client: &Client, command: &Cmd, code: &str) -> usize {
    let calls = (0..CALLERS / 10).map(|_| async {
        let mut told = 0;
        for _ in 0..10 {
            let done = client.execute(command, in_ms(5_000)).await;
            told += usize::from(done.is_err_and(|error| error.code() == code));
        }
        told
    });
    join_all(calls).await.into_iter().sum()
}

async fn callers_errors() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 2_000)?;
    client.ping().await?;
    sim.command(&["SET", "text", "a"]);
    sim.fault(Fault::on("GETDEL").then(Action::error(errors::NOPERM)));
    let wrong = [
        ("WRONGTYPE", cmd("LPUSH").arg("text").arg("a").to_owned()),
        ("WRONGTYPE", cmd("LLEN").arg("text").to_owned()),
        ("NOSCRIPT", cmd("EVALSHA").arg("0".repeat(40)).arg(0).to_owned()),
        ("NOPERM", cmd("GETDEL").arg("text").to_owned()),
        ("ERR", cmd("INCR").arg("text").to_owned()),
        ("ERR", cmd("GET").to_owned()),
    ];
    let mut otherwise = Vec::new();
    for (code, command) in &wrong {
        let told = told(&client, command, code).await;
        if told != CALLERS {
            otherwise.push(format!("{told} of {CALLERS} told {code}"));
        }
    }
    let open = circuits(&client)?.iter().filter(|circuit| circuit.trips > 0).count();
    let cluster = SimCluster::start(2, 0).await?;
    let clustered = cluster::client(&[&cluster.nodes[0]], &[])?;
    let cross = cmd("MGET").arg("a").arg("b").to_owned();
    let crossed = told(&clustered, &cross, "CROSSSLOT").await;
    let trips: u64 = clustered.nodes().iter().map(|node| node.reads.trips).sum();
    let holds = otherwise.is_empty() && open == 0 && crossed == CALLERS && trips == 0;
    let figure = format!(
        "{} errors, otherwise told: {otherwise:?}, {crossed} CROSSSLOT, {} circuits opened",
        (wrong.len() + 1) * CALLERS,
        open + usize::from(trips > 0)
    );
    Ok(Seen::new(holds, "let through", figure))
}

/// Good calls, as many as the scenario says.
async fn many_good(client: &Client, length: Length) -> anyhow::Result<u64> {
    let wanted = if length == Length::Full { 20_000 } else { 4_000 };
    let calls = (0..64).map(|caller| async move {
        let mut good = 0;
        for _ in 0..wanted / 64 + 1 {
            good += u64::from(client.execute(&get(caller), in_ms(5_000)).await.is_ok());
        }
        good
    });
    let good = join_all(calls).await.into_iter().sum();
    ensure!(good >= wanted, "only {good} of {wanted} calls were good");
    Ok(good)
}

/// Waits until the circuit for reads has opened; how long it took.
async fn opened(client: &Client, within: Duration) -> Option<Duration> {
    let since = Instant::now();
    let open = || async { circuits(client).is_ok_and(|circuits| circuits[0].trips > 0) };
    poll(within, open).await.then(|| since.elapsed())
}

async fn refused(length: Length) -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 2_000)?;
    let good = many_good(&client, length).await?;
    // One that dies within a second of its birth is dialled anew only after a pause.
    lasts(seconds(1)).await;
    sim.dial(Dial::Refuse).await;
    sim.all_connections(End::Reset);
    // Nobody calls: an idle circuit must open too.
    let took = opened(&client, seconds(5)).await;
    let told = client.execute(&get(0), in_ms(1_000)).await.is_err_and(|error| error.code() == "OPEN");
    let holds = took.is_some_and(|took| took <= ms(50)) && told;
    Ok(Seen::new(
        holds,
        "opened upon proof",
        format!("{} after it, {good} good before", shown_or_never(took)),
    ))
}

async fn busy(length: Length) -> Outcome {
    let sim = Sim::start().await?;
    let client = client_with(&sim.url(), &["breaker.window_ms=2000"])?;
    let good = many_good(&client, length).await?;
    sim.fault(Fault::on("GET").then(Action::error(errors::BUSY)));
    let load = Load::start(&client, 8, ms(200), get);
    let took = opened(&client, seconds(10)).await;
    let failures = load.stop().await.failures();
    let holds = took.is_some_and(|took| took <= ms(2_300));
    let figure = format!("{} after it, {good} good before, {failures} told", shown_or_never(took));
    Ok(Seen::new(holds, "opened by the rate", figure))
}

/// Callers that hold their permits until they are told to give them back.
#[derive(Debug, Default)]
struct Trial {
    held: AtomicUsize,
    rejected: AtomicUsize,
    end: Notify,
}

/// Lets 1,000 callers ask at the same time; waits until all have an answer. How many were let through.
async fn all_ask(breaker: &CircuitBreaker, trial: &Arc<Trial>, tasks: &TaskTracker) -> anyhow::Result<usize> {
    let (held, rejected) = (trial.held.load(Ordering::Acquire), trial.rejected.load(Ordering::Acquire));
    for _ in 0..CALLERS {
        let (breaker, trial) = (breaker.clone(), Arc::clone(trial));
        tasks.spawn(async move {
            let Ok(permit) = breaker.try_acquire() else {
                trial.rejected.fetch_add(1, Ordering::AcqRel);
                return;
            };
            let permit = permit.into_owned();
            let ended = trial.end.notified();
            trial.held.fetch_add(1, Ordering::AcqRel);
            ended.await;
            permit.success(ms(1));
        });
    }
    let answered = wait_for(seconds(10), || async {
        let now = trial.held.load(Ordering::Acquire) + trial.rejected.load(Ordering::Acquire);
        now == held + rejected + CALLERS
    });
    ensure!(answered.await, "not all callers have an answer");
    Ok(trial.held.load(Ordering::Acquire) - held)
}

async fn half_open() -> Outcome {
    let config = BreakerConfig { open_base: ms(50), lease: ms(300), ..BreakerConfig::default() };
    let breaker = CircuitBreaker::new("trial", config, SystemClock::shared(), SystemJitter::shared())?;
    let before: Vec<_> =
        (0..CALLERS).filter_map(|_| Some(breaker.try_acquire().ok()?.into_owned())).collect();
    breaker.trip(Evidence::ConnectRefused);
    let mut before = before.into_iter();
    // Late: the dependency was well a moment ago.
    before.by_ref().take(CALLERS / 2).for_each(|permit| permit.success(ms(1)));
    let mut late = u32::from(breaker.state() != State::Open);
    lasts(ms(60)).await;
    // The one call of the first round never ends: its lease does.
    let lost = breaker.try_acquire().ok().context("no trial call")?;
    let shut = breaker.try_acquire().is_err();
    lasts(ms(350)).await;
    let (tasks, mut widths) = (TaskTracker::new(), Vec::new());
    while breaker.state() != State::Closed && widths.len() < 10 {
        let trial = Arc::new(Trial::default());
        widths.push(all_ask(&breaker, &trial, &tasks).await?);
        // Late: it was not.
        before.by_ref().take(50).for_each(|permit| permit.failure(ms(1)));
        late += u32::from(breaker.state() != State::HalfOpen);
        trial.end.notify_waiters();
        tasks.close();
        tasks.wait().await;
        tasks.reopen();
    }
    lost.failure(ms(1));
    before.for_each(|permit| permit.failure(ms(1)));
    late += u32::from(breaker.state() != State::Closed || breaker.snapshot().failed > 0);
    let holds = widths == [1, 2, 4, 8, 16] && shut && late == 0;
    let figure = format!("{widths:?} of 1,000 at a time, late results changed {late} things");
    Ok(Seen::new(holds, "let a few through", figure))
}

async fn comes_back() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 500)?;
    client.ping().await?;
    sim.dial(Dial::Hang).await;
    sim.all_connections(End::Stall);
    let load = Load::start(&client, CALLERS, ms(500), get);
    let open =
        wait_for(seconds(5), || async { circuits(&client).is_ok_and(|all| all[0].state == State::Open) });
    ensure!(open.await, "the circuit does not open");
    sim.dial(Dial::AcceptAndClose).await;
    sim.all_connections(End::Reset);
    // Those that were sent before have ended.
    let quiet = || async { client.nodes().iter().all(|node| node.in_flight == 0) };
    ensure!(wait_for(seconds(5), quiet).await, "calls are still under way");
    sim.fault(Fault::on("GET").then(Action::DelayReply(ms(5))));
    sim.dial(Dial::Accept).await;
    load.mark();
    let (since, most) = (Instant::now(), AtomicUsize::new(0));
    let closed = poll(seconds(10), || async {
        let Some(node) = client.nodes().into_iter().next() else { return false };
        let is_closed = node.reads.state == State::Closed;
        if !is_closed {
            most.fetch_max(node.in_flight, Ordering::Relaxed);
        }
        is_closed
    });
    let took = closed.await.then(|| since.elapsed());
    load.stop().await;
    // Beside the trial calls, a question of our own.
    let most = most.load(Ordering::Relaxed);
    let holds = took.is_some_and(|took| took <= seconds(5)) && most <= 16 + 3;
    let figure = format!("at most {most} in flight, closed after {}", shown_or_never(took));
    Ok(Seen::new(holds, "let a few through", figure))
}

async fn flapping(length: Length) -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 200)?;
    let load = Load::start(&client, 8, ms(200), set);
    load.warm().await?;
    let cycles = if length == Length::Full { 10 } else { 4 };
    let opens: Arc<Mutex<Vec<u64>>> = Arc::default();
    let looked = || async {
        let writes = circuits(&client).map(|[_, writes, _]| writes);
        if let Ok(Snapshot { open_until_ms: Some(until_ms), since_ms, .. }) = writes {
            let mut opens = opens.lock().unwrap_or_else(PoisonError::into_inner);
            opens.push(until_ms.saturating_sub(since_ms));
        }
        false
    };
    let dials = sim.dial_count();
    let started = Instant::now();
    for _ in 0..cycles {
        sim.dial(Dial::AcceptAndClose).await;
        sim.all_connections(End::Reset);
        poll(seconds(1), looked).await;
        sim.dial(Dial::Accept).await;
        poll(seconds(1), looked).await;
    }
    let took = started.elapsed();
    let dials = sim.dial_count() - dials;
    let [_, writes, _] = circuits(&client)?;
    let tally = load.stop().await;
    let opens = opens.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (shortest, longest) = (opens.iter().min().copied(), opens.iter().max().copied());
    let grown = longest.zip(shortest).is_some_and(|(longest, shortest)| longest >= shortest * 2);
    // Each time it is up a dial is good, and costs nothing.
    let most = 12 * (took.as_secs() / 15 + 1) + cycles * 2;
    let holds = writes.episode == 1 && writes.trips > 1 && grown && dials <= most && tally.good > 100;
    let figure = format!(
        "{} episode, {} trips, open for {} to {} ms, {dials} dials in {} (at most {most}), {} calls good",
        writes.episode,
        writes.trips,
        shortest.unwrap_or_default(),
        longest.unwrap_or_default(),
        shown(took),
        tally.good
    );
    Ok(Seen::new(holds, "one alert", figure))
}
