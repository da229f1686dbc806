//! What the monitor may do, for whom, and within which bounds.

use sha2::{Digest, Sha256};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The shortest secret accepted for a token, in bytes.
pub const SECRET_BYTES_MIN: usize = 16;

/// What a caller may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks: counts, failures, timelines, never what people wrote.
    Viewer,
    /// Pauses, scales, retries, cancels, and may look into payloads.
    Operator,
    /// Removes jobs for good.
    Admin,
}

impl Role {
    /// `viewer`, `operator` or `admin`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Reads a role's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin].into_iter().find(|role| role.as_str() == word)
    }
}

/// A key to the monitor. Holds a digest of the secret only.
#[derive(Clone)]
pub struct ApiToken {
    name: Arc<str>,
    role: Role,
    digest: [u8; 32],
}

impl ApiToken {
    /// A token named `name` (shown in the audit log) that gives `role` to whoever shows `secret`.
    ///
    /// # Errors
    /// A secret shorter than [`SECRET_BYTES_MIN`], or with characters that an HTTP header cannot carry.
    pub fn new(name: &str, role: Role, secret: &str) -> Result<Self, ConfigError> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(ConfigError::ShortSecret { name: name.to_owned(), bytes: secret.len() });
        }
        if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ConfigError::UnsendableSecret { name: name.to_owned() });
        }
        Ok(Self { name: name.into(), role, digest: digest(secret) })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    pub(crate) const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiToken({}, {})", self.name, self.role.as_str())
    }
}

/// Digests have one length, so that comparing them tells nothing about the secret's.
pub(crate) fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// How the monitor behaves. The defaults suit one machine, reached over loopback.
#[derive(Debug, Clone)]
pub struct MonitorConfig {
    /// Host names under which it is reached, besides loopback ones; without port.
    pub allowed_hosts: Vec<String>,
    /// Who may do what. Empty: everybody who reaches it may do everything, which only a loopback address allows.
    pub tokens: Vec<ApiToken>,
    /// One request takes at most so long, from its header to the answer. Default 10 s.
    pub request_timeout: Duration,
    /// A request's body must be here within this time. Default 5 s.
    pub body_timeout: Duration,
    /// A request's header must be here within this time; so long may a connection idle too. Default 10 s.
    pub header_timeout: Duration,
    /// One health check or count takes at most so long. Default 2 s.
    pub check_timeout: Duration,
    /// At most so many connections; further ones wait in the system's backlog. Default 256.
    pub connections_max: usize,
    /// At most so many requests at work; further ones are answered 503. Default 32.
    pub requests_max: usize,
    /// At most so many streams of events; further ones are answered 503. Default 16.
    pub streams_max: usize,
    /// So long do requests at work get to finish after the stop. Default 5 s.
    pub drain_timeout: Duration,
    /// One call retries at most so many dead jobs. Default 1,000.
    pub redrive_max: usize,
    /// One call purges at most so many jobs. Default 20,000.
    pub purge_max: u64,
    /// The highest concurrency that can be asked for. Default 256.
    pub concurrency_max: usize,
    /// The version shown in the build info.
    pub version: String,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            tokens: Vec::new(),
            request_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            check_timeout: Duration::from_secs(2),
            connections_max: 256,
            requests_max: 32,
            streams_max: 16,
            drain_timeout: Duration::from_secs(5),
            redrive_max: 1_000,
            purge_max: 20_000,
            concurrency_max: 256,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Why the monitor does not start like this.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Anybody on the network could read and remove jobs.
    #[error(
        "the monitor would listen on {addr} without a token: anybody who reaches that address could read, retry and \
         remove jobs. Configure a token, or listen on 127.0.0.1"
    )]
    OpenToTheNetwork {
        /// The address.
        addr: SocketAddr,
    },
    /// Guessable.
    #[error(
        "the secret of the monitor's token '{name}' has {bytes} bytes; at least {SECRET_BYTES_MIN} are needed. Make \
         one with: openssl rand -hex 24"
    )]
    ShortSecret {
        /// The token's.
        name: String,
        /// How long it is.
        bytes: usize,
    },
    /// No client could send it.
    #[error(
        "the secret of the monitor's token '{name}' holds blanks or characters outside ASCII: use letters and digits"
    )]
    UnsendableSecret {
        /// The token's.
        name: String,
    },
    /// Two tokens cannot be told apart.
    #[error("the monitor's tokens '{first}' and '{second}' have the same secret: give each its own")]
    SameSecret {
        /// One.
        first: String,
        /// The other.
        second: String,
    },
    /// A bound of zero would turn everything away.
    #[error("the monitor's setting {setting} must be greater than zero")]
    Zero {
        /// Which.
        setting: &'static str,
    },
}

impl MonitorConfig {
    /// Whether the monitor may listen on `addr`.
    ///
    /// # Errors
    /// An address that other machines can reach, without any token.
    pub fn check(&self, addr: SocketAddr) -> Result<(), ConfigError> {
        if self.tokens.is_empty() && !is_loopback(addr) {
            return Err(ConfigError::OpenToTheNetwork { addr });
        }
        Ok(())
    }

    /// What is wrong with it on any address.
    pub(crate) fn check_values(&self) -> Result<(), ConfigError> {
        for (index, token) in self.tokens.iter().enumerate() {
            if let Some(other) = self.tokens[..index].iter().find(|other| other.digest == token.digest) {
                let (first, second) = (other.name.to_string(), token.name.to_string());
                return Err(ConfigError::SameSecret { first, second });
            }
        }
        let zeros = [
            ("request_timeout", self.request_timeout.is_zero()),
            ("body_timeout", self.body_timeout.is_zero()),
            ("header_timeout", self.header_timeout.is_zero()),
            ("check_timeout", self.check_timeout.is_zero()),
            ("connections_max", self.connections_max == 0),
            ("requests_max", self.requests_max == 0),
            ("redrive_max", self.redrive_max == 0),
            ("purge_max", self.purge_max == 0),
            ("concurrency_max", self.concurrency_max == 0),
        ];
        match zeros.iter().find(|(_, zero)| *zero) {
            Some((setting, _)) => Err(ConfigError::Zero { setting }),
            None => Ok(()),
        }
    }
}

/// Whether only this machine reaches `addr`; `::ffff:127.0.0.1` counts as what it stands for.
pub(crate) fn is_loopback(addr: SocketAddr) -> bool {
    addr.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, secret: &str) -> ApiToken {
        ApiToken::new(name, Role::Admin, secret).expect("valid")
    }

    #[test]
    fn an_open_address_needs_a_token() {
        let mut config = MonitorConfig::default();
        for open in ["0.0.0.0:9091", "[::]:9091", "192.0.2.7:9091"] {
            let refused = config.check(open.parse().expect("address")).expect_err(open);
            assert!(refused.to_string().contains("Configure a token"), "{refused}");
        }
        for closed in ["127.0.0.1:9091", "127.8.8.8:1", "[::1]:9091", "[::ffff:127.0.0.1]:9091"] {
            assert_eq!(config.check(closed.parse().expect("address")), Ok(()), "{closed}");
        }
        config.tokens.push(token("ops", "0123456789abcdef"));
        assert_eq!(config.check("0.0.0.0:9091".parse().expect("address")), Ok(()));
    }

    #[test]
    fn weak_and_doubled_secrets_are_refused_and_no_secret_is_shown() {
        let short = ApiToken::new("ops", Role::Viewer, "hunter2").expect_err("short");
        assert!(short.to_string().contains("7 bytes") && !short.to_string().contains("hunter2"));
        assert!(ApiToken::new("ops", Role::Viewer, "sixteen bytes é!").is_err());
        let tokens = vec![token("a", "0123456789abcdef"), token("b", "0123456789abcdef")];
        assert!(!format!("{tokens:?}").contains("0123456789abcdef"));
        let config = MonitorConfig { tokens, ..MonitorConfig::default() };
        assert!(matches!(config.check_values(), Err(ConfigError::SameSecret { .. })));
        let config = MonitorConfig { requests_max: 0, ..MonitorConfig::default() };
        assert_eq!(config.check_values(), Err(ConfigError::Zero { setting: "requests_max" }));
    }

    #[test]
    fn roles_grow() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        assert_eq!(Role::parse("operator"), Some(Role::Operator));
        assert_eq!(Role::parse("root"), None);
    }
}
