//! From a webhook to the arrival of its reply at a fake Twilio in a process of its own.
//!
//! Arrival is the fake Twilio's own time stamp, in whole milliseconds on the machine's clock; the time at which a
//! message was due is rounded down to the same clock's millisecond. Replies of one person are matched to their
//! messages by order.

use super::figures::Latencies;
use super::load::{Load, People, closed, open};
use super::template::Template;
use super::usage::{Usage, forget_peak, resident_mib};
use super::{Output, per_second};
use crate::cli::BenchPipeline;
use crate::commands::http::client;
use crate::config::Config;
use crate::node::Running;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use steadfast_clock::{Clock, SystemClock};
use tokio::time::Instant;
use url::Url;

/// Replies read at a time.
const PAGE: usize = 10_000;
/// So long without a new reply, and the rest is not waited for.
const STALLED_AFTER: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Sends as fast as acknowledged, then at a rate; tells when the replies came.
pub(super) async fn run(config: Config, args: BenchPipeline) -> anyhow::Result<()> {
    let dir = crate::commands::data_dir(&config);
    let node = dir.running_node()?;
    let template = Template::new(&config, &dir.key()?, &node.webhook()?)?;
    let out = Output { json: args.json };
    let mut replies = Replies { fake: args.fake, after: 0, read: 0 };
    replies.skip().await?;
    let who = People { first: 0, people: args.senders.max(1) };
    let mut load = Load { template, connections: args.connections, messages: args.messages, first: 0, who };
    if args.messages > 0 {
        let watch = Watch::begin(&node);
        let sent = load.clone();
        let begun = Mark::now();
        let seen = closed(sent).await?;
        check(seen.refused)?;
        let arrivals = replies.collect(load.messages).await?;
        let last_ms = arrivals.values().flatten().max().copied().unwrap_or(begun.wall_ms);
        let took = Duration::from_millis(u64::try_from(last_ms - begun.wall_ms).unwrap_or(0));
        let count = arrivals.values().map(Vec::len).sum::<usize>() as u64;
        let figures = watch.end(
            json!({
                "what": "saturated",
                "setup": { "connections": args.connections, "senders": args.senders },
                "messages": load.messages,
                "replies": count,
                "seconds": took.as_secs_f64(),
                "per_second": per_second(count, took),
                "acknowledged_per_second": per_second(seen.acknowledged, seen.took),
            }),
            count,
        );
        out.say(&line(&figures), &figures)?;
    }
    if args.seconds > 0 {
        load.first = args.messages;
        load.messages = u64::from(args.rate) * u64::from(args.seconds);
        load.who.first = load.who.people;
        load.connections = super::gateway::OPEN_CONNECTIONS;
        let watch = Watch::begin(&node);
        let mark = Mark::now();
        let seen = open(load.clone(), args.rate).await?;
        check(seen.refused)?;
        let arrivals = replies.collect(load.messages).await?;
        let first_due_ms = mark.wall_ms_at(seen.begun);
        let latencies = matched(&load, &arrivals, first_due_ms, args.rate)?;
        let mut figures = watch.end(
            json!({
                "what": "open loop",
                "setup": { "per_second": args.rate, "senders": args.senders },
                "messages": load.messages,
                "replies": latencies.count(),
                "latency": latencies.json(),
                "acknowledgement": seen.latencies.json(),
            }),
            load.messages,
        );
        figures["per_second"] = per_second(seen.acknowledged, seen.took).into();
        let line = format!("{}\n             webhook to reply: {}", line(&figures), latencies.line());
        out.say(&line, &figures)?;
    }
    Ok(())
}

fn check(refused: u64) -> anyhow::Result<()> {
    if refused > 0 {
        bail!("{refused} webhooks were refused: the run says nothing (queue.max_size, and the node's log)");
    }
    Ok(())
}

/// The same moment on two clocks.
struct Mark {
    at: Instant,
    wall_ms: i64,
}

impl Mark {
    fn now() -> Self {
        Self { wall_ms: SystemClock::new().now_ms(), at: Instant::now() }
    }

    fn wall_ms_at(&self, later: Instant) -> i64 {
        let passed = later.saturating_duration_since(self.at).as_millis();
        self.wall_ms + i64::try_from(passed).unwrap_or(i64::MAX)
    }
}

/// From when each message was due to when its reply came.
fn matched(
    load: &Load,
    arrivals: &BTreeMap<u64, Vec<i64>>,
    first_due_ms: i64,
    rate: u32,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new()?;
    for (person, arrived) in arrivals {
        let Some(place) = person.checked_sub(load.who.first) else { continue };
        for (turn, arrived_ms) in arrived.iter().enumerate() {
            let index = place + turn as u64 * load.who.people;
            let due_ms = first_due_ms as f64 + index as f64 * 1_000.0 / f64::from(rate.max(1));
            latencies.note(Duration::from_secs_f64((*arrived_ms as f64 - due_ms).max(0.0) / 1_000.0));
        }
    }
    Ok(latencies)
}

/// The node's use of the machine over a run.
struct Watch {
    pid: u32,
    before: Usage,
}

impl Watch {
    fn begin(node: &Running) -> Self {
        forget_peak(node.pid);
        Self { pid: node.pid, before: Usage::of(Some(node.pid)) }
    }

    fn end(self, mut figures: Value, count: u64) -> Value {
        let after = Usage::of(Some(self.pid));
        let (resident, peak) = resident_mib(self.pid);
        figures["cpu_us_per_message"] = after.cpu_us_each(&self.before, count).into();
        figures["disk_bytes_per_message"] = after.written_each(&self.before, count).into();
        figures["resident_mib"] = resident.into();
        figures["peak_mib"] = peak.into();
        figures
    }
}

fn line(figures: &Value) -> String {
    let figure = |name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
    format!(
        "{:<12} {:>8.0} messages/s, {:.0} replies of {:.0}; {:.0} us CPU and {:.0} bytes to disk per message; \
         {:.1} MiB resident, peak {:.1}",
        figures["what"].as_str().unwrap_or_default(),
        figure("per_second"),
        figure("replies"),
        figure("messages"),
        figure("cpu_us_per_message"),
        figure("disk_bytes_per_message"),
        figure("resident_mib"),
        figure("peak_mib"),
    )
}

/// What the fake Twilio was sent.
struct Replies {
    fake: Url,
    after: u64,
    /// How many of its replies were read.
    read: u64,
}

impl Replies {
    /// What was there before is none of ours.
    async fn skip(&mut self) -> anyhow::Result<()> {
        while self.page(&mut BTreeMap::new()).await? == PAGE {}
        // What it has dropped since is counted all the same.
        self.read = self.accepted().await?;
        Ok(())
    }

    /// Waits for `count` more, and returns their times of arrival by person. Read only when all are there, or
    /// when no more come: reading costs what is measured.
    async fn collect(&mut self, count: u64) -> anyhow::Result<BTreeMap<u64, Vec<i64>>> {
        let goal = self.read + count;
        let mut known = self.accepted().await?;
        let mut patience = Instant::now() + STALLED_AFTER;
        while known < goal && Instant::now() < patience {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.accepted().await?;
            if now > known {
                patience = Instant::now() + STALLED_AFTER;
            }
            known = now;
        }
        let mut arrivals = BTreeMap::new();
        while self.page(&mut arrivals).await? == PAGE {}
        Ok(arrivals)
    }

    /// Replies accepted since the fake Twilio's start.
    async fn accepted(&self) -> anyhow::Result<u64> {
        let stats = get(self.fake.join("/fake/stats")?).await?;
        stats["counters"]["accepted"].as_u64().context("the fake Twilio counts no accepted replies")
    }

    /// Reads one page: when each person's replies came. Says how many it held.
    async fn page(&mut self, arrivals: &mut BTreeMap<u64, Vec<i64>>) -> anyhow::Result<usize> {
        let mut url = self.fake.join("/fake/messages").context("no URL of the replies")?;
        url.query_pairs_mut()
            .append_pair("after", &self.after.to_string())
            .append_pair("limit", &PAGE.to_string());
        let page = get(url).await?;
        let messages = page["messages"].as_array().context("the fake Twilio shows no messages")?;
        for message in messages {
            let person = message["to"].as_str().and_then(Template::person);
            let (Some(person), Some(arrived_ms)) = (person, message["created_ms"].as_i64()) else { continue };
            arrivals.entry(person).or_default().push(arrived_ms);
        }
        self.after = page["next_after"].as_u64().context("the fake Twilio names no next page")?;
        self.read += messages.len() as u64;
        Ok(messages.len())
    }
}

async fn get(url: Url) -> anyhow::Result<Value> {
    let text = client()?.get(url).send().await.context("the fake Twilio does not answer")?.text().await?;
    serde_json::from_str(&text).context("the fake Twilio answered no JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_matched_to_their_messages_by_person_and_order() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let key = crate::node::DataDir::open(folder.path())?.key()?;
        let sources = crate::config::sources(None, Vec::new()).ok();
        let config = sources.and_then(|sources| crate::config::load(&sources).ok()).context("defaults")?;
        let template = Template::new(&config, &key, &Url::parse("http://127.0.0.1:3010/webhook/twilio")?)?;
        let who = People { first: 10, people: 2 };
        let load = Load { template, connections: 1, messages: 4, first: 0, who };
        // 100 a second: due at 0, 10, 20 and 30 ms; of person 10 the first and the third.
        let arrivals = BTreeMap::from([(10, vec![1_005, 1_025]), (11, vec![1_015, 1_135]), (3, vec![9_999])]);
        let latencies = matched(&load, &arrivals, 1_000, 100)?;
        assert_eq!(latencies.count(), 4);
        let told = latencies.json();
        assert!((told["p50_ms"].as_f64().context("a median")? - 5.0).abs() < 0.1, "{told}");
        assert!((told["max_ms"].as_f64().context("a longest")? - 105.0).abs() < 0.2, "{told}");
        Ok(())
    }
}
