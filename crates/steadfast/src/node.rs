//! What a node keeps about itself in its data folder: its keys, and where it can be reached.

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The account that the fake Twilio stands for.
pub(crate) const FAKE_ACCOUNT: &str = "AC00000000000000000000000000000000";
/// The sender that the fake Twilio lends us.
pub(crate) const FAKE_SENDER: &str = "whatsapp:+14155238886";

/// A node's data folder.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Opens the folder, creating it (mode 0700) if need be.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| {
            format!("cannot create the data folder {} (set --data-dir to one you can write)", path.display())
        })?;
        Ok(Self(path.to_owned()))
    }

    /// The folder of a node that others started; nothing is created.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn queue(&self) -> PathBuf {
        self.0.join("queue.db")
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.0.join("records.db")
    }

    fn running(&self) -> PathBuf {
        self.0.join("running.json")
    }

    /// The node's secret key, made at the first start. Several nodes that share work need the same one.
    pub(crate) fn key(&self) -> anyhow::Result<NodeKey> {
        let path = self.0.join("node.key");
        if let Some(key) = read_key(&path)? {
            return Ok(key);
        }
        let mut bytes = [0_u8; 32];
        File::open("/dev/urandom")
            .and_then(|mut random| random.read_exact(&mut bytes))
            .context("cannot read random bytes for the node's key")?;
        match write_private(&path, hex::encode(bytes).as_bytes(), true) {
            Ok(()) => Ok(NodeKey(bytes)),
            // Another process was first: its key counts.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                read_key(&path)?.with_context(|| format!("{} is empty", path.display()))
            }
            Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
        }
    }

    /// Leaves word of where the node can be reached, for the other commands.
    pub(crate) fn announce(&self, running: &Running) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(running).context("cannot describe the running node")?;
        let path = self.running();
        let fresh = path.with_extension("json.new");
        let written = write_private(&fresh, &text, false).and_then(|()| std::fs::rename(&fresh, &path));
        written.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Where the running node can be reached, as it said at its start.
    pub(crate) fn running_node(&self) -> anyhow::Result<Running> {
        let path = self.running();
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "no node has been started on {}: start one with `steadfast serve`, or name its folder with --data-dir",
                self.0.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        serde_json::from_slice(&text)
            .with_context(|| format!("{} is damaged; start the node anew", path.display()))
    }
}

fn read_key(path: &Path) -> anyhow::Result<Option<NodeKey>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut bytes = [0_u8; 32];
    hex::decode_to_slice(text.trim(), &mut bytes).with_context(|| {
        format!(
            "{} is no key (64 hex digits); restore it, or remove it to have a new one made",
            path.display()
        )
    })?;
    Ok(Some(NodeKey(bytes)))
}

fn write_private(path: &Path, content: &[u8], must_be_new: bool) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    if must_be_new {
        options.create_new(true)
    } else {
        options.create(true).truncate(true)
    };
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// The node's secret key. No `Debug`.
#[derive(Clone)]
pub(crate) struct NodeKey([u8; 32]);

impl NodeKey {
    /// A key for one purpose, so that no two uses share one.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(b"/");
        hash.update(purpose.as_bytes());
        hash.finalize().into()
    }

    /// The auth token of the fake Twilio: random per node, the same at every start.
    pub(crate) fn development_token(&self) -> String {
        hex::encode(&self.derive("development auth token")[..16])
    }
}

/// Where a running node can be reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Its process.
    pub(crate) pid: u32,
    /// The webhook, if this process has the gateway's role.
    pub(crate) webhook_url: Option<url::Url>,
    /// The private API, if it has the monitor's.
    pub(crate) monitor_url: Option<url::Url>,
    /// The metrics, if served.
    pub(crate) metrics_url: Option<url::Url>,
    /// The fake Twilio, if it runs.
    pub(crate) fake_twilio_url: Option<url::Url>,
}

impl Running {
    /// The webhook, or what to do.
    pub(crate) fn webhook(&self) -> anyhow::Result<url::Url> {
        self.webhook_url.clone().context("the running node has no gateway (node.roles)")
    }

    /// The private API, or what to do.
    pub(crate) fn monitor(&self) -> anyhow::Result<url::Url> {
        self.monitor_url.clone().context("the running node has no private API (node.roles)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = DataDir::open(&folder.path().join("data")).expect("opened");
        let first = dir.key().expect("made");
        let again = dir.key().expect("read");
        assert_eq!(first.derive("x"), again.derive("x"));
        assert_ne!(first.derive("x"), first.derive("y"));
        let mode = |path: &Path| std::fs::metadata(path).expect("exists").permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path().join("data")), 0o700);
        assert_eq!(mode(&folder.path().join("data/node.key")), 0o600);
    }

    #[test]
    fn a_damaged_key_is_named_not_replaced() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = DataDir::open(folder.path()).expect("opened");
        std::fs::write(folder.path().join("node.key"), "nonsense").expect("written");
        let error = dir.key().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("is no key"), "{error}");
        assert!(dir.running_node().is_err());
    }
}
