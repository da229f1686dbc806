//! Servers that refuse: full, loading, unknown password.

use super::{client, get, set, shown};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use std::time::Duration;
use steadfast_testkit::lab::sim::{Condition, Dial, End, Sim};
use steadfast_testkit::wait_for;
use tokio::time::Instant;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F8",
        on: On::Simulated,
        fault: "LOADING for 2 s after a restart",
        expected: "calls wait and go on within 250 ms of its end, none refused more than once",
        play: || loading().boxed(),
    },
    Scenario {
        id: "F11",
        on: On::Simulated,
        fault: "max number of clients reached on every dial, for 15 s",
        expected: "at most 12 dials, found again within a backoff (2 s)",
        play: || outage(Dial::MaxClients).boxed(),
    },
    Scenario {
        id: "F12",
        on: On::Simulated,
        fault: "WRONGPASS on every dial, for 15 s",
        expected: "at most 12 dials, found again within a backoff (2 s)",
        play: || outage(Dial::WrongPass).boxed(),
    },
];

async fn loading() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 5_000)?;
    client.ping().await?;
    sim.set_condition(Condition::Loading);
    sim.all_connections(End::Reset);
    let load = Load::start(&client, 8, Duration::from_secs(5), set);
    let until = Instant::now() + Duration::from_secs(2);
    ensure!(wait_for(Duration::from_secs(5), || async { Instant::now() >= until }).await);
    let refused = sim.received("SET");
    let since = Instant::now();
    sim.clear_condition(Condition::Loading);
    let back = wait_for(Duration::from_secs(5), || async { load.good() > 8 }).await;
    let (took, bad) = (since.elapsed(), load.bad());
    load.stop().await;
    let holds = back && bad == 0 && took <= Duration::from_millis(250) && refused <= 8;
    Ok(Seen::new(holds, "waited", format!("{} after its end, {refused} refused, {bad} failed", shown(took))))
}

async fn outage(dial: Dial) -> Outcome {
    let sim = Sim::start().await?;
    let url = sim.url().replace("redis://", "redis://:secret@");
    sim.set_passwords("default", &["secret"]);
    let client = client(&url, 200)?;
    client.ping().await?;
    sim.forget_counts();
    sim.dial(dial).await;
    sim.all_connections(End::Reset);
    let load = Load::start(&client, 8, Duration::from_millis(200), get);
    let until = Instant::now() + Duration::from_secs(15);
    ensure!(wait_for(Duration::from_secs(20), || async { Instant::now() >= until }).await);
    let dials = sim.dial_count();
    let (good, since) = (load.good(), Instant::now());
    sim.dial(Dial::Accept).await;
    let back = wait_for(Duration::from_secs(10), || async { load.good() > good }).await;
    let took = since.elapsed();
    load.stop().await;
    let holds = back && dials <= 12 && took <= Duration::from_millis(2_300);
    Ok(Seen::new(holds, "dials are spaced", format!("{dials} dials, found again in {}", shown(took))))
}
