//! Where a server is.

use futures::future::BoxFuture;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A name or an address, and a port.
    Tcp {
        /// A name, an IPv4 or an IPv6 address (without brackets).
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket in the file system.
    Unix(PathBuf),
}

impl Address {
    /// A name or address, and a port.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }

    /// Reads `host:port`, as clusters and sentinels write it; `default_host` stands for an empty host.
    pub(crate) fn parse(text: &str, default_host: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { default_host } else { host };
        Some(Self::tcp(host, port.parse().ok()?))
    }

    /// The host; for a socket in the file system `localhost`.
    pub fn host(&self) -> &str {
        match self {
            Self::Tcp { host, .. } => host,
            Self::Unix(_) => "localhost",
        }
    }

    /// The port; 0 for a socket in the file system.
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp { port, .. } => *port,
            Self::Unix(_) => 0,
        }
    }

    pub(crate) fn shown(&self) -> Arc<str> {
        self.to_string().into()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Turns names into addresses. Asked at every dial; what it answers is not kept.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// All addresses of `host`, best first.
    ///
    /// # Errors
    /// The name is not known, or nobody answers.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_nodes_write_them() {
        assert_eq!(Address::parse("10.0.0.1:7000", ""), Some(Address::tcp("10.0.0.1", 7000)));
        assert_eq!(Address::parse(":7000", "here"), Some(Address::tcp("here", 7000)));
        assert_eq!(Address::parse("::1:7000", ""), Some(Address::tcp("::1", 7000)));
        assert_eq!(Address::parse("[::1]:7000", "").map(|a| a.to_string()).as_deref(), Some("[::1]:7000"));
        assert_eq!(Address::parse("a", ""), None);
        assert_eq!(Address::parse("a:99999", ""), None);
    }
}
