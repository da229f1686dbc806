//! The built binary, running, while another process measures it.

use crate::run::shown;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The binary that is measured.
pub(crate) const BINARY: &str = "target/release/steadfast";
/// How often a process that comes up or drains is looked at, and how many times at most.
const POLL: Duration = Duration::from_millis(50);
const LOOKS_MAX: u32 = 2_400;
/// An account and a token for nodes that talk to a fake Twilio in another process.
pub(super) const ACCOUNT: [&str; 2] = [
    "twilio.account_sid=AC00000000000000000000000000000000",
    "twilio.auth_token=a-token-of-the-benches-0123456789",
];

/// Builds what is measured.
pub(super) fn build() -> anyhow::Result<()> {
    shown("cargo", &["build", "--release", "--locked", "--package", "steadfast"])
}

/// An empty folder on the disk that holds the build, not in memory.
pub(crate) fn scratch(title: &str) -> anyhow::Result<PathBuf> {
    let folder =
        Path::new("target/bench").join(format!("{}-{}", title.replace(' ', "-"), std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// A node, or the fake Twilio; ended when dropped.
pub(super) struct Node {
    child: Child,
    folder: PathBuf,
}

impl Node {
    /// Starts a node on an empty folder that takes `jobs` without hitting its bounds.
    pub(super) fn start(folder: &Path, roles: &str, jobs: u64, more: &[String]) -> anyhow::Result<Self> {
        let log = std::fs::File::create(folder.join("node.log")).context("cannot write the node's log")?;
        let data_dir = folder.join("data");
        let settings = [
            format!("node.roles={roles}"),
            "gateway.port=0".to_owned(),
            "monitor.port=0".to_owned(),
            "metrics.port=0".to_owned(),
            "fake_twilio.port=0".to_owned(),
            "log.level=warn".to_owned(),
            // The gateway alone piles them all up: the bound must not end the run.
            format!("queue.max_size={}", (jobs * 2).max(100_000)),
            "queue.max_bytes=16GiB".to_owned(),
        ];
        let mut command = Command::new(BINARY);
        command.arg("serve").arg("--data-dir").arg(&data_dir);
        for setting in settings.iter().chain(more) {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context("cannot start the node")?;
        let mut node = Self { child, folder: folder.to_owned() };
        node.until("start", |node| Ok(node.folder.join("data/running.json").exists()))?;
        Ok(node)
    }

    /// Starts the fake Twilio as a process of its own; where it listens.
    pub(super) fn fake_twilio(folder: &Path) -> anyhow::Result<(Self, String)> {
        let said = folder.join("fake.out");
        let out = std::fs::File::create(&said).context("cannot write what the fake Twilio says")?;
        let mut command = Command::new(BINARY);
        command.args(["fake-twilio", "--port", "0", "--webhook-url", "http://127.0.0.1:9/webhook/twilio"]);
        command.arg("--data-dir").arg(folder.join("fake"));
        for setting in ACCOUNT.iter().chain(&["log.level=warn"]) {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stderr(out.try_clone().context("cannot share its output")?).stdout(out);
        let child = command.spawn().context("cannot start the fake Twilio")?;
        let mut fake = Self { child, folder: folder.to_owned() };
        let mut url = None;
        fake.until("start", |_| {
            let text = std::fs::read_to_string(&said).unwrap_or_default();
            url = text.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
            Ok(url.is_some())
        })?;
        Ok((fake, url.context("the fake Twilio named no URL")?))
    }

    pub(super) fn data_dir(&self) -> String {
        self.folder.join("data").display().to_string()
    }

    /// Looks every `POLL` whether it is `done`, `LOOKS_MAX` times.
    fn until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        for _ in 0..LOOKS_MAX {
            if done(self)? {
                return Ok(());
            }
            if what == "start" && self.child.try_wait().context("cannot look at the node")?.is_some() {
                bail!("the node ended; see {}", self.folder.join("node.log").display());
            }
            std::thread::park_timeout(POLL);
        }
        bail!("the node did not {what} within {:?}", POLL * LOOKS_MAX)
    }

    /// Asks it to drain and waits for it.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        shown("kill", &["-TERM", &self.child.id().to_string()])?;
        self.until("drain", |node| Ok(node.child.try_wait().context("cannot look at the node")?.is_some()))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Only reached alive when something went wrong before the drain.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _gone = self.child.kill();
        }
    }
}
