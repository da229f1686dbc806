//! One `redis-server` process.

mod builder;
mod launch;

pub use builder::{Builder, ClientCertificates};

use super::{Connection, Reply, TlsFiles};
use crate::process::signal;
use crate::wait::wait_for_some;
use anyhow::{Context, bail};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Child;
use tokio::sync::Mutex;

/// How long a server may take to come up.
const START_WITHIN: Duration = Duration::from_secs(15);
/// The user that the lab itself logs in as. Tests are free to change all others.
pub(super) const LAB_USER: &str = "steadfast-lab";
/// Its password; it guards nothing.
pub(super) const LAB_PASSWORD: &str = "steadfast-lab";

/// A running Redis server with a folder of its own; it ends with its handle.
///
/// The lab talks to it over a Unix socket as an ACL user of its own, on one connection that it keeps: so it gets
/// through when TCP is full, passwords change or TLS is on. That connection shows up in `CLIENT LIST` as
/// `steadfast-lab` and counts as one of `maxclients`.
#[derive(Debug)]
pub struct Server {
    // Dropped in this order: the process is killed before its folder goes.
    child: Mutex<Option<Child>>,
    folder: TempDir,
    program: &'static str,
    port: u16,
    url: String,
    pid: AtomicU32,
    paused: AtomicBool,
    admin: Mutex<Option<Connection>>,
    /// Its certificates stay as long as it may be started again.
    _tls: Option<TlsFiles>,
}

impl Server {
    /// A server with settings of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A server as it comes: empty, without a password, nothing kept on disk.
    pub async fn start() -> anyhow::Result<Self> {
        Self::builder().start().await
    }

    /// Where it listens, with TLS if it was given certificates.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same as an address.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The same as a URL, with the password it was started with.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process; nothing if it was killed.
    pub fn pid(&self) -> Option<u32> {
        Some(self.pid.load(Ordering::Acquire)).filter(|pid| *pid != 0)
    }

    /// Whether it runs and is not paused.
    pub fn is_up(&self) -> bool {
        self.pid().is_some() && !self.paused.load(Ordering::Acquire)
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs a command as the lab's own user and returns the reply, errors included.
    ///
    /// # Errors
    /// If the server cannot be reached or does not answer within five seconds: it is down, paused or busy.
    pub async fn command(&self, args: &[&str]) -> anyhow::Result<Reply> {
        let mut admin = self.admin.lock().await;
        // Taken out: after an error the next call starts with a connection of its own.
        let (mut connection, kept) = match admin.take() {
            Some(kept) => (kept, true),
            None => (self.login().await?, false),
        };
        let mut reply = connection.command(args).await;
        if reply.is_err() && kept && !connection.is_open() {
            // A test may have had it killed since the last call; what was sent on it was not read then.
            connection = self.login().await?;
            reply = connection.command(args).await;
        }
        let reply = reply.with_context(|| format!("{} on port {}", args.join(" "), self.port))?;
        *admin = Some(connection);
        Ok(reply)
    }

    /// The same, where an error reply is an error.
    pub async fn expect(&self, args: &[&str]) -> anyhow::Result<Reply> {
        let reply = self.command(args).await?;
        if let Some(error) = reply.error_text() {
            bail!("{} on port {}: {error}", args.join(" "), self.port);
        }
        Ok(reply)
    }

    /// A field of `INFO section`.
    pub async fn info(&self, section: &str, field: &str) -> anyhow::Result<String> {
        let reply = self.expect(&["INFO", section]).await?;
        let text = reply.text().context("INFO is not text")?;
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(name, _)| *name == field).map(|(_, value)| value.trim().to_owned());
        found.with_context(|| format!("INFO {section} on port {} has no field {field}", self.port))
    }

    /// Ends it as a power cut would, and waits until it is gone. Its folder stays.
    pub async fn kill9(&self) -> anyhow::Result<()> {
        *self.admin.lock().await = None;
        let child = self.child.lock().await.take();
        self.pid.store(0, Ordering::Release);
        self.paused.store(false, Ordering::Release);
        let Some(mut child) = child else { return Ok(()) };
        child.kill().await.with_context(|| format!("cannot kill the server on port {}", self.port))
    }

    /// Stops it in its tracks: its sockets stay open and acknowledge, nothing answers (SIGSTOP).
    pub async fn pause(&self) -> anyhow::Result<()> {
        self.paused.store(true, Ordering::Release);
        signal(self.pid().context("the server is down")?, "STOP").await
    }

    /// Lets it go on (SIGCONT).
    pub async fn resume(&self) -> anyhow::Result<()> {
        signal(self.pid().context("the server is down")?, "CONT").await?;
        self.paused.store(false, Ordering::Release);
        Ok(())
    }

    /// Kills it if it runs, starts it on the same port and folder, and waits until it answers.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.kill9().await?;
        self.launch().await?;
        self.ready(START_WITHIN).await
    }

    /// Starts it again after [`Server::kill9`], on the same port and folder, and does not wait.
    pub async fn launch(&self) -> anyhow::Result<()> {
        let mut child = self.child.lock().await;
        if child.is_some() {
            bail!("the server on port {} runs already", self.port);
        }
        let started = launch::spawn(self.program, self.folder.path())?;
        self.pid.store(started.id().unwrap_or(0), Ordering::Release);
        *child = Some(started);
        Ok(())
    }

    /// Waits until it answers PING: it listens, and has loaded what is on its disk.
    ///
    /// # Errors
    /// If it does not within the time or ends before; with the end of its log.
    pub async fn ready(&self, within: Duration) -> anyhow::Result<()> {
        let answered = wait_for_some(within, || async {
            if self.ended().await {
                return Some(false);
            }
            let reply = self.command(&["PING"]).await.ok()?;
            (reply == Reply::Simple("PONG".to_owned())).then_some(true)
        });
        match answered.await {
            Some(true) => Ok(()),
            Some(false) => bail!("the server on port {} ended; its log:\n{}", self.port, self.log_tail()),
            None => bail!("no PONG on port {} within {within:?}; its log:\n{}", self.port, self.log_tail()),
        }
    }

    /// What it has logged, over all its starts.
    pub fn log(&self) -> String {
        std::fs::read_to_string(launch::log_path(self.folder.path())).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    async fn ended(&self) -> bool {
        let mut child = self.child.lock().await;
        child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }

    async fn login(&self) -> anyhow::Result<Connection> {
        let mut connection = Connection::open_unix(&socket_path(self.folder.path())).await?;
        let reply = connection.command(&["AUTH", LAB_USER, LAB_PASSWORD]).await?;
        // A server that loads its data set refuses even this in some versions; PING will tell.
        if !reply.is_ok() && !reply.is_error("LOADING") {
            bail!("the lab cannot log in on port {}: {reply:?}", self.port);
        }
        let _ = connection.command(&["CLIENT", "SETNAME", LAB_USER]).await?;
        Ok(connection)
    }
}

fn socket_path(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}
