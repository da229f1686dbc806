//! Names to addresses.

use crate::config::Address;
use futures::future::BoxFuture;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Turns names into addresses. Asked at every dial; what it answers is not kept.
pub trait Resolve: fmt::Debug + Send + Sync + 'static {
    /// All addresses of `host`, best first.
    ///
    /// # Errors
    /// The name is not known, or nobody answers.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// A shared [`Resolve`]. Two are equal when they are the same one.
#[derive(Clone, Debug)]
pub struct Resolver(Arc<dyn Resolve>);

impl Resolver {
    /// Shares `resolver`.
    pub fn new(resolver: impl Resolve) -> Self {
        Self(Arc::new(resolver))
    }

    pub(crate) fn shared(&self) -> Arc<dyn Resolve> {
        Arc::clone(&self.0)
    }
}

impl Default for Resolver {
    /// The system's.
    fn default() -> Self {
        Self::new(SystemResolver)
    }
}

impl PartialEq for Resolver {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The system's resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

impl Address {
    /// Reads `host:port`, as clusters and sentinels write it; `default_host` stands for an empty host.
    pub(crate) fn of_node(text: &str, default_host: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { default_host } else { host };
        Some(Self::tcp(host, port.parse().ok()?))
    }

    /// The host; for a socket in the file system `localhost`.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Tcp { host, .. } => host,
            Self::Unix { .. } => "localhost",
        }
    }

    pub(crate) fn shown(&self) -> Arc<str> {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_nodes_write_them() {
        assert_eq!(Address::of_node("10.0.0.1:7000", ""), Some(Address::tcp("10.0.0.1", 7000)));
        assert_eq!(Address::of_node(":7000", "here"), Some(Address::tcp("here", 7000)));
        assert_eq!(Address::of_node("::1:7000", ""), Some(Address::tcp("::1", 7000)));
        assert_eq!(Address::of_node("[::1]:7000", "").map(|a| a.to_string()).as_deref(), Some("[::1]:7000"));
        assert_eq!(Address::of_node("a", ""), None);
        assert_eq!(Address::of_node("a:99999", ""), None);
    }
}
