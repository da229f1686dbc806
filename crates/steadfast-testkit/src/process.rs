//! The built binary as a process of its own: started on free ports, killed without mercy, or drained.

use crate::wait::wait_for_some;
use anyhow::{Context, bail};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use url::Url;

/// How long a process may take to come up.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long a drain may take.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// Where a node says it can be reached.
#[derive(Debug, Clone, Deserialize)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// The webhook.
    pub webhook_url: Url,
    /// The private API.
    pub monitor_url: Url,
    /// The metrics.
    pub metrics_url: Option<Url>,
    /// The fake Twilio, if it runs inside.
    pub fake_twilio_url: Option<Url>,
}

/// A running `steadfast serve`, or another long-running command of the binary.
#[derive(Debug)]
pub struct Node {
    child: Child,
    log: PathBuf,
    /// Where it can be reached.
    pub running: Running,
}

impl Node {
    /// Starts `binary serve` on `data_dir` with every port free and `settings` as `--set` flags, and waits
    /// until it says where it is.
    pub async fn start(binary: &Path, data_dir: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        Self::start_under("", binary, data_dir, settings).await
    }

    /// The same, with `prelude` run first by the shell that becomes the node: limits, traps.
    pub async fn start_under(
        prelude: &str,
        binary: &Path,
        data_dir: &Path,
        settings: &[&str],
    ) -> anyhow::Result<Self> {
        Starting::spawn(prelude, binary, data_dir, settings)?.ready().await
    }

    /// Ends the process as a power cut would, and waits until it is gone.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the node")
    }

    /// Asks the process to drain, waits for it, and returns whether it ended well.
    pub async fn terminate(mut self) -> anyhow::Result<bool> {
        signal(self.running.pid, "TERM").await?;
        let status = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await;
        let status =
            status.with_context(|| format!("no end within {STOP_WITHIN:?}:\n{}", tail(&self.log)))?;
        Ok(status.context("cannot wait for the node")?.success())
    }

    /// What it has logged, over all its starts on this data folder.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A node that was started and has not said yet where it is.
#[derive(Debug)]
pub struct Starting {
    child: Child,
    log: PathBuf,
    announced: PathBuf,
}

impl Starting {
    /// Starts it, as [`Node::start_under`] does, and does not wait.
    pub fn spawn(prelude: &str, binary: &Path, data_dir: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{prelude}\nexec \"$0\" \"$@\"")]).arg(binary);
        command.arg("serve").arg("--data-dir").arg(data_dir);
        let free_ports =
            ["gateway.port=0", "monitor.port=0", "metrics.port=0", "fake_twilio.port=0", "log.format=json"];
        for setting in free_ports.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        let log = data_dir.with_extension("log");
        let child = spawn(command, &log)?;
        Ok(Self { child, log, announced: data_dir.join("running.json") })
    }

    /// Waits until it says where it is.
    pub async fn ready(mut self) -> anyhow::Result<Node> {
        let pid = self.child.id().context("the process ended at once")?;
        let running = wait_for_some(START_WITHIN, || {
            let found = std::fs::read(&self.announced).ok();
            let found = found.and_then(|text| serde_json::from_slice(&text).ok());
            std::future::ready(found.filter(|running: &Running| running.pid == pid))
        });
        tokio::select! {
            running = running => match running {
                Some(running) => Ok(Node { child: self.child, log: self.log, running }),
                None => bail!("no node within {START_WITHIN:?}; its log:\n{}", tail(&self.log)),
            },
            ended = self.child.wait() => bail!("the node ended with {ended:?}; its log:\n{}", tail(&self.log)),
        }
    }

    /// Ends it as a power cut would, whatever it is about.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("cannot kill the node")
    }
}

/// Sends a signal by name (`TERM`, `STOP`, `CONT`) to a process that the caller started.
pub async fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().await;
    match status.context("cannot run kill")? {
        status if status.success() => Ok(()),
        status => bail!("kill -{name} {pid} ended with {status}"),
    }
}

/// A helper process that announces the URL it listens on in its first line of output.
#[derive(Debug)]
pub struct Service {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub url: Url,
}

impl Service {
    /// Starts `command` and reads the first `http://…` that it prints.
    pub async fn start(command: Command, log: &Path) -> anyhow::Result<Self> {
        let mut child = spawn(command, log)?;
        let found = wait_for_some(START_WITHIN, || {
            let text = std::fs::read_to_string(log).unwrap_or_default();
            let url = text.split_whitespace().find(|word| word.starts_with("http://"));
            std::future::ready(url.and_then(|url| Url::parse(url).ok()))
        });
        tokio::select! {
            url = found => match url {
                Some(url) => Ok(Self { child, log: log.to_owned(), url }),
                None => bail!("no URL within {START_WITHIN:?}; its output:\n{}", tail(log)),
            },
            ended = child.wait() => bail!("the process ended with {ended:?}; its output:\n{}", tail(log)),
        }
    }

    /// Ends it.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill the process of {}", self.log.display()))
    }
}

/// Starts `command` with its output appended to `log`; it is killed when its handle is dropped.
fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Child> {
    let out = std::fs::OpenOptions::new().create(true).append(true).open(log);
    let out = out.with_context(|| format!("cannot write {}", log.display()))?;
    let err = out.try_clone().context("cannot share the log")?;
    // The caller's configuration must not leak into the process under test.
    for (name, _) in std::env::vars_os() {
        let ours =
            name.to_str().is_some_and(|name| name.starts_with("STEADFAST_") || name.starts_with("TWILIO_"));
        if ours || ["PORT", "HOST", "NODE_ENV"].iter().any(|known| name == *known) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(out).stderr(err).kill_on_drop(true);
    command.spawn().context("cannot start the process")
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
