//! Servers that refuse everybody: full, loading, unknown password.

use super::{client, get, lasts, ms, seconds, set, shown, shown_or_never};
use crate::load::Load;
use crate::scenario::{Length, On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use std::time::Duration;
use steadfast_testkit::lab::sim::{Condition, Dial, End, Sim};
use steadfast_testkit::redis::Server;
use steadfast_testkit::wait_for;
use tokio::time::Instant;

/// The longest wait between two dials, and what a dial and a call take.
const FOUND_WITHIN: Duration = ms(2_300);
/// How soon calls go on after a server has loaded its data.
const LOADED_WITHIN: Duration = ms(250);

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F8",
        on: On::Simulated,
        fault: "LOADING for 2 s after a restart",
        expected: "calls wait and go on within 250 ms of its end, none refused more than once",
        play: |_| loading().boxed(),
    },
    Scenario {
        id: "F8b",
        on: On::Real,
        fault: "killed and started again with data that takes 2 s to read",
        expected: "no call fails while it reads, good again within 250 ms of its end",
        play: |_| loading_real().boxed(),
    },
    Scenario {
        id: "F11",
        on: On::Simulated,
        fault: "max number of clients reached on every dial, for 15 s",
        expected: "callers told so, at most 12 dials, found again within a backoff (2 s)",
        play: |length| outage(Dial::MaxClients, "ERR", length).boxed(),
    },
    Scenario {
        id: "F11b",
        on: On::Real,
        fault: "a real server whose connections are all taken by others, for 15 s",
        expected: "at most 12 dials, good again within a backoff (2 s) of a place coming free",
        play: |length| full(length).boxed(),
    },
    Scenario {
        id: "F12",
        on: On::Simulated,
        fault: "WRONGPASS on every dial, for 15 s",
        expected: "callers told so, at most 12 dials, found again within a backoff (2 s)",
        play: |length| outage(Dial::WrongPass, "WRONGPASS", length).boxed(),
    },
];

async fn loading() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 5_000)?;
    client.ping().await?;
    sim.set_condition(Condition::Loading);
    sim.all_connections(End::Reset);
    let load = Load::start(&client, 8, seconds(5), set);
    lasts(seconds(2)).await;
    let refused = sim.received("SET");
    let during = load.mark();
    sim.clear_condition(Condition::Loading);
    // Those that waited since the beginning are the first.
    let since = Instant::now();
    let back = wait_for(seconds(5), || async { load.tally().good >= 8 }).await;
    let took = since.elapsed();
    let after = load.stop().await;
    let holds = back && during.bad + after.bad == 0 && took <= LOADED_WITHIN && refused <= 8;
    let failures = format!("failed: {}, then {}", during.failures(), after.failures());
    Ok(Seen::new(holds, "waited", format!("{} after its end, {refused} refused; {failures}", shown(took))))
}

async fn loading_real() -> Outcome {
    let server = Server::builder()
        .config("loading-process-events-interval-bytes", "1024")
        .config("key-load-delay", "100")
        .start()
        .await?;
    server.expect(&["DEBUG", "POPULATE", "20000"]).await?;
    server.expect(&["SAVE"]).await?;
    let client = client(server.url(), 10_000)?;
    let load = Load::start(&client, 8, seconds(10), get);
    load.warm().await?;
    server.kill9().await?;
    server.launch().await?;
    let seen = wait_for(seconds(10), || async { client.nodes().iter().any(|node| node.is_loading) }).await;
    let started = Instant::now();
    load.mark();
    let loaded = wait_for(seconds(30), || async {
        server.info("persistence", "loading").await.is_ok_and(|is| is == "0")
    });
    ensure!(loaded.await, "it never ends");
    let (during, reading) = (load.mark(), started.elapsed());
    let back = load.first_good(seconds(5)).await;
    let after = load.stop().await;
    let bad = during.bad + after.bad;
    let holds = seen && bad == 0 && back.is_some_and(|back| back <= LOADED_WITHIN);
    let figure = format!(
        "read for {}, good {} after its end, {bad} failed ({})",
        shown(reading),
        shown_or_never(back),
        during.failures()
    );
    Ok(Seen::new(holds, "seen to be loading, and waited for", figure))
}

async fn outage(dial: Dial, code: &str, length: Length) -> Outcome {
    let sim = Sim::start().await?;
    let url = sim.url().replace("redis://", "redis://:secret@");
    sim.set_passwords("default", &["secret"]);
    let client = client(&url, 200)?;
    client.ping().await?;
    sim.dial(dial).await;
    let before = sim.dial_count();
    sim.all_connections(End::Reset);
    let load = Load::start(&client, 8, ms(200), get);
    lasts(length.of(seconds(15), seconds(4))).await;
    let dials = sim.dial_count() - before;
    let during = load.mark();
    let said = client.nodes().iter().filter_map(|node| node.dial_error.clone()).any(|why| why.contains(code));
    sim.dial(Dial::Accept).await;
    let back = load.first_good(seconds(10)).await;
    load.stop().await;
    let holds = back.is_some_and(|back| back <= FOUND_WITHIN) && dials <= 12 && during.good == 0 && said;
    let figure = format!("{dials} dials, found again in {}", shown_or_never(back));
    Ok(Seen::new(holds, "dials are spaced, the reason is told", figure))
}

async fn full(length: Length) -> Outcome {
    let server = Server::start().await?;
    let client = client(server.url(), 200)?;
    let load = Load::start(&client, 8, ms(200), get);
    load.warm().await?;
    // The lab itself has the only place that is left.
    server.expect(&["CONFIG", "SET", "maxclients", "1"]).await?;
    server.expect(&["CLIENT", "KILL", "USER", "default"]).await?;
    lasts(length.of(seconds(15), seconds(4))).await;
    let dials: u64 = server.info("stats", "rejected_connections").await?.parse()?;
    let during = load.mark();
    server.expect(&["CONFIG", "SET", "maxclients", "100"]).await?;
    let back = load.first_good(seconds(10)).await;
    load.stop().await;
    let holds = back.is_some_and(|back| back <= FOUND_WITHIN) && dials <= 12 && dials > 0;
    let figure = format!(
        "{dials} dials refused, good again after {} (failures: {})",
        shown_or_never(back),
        during.failures()
    );
    Ok(Seen::new(holds, "dials are spaced", figure))
}
