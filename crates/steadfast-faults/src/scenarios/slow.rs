//! Servers that are alive and slow.

use super::{client, client_with, get, lasts, ms, seconds, shown, shown_or_never, total};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use steadfast_redis::Client;
use steadfast_testkit::redis::{Connection, Reply, Server};
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F2",
        on: On::Real,
        fault: "server stopped for 3 s (SIGSTOP) under traffic, 300 ms for each call",
        expected: "no connection replaced, at most 2 probes, no call longer than 350 ms",
        play: |_| stopped().boxed(),
    },
    Scenario {
        id: "F2b",
        on: On::Real,
        fault: "a script that runs for 2.5 s, to which the server says nothing",
        expected: "no connection replaced, at most 2 probes, good again within 250 ms of its end",
        play: |_| long_script(false).boxed(),
    },
    Scenario {
        id: "F2c",
        on: On::Real,
        fault: "the same, and the server answers -BUSY to everything",
        expected: "no connection replaced, callers told so at once, good again within 250 ms of its end",
        play: |_| long_script(true).boxed(),
    },
];

/// A script that runs for 2.5 s.
const SPIN: &str = "local function now() local t = redis.call('TIME') return t[1] + t[2] / 1000000 end \
    local finish = now() + 2.5 while now() < finish do end return 1";

/// What a fault did to connections: those replaced, and those the server saw come.
async fn connections(client: &Client, server: &Server) -> anyhow::Result<(u64, u64)> {
    let came = server.info("stats", "total_connections_received").await?.parse()?;
    Ok((total(client, |node| node.connections_dead), came))
}

async fn stopped() -> Outcome {
    let server = Server::start().await?;
    let client = client(server.url(), 300)?;
    let load = Load::start(&client, 8, ms(300), get);
    load.warm().await?;
    let (_, before) = connections(&client, &server).await?;
    server.pause().await?;
    lasts(seconds(3)).await;
    let during = load.mark();
    server.resume().await?;
    let back = load.first_good(seconds(5)).await;
    // What it does at the moment of going on, too: a good socket must not be taken for a dead one.
    lasts(seconds(1)).await;
    let after = load.stop().await;
    let (replaced, came) = connections(&client, &server).await?;
    let (probes, longest) = (came - before, during.longest().max(after.longest()));
    let holds =
        back.is_some_and(|back| back <= ms(1_000)) && replaced == 0 && probes <= 2 && longest <= ms(350);
    let figure = format!(
        "{replaced} replaced, {probes} probes, longest call {}, good again after {}",
        shown(longest),
        shown_or_never(back)
    );
    Ok(Seen::new(holds, "kept its connections", figure))
}

async fn long_script(says_busy: bool) -> Outcome {
    let threshold = if says_busy { "100" } else { "60000" };
    let server = Server::builder().config("busy-reply-threshold", threshold).start().await?;
    let client = client_with(server.url(), &["connection.command_timeout_ms=300"])?;
    let load = Load::start(&client, 8, ms(300), get);
    load.warm().await?;
    let (_, before) = connections(&client, &server).await?;
    let mut other = Connection::open(server.addr()).await?.with_deadline(seconds(30));
    let started = Instant::now();
    let ended = other.command(&["EVAL", SPIN, "0"]).await?;
    ensure!(ended == Reply::Integer(1), "the script does not run: {ended:?}");
    let during = load.mark();
    let ran = started.elapsed();
    let back = load.first_good(seconds(5)).await;
    lasts(seconds(1)).await;
    load.stop().await;
    let (replaced, came) = connections(&client, &server).await?;
    // One is the script's own.
    let probes = came - before - 1;
    let told = !says_busy || during.codes.get("BUSY").is_some_and(|busy| *busy > 0);
    let holds = back.is_some_and(|back| back <= ms(250)) && replaced == 0 && probes <= 2 && told;
    let figure = format!(
        "{replaced} replaced, {probes} probes in {}, good again after {}; failures: {}",
        shown(ran),
        shown_or_never(back),
        during.failures()
    );
    Ok(Seen::new(holds, "kept its connections", figure))
}
