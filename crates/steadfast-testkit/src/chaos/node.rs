//! The node under test: started again and again on the same folder and port.

use super::clock::WallClock;
use super::disk::Disk;
use super::options::Options;
use super::random::Random;
use crate::process::{Node, Starting};
use crate::sign::{ACCOUNT, TOKEN};
use crate::wait::wait_for;
use anyhow::{Context, bail};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// How long a start may take, tries that the full disk spoils included.
const UP_WITHIN: Duration = Duration::from_mins(1);
/// Between two tries, as a service manager would wait.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The node, its clock and its disk.
#[derive(Debug)]
pub(super) struct Subject {
    binary: PathBuf,
    settings: Vec<String>,
    pub(super) clock: WallClock,
    pub(super) disk: Disk,
    /// Whether the disk is full.
    pub(super) full: bool,
    node: Option<Node>,
    readyz: Url,
    client: reqwest::Client,
    /// From the start of the process to its first word that it can take messages, in milliseconds; starts on a
    /// full disk apart.
    pub(super) starts_ms: Vec<u64>,
    /// Starts that ended by themselves.
    pub(super) failed_starts: u32,
}

impl Subject {
    pub(super) async fn new(options: &Options, fake: &Url, client: reqwest::Client) -> anyhow::Result<Self> {
        let clock = WallClock::make(&options.folder)?;
        let disk = Disk::make(&options.folder.canonicalize()?, options.own_disk).await?;
        let port = free_port(options.seed)?;
        let base = format!("http://127.0.0.1:{port}");
        let settings = vec![
            format!("twilio.account_sid={ACCOUNT}"),
            format!("twilio.auth_token={TOKEN}"),
            format!("twilio.api_base_url={fake}"),
            // Paced as always, only faster than WhatsApp allows one sender.
            "twilio.sends_per_second=1000".to_owned(),
            format!("gateway.port={port}"),
            // Status callbacks come back, as they do from Twilio.
            format!("gateway.public_base_url={base}"),
            format!("bot.ambiguous_grace={}s", options.ambiguous_grace.as_secs().max(1)),
            // A draft must outlive the steps of the clock: the order's sum counts the messages.
            "bot.draft_ttl=24h".to_owned(),
            "log.level=warn".to_owned(),
        ];
        Ok(Self {
            binary: options.binary.clone(),
            settings,
            clock,
            disk,
            full: false,
            node: None,
            readyz: Url::parse(&format!("{base}/readyz")).context("no URL of readiness")?,
            client,
            starts_ms: Vec::new(),
            failed_starts: 0,
        })
    }

    /// Where webhooks go, at every start the same.
    pub(super) fn webhook_url(&self) -> anyhow::Result<Url> {
        self.readyz.join("/webhook/twilio").context("no URL of the webhook")
    }

    /// Where the private API is.
    pub(super) fn monitor_url(&self) -> Option<Url> {
        self.node.as_ref().map(|node| node.running.monitor_url.clone())
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.node.as_ref().map(|node| node.running.pid)
    }

    /// Starts a process and does not wait for it.
    pub(super) fn spawn(&self) -> anyhow::Result<Starting> {
        let prelude = format!("{}\n{}", self.disk.prelude(self.full), self.clock.prelude());
        let settings: Vec<&str> = self.settings.iter().map(String::as_str).collect();
        Starting::spawn(&prelude, &self.binary, &self.disk.data(), &settings)
    }

    /// Starts it, again if it ends by itself, until it takes messages; on a full disk, until it runs.
    pub(super) async fn up(&mut self) -> anyhow::Result<()> {
        let patience = Instant::now() + UP_WITHIN;
        loop {
            let begun = Instant::now();
            match self.spawn()?.ready().await {
                Ok(node) => self.node = Some(node),
                Err(error) if Instant::now() > patience => return Err(error),
                Err(_) => {
                    self.failed_starts += 1;
                    tokio::time::sleep(AGAIN_AFTER).await;
                    continue;
                }
            }
            if self.full {
                return Ok(());
            }
            let ready = wait_for(UP_WITHIN, || async {
                self.client
                    .get(self.readyz.clone())
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status().is_success())
            });
            if !ready.await {
                bail!("the node runs and is not ready:\n{}", self.log_tail());
            }
            self.starts_ms.push(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
            return Ok(());
        }
    }

    /// kill -9.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        match self.node.take() {
            Some(node) => node.kill().await,
            None => Ok(()),
        }
    }

    /// SIGTERM, waited for; says whether it ended well.
    pub(super) async fn terminate(&mut self) -> anyhow::Result<bool> {
        match self.node.take() {
            Some(node) => node.terminate().await,
            None => Ok(true),
        }
    }

    /// The last lines of the log, over all starts.
    pub(super) fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.disk.data().with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// A port that nobody listens on, below those that the system gives to connections: otherwise a client could
/// meet itself on it while the node is down.
fn free_port(seed: u64) -> anyhow::Result<u16> {
    let mut random = Random::new(seed ^ u64::from(std::process::id()), 1);
    for _ in 0..100 {
        let port = u16::try_from(random.between(20_000, 30_000))?;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between 20000 and 30000 on loopback")
}
