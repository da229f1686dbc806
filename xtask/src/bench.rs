//! `cargo xtask bench`: the built binary, measured by itself as a separate process.

use crate::run::{read, shown};
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const BINARY: &str = "target/release/steadfast";
/// How often a node that comes up or drains is looked at, and how many times at most.
const POLL: Duration = Duration::from_millis(50);
const LOOKS_MAX: u32 = 1_200;

/// Signed webhooks: first with the gateway alone, then with workers, records and replies on the same cores.
pub(crate) fn gateway(messages: u64, connections: u32, rate: u32, seconds: u32) -> anyhow::Result<()> {
    shown("cargo", &["build", "--release", "--locked", "--package", "steadfast"])?;
    println!("cores: {}", std::thread::available_parallelism().map_or(1, usize::from));
    for (title, roles) in [("gateway alone", "gateway,monitor"), ("everything on", "gateway,worker,monitor")]
    {
        let folder = scratch(title)?;
        let node = Node::start(&folder, roles, messages + u64::from(rate) * u64::from(seconds))?;
        println!("\n{title}:");
        let figures = read(
            BINARY,
            &[
                "bench",
                "gateway",
                "--data-dir",
                &node.data_dir(),
                "--messages",
                &messages.to_string(),
                "--connections",
                &connections.to_string(),
                "--rate",
                &rate.to_string(),
                "--seconds",
                &seconds.to_string(),
            ],
        )?;
        print!("{figures}");
        node.stop()?;
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    println!("\nEvery acknowledged message was on disk (fsync) before its answer.");
    Ok(())
}

/// An empty folder on the disk that holds the build, not in memory.
fn scratch(title: &str) -> anyhow::Result<PathBuf> {
    let folder =
        Path::new("target/bench").join(format!("{}-{}", title.replace(' ', "-"), std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

struct Node {
    child: Child,
    folder: PathBuf,
}

impl Node {
    fn start(folder: &Path, roles: &str, jobs: u64) -> anyhow::Result<Self> {
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
        for setting in &settings {
            command.args(["--set", setting]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().context("cannot start the node")?;
        let mut node = Self { child, folder: folder.to_owned() };
        node.until("start", |node| Ok(node.folder.join("data/running.json").exists()))?;
        Ok(node)
    }

    fn data_dir(&self) -> String {
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

    fn stop(mut self) -> anyhow::Result<()> {
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
