//! What a server can do for us, and why it cannot.

use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;

/// What a server may be able to do. Kept apart, because servers lose them one by one: a replica answers reads and
/// refuses writes, a full one deletes and does not add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Commands that only read.
    Reads,
    /// Commands that write.
    Writes,
    /// Scripts and functions.
    Scripts,
    /// Commands that wait, on connections of their own.
    Blocking,
    /// Messages, published and received.
    PubSub,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Reads, Self::Writes, Self::Scripts, Self::Blocking, Self::PubSub];

    /// The word for metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Scripts => "scripts",
            Self::Blocking => "blocking",
            Self::PubSub => "pub_sub",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a capability is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// There has been no connection yet.
    Connecting,
    /// There is no connection.
    NoConnection,
    /// The server is a replica.
    ReadOnly,
    /// It reads its data from disk.
    Loading,
    /// It cannot write its snapshot and refuses writes because of it.
    MisConf,
    /// Its memory is full.
    OutOfMemory,
    /// It has fewer replicas than it was told to have.
    NoReplicas,
    /// A replica whose link to the primary is down.
    MasterDown,
    /// The cluster does not serve these slots.
    ClusterDown,
    /// A script runs for too long.
    Busy,
    /// It accepts no more connections.
    MaxClients,
    /// It does not know our user or password.
    Credentials,
    /// Our circuit breaker lets nothing through, or only trial calls.
    CircuitOpen,
    /// It did not answer in time, several times in a row.
    NoAnswer,
    /// It answers late.
    Slow,
    /// When its memory is full it deletes data on its own.
    Eviction,
    /// No server is the primary, as far as is known.
    NoPrimary,
}

impl Cause {
    /// The word for metrics and logs: the server's own code where there is one.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::NoConnection => "no_connection",
            Self::ReadOnly => "readonly",
            Self::Loading => "loading",
            Self::MisConf => "misconf",
            Self::OutOfMemory => "oom",
            Self::NoReplicas => "noreplicas",
            Self::MasterDown => "masterdown",
            Self::ClusterDown => "clusterdown",
            Self::Busy => "busy",
            Self::MaxClients => "maxclients",
            Self::Credentials => "wrongpass",
            Self::CircuitOpen => "breaker_open",
            Self::NoAnswer => "no_answer",
            Self::Slow => "slow",
            Self::Eviction => "eviction_policy",
            Self::NoPrimary => "no_primary",
        }
    }

    /// What it is, as a clause.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Connecting => "no connection has come about yet",
            Self::NoConnection => "there is no connection to it",
            Self::ReadOnly => "it is a replica and refuses writes (READONLY)",
            Self::Loading => "it reads its data from disk (LOADING)",
            Self::MisConf => "it cannot write its snapshot and refuses writes because of it (MISCONF)",
            Self::OutOfMemory => "its memory is full (OOM)",
            Self::NoReplicas => "it has fewer replicas than min-replicas-to-write (NOREPLICAS)",
            Self::MasterDown => "it is a replica whose link to the primary is down (MASTERDOWN)",
            Self::ClusterDown => "the cluster does not serve its slots (CLUSTERDOWN)",
            Self::Busy => "a script runs for too long (BUSY)",
            Self::MaxClients => "it accepts no more connections (maxclients)",
            Self::Credentials => "it does not accept our user or password (WRONGPASS, NOAUTH)",
            Self::CircuitOpen => "our circuit breaker holds calls back",
            Self::NoAnswer => "it did not answer in time",
            Self::Slow => "it answers late",
            Self::Eviction => "when its memory is full it deletes data on its own (maxmemory-policy)",
            Self::NoPrimary => "no server is known to be the primary",
        }
    }

    /// True if any good answer to the same kind of command shows that it is over. A full memory is not: a deletion
    /// passes.
    pub(super) const fn ends_with_any_success(self) -> bool {
        !matches!(self, Self::OutOfMemory | Self::Slow | Self::MaxClients | Self::Eviction)
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A cause, and what is known of it. Equal to another of the same cause, whatever the details.
#[derive(Debug, Clone, Serialize)]
pub struct Reason {
    /// What it is.
    pub cause: Cause,
    /// What the server said, what a dial failed with, which figures decided; may be empty.
    pub detail: Arc<str>,
}

impl Reason {
    pub(crate) fn new(cause: Cause, detail: impl Into<Arc<str>>) -> Self {
        Self { cause, detail: detail.into() }
    }
}

impl PartialEq for Reason {
    fn eq(&self, other: &Self) -> bool {
        self.cause == other.cause
    }
}

impl Eq for Reason {}

impl From<Cause> for Reason {
    fn from(cause: Cause) -> Self {
        Self { cause, detail: "".into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.in_words())?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// How a capability is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum CapabilityState {
    /// It works.
    Up,
    /// It works in part, or is about to fail.
    Degraded(Reason),
    /// It does not work.
    Down(Reason),
}

impl CapabilityState {
    /// The word for metrics and logs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded(_) => "degraded",
            Self::Down(_) => "down",
        }
    }

    /// Why it is not up.
    pub const fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Up => None,
            Self::Degraded(reason) | Self::Down(reason) => Some(reason),
        }
    }

    /// True if it is down.
    pub const fn is_down(&self) -> bool {
        matches!(self, Self::Down(_))
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Up => 0,
            Self::Degraded(_) => 1,
            Self::Down(_) => 2,
        }
    }

    /// The worse of both; this one if they are equally bad.
    pub(super) fn or_worse(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }

    /// The better of both; this one if they are equally good.
    pub(super) fn or_better(self, other: Self) -> Self {
        if other.rank() < self.rank() { other } else { self }
    }
}

impl fmt::Display for CapabilityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            None => f.write_str("up"),
            Some(reason) => write!(f, "{}: {reason}", self.as_str()),
        }
    }
}

/// All capabilities, in the order of [`Capability::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Capabilities {
    /// Commands that only read.
    pub reads: CapabilityState,
    /// Commands that write.
    pub writes: CapabilityState,
    /// Scripts and functions.
    pub scripts: CapabilityState,
    /// Commands that wait.
    pub blocking: CapabilityState,
    /// Messages.
    pub pub_sub: CapabilityState,
}

impl Capabilities {
    /// Each as `state` says.
    pub(crate) fn each(mut state: impl FnMut(Capability) -> CapabilityState) -> Self {
        Self {
            reads: state(Capability::Reads),
            writes: state(Capability::Writes),
            scripts: state(Capability::Scripts),
            blocking: state(Capability::Blocking),
            pub_sub: state(Capability::PubSub),
        }
    }

    /// One of them.
    pub const fn get(&self, capability: Capability) -> &CapabilityState {
        match capability {
            Capability::Reads => &self.reads,
            Capability::Writes => &self.writes,
            Capability::Scripts => &self.scripts,
            Capability::Blocking => &self.blocking,
            Capability::PubSub => &self.pub_sub,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Capability, &CapabilityState)> {
        Capability::ALL.into_iter().map(|capability| (capability, self.get(capability)))
    }

    /// True if none is down.
    pub fn is_healthy(&self) -> bool {
        self.iter().all(|(_, state)| !state.is_down())
    }

    /// True if reads and writes are not down.
    pub fn is_available(&self) -> bool {
        !self.reads.is_down() && !self.writes.is_down()
    }
}
