//! The end: until everything that was acknowledged is answered and nothing waits any more.

use super::ledger::Offence;
use super::load::Load;
use super::options::Options;
use anyhow::Context;
use serde_json::Value;
use std::io::Write;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;

const EVERY: Duration = Duration::from_millis(500);
/// Looks in a row that must find nothing at work before it counts as quiet.
const QUIET_LOOKS: u32 = 4;
/// States of jobs that still have something to do.
const UNFINISHED: [&str; 4] = ["available", "running", "scheduled", "retryable"];

/// Waits for it; says whether it came in time.
pub(super) async fn quiet(options: &Options, load: &Load, client: &reqwest::Client, monitor: &Url) -> bool {
    let deadline = Instant::now() + options.quiet_within;
    let mut looks = 0;
    while Instant::now() < deadline {
        let idle = matches!(unfinished(client, monitor).await, Ok(0));
        looks = if idle { looks + 1 } else { 0 };
        // Nothing at work for a while: what has no reply now never gets one.
        if looks >= QUIET_LOOKS && (load.ledger().all_answered() || looks >= 10 * QUIET_LOOKS) {
            return true;
        }
        sleep(EVERY).await;
    }
    false
}

/// Jobs that are not finished, over all queues.
pub(super) async fn unfinished(client: &reqwest::Client, monitor: &Url) -> anyhow::Result<u64> {
    let queues = json(client, monitor.join("/queues")?).await?;
    let queues = queues["queues"].as_array().context("no queues in the answer")?;
    let count = |queue: &Value| -> u64 {
        UNFINISHED.iter().map(|state| queue["counts"][state].as_u64().unwrap_or(0)).sum()
    };
    Ok(queues.iter().map(count).sum())
}

/// Dead letters.
pub(super) async fn dead_letters(client: &reqwest::Client, monitor: &Url) -> anyhow::Result<u64> {
    let dead = json(client, monitor.join("/dlq?limit=1")?).await?;
    dead["total"].as_u64().context("no number of dead letters in the answer")
}

/// Does what an operator does about dead letters: has them run again.
pub(super) async fn retry_dead(client: &reqwest::Client, monitor: &Url) -> anyhow::Result<()> {
    let request = client.post(monitor.join("/dlq/retry")?).body("{\"retryAll\":true}");
    let status = request.send().await.context("the private API is away")?.status();
    anyhow::ensure!(status.is_success(), "the dead letters were not retried: {status}");
    Ok(())
}

async fn json(client: &reqwest::Client, url: Url) -> anyhow::Result<Value> {
    let text = client.get(url).send().await.context("the private API is away")?.text().await?;
    serde_json::from_str(&text).context("the private API answered no JSON")
}

/// Writes every offence with what the node knows of the message into `path`. Returns how many of those without a
/// reply the node holds as undecided.
pub(super) async fn keep_offences(
    path: &std::path::Path,
    offences: &[Offence],
    seed: u64,
    client: &reqwest::Client,
    monitor: &Url,
) -> anyhow::Result<u64> {
    let mut file = std::fs::File::create(path).context("cannot write the file of offences")?;
    let mut undecided = 0;
    for offence in offences {
        let sid = offence.id.sid(seed);
        let known = match json(client, monitor.join(&format!("/messages/{sid}"))?).await {
            Ok(known) => known,
            Err(error) => Value::String(format!("{error:#}")),
        };
        let text = known.to_string();
        undecided += u64::from(offence.what == "no reply" && is_undecided(&known));
        writeln!(
            file,
            "{}\t{sid}\tsender {}\tseq {}\t{text}",
            offence.what, offence.id.sender, offence.id.seq
        )
        .context("cannot write the file of offences")?;
    }
    Ok(undecided)
}

/// Whether the last thing that happened to the message's reply is a send in doubt, or a search for it.
fn is_undecided(known: &Value) -> bool {
    let last = known["events"].as_array().and_then(|events| events.last());
    last.is_some_and(|event| matches!(event["stage"].as_str(), Some("ambiguous" | "searched")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reply_in_doubt_is_told_from_one_that_is_nowhere() {
        let stages = |stages: &[&str]| {
            let events: Vec<Value> = stages.iter().map(|stage| json!({ "stage": stage })).collect();
            json!({ "events": events })
        };
        assert!(is_undecided(&stages(&["received", "ambiguous"])));
        assert!(is_undecided(&stages(&["received", "ambiguous", "searched"])));
        assert!(!is_undecided(&stages(&["received", "ambiguous", "not_sent"])));
        assert!(!is_undecided(&json!({ "error": {} })));
    }
}
