//! Sockets that are dead or cut.

use super::{client, get, in_ms, incr, lasts, ms, seconds, set, shown_or_never, total, unprobed};
use crate::load::Load;
use crate::scenario::{Length, On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use std::time::Duration;
use steadfast_clock::{Clock, ManualClock};
use steadfast_redis::retry::{DialBudget, DialConfig, SeededJitter};
use steadfast_redis::{Outcome as Sent, cmd};
use steadfast_testkit::lab::proxy::{Proxy, Shape};
use steadfast_testkit::lab::sim::{Action, Dial, End, Fault, Sim};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;

/// How soon traffic must go on over a new connection.
const REPLACED_WITHIN: Duration = ms(1200);

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F1",
        on: On::Simulated,
        fault: "half-open under traffic: the peer acknowledges and never answers, new sockets work",
        expected: "a good answer again within 1.2 s, one connection replaced",
        play: |_| half_open().boxed(),
    },
    Scenario {
        id: "F1b",
        on: On::Real,
        fault: "the same with a real server, behind a proxy that swallows what passes on standing connections",
        expected: "a good answer again within 1.2 s, one connection replaced",
        play: |_| half_open_real().boxed(),
    },
    Scenario {
        id: "F4",
        on: On::Simulated,
        fault: "connection lost with commands that were not handed to the socket",
        expected: "sent after the reconnection, each executed once",
        play: |_| not_handed_over().boxed(),
    },
    Scenario {
        id: "F17b",
        on: On::Simulated,
        fault: "2,000 clients lose their server in the same moment, for 60 s (their dials alone, in virtual time)",
        expected: "each at most 12 dials in 15 s and one in 2 s; after 0.5 s never 5 times as many at once as on average",
        play: |_| std::future::ready(spread()).boxed(),
    },
    Scenario {
        id: "F17",
        on: On::Simulated,
        fault: "15 s in which every dial is met by a hang-up, 50 callers",
        expected: "at most 12 dials, found again within a backoff (2 s)",
        play: |length| herd(length).boxed(),
    },
];

async fn half_open() -> Outcome {
    let sim = Sim::start().await?;
    let stall = || {
        sim.all_connections(End::Stall);
    };
    dead(&sim.url(), stall).await
}

async fn half_open_real() -> Outcome {
    let server = Server::start().await?;
    let proxy = Proxy::start(server.addr()).await?;
    let swallow = || {
        proxy.shape_existing(Shape::black_hole());
    };
    dead(&proxy.url(), swallow).await
}

/// Traffic to `url`, whose connections are `killed` without a word.
async fn dead(url: &str, killed: impl Fn()) -> Outcome {
    let client = client(url, 500)?;
    let load = Load::start(&client, 8, ms(500), set);
    load.warm().await?;
    killed();
    load.mark();
    let back = load.first_good(seconds(15)).await;
    let dead = total(&client, |node| node.connections_dead);
    let gap = load.stop().await.gap();
    let holds = back.is_some_and(|back| back <= REPLACED_WITHIN) && gap <= REPLACED_WITHIN && dead == 1;
    let figure = format!("good again after {}, {dead} replaced", shown_or_never(back));
    Ok(Seen::new(holds, "replaced after a probe", figure))
}

async fn not_handed_over() -> Outcome {
    let sim = Sim::start().await?;
    let client = unprobed(&sim.url(), 5_000)?;
    client.ping().await?;
    // The client has looked at the server's settings: from here on what is in flight is the callers'.
    let alone =
        || async { sim.received("INFO") > 0 && client.nodes().iter().all(|node| node.in_flight == 0) };
    ensure!(wait_for(seconds(5), alone).await, "the client does not come to rest");
    // The server is busy with this and reads no further: the socket fills up, and what follows waits in the queue.
    sim.fault(Fault::on("GET").then(Action::DelayBefore(Duration::from_secs(30))));
    let first = get(0);
    let busy = client.execute(&first, in_ms(5_000));
    let waiting = |count: usize| {
        let client = &client;
        wait_for(seconds(5), move || async move { client.nodes().iter().any(|node| node.in_flight >= count) })
    };
    let filler = async {
        ensure!(waiting(1).await && sim.wait_until(seconds(5), |sim| sim.received("GET") == 1).await);
        let big = cmd("APPEND").arg("big").arg("x".repeat(16 << 20)).to_owned();
        anyhow::Ok(client.execute(&big, in_ms(5_000)).await)
    };
    let counted = async {
        ensure!(waiting(2).await);
        let incr = incr("count");
        Ok(futures::future::join_all((0..20).map(|_| client.execute(&incr, in_ms(5_000)))).await)
    };
    let cut = async {
        ensure!(waiting(22).await);
        sim.clear_faults();
        sim.all_connections(End::Reset);
        Ok(())
    };
    let (_, filler, counted, cut) = futures::join!(busy, filler, counted, cut);
    cut?;
    let (filler, counted) = (filler?, counted?);
    // Part of the large one may have been with the socket: then it is not known what became of it, and it is not sent again.
    let large = match &filler {
        Ok(_) => sim.executed("APPEND") == 1,
        Err(error) => error.outcome() == Sent::Ambiguous && sim.executed("APPEND") == 0,
    };
    let good = counted.iter().filter(|result| result.is_ok()).count();
    let executed = sim.executed("INCR");
    let figure = format!("{good} of 20 answered, {executed} executed");
    Ok(Seen::new(large && good == 20 && executed == 20, "sent on the next connection", figure))
}

/// When one client dials a server that is gone, in ms.
fn dials(seed: u64) -> anyhow::Result<Vec<u64>> {
    let clock = ManualClock::at(0);
    let budget = DialBudget::new(&DialConfig::default(), clock.clone(), SeededJitter::shared(seed))?;
    let mut dials = Vec::new();
    while clock.mono_ms() < 60_000 {
        match budget.try_dial() {
            Ok(permit) => {
                dials.push(clock.mono_ms());
                permit.failed();
            }
            Err(wait) => clock.advance(wait.wait),
        }
    }
    Ok(dials)
}

fn spread() -> Outcome {
    let (mut bins, mut most, mut longest) = (vec![0_u64; 60_000 / 50], 0, 0);
    for seed in 0..2_000 {
        let dials = dials(seed)?;
        for (place, at) in dials.iter().enumerate() {
            bins[usize::try_from(at / 50)?] += 1;
            most = most.max(dials[place..].iter().take_while(|later| **later <= at + 15_000).count());
        }
        longest = dials.windows(2).map(|pair| pair[1] - pair[0]).fold(longest, u64::max);
    }
    let mean = bins.iter().sum::<u64>() as f64 / bins.len() as f64;
    // The first is at once and the second within a tenth of a second: those do meet.
    let peak = bins.iter().skip(10).max().copied().unwrap_or_default() as f64 / mean;
    let figure = format!(
        "at most {most} dials in 15 s, {longest} ms apart; in the busiest 50 ms {peak:.1} times the average"
    );
    Ok(Seen::new(most <= 12 && longest <= 2_000 && peak <= 5.0, "left to chance", figure))
}

async fn herd(length: Length) -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 200)?;
    client.ping().await?;
    sim.dial(Dial::AcceptAndClose).await;
    let before = sim.dial_count();
    sim.all_connections(End::Reset);
    let load = Load::start(&client, 50, ms(200), get);
    lasts(length.of(seconds(15), seconds(4))).await;
    let dials = sim.dial_count() - before;
    load.mark();
    sim.dial(Dial::Accept).await;
    let back = load.first_good(seconds(10)).await;
    load.stop().await;
    let holds = back.is_some_and(|back| back <= ms(2_300)) && dials <= 12;
    Ok(Seen::new(
        holds,
        "dials are spaced",
        format!("{dials} dials, found again in {}", shown_or_never(back)),
    ))
}
