//! Writes refused because the server is a replica now, while its sockets stay open.

use super::{client, client_with, in_ms, lasts, ms, seconds, set, shown, shown_or_never};
use crate::load::Load;
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::Context;
use futures::FutureExt;
use std::time::Duration;
use steadfast_redis::{Cmd, cmd};
use steadfast_testkit::lab::sim::{Action, Fault, Role, Sim, errors};
use steadfast_testkit::redis::{Replicated, Reply, Server};
use tokio::time::Instant;

/// How soon a write must succeed after there is a primary.
pub(super) const WITHIN: Duration = ms(250);

/// A script that writes, as a caller sends it.
const SCRIPT: &str = "return redis.call('SET', KEYS[1], ARGV[1])";

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F5",
        on: On::Simulated,
        fault: "READONLY on one address: the server becomes a replica, and 1 s later a primary again",
        expected: "writes wait and go on within 250 ms of it",
        play: |_| in_place().boxed(),
    },
    Scenario {
        id: "F5b",
        on: On::Real,
        fault: "the same with a real server (REPLICAOF, and REPLICAOF NO ONE 1 s later)",
        expected: "no write fails, first good write within 250 ms of it",
        play: |_| in_place_real().boxed(),
    },
    Scenario {
        id: "F5c",
        on: On::Simulated,
        fault: "READONLY from inside a script, in the words of Redis 7 and of Redis 6",
        expected: "the script waits for a primary and runs once",
        play: |_| in_a_script().boxed(),
    },
    Scenario {
        id: "F5d",
        on: On::Real,
        fault: "a fixed list of servers: the replica is promoted, the primary demoted, sockets stay open",
        expected: "no write fails, first good one within 250 ms of the promotion",
        play: |_| promoted(set).boxed(),
    },
    Scenario {
        id: "F5e",
        on: On::Real,
        fault: "the same, and all traffic is scripts",
        expected: "no script fails, first good one within 250 ms of the promotion",
        play: |_| promoted(eval).boxed(),
    },
];

/// The script of a caller.
pub(super) fn eval(caller: usize) -> Cmd {
    cmd("EVAL").arg(SCRIPT).arg(1).arg(format!("key:{caller}")).arg("value").to_owned()
}

async fn in_place() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 3_000)?;
    client.ping().await?;
    sim.set_role(Role::replica_of(([127, 0, 0, 1], 1).into()));
    let (set, deadline) = (set(0), in_ms(3_000));
    let write = async { (client.execute(&set, deadline).await, Instant::now()) };
    let heal = async {
        lasts(seconds(1)).await;
        sim.set_role(Role::primary());
        Instant::now()
    };
    let ((written, at), healed) = futures::join!(write, heal);
    let took = at.saturating_duration_since(healed);
    let refused = sim.received("SET") - sim.executed("SET");
    let holds = written.is_ok() && took <= WITHIN && refused <= 2;
    Ok(Seen::new(holds, "waited and went on", format!("{} after it could, {refused} refused", shown(took))))
}

async fn in_place_real() -> Outcome {
    let server = Server::start().await?;
    let client = client(server.url(), 5_000)?;
    let load = Load::start(&client, 4, seconds(5), set);
    load.warm().await?;
    // Port 1 has no server: it is a replica whose primary is away.
    server.expect(&["REPLICAOF", "127.0.0.1", "1"]).await?;
    lasts(seconds(1)).await;
    let during = load.mark();
    server.expect(&["REPLICAOF", "NO", "ONE"]).await?;
    let back = load.first_good(seconds(5)).await;
    let after = load.stop().await;
    let (bad, refused) = (during.bad + after.bad, refusals(&server, "READONLY").await?);
    let holds = back.is_some_and(|back| back <= WITHIN) && bad == 0 && refused <= 16;
    let figure = format!("{} after it, {bad} failed, {refused} refused", shown_or_never(back));
    Ok(Seen::new(holds, "waited and went on", figure))
}

/// How often a server refused with this code.
pub(super) async fn refusals(server: &Server, code: &str) -> anyhow::Result<u64> {
    let field = format!("errorstat_{code}");
    match server.info("errorstats", &field).await {
        Ok(count) => {
            let count = count.strip_prefix("count=").context("an errorstat without a count")?;
            Ok(count.parse()?)
        }
        Err(_) => Ok(0),
    }
}

async fn in_a_script() -> Outcome {
    let mut seen = Vec::new();
    for words in [errors::READONLY_IN_SCRIPT, errors::READONLY_IN_OLD_SCRIPT] {
        let sim = Sim::start().await?;
        let client = client(&sim.url(), 3_000)?;
        client.ping().await?;
        sim.script("incr", |call| {
            let key = call.key(0).to_owned();
            call.call(&["INCR", &key])
        });
        sim.set_role(Role::replica_of(([127, 0, 0, 1], 1).into()));
        let refused = sim.fault(Fault::on("EVAL").then(Action::error(words)));
        let (script, deadline) = (cmd("EVAL").arg("incr").arg(1).arg("n").to_owned(), in_ms(3_000));
        let run = async { (client.execute(&script, deadline).await, Instant::now()) };
        let heal = async {
            lasts(ms(500)).await;
            let refusals = sim.hits(refused);
            sim.clear_faults();
            sim.set_role(Role::primary());
            (Instant::now(), refusals)
        };
        let ((ran, at), (healed, refusals)) = futures::join!(run, heal);
        let took = at.saturating_duration_since(healed);
        let once = ran.is_ok() && sim.command(&["GET", "n"]) == Reply::bulk("1");
        seen.push((once && took <= WITHIN && refusals <= 2, took, refusals));
    }
    let figure = seen
        .iter()
        .map(|(_, took, refused)| format!("{} after it could, {refused} refused", shown(*took)))
        .collect::<Vec<_>>()
        .join("; ");
    Ok(Seen::new(seen.iter().all(|(holds, ..)| *holds), "waited and ran once", figure))
}

async fn promoted(command: fn(usize) -> Cmd) -> Outcome {
    let servers = Replicated::start(1).await?;
    let (old, new) = (&servers.primary, &servers.replicas[0]);
    let url = format!("redis://127.0.0.1:{},127.0.0.1:{}", old.port(), new.port());
    let client = client_with(&url, &[])?;
    let load = Load::start(&client, 4, seconds(2), command);
    load.warm().await?;
    new.expect(&["REPLICAOF", "NO", "ONE"]).await?;
    old.expect(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await?;
    // From here on no write is good but on the new one.
    let before = load.mark();
    let back = load.first_good(seconds(5)).await;
    lasts(ms(500)).await;
    let after = load.stop().await;
    let bad = before.bad + after.bad;
    let holds = back.is_some_and(|back| back <= WITHIN) && bad == 0;
    let figure = format!("{} after it, {bad} failed", shown_or_never(back));
    Ok(Seen::new(holds, "found by asking for roles", figure))
}
