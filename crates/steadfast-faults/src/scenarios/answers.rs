//! Answers that are lost.

use super::{client, in_ms, incr, seconds};
use crate::scenario::{On, Outcome, Scenario, Seen};
use anyhow::ensure;
use futures::FutureExt;
use steadfast_redis::{Client, Cmd, Outcome as Sent, cmd};
use steadfast_testkit::lab::sim::{Action, Fault, Sim};
use steadfast_testkit::redis::Reply;
use steadfast_testkit::wait_for;

pub(super) const ALL: &[Scenario] = &[Scenario {
    id: "F3",
    on: On::Simulated,
    fault: "executed, and the connection lost before the reply (INCR, LPUSH, RPUSH, EVALSHA; then GET and SET)",
    expected: "an ambiguous error and one execution; GET and SET are sent again",
    play: |_| lost_reply().boxed(),
}];

async fn lost_reply() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 10_000)?;
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

/// Sends `command`, the first reply to which is lost: what the caller was told, and how often it was executed.
async fn lose(sim: &Sim, client: &Client, name: &str, command: &Cmd) -> anyhow::Result<(Option<Sent>, u64)> {
    // A circuit that opened because of the one before must be closed again, or this says nothing.
    let closed = wait_for(seconds(5), || async {
        client.execute(&super::get(1), in_ms(500)).await.is_ok()
            && client.execute(&super::set(1), in_ms(500)).await.is_ok()
            && client.execute(&cmd("EVAL").arg("return 1").arg(0).to_owned(), in_ms(500)).await.is_ok()
    });
    ensure!(closed.await, "the client does not recover");
    sim.forget_counts();
    sim.fault(Fault::on(name).nth(1).then(Action::lose_reply()));
    let told = client.execute(command, in_ms(10_000)).await.err().map(|error| error.outcome());
    Ok((told, sim.executed(name)))
}
