//! Answers that are lost, late, too large or none.

use super::{client, in_ms, incr};
use crate::scenario::{On, Outcome, Scenario, Seen};
use futures::FutureExt;
use steadfast_redis::{Outcome as Sent, cmd};
use steadfast_testkit::lab::sim::{Action, Fault, Sim};

pub(super) const ALL: &[Scenario] = &[Scenario {
    id: "F3",
    on: On::Simulated,
    fault: "executed, and the connection lost before the reply (INCR, LPUSH, XADD, EVAL; then GET and SET)",
    expected: "an ambiguous error and one execution; GET and SET are sent again",
    play: || lost_reply().boxed(),
}];

async fn lost_reply() -> Outcome {
    let sim = Sim::start().await?;
    let client = client(&sim.url(), 10_000)?;
    client.ping().await?;
    let script = sim.script("return redis.call('INCR', KEYS[1])", |call| {
        let key = call.key(1).to_owned();
        call.call(&["INCR", &key])
    });
    let once = [
        ("INCR", incr()),
        ("LPUSH", cmd("LPUSH").arg("list").arg("a").to_owned()),
        ("RPUSH", cmd("RPUSH").arg("list").arg("a").to_owned()),
        ("EVALSHA", cmd("EVALSHA").arg(&script).arg(1).arg("count").to_owned()),
    ];
    let mut twice = Vec::new();
    for (name, command) in once {
        sim.forget_counts();
        sim.fault(Fault::on(name).nth(1).then(Action::lose_reply()));
        let result = client.execute(&command, in_ms(10_000)).await;
        let ambiguous = result.is_err_and(|error| error.outcome() == Sent::Ambiguous);
        if !ambiguous || sim.executed(name) != 1 {
            twice.push(name);
        }
    }
    let mut lost = Vec::new();
    for (name, command) in [("GET", super::get(0)), ("SET", super::set(0))] {
        sim.forget_counts();
        sim.fault(Fault::on(name).nth(1).then(Action::lose_reply()));
        if client.execute(&command, in_ms(10_000)).await.is_err() || sim.executed(name) != 2 {
            lost.push(name);
        }
    }
    let figure = format!("executed twice: {twice:?}, not sent again: {lost:?}");
    Ok(Seen::new(twice.is_empty() && lost.is_empty(), "told that it is not known", figure))
}
