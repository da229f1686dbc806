//! Servers that are well, answer `PING`, and refuse writes; replicas that refuse reads.

use super::{client, client_with, get, in_ms, lasts, ms, seconds, set, shown_or_never, total};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::{Context, ensure};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::Duration;
use steadfast_redis::Client;
use steadfast_redis::health::Reason;
use steadfast_testkit::lab::sim::{Condition, Role, Sim};
use steadfast_testkit::redis::{Replicated, Server};
use steadfast_testkit::wait_for;

/// How soon writes go on after the reason is gone.
const WITHIN: Duration = ms(250);
/// How long a reason lasts.
const LASTS: Duration = ms(700);

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F9",
        on: On::Simulated,
        fault: "NOREPLICAS, MISCONF, OOM, one after the other: writes refused, PING and reads fine",
        expected: "every write and the health told the reason, no read fails, no dial, writes go on within 250 ms",
        play: |_| writes_refused().boxed(),
    },
    Scenario {
        id: "F9b",
        on: On::Real,
        fault: "the same with real servers: min-replicas-to-write, a disk that takes no snapshot, maxmemory",
        expected: "every write and the health told the reason, no read fails, no dial, writes go on within 250 ms",
        play: |_| writes_refused_real().boxed(),
    },
    Scenario {
        id: "F9c",
        on: On::Simulated,
        fault: "MASTERDOWN: a replica that lost its primary refuses reads, to callers who prefer replicas",
        expected: "no read fails, the primary answers them; the replica again when it is back",
        play: |_| master_down().boxed(),
    },
    Scenario {
        id: "F9d",
        on: On::Real,
        fault: "the same with real servers (replica-serve-stale-data no)",
        expected: "no read fails",
        play: |_| master_down_real().boxed(),
    },
];

/// What a reason to refuse writes did.
struct Told {
    code: &'static str,
    /// Writes told another reason, or none.
    otherwise: String,
    reads_failed: u64,
    dials: u64,
    /// Health says that writes are down, and why, and that reads are up.
    in_health: bool,
    back: Option<Duration>,
}

impl Told {
    fn holds(&self) -> bool {
        self.otherwise.is_empty()
            && self.reads_failed == 0
            && self.dials == 0
            && self.in_health
            && self.back.is_some_and(|back| back <= WITHIN)
    }

    fn all(told: &[Self]) -> Seen {
        let figures = told.iter().map(|told| {
            let Self { code, otherwise, reads_failed, dials, in_health, back } = told;
            let otherwise = if otherwise.is_empty() { "nothing else" } else { otherwise };
            let back = shown_or_never(*back);
            let health = if *in_health { "in health" } else { "not in health" };
            format!("{code}: {otherwise} told, {health}, {reads_failed} reads failed, {dials} dials, back in {back}")
        });
        let figure = figures.collect::<Vec<_>>().join("; ");
        Seen::new(told.iter().all(Self::holds), "reads go on, and the reason is told", figure)
    }
}

/// Has writes refused for a while, under traffic.
async fn refuse<'a>(
    client: &Client,
    code: &'static str,
    begin: BoxFuture<'a, anyhow::Result<()>>,
    end: BoxFuture<'a, anyhow::Result<()>>,
) -> anyhow::Result<Told> {
    let writes = Load::start(client, 4, seconds(2), set);
    let reads = Load::start(client, 4, seconds(2), get);
    writes.warm().await?;
    reads.warm().await?;
    let dials = total(client, |node| node.dials);
    begin.await?;
    // Those that were under way.
    lasts(ms(20)).await;
    writes.mark();
    lasts(LASTS).await;
    let during = writes.mark();
    ensure!(during.bad > 50, "hardly any write was refused: {} good, {}", during.good, during.failures());
    let told = client.execute(&set(0), in_ms(1_000)).await;
    let text = told.err().context("a write was good")?.to_string();
    ensure!(text.contains(code) && text.contains("; "), "no reason, or no advice: {text}");
    let health = client.health().now().capabilities;
    let named = |reason: &Reason| reason.cause.as_str() == code.to_lowercase();
    let in_health =
        health.writes.is_down() && health.writes.reason().is_some_and(named) && !health.reads.is_down();
    end.await?;
    writes.mark();
    let back = writes.first_good(seconds(5)).await;
    writes.stop().await;
    let reads = reads.stop().await;
    let others = during.codes.keys().any(|told| told != code) || during.good > 0;
    let otherwise =
        if others { format!("{} good, {}", during.good, during.failures()) } else { String::new() };
    let dials = total(client, |node| node.dials) - dials;
    Ok(Told { code, otherwise, reads_failed: reads.bad, dials, in_health, back })
}

async fn writes_refused() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 2_000)?;
    let mut told = Vec::new();
    let reasons =
        [(Condition::NoReplicas, "NOREPLICAS"), (Condition::Misconf, "MISCONF"), (Condition::Oom, "OOM")];
    for (condition, code) in reasons {
        let (begin, end) = (sim.clone(), sim.clone());
        let begin = async move {
            begin.set_condition(condition);
            Ok(())
        };
        let end = async move {
            end.clear_condition(condition);
            Ok(())
        };
        told.push(refuse(&client, code, begin.boxed(), end.boxed()).await?);
    }
    Ok(Told::all(&told))
}

/// Sets settings of a server, name by name.
async fn configure(server: &Server, settings: &[(&str, &str)]) -> anyhow::Result<()> {
    for (name, value) in settings {
        server.expect(&["CONFIG", "SET", name, value]).await?;
    }
    Ok(())
}

async fn writes_refused_real() -> Outcome {
    let server = Server::builder().config("enable-protected-configs", "yes").start().await?;
    let client = client(server.url(), 2_000)?;
    let mut told = Vec::new();
    let begin = configure(&server, &[("min-replicas-to-write", "1")]);
    let end = configure(&server, &[("min-replicas-to-write", "0")]);
    told.push(refuse(&client, "NOREPLICAS", begin.boxed(), end.boxed()).await?);
    told.push(refuse(&client, "MISCONF", break_disk(&server).boxed(), mend_disk(&server).boxed()).await?);
    let begin = configure(&server, &[("maxmemory-policy", "noeviction"), ("maxmemory", "1")]);
    let end = configure(&server, &[("maxmemory", "0")]);
    told.push(refuse(&client, "OOM", begin.boxed(), end.boxed()).await?);
    Ok(Told::all(&told))
}

/// Has snapshots written where there is no folder any more.
async fn break_disk(server: &Server) -> anyhow::Result<()> {
    let folder = server.folder().join("gone");
    std::fs::create_dir_all(&folder)?;
    let name = folder.display().to_string();
    configure(server, &[("dir", &name), ("save", "3600 1000000")]).await?;
    std::fs::remove_dir_all(&folder)?;
    save(server, "err").await
}

async fn mend_disk(server: &Server) -> anyhow::Result<()> {
    let name = server.folder().display().to_string();
    configure(server, &[("dir", &name)]).await?;
    save(server, "ok").await
}

/// Has a snapshot written, and waits until it ended so.
async fn save(server: &Server, status: &str) -> anyhow::Result<()> {
    server.expect(&["BGSAVE"]).await?;
    let ended = wait_for(seconds(10), || async {
        server.info("persistence", "rdb_last_bgsave_status").await.is_ok_and(|is| is == status)
    });
    ensure!(ended.await, "the snapshot does not end with {status}");
    Ok(())
}

async fn master_down() -> Outcome {
    let primary = Sim::start().await?;
    let replica = Sim::builder().data(&primary.data()).role(Role::replica_of(primary.addr())).start().await?;
    let url = format!("redis://{},{}", primary.addr(), replica.addr());
    let client = client_with(&url, &["connection.read_preference=prefer_replica"])?;
    let load = Load::start(&client, 4, seconds(2), get);
    load.warm().await?;
    let used = wait_for(seconds(5), || async { replica.executed("GET") > 50 }).await;
    ensure!(used, "the replica is not read from");
    replica.set_role(Role::Replica { of: primary.addr(), link_up: false });
    replica.set_condition(Condition::MasterDown);
    let (asked, dials) = (replica.received("GET"), total(&client, |node| node.dials));
    lasts(seconds(2)).await;
    let (during, refused) = (load.mark(), replica.received("GET") - asked);
    replica.clear_condition(Condition::MasterDown);
    replica.set_role(Role::replica_of(primary.addr()));
    let executed = replica.executed("GET");
    let again = wait_for(seconds(15), || async { replica.executed("GET") > executed + 50 }).await;
    let after = load.stop().await;
    let (bad, dials) = (during.bad + after.bad, total(&client, |node| node.dials) - dials);
    let holds = bad == 0 && again && dials == 0 && refused <= 50;
    let figure = format!(
        "{bad} failed, {refused} refused of {}, {dials} dials, read from again: {again}",
        during.good
    );
    Ok(Seen::new(holds, "the primary answers", figure))
}

async fn master_down_real() -> Outcome {
    let stale = |builder: steadfast_testkit::redis::Builder| builder.config("replica-serve-stale-data", "no");
    let servers = Replicated::start_with(1, stale).await?;
    let (primary, replica) = (&servers.primary, &servers.replicas[0]);
    let url = format!("redis://127.0.0.1:{},127.0.0.1:{}", primary.port(), replica.port());
    let client = client_with(&url, &["connection.read_preference=prefer_replica"])?;
    let load = Load::start(&client, 4, seconds(2), get);
    load.warm().await?;
    replica.expect(&["REPLICAOF", "127.0.0.1", "1"]).await?;
    lasts(seconds(2)).await;
    let during = load.mark();
    let refused = super::readonly::refusals(replica, "MASTERDOWN").await?;
    replica.expect(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]).await?;
    lasts(seconds(1)).await;
    let after = load.stop().await;
    let bad = during.bad + after.bad;
    let figure = format!("{bad} failed, {refused} refused of {}", during.good);
    Ok(Seen::new(bad == 0 && during.good > 100 && refused > 0, "the primary answers", figure))
}
