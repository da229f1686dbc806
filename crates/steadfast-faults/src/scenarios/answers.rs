//! Answers that are lost.

use super::{in_ms, incr, seconds, unprobed};
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::{Context, ensure};
use futures::FutureExt;
use steadfast_redis::breaker::State;
use steadfast_redis::{Client, Cmd, Outcome as Sent, cmd};
use steadfast_testkit::lab::proxy::{Proxy, Shape};
use steadfast_testkit::lab::sim::{Action, Fault, Sim};
use steadfast_testkit::redis::{Reply, Server};
use steadfast_testkit::wait_for;

pub(super) const ALL: &[Scenario] = &[
    Scenario {
        id: "F3",
        on: On::Simulated,
        fault: "executed, and the connection lost before the reply (INCR, LPUSH, RPUSH, EVALSHA; then GET and SET)",
        expected: "an ambiguous error and one execution; GET and SET are sent again",
        play: |_| lost_reply().boxed(),
    },
    Scenario {
        id: "F3b",
        on: On::Real,
        fault: "the same with a real server, behind a proxy that cuts at the reply (INCR, LPUSH, XADD, EVAL; GET, SET)",
        expected: "an ambiguous error and one execution; GET and SET are sent again",
        play: |_| lost_reply_real().boxed(),
    },
];

async fn lost_reply() -> Outcome {
    let sim = Sim::start().await?;
    let client = unprobed(&sim.url(), 10_000)?;
    client.ping().await?;
    let source = "return redis.call('INCR', KEYS[1])";
    let script = sim.script(source, |call| {
        let key = call.key(0).to_owned();
        call.call(&["INCR", &key])
    });
    ensure!(sim.command(&["SCRIPT", "LOAD", source]).text() == Some(script.as_str()));
    sim.script("return 1", |_| Ok(Reply::Integer(1)));
    let once = [
        ("INCR", incr("count")),
        ("LPUSH", cmd("LPUSH").arg("list").arg("a").to_owned()),
        ("RPUSH", cmd("RPUSH").arg("list").arg("a").to_owned()),
        ("EVALSHA", cmd("EVALSHA").arg(&script).arg(1).arg("count").to_owned()),
    ];
    let mut twice = Vec::new();
    for (name, command) in once {
        let (sent, executed) = lose(&sim, &client, name, &command).await?;
        if sent != Some(Sent::Ambiguous) || executed != 1 {
            twice.push(format!("{name}: {sent:?}, {executed} times"));
        }
    }
    let mut lost = Vec::new();
    for (name, command) in [("GET", super::get(0)), ("SET", super::set(0))] {
        let (sent, executed) = lose(&sim, &client, name, &command).await?;
        if sent.is_some() || executed != 2 {
            lost.push(format!("{name}: {sent:?}, {executed} times"));
        }
    }
    let figure = format!("executed twice: {twice:?}, not sent again: {lost:?}");
    Ok(Seen::new(twice.is_empty() && lost.is_empty(), "told that it is not known", figure))
}

async fn lost_reply_real() -> Outcome {
    let server = Server::start().await?;
    let proxy = Proxy::start(server.addr()).await?;
    let client = unprobed(&proxy.url(), 10_000)?;
    let script = "return redis.call('INCR', KEYS[1])";
    let commands = [
        ("incr", incr("count"), 1),
        ("lpush", cmd("LPUSH").arg("list").arg("a").to_owned(), 1),
        ("xadd", cmd("XADD").arg("stream").arg("*").arg("a").arg(1).to_owned(), 1),
        ("eval", cmd("EVAL").arg(script).arg(1).arg("count").to_owned(), 1),
        ("get", super::get(0), 2),
        ("set", super::set(0), 2),
    ];
    let mut wrong = Vec::new();
    for (name, command, expected) in commands {
        recovered(&client).await?;
        let before = calls(&server, name).await?;
        proxy.shape_existing(Shape::lose_reply());
        let told = client.execute(&command, in_ms(10_000)).await.err().map(|error| error.outcome());
        let executed = calls(&server, name).await? - before;
        let right = if expected == 1 { told == Some(Sent::Ambiguous) } else { told.is_none() };
        if !right || executed != expected {
            wrong.push(format!("{name}: {told:?}, {executed} times"));
        }
    }
    Ok(Seen::new(
        wrong.is_empty(),
        "told that it is not known",
        format!("otherwise than expected: {wrong:?}"),
    ))
}

/// How often a real server has executed a command.
async fn calls(server: &Server, name: &str) -> anyhow::Result<u64> {
    let Ok(stat) = server.info("commandstats", &format!("cmdstat_{name}")).await else { return Ok(0) };
    let calls = stat.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
    Ok(calls.context("a commandstat without calls")?.parse()?)
}

/// Waits until all circuits are closed, with calls for them to find out: one that opened because of the command before
/// would refuse the next.
async fn recovered(client: &Client) -> anyhow::Result<()> {
    let script = cmd("EVAL").arg("return 1").arg(0).to_owned();
    let closed = wait_for(seconds(5), || async {
        client.execute(&super::get(1), in_ms(500)).await.is_ok()
            && client.execute(&super::set(1), in_ms(500)).await.is_ok()
            && client.execute(&script, in_ms(500)).await.is_ok()
            && client.nodes().iter().all(|node| {
                [&node.reads, &node.writes, &node.scripts]
                    .iter()
                    .all(|circuit| circuit.state == State::Closed)
            })
    });
    ensure!(closed.await, "the client does not recover");
    Ok(())
}

/// Sends `command`, the first reply to which is lost: what the caller was told, and how often it was executed.
async fn lose(sim: &Sim, client: &Client, name: &str, command: &Cmd) -> anyhow::Result<(Option<Sent>, u64)> {
    recovered(client).await?;
    sim.forget_counts();
    sim.fault(Fault::on(name).nth(1).then(Action::lose_reply()));
    let told = client.execute(command, in_ms(10_000)).await.err().map(|error| error.outcome());
    Ok((told, sim.executed(name)))
}
