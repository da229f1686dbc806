//! Signed, unique webhooks against a running node.

use super::load::{Load, People, Seen, closed, open};
use super::template::Template;
use super::usage::{Store, Usage, forget_peak, resident_mib};
use super::{Output, per_second};
use crate::cli::BenchGateway;
use crate::config::Config;
use crate::node::Running;
use serde_json::{Value, json};

/// Connections of the open loop: enough that none is busy when a message is due, unless the node stalls.
pub(super) const OPEN_CONNECTIONS: u32 = 64;

/// Runs both loops and tells their figures.
pub(super) async fn run(config: Config, args: BenchGateway) -> anyhow::Result<()> {
    let dir = crate::commands::data_dir(&config);
    let node = dir.running_node()?;
    let template = Template::new(&config, &dir.key()?, &node.webhook()?)?;
    let out = Output { json: args.json };
    let idle_mib = resident_mib(node.pid).0;
    out.say(
        &format!("idle: {idle_mib:.1} MiB resident"),
        &json!({ "what": "idle", "resident_mib": idle_mib }),
    )?;
    let bytes = template.body_bytes;
    let who = People { first: 0, people: args.senders.max(1) };
    let mut load = Load { template, connections: args.connections, messages: args.messages, first: 0, who };
    if args.messages > 0 {
        let setup = json!({ "connections": args.connections, "senders": args.senders, "form_bytes": bytes });
        let loaded = load.clone();
        let (line, figures) = measured("closed loop", &setup, &node, closed(loaded)).await?;
        out.say(&line, &figures)?;
    }
    if args.seconds > 0 {
        load.first = args.messages;
        load.messages = u64::from(args.rate) * u64::from(args.seconds);
        load.connections = OPEN_CONNECTIONS;
        let setup = json!({ "per_second": args.rate, "senders": args.senders, "form_bytes": bytes });
        let (line, figures) = measured("open loop", &setup, &node, open(load, args.rate)).await?;
        out.say(&line, &figures)?;
    }
    Ok(())
}

/// Runs one loop with a look at the node before and after.
async fn measured(
    what: &str,
    setup: &Value,
    node: &Running,
    run: impl Future<Output = anyhow::Result<Seen>>,
) -> anyhow::Result<(String, Value)> {
    forget_peak(node.pid);
    let store = Store::read(node.metrics_url.as_ref()).await?;
    let (theirs, ours) = (Usage::of(Some(node.pid)), Usage::of(None));
    let seen = run.await?;
    let (theirs_after, ours_after) = (Usage::of(Some(node.pid)), Usage::of(None));
    let store = Store::read(node.metrics_url.as_ref()).await?.since(&store);
    let count = seen.latencies.count();
    let (resident, peak) = resident_mib(node.pid);
    let figures = json!({
        "what": what,
        "setup": setup,
        "acknowledged": seen.acknowledged,
        "refused": seen.refused,
        "seconds": seen.took.as_secs_f64(),
        "per_second": per_second(seen.acknowledged, seen.took),
        "latency": seen.latencies.json(),
        "cpu_us_per_message": theirs_after.cpu_us_each(&theirs, count),
        "generator_cpu_us_per_message": ours_after.cpu_us_each(&ours, count),
        "disk_bytes_per_message": theirs_after.written_each(&theirs, count),
        "resident_mib": resident,
        "peak_mib": peak,
        "store": store,
    });
    Ok((line(&figures, &seen), figures))
}

fn line(figures: &Value, seen: &Seen) -> String {
    let figure = |name: &str| figures[name].as_f64().unwrap_or(f64::NAN);
    let mean = |name: &str| figures["store"][name]["mean"].as_f64().unwrap_or(f64::NAN);
    format!(
        "{:<12} {:>8.0} acknowledged/s  {}  ({} acknowledged, {} refused, {:.1} s)\n             {:.1} us CPU per message \
         (generator {:.1}), {:.0} bytes to disk per message, {:.1} MiB resident, peak {:.1}\n             \
         commits: mean {:.2} ms for {:.1} calls, of which sync {:.2} ms; {:.0} bytes to the log per message",
        figures["what"].as_str().unwrap_or_default(),
        figure("per_second"),
        seen.latencies.line(),
        seen.acknowledged,
        seen.refused,
        figure("seconds"),
        figure("cpu_us_per_message"),
        figure("generator_cpu_us_per_message"),
        figure("disk_bytes_per_message"),
        figure("resident_mib"),
        figure("peak_mib"),
        mean("commit_seconds") * 1e3,
        mean("batch_calls"),
        mean("sync_seconds") * 1e3,
        figures["store"]["log_bytes_total"].as_f64().unwrap_or(f64::NAN)
            / seen.latencies.count().max(1) as f64,
    )
}
