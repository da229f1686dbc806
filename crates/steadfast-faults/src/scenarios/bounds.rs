//! What is held while nothing goes out: bounded, and what is too much is refused.

use super::{client, client_with, in_ms, ms, seconds, shown};
use crate::scenario::{On, Outcome, Scenario, Seen};
use futures::FutureExt;
use futures::stream::FuturesUnordered;
use futures::{StreamExt, future::join_all};
use std::time::Duration;
use steadfast_redis::{Cmd, Error, Outcome as Sent, cmd};
use steadfast_testkit::lab::sim::{Dial, End, Sim};
use tokio::time::Instant;

const MIB: usize = 1 << 20;
/// What the client may hold for one connection.
const QUEUE_MIB: usize = 64;
/// What the simulated server and the system take although nothing is answered.
const AWAY_MIB: usize = 32;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F20",
        on: On::Simulated,
        fault: "the server takes nothing, and 60 callers have 2 MiB each to send",
        expected: "at most 64 MiB (and what sockets hold) is taken, the newest are refused at once; what was taken is executed",
        play: |_| bytes().boxed(),
    },
    Scenario {
        id: "F20b",
        on: On::Simulated,
        fault: "no connection comes about (dials hang), and 5,000 callers wait",
        expected: "at most 1,024 wait for it and 1,000 behind them, the newest are refused at once; all are told by 1 s",
        play: |_| callers().boxed(),
    },
];

fn large(caller: usize) -> Cmd {
    cmd("APPEND").arg(format!("key:{caller}")).arg("x".repeat(2 * MIB)).to_owned()
}

async fn bytes() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 10_000)?;
    client.ping().await?;
    // New ones hang as well: the server is slow, and not the connection dead.
    sim.dial(Dial::Hang).await;
    sim.all_connections(End::Stall);
    let started = Instant::now();
    let calls = (0..60).map(|caller| {
        let (client, command) = (client.clone(), large(caller));
        async move {
            let done = client.execute(&command, in_ms(20_000)).await;
            (done, started.elapsed())
        }
    });
    let mut calls: FuturesUnordered<_> = calls.collect();
    let (mut refused, mut latest, mut strange) = (0, ms(0), Vec::new());
    // Nothing is answered: whatever comes back now was refused.
    while let Ok(Some((done, took))) = tokio::time::timeout(ms(300), calls.next()).await {
        match done {
            Err(error) if error.code() == "OVERLOADED" && error.outcome() == Sent::NotSent => {
                (refused, latest) = (refused + 1, took);
            }
            other => strange.push(format!("{:?}", other.map(drop))),
        }
    }
    let taken = calls.len() * 2;
    sim.dial(Dial::Accept).await;
    sim.all_connections(End::Open);
    let rest: Vec<_> = calls.collect().await;
    let good = rest.iter().filter(|(done, _)| done.is_ok()).count();
    let executed = sim.executed("APPEND");
    let holds = strange.is_empty()
        && refused > 0
        && taken <= QUEUE_MIB + AWAY_MIB
        && good * 2 == taken
        && executed == good as u64;
    let figure = format!(
        "{taken} MiB taken, {refused} refused by {}, {good} good, {executed} executed, otherwise: {strange:?}",
        shown(latest)
    );
    Ok(Seen::new(holds, "refused the newest", figure))
}

async fn callers() -> Outcome {
    let sim = Sim::builder().dial(Dial::Hang).start().await?;
    let client = client_with(&sim.url(), &["connection.connect_timeout_ms=5000"])?;
    let started = Instant::now();
    let calls = (0..5_000).map(|caller| {
        let (client, command) = (client.clone(), super::set(caller));
        async move {
            let done = client.execute(&command, started + seconds(1)).await;
            (done.err(), started.elapsed())
        }
    });
    let all = join_all(calls).await;
    let is = |error: &Option<Error>, code: &str| error.as_ref().is_some_and(|error| error.code() == code);
    let at_once = |took: Duration| took <= ms(500);
    let refused = all.iter().filter(|(error, took)| is(error, "OVERLOADED") && at_once(*took)).count();
    let held = all.len() - refused;
    let last = all.iter().map(|(_, took)| *took).max().unwrap_or_default();
    let told = all.iter().all(|(error, _)| error.as_ref().is_some_and(|e| e.outcome() == Sent::NotSent));
    let holds = told && held <= 2_024 && last <= ms(1_300) && sim.received("SET") == 0;
    let figure = format!("{held} waited, {refused} refused at once, all told by {}", shown(last));
    Ok(Seen::new(holds, "refused the newest", figure))
}
