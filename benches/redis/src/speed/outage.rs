//! What an outage costs: how soon there is a good answer again, and how long calls take while there is none.

use crate::clients::{Contender, Kind, Target};
use crate::figures::{Figures, quantile};
use crate::traffic::{Call, Op, PAUSE, Traffic, shown};
use anyhow::Context;
use futures::future::{BoxFuture, try_join_all};
use serde_json::json;
use std::time::Duration;
use steadfast_testkit::lab::sim::{End, Sim};
use steadfast_testkit::redis::Server;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// The time limit of a call while recovery is waited for.
const TIMEOUT: Duration = Duration::from_millis(500);
/// How long recovery is waited for.
const BOUND: Duration = Duration::from_secs(15);
/// How long the server is away.
const AWAY: Duration = Duration::from_secs(3);
const CALLERS: usize = 8;
/// The time limit of a call while the server hangs.
const HANG_TIMEOUT: Duration = Duration::from_millis(200);
const HANG_CALLERS: usize = 16;

type Play = fn(Kind, usize) -> BoxFuture<'static, anyhow::Result<Option<Duration>>>;

/// Measures and prints all of it.
pub(super) async fn run(kinds: &[Kind], fred_size: usize, figures: &Figures) -> anyhow::Result<()> {
    println!(
        "\nFirst good answer again, {CALLERS} callers with a pause of {PAUSE:?}, time limit {TIMEOUT:?}, \
         waited for {BOUND:?}:"
    );
    let plays: [(&str, Play); 3] = [
        ("kill -9, 3 s later a new process: since it listens", |kind, size| Box::pin(restart(kind, size))),
        ("SIGSTOP, 3 s later SIGCONT: since that", |kind, size| Box::pin(stopped(kind, size))),
        ("half-open, new connections work: since the silence", |kind, size| Box::pin(half_open(kind, size))),
    ];
    for (what, play) in plays {
        println!("  {what}");
        let all = kinds.iter().map(|kind| async move {
            let took = play(*kind, fred_size).await;
            anyhow::Ok((*kind, took.with_context(|| format!("{what}: {}", kind.name()))?))
        });
        for (kind, took) in try_join_all(all).await? {
            println!("    {:<28} {}", kind.name(), shown(took, BOUND));
            figures.keep(&json!({
                "what": "recovery", "fault": what, "client": kind.name(), "version": kind.version()?,
                "recovered_ms": took.map(|took| took.as_secs_f64() * 1e3), "bound_ms": BOUND.as_millis(),
            }))?;
        }
    }
    hang(kinds, fred_size, figures).await
}

async fn connected(
    kind: Kind,
    url: &str,
    fred_size: usize,
    timeout: Duration,
) -> anyhow::Result<Box<dyn Contender>> {
    kind.connect(&Target { url: url.to_owned(), timeout, tasks: CALLERS, fred_size }).await
}

async fn restart(kind: Kind, fred_size: usize) -> anyhow::Result<Option<Duration>> {
    let server = Server::start().await?;
    let client = connected(kind, server.url(), fred_size, TIMEOUT).await?;
    let traffic = Traffic::new(Op::Get, CALLERS);
    client.traffic(&traffic);
    traffic.warm().await?;
    server.kill9().await?;
    sleep(AWAY).await;
    let launched = Instant::now();
    server.launch().await?;
    while TcpStream::connect(server.addr()).await.is_err() {
        anyhow::ensure!(launched.elapsed() < BOUND, "the server did not come back");
        sleep(Duration::from_millis(1)).await;
    }
    let took = traffic.recovered(Instant::now(), BOUND, |call| call.ended > launched).await;
    traffic.stop().await;
    Ok(took)
}

async fn stopped(kind: Kind, fred_size: usize) -> anyhow::Result<Option<Duration>> {
    let server = Server::start().await?;
    let client = connected(kind, server.url(), fred_size, TIMEOUT).await?;
    let traffic = Traffic::new(Op::Get, CALLERS);
    client.traffic(&traffic);
    traffic.warm().await?;
    server.pause().await?;
    sleep(AWAY).await;
    let resumed = Instant::now();
    server.resume().await?;
    let took = traffic.recovered(resumed, BOUND, |call| call.ended > resumed).await;
    traffic.stop().await;
    Ok(took)
}

async fn half_open(kind: Kind, fred_size: usize) -> anyhow::Result<Option<Duration>> {
    let sim = Sim::start().await?;
    let client = connected(kind, &sim.url(), fred_size, TIMEOUT).await?;
    let traffic = Traffic::new(Op::Get, CALLERS);
    client.traffic(&traffic);
    traffic.warm().await?;
    sim.all_connections(End::Stall);
    let silent = Instant::now();
    let took = traffic.recovered(silent, BOUND, |call| call.started > silent).await;
    traffic.stop().await;
    Ok(took)
}

/// Calls while the server is stopped, one client after the other.
async fn hang(kinds: &[Kind], fred_size: usize, figures: &Figures) -> anyhow::Result<()> {
    println!(
        "\nCalls while the server is stopped (SIGSTOP) for {AWAY:?}, {HANG_CALLERS} callers with a pause of {PAUSE:?}, \
         time limit {HANG_TIMEOUT:?}:"
    );
    println!("  {:<28} {:>7} {:>9} {:>9} {:>9}", "", "calls", "p50 ms", "p99 ms", "max ms");
    for kind in kinds {
        let calls = hung(*kind, fred_size).await.with_context(|| kind.name())?;
        let mut us: Vec<u32> = calls
            .iter()
            .map(|call| u32::try_from((call.ended - call.started).as_micros()).unwrap_or(u32::MAX))
            .collect();
        us.sort_unstable();
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| f64::from(quantile(&us, share)) / 1e3);
        println!("  {:<28} {:>7} {p50:>9.2} {p99:>9.2} {max:>9.2}", kind.name(), us.len());
        figures.keep(&json!({
            "what": "hang", "client": kind.name(), "version": kind.version()?, "calls": us.len(), "p50_ms": p50,
            "p99_ms": p99, "max_ms": max, "limit_ms": HANG_TIMEOUT.as_millis(),
        }))?;
    }
    Ok(())
}

/// Those that began while it was stopped.
async fn hung(kind: Kind, fred_size: usize) -> anyhow::Result<Vec<Call>> {
    let server = Server::start().await?;
    let client = connected(kind, server.url(), fred_size, HANG_TIMEOUT).await?;
    let traffic = Traffic::new(Op::Get, HANG_CALLERS);
    client.traffic(&traffic);
    traffic.warm().await?;
    server.pause().await?;
    let paused = Instant::now();
    sleep(AWAY).await;
    let calls = traffic.stop().await;
    server.resume().await?;
    Ok(calls.into_iter().filter(|call| call.started > paused).collect())
}
