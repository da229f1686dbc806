//! One run: a node, and for each attack first quiet, then not.

use super::honest::traffic;
use super::kind::{Kind, Offered};
use super::report::{Report, Row};
use crate::process::Node;
use crate::sign::{ACCOUNT, TOKEN};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use url::Url;

/// Between the beginning of an attack and the beginning of what is measured.
const WARM_UP: Duration = Duration::from_secs(3);
/// An attacker that has not ended so long after its time is given up.
const END_WITHIN: Duration = Duration::from_secs(20);

/// What is run.
#[derive(Debug)]
pub struct Options {
    /// The node's program.
    pub binary: PathBuf,
    /// The program that attacks when called with `--attacker`: this one.
    pub attacker: PathBuf,
    /// An empty folder.
    pub folder: PathBuf,
    /// Honest messages per second.
    pub per_second: u32,
    /// How long each quiet time and each attack is measured.
    pub length: Duration,
    /// How often.
    pub rounds: u32,
    /// Which attacks.
    pub kinds: Vec<Kind>,
    /// Is told how it goes.
    pub tell: fn(&str),
}

/// Runs all attacks, round by round.
pub async fn run(options: &Options) -> anyhow::Result<Report> {
    let messages = u64::from(options.per_second)
        * options.length.as_secs().max(1)
        * 2
        * u64::from(options.rounds)
        * options.kinds.len() as u64;
    let settings = [
        "node.roles=gateway,monitor".to_owned(),
        format!("twilio.account_sid={ACCOUNT}"),
        format!("twilio.auth_token={TOKEN}"),
        "log.level=info".to_owned(),
        // Nobody takes them: the bound must not end the run.
        format!("queue.max_size={}", messages * 2 + 100_000),
        "queue.max_bytes=16GiB".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let node = Node::start(&options.binary, &options.folder.join("data"), &settings).await?;
    let mut rows = Vec::new();
    let mut round = 0;
    for &kind in &options.kinds {
        for _ in 0..options.rounds {
            round += 2;
            let row = one(options, &node, kind, round).await?;
            (options.tell)(&format!(
                "{kind:?}: quiet p99 {:.2} ms, attacked {:.2} ms, ratio {:.2}",
                row.quiet.p99_ms,
                row.attacked.p99_ms,
                row.ratio()
            ));
            rows.push(row);
        }
    }
    if !node.terminate().await? {
        bail!("the node did not end well");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(Report { per_second: options.per_second, cores, rows })
}

async fn one(options: &Options, node: &Node, kind: Kind, round: u32) -> anyhow::Result<Row> {
    let url = &node.running.webhook_url;
    let quiet = traffic(url, round, options.per_second, options.length).await?;
    if quiet.lost > 0 {
        bail!("{} honest messages were not acknowledged even in quiet", quiet.lost);
    }
    let attacker = attack(&options.attacker, kind, url, WARM_UP + options.length)?;
    tokio::time::sleep(WARM_UP).await;
    let attacked = traffic(url, round + 1, options.per_second, options.length).await?;
    let resident_mib = resident_mib(node.running.pid).unwrap_or(f64::NAN);
    let ended = tokio::time::timeout(END_WITHIN, attacker.wait_with_output()).await;
    let output = ended.context("the attacker does not end")?.context("the attacker is lost")?;
    let offered: Offered = serde_json::from_slice(&output.stdout).context("the attacker did not report")?;
    Ok(Row { attack: kind, offered, quiet, attacked, resident_mib })
}

/// Starts this program as the attacker, at the lowest priority.
fn attack(program: &Path, kind: Kind, url: &Url, length: Duration) -> anyhow::Result<tokio::process::Child> {
    let kind = serde_json::to_value(kind)?;
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(program).arg("--attacker").arg(kind.as_str().unwrap_or_default());
    command.arg("--url").arg(url.as_str()).arg("--seconds").arg(length.as_secs().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command.spawn().context("cannot start the attacker")
}

fn resident_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1_024.0)
}
