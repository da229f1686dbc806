//! Where the servers are, and what they are to each other.

use super::connecting::ReadPreference;
use super::secret::Secret;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

/// The port of a server, when none is named.
pub const PORT: u16 = 6379;
/// The port of a sentinel, when none is named.
pub const SENTINEL_PORT: u16 = 26379;
/// The longest name of a host.
const HOST_MAX: usize = 253;

/// The address of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// A host, by name or number, and a port.
    Tcp {
        /// The name or number; an IPv6 number without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Unix socket.
    Unix {
        /// The socket's path.
        path: PathBuf,
    },
}

impl Address {
    /// A host and a port.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }

    /// A Unix socket.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::Unix { path: path.into() }
    }

    /// Reads `host`, `host:port`, `[::1]` or `[::1]:port`. The error says what is wrong, in words.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, after) = rest.split_once(']').ok_or(AddressError::Host)?;
            Ipv6Addr::from_str(host).map_err(|_| AddressError::Host)?;
            let port = match after {
                "" => None,
                _ => Some(after.strip_prefix(':').ok_or(AddressError::Port)?),
            };
            (host, port)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            }
        };
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.len() > HOST_MAX || !(host.chars().all(named) || text.starts_with('[')) {
            return Err(AddressError::Host);
        }
        let port = match port {
            None => default_port,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|&port| port > 0).ok_or(AddressError::Port)?
            }
            Some(_) => return Err(AddressError::Port),
        };
        Ok(Self::tcp(host, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix { path } => write!(f, "{}", path.display()),
        }
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddressError {
    NoHost,
    Host,
    Port,
}

/// What the addresses are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Kind {
    /// One server.
    #[default]
    Standalone,
    /// The first is the primary, the others are its replicas; who is what never changes.
    Replicas,
    /// They are sentinels, and know the servers.
    Sentinel,
    /// They are some nodes of a cluster, and know the others.
    Cluster,
}

/// The addresses that are known from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hosts {
    /// What they are to each other.
    pub kind: Kind,
    /// The addresses.
    pub addresses: Vec<Address>,
}

impl Hosts {
    /// One server.
    pub fn standalone(address: Address) -> Self {
        Self { kind: Kind::Standalone, addresses: vec![address] }
    }

    /// A primary and its replicas.
    pub fn replicas(primary: Address, replicas: impl IntoIterator<Item = Address>) -> Self {
        Self { kind: Kind::Replicas, addresses: std::iter::once(primary).chain(replicas).collect() }
    }

    /// Sentinels. The primary's name is [`Sentinel::master_name`](super::Sentinel::master_name).
    pub fn sentinels(sentinels: impl IntoIterator<Item = Address>) -> Self {
        Self { kind: Kind::Sentinel, addresses: sentinels.into_iter().collect() }
    }

    /// Some nodes of a cluster.
    pub fn cluster(seeds: impl IntoIterator<Item = Address>) -> Self {
        Self { kind: Kind::Cluster, addresses: seeds.into_iter().collect() }
    }
}

impl Default for Hosts {
    fn default() -> Self {
        Self::standalone(Address::tcp("localhost", PORT))
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Standalone => "standalone",
            Kind::Replicas => "replicas",
            Kind::Sentinel => "sentinels",
            Kind::Cluster => "cluster",
        };
        write!(f, "{kind}")?;
        for address in &self.addresses {
            write!(f, " {address}")?;
        }
        Ok(())
    }
}

/// A checked topology: everything that is needed to find the nodes is there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topology {
    /// One server.
    Standalone {
        /// Where it is.
        address: Address,
    },
    /// A primary and its replicas, for good.
    Replicas {
        /// The one that is written to.
        primary: Address,
        /// At least one that may be read from.
        replicas: Vec<Address>,
        /// Which node answers reads.
        read_preference: ReadPreference,
    },
    /// Servers that sentinels watch over.
    Sentinel {
        /// The sentinels known from the start, at least one.
        sentinels: Vec<Address>,
        /// The primary's name.
        master_name: String,
        /// What the sentinels, not the servers, are told at login.
        login: SentinelLogin,
        /// Which node answers reads.
        read_preference: ReadPreference,
    },
    /// A cluster.
    Cluster {
        /// The nodes known from the start, at least one.
        seeds: Vec<Address>,
        /// Which node of a slot answers reads.
        read_preference: ReadPreference,
    },
}

/// What sentinels are told at login.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentinelLogin {
    /// The ACL user, if named.
    pub username: Option<String>,
    /// The password, if any.
    pub password: Option<Secret>,
    /// The file that holds it, in its place.
    pub password_file: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for (text, want) in [
            ("redis", "redis:6379"),
            ("redis.internal:7000", "redis.internal:7000"),
            ("10.0.0.1", "10.0.0.1:6379"),
            ("[::1]", "[::1]:6379"),
            ("[fe80::2]:7", "[fe80::2]:7"),
        ] {
            let address = Address::parse(text, PORT).unwrap();
            assert_eq!(address.to_string(), want);
            assert_eq!(Address::parse(want, PORT).unwrap(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, want) in [
            ("", AddressError::NoHost),
            (":6379", AddressError::NoHost),
            ("host:", AddressError::Port),
            ("host:0", AddressError::Port),
            ("host:65536", AddressError::Port),
            ("host:+80", AddressError::Port),
            ("host:6379:1", AddressError::Port),
            ("[::1", AddressError::Host),
            ("[::1]6379", AddressError::Port),
            ("[redis]", AddressError::Host),
            ("two words", AddressError::Host),
            ("höst", AddressError::Host),
        ] {
            assert_eq!(Address::parse(text, PORT), Err(want), "{text}");
        }
    }
}
