//! What a server is started with.

use super::{LAB_PASSWORD, LAB_USER, START_WITHIN, Server, launch, socket_path};
use crate::redis::{TlsFiles, free_port};
use anyhow::{Context, bail};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::time::Duration;
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
    tls: Option<TlsFiles>,
}

/// Whether a server with TLS asks those who connect for a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// It does not.
    Unasked,
    /// It checks one if there is one.
    Optional,
    /// It takes nobody without one.
    Required,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { program: "redis-server", lines: Vec::new(), password: None, bus: false, port: None, tls: None }
    }

    /// A sentinel that watches the primary on this port. It is told about the lab's own user, and nothing of what
    /// concerns data.
    pub(in crate::redis) fn sentinel(name: &str, port: u16) -> Self {
        let lines = [
            format!("sentinel monitor {name} 127.0.0.1 {port} 2"),
            format!("sentinel auth-user {name} {LAB_USER}"),
            format!("sentinel auth-pass {name} {LAB_PASSWORD}"),
            format!("sentinel down-after-milliseconds {name} 500"),
            format!("sentinel failover-timeout {name} 2000"),
            format!("sentinel parallel-syncs {name} 4"),
        ];
        Self { program: "redis-sentinel", lines: lines.to_vec(), ..Self::new() }
    }

    /// A node of a cluster that knows no other yet. A node that is silent for a second is held for failed; replicas
    /// stay with their primary.
    pub(in crate::redis) fn clustered(mut self) -> Self {
        self.bus = true;
        self.config("cluster-enabled", "yes")
            .config("cluster-node-timeout", "1000")
            .config("cluster-replica-validity-factor", "0")
            .config("cluster-allow-replica-migration", "no")
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

    /// Takes so long for each key it loads, answering `-LOADING` meanwhile. Fill it, have it save (`SAVE`, or
    /// [`Builder::append_only`]), then [`Server::kill9`] and [`Server::launch`].
    #[must_use]
    pub fn slow_loading(self, per_key: Duration) -> Self {
        self.config("key-load-delay", &per_key.as_micros().to_string())
            .config("loading-process-events-interval-bytes", "1024")
    }

    /// Whether protected mode is on. The server listens on the loopback address either way.
    #[must_use]
    pub fn protected(self, on: bool) -> Self {
        self.config("protected-mode", if on { "yes" } else { "no" })
    }

    /// Speaks TLS, and nothing else, on its port; asks for no client certificates. So does its replication.
    #[must_use]
    pub fn tls(mut self, files: &TlsFiles) -> Self {
        self.tls = Some(files.clone());
        let lines = [
            ("tls-cert-file", files.certificate.display().to_string()),
            ("tls-key-file", files.key.display().to_string()),
            ("tls-ca-cert-file", files.ca.display().to_string()),
            ("tls-replication", "yes".to_owned()),
        ];
        let named = |builder: Self, (name, value): (&str, String)| builder.config(name, &value);
        lines.into_iter().fold(self, named).client_certificates(ClientCertificates::Unasked)
    }

    /// Whether it asks for client certificates.
    #[must_use]
    pub fn client_certificates(self, asked: ClientCertificates) -> Self {
        let word = match asked {
            ClientCertificates::Unasked => "no",
            ClientCertificates::Optional => "optional",
            ClientCertificates::Required => "yes",
        };
        self.config("tls-auth-clients", word)
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
            paused: AtomicBool::new(false),
            admin: Mutex::new(None),
            _tls: self.tls.clone(),
            folder,
        };
        server.launch().await?;
        Ok(server)
    }

    fn url(&self, port: u16) -> String {
        let login = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{login}127.0.0.1:{port}")
    }

    fn file(&self, folder: &Path, port: u16, bus: Option<u16>) -> String {
        let mut file = format!(
            "{ports}\nbind 127.0.0.1\ndir \"{folder}\"\nunixsocket \"{socket}\"\nloglevel notice\n",
            ports =
                if self.tls.is_some() { format!("port 0\ntls-port {port}") } else { format!("port {port}") },
            folder = folder.display(),
            socket = socket_path(folder).display(),
        );
        let _ = writeln!(file, "user {LAB_USER} on >{LAB_PASSWORD} ~* &* +@all");
        if self.program != "redis-sentinel" {
            file.push_str(&Self::data_lines(bus));
        }
        for line in &self.lines {
            let _ = writeln!(file, "{line}");
        }
        file
    }

    /// What only servers with data have.
    fn data_lines(bus: Option<u16>) -> String {
        // The delay is for several replicas to share one transfer: here it would only cost seconds. The pings move the
        // offset of a new replica away from 0, which a cluster waits for before it names it.
        let mut lines =
            "save \"\"\nappendonly no\nenable-debug-command yes\nrepl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n".to_owned();
        let _ = writeln!(lines, "masteruser {LAB_USER}\nmasterauth {LAB_PASSWORD}");
        if let Some(bus) = bus {
            let _ = writeln!(lines, "cluster-port {bus}");
        }
        lines
    }
}

fn lost_its_port(server: &Server) -> bool {
    server.log().contains("Address already in use")
}
