//! What a server is started with.

use super::{LAB_PASSWORD, LAB_USER, START_WITHIN, Server, launch, socket_path};
use crate::redis::free_port;
use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::AtomicU32;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// How many ports are tried, should each be taken between the choice and the start.
const PORTS_MAX: usize = 8;

/// The settings of a [`Server`].
#[derive(Debug, Clone)]
pub struct Builder {
    program: &'static str,
    lines: Vec<String>,
    password: Option<String>,
    bus: bool,
    port: Option<u16>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { program: "redis-server", lines: Vec::new(), password: None, bus: false, port: None }
    }

    /// A line of the configuration file: `config("maxmemory", "2mb")`. The value is written as it is; an empty one
    /// as `""`. The last of several wins, except for names that Redis collects.
    #[must_use]
    pub fn config(mut self, name: &str, value: &str) -> Self {
        let value = if value.is_empty() { "\"\"" } else { value };
        self.lines.push(format!("{name} {value}"));
        self
    }

    /// The password of the default user.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.config("requirepass", &format!("\"{password}\""))
    }

    /// An ACL user in the words of `ACL SETUSER`: `user_acl("worker on >secret ~jobs:* +@all")`.
    #[must_use]
    pub fn user_acl(self, rule: &str) -> Self {
        self.config("user", rule)
    }

    /// Starts as a replica of the server on this port of the loopback address.
    #[must_use]
    pub fn replica_of(self, port: u16) -> Self {
        self.config("replicaof", &format!("127.0.0.1 {port}"))
    }

    /// Keeps an append-only file, written through at every command if on.
    #[must_use]
    pub fn append_only(self, on: bool) -> Self {
        self.config("appendonly", if on { "yes" } else { "no" }).config("appendfsync", "always")
    }

    /// Whether protected mode is on. The server listens on the loopback address either way.
    #[must_use]
    pub fn protected(self, on: bool) -> Self {
        self.config("protected-mode", if on { "yes" } else { "no" })
    }

    /// Always this port, instead of a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Starts it and waits until it answers PING.
    ///
    /// # Errors
    /// If the program is missing, refuses the configuration, or does not come up within 15 s; with its log.
    pub async fn start(self) -> anyhow::Result<Server> {
        let mut failed = None;
        for _ in 0..PORTS_MAX {
            let server = self.launch().await?;
            match server.ready(START_WITHIN).await {
                Ok(()) => return Ok(server),
                Err(error) if self.port.is_none() && lost_its_port(&server) => failed = Some(error),
                Err(error) => return Err(error),
            }
        }
        match failed {
            Some(error) => Err(error.context(format!("{PORTS_MAX} ports were taken, one after the other"))),
            None => bail!("no port was tried"),
        }
    }

    /// Starts it and does not wait.
    ///
    /// # Errors
    /// If the program is missing or the folder cannot be written.
    pub async fn launch(&self) -> anyhow::Result<Server> {
        let folder = TempDir::with_prefix("steadfast-redis-").context("cannot make a folder")?;
        let port = self.port.map_or_else(free_port, Ok)?;
        let bus = if self.bus { Some(free_port()?) } else { None };
        let path = launch::config_path(folder.path());
        std::fs::write(&path, self.file(folder.path(), port, bus))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let server = Server {
            program: self.program,
            port,
            url: self.url(port),
            child: Mutex::new(None),
            pid: AtomicU32::new(0),
            admin: Mutex::new(None),
            folder,
        };
        server.launch().await?;
        Ok(server)
    }

    fn url(&self, port: u16) -> String {
        let login = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        format!("redis://{login}127.0.0.1:{port}")
    }

    fn file(&self, folder: &Path, port: u16, bus: Option<u16>) -> String {
        let mut file = format!(
            "port {port}\nbind 127.0.0.1\ndir \"{folder}\"\nunixsocket \"{socket}\"\nloglevel notice\n",
            folder = folder.display(),
            socket = socket_path(folder).display(),
        );
        if let Some(bus) = bus {
            let _ = writeln!(file, "cluster-port {bus}");
        }
        // The delay is for several replicas to share one transfer: here it would only cost seconds.
        file.push_str("save \"\"\nappendonly no\nenable-debug-command yes\nrepl-diskless-sync-delay 0\n");
        let _ = writeln!(file, "user {LAB_USER} on >{LAB_PASSWORD} ~* &* +@all");
        let _ = writeln!(file, "masteruser {LAB_USER}\nmasterauth {LAB_PASSWORD}");
        for line in &self.lines {
            let _ = writeln!(file, "{line}");
        }
        file
    }
}

fn lost_its_port(server: &Server) -> bool {
    server.log().contains("Address already in use")
}
