//! How each fault is played.

use super::{SPAN, Seen};
use crate::clients::{Contender, Kind, Target};
use crate::traffic::{Call, Op, Traffic};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast_testkit::lab::sim::{Action, Dial, End, Fault, Sim, errors};
use steadfast_testkit::redis::Reply;
use tokio::time::{Instant, sleep, sleep_until};

pub(super) const CALLERS: usize = 4;
/// How long replays of a lost call are waited for after its answer.
const REPLAYED_WITHIN: Duration = Duration::from_secs(2);
/// The most characters of an error in the table.
const SAID_MAX: usize = 110;
const PASSWORD: &str = "open sesame";

async fn connected(kind: Kind, mut to: Target, url: String) -> anyhow::Result<Box<dyn Contender>> {
    to.url = url;
    kind.connect(&to).await
}

/// A.
pub(super) async fn lost_reply(kind: Kind, to: Target) -> anyhow::Result<Seen> {
    let sim = Sim::start().await?;
    let client = connected(kind, to, sim.url()).await?;
    sim.fault(Fault::on("INCR").nth(1).then(Action::lose_reply()));
    let answer = client.incr("count").await;
    sleep(REPLAYED_WITHIN).await;
    let executed = Some(sim.executed_on("INCR", "count"));
    let calls_failed = usize::from(answer.is_err());
    let said = answer.map_or_else(|error| short(&format!("{error:#}")), |()| "a good answer".to_owned());
    Ok(Seen { executed, calls_failed, said, ..Seen::default() })
}

/// B.
pub(super) async fn half_open(kind: Kind, to: Target) -> anyhow::Result<Seen> {
    let sim = Sim::start().await?;
    let client = connected(kind, to, sim.url()).await?;
    let traffic = Traffic::new(Op::Set, CALLERS);
    client.traffic(&traffic);
    traffic.warm().await?;
    let dials = sim.dial_count();
    sim.all_connections(End::Stall);
    let since = Instant::now();
    at_once(&sim, traffic, since, dials).await
}

/// C.
pub(super) async fn no_room(kind: Kind, to: Target) -> anyhow::Result<Seen> {
    let sim = Sim::start().await?;
    let client = connected(kind, to, sim.url()).await?;
    outage(&sim, &*client, Dial::MaxClients).await
}

/// D.
pub(super) async fn wrong_password(kind: Kind, to: Target) -> anyhow::Result<Seen> {
    let sim = Sim::builder().password(PASSWORD).start().await?;
    let url = sim.url().replace("redis://", &format!("redis://:{}@", PASSWORD.replace(' ', "%20")));
    let client = connected(kind, to, url).await?;
    outage(&sim, &*client, Dial::WrongPass).await
}

/// E: the connections that stand lead to what is a replica now, and new ones to the primary.
pub(super) async fn read_only(kind: Kind, to: Target) -> anyhow::Result<Seen> {
    let sim = Sim::start().await?;
    let client = connected(kind, to, sim.url()).await?;
    let traffic = Traffic::new(Op::Set, CALLERS);
    client.traffic(&traffic);
    traffic.warm().await?;
    let dials = sim.dial_count();
    let replica = ["slave", "127.0.0.1", "6379", "connected", "0"];
    let role = replica.iter().map(|word| word.parse().map_or_else(|_| Reply::bulk(word), Reply::Integer));
    let role = Action::Reply(Reply::Array(role.collect()));
    let old = move |name| Fault::on(name).when(move |seen| seen.connection <= dials);
    sim.fault(old("ROLE").then(role));
    sim.fault(old("SET").then(Action::error(errors::READONLY)));
    at_once(&sim, traffic, Instant::now(), dials).await
}

/// A fault that a new connection gets round from the first moment on.
async fn at_once(sim: &Sim, traffic: Traffic, since: Instant, dials: u64) -> anyhow::Result<Seen> {
    let recovered = Some(traffic.recovered(since, SPAN, |call| call.started > since).await);
    sleep_until(since + SPAN).await;
    let dials = Some(sim.dial_count() - dials);
    let (calls_failed, said) = summary(&traffic.stop().await);
    Ok(Seen { executed: None, recovered, dials, calls_failed, said })
}

/// Every connection is lost, and none comes about for a while.
async fn outage(sim: &Sim, client: &dyn Contender, dial: Dial) -> anyhow::Result<Seen> {
    let traffic = Traffic::new(Op::Get, CALLERS);
    client.traffic(&traffic);
    traffic.warm().await?;
    let dials = sim.dial_count();
    sim.dial(dial).await;
    sim.all_connections(End::Reset);
    sleep(SPAN).await;
    let dials = Some(sim.dial_count() - dials);
    sim.dial(Dial::Accept).await;
    let since = Instant::now();
    let recovered = Some(traffic.recovered(since, SPAN, |call| call.ended > since).await);
    let (calls_failed, said) = summary(&traffic.stop().await);
    Ok(Seen { executed: None, recovered, dials, calls_failed, said })
}

/// How many failed, and what was said most often.
fn summary(calls: &[Call]) -> (usize, String) {
    let mut said: BTreeMap<&str, usize> = BTreeMap::new();
    for error in calls.iter().filter_map(|call| call.error.as_deref()) {
        *said.entry(error).or_default() += 1;
    }
    let most = said.iter().max_by_key(|(_, count)| **count).map(|(error, _)| short(error));
    (said.values().sum(), most.unwrap_or_else(|| "-".to_owned()))
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(SAID_MAX).collect()
}
