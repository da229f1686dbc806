//! What a server is to the others.

use redis::Value;

/// What a server is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Role {
    /// It takes writes.
    Primary,
    /// It follows a primary and refuses writes.
    Replica,
    /// It watches others.
    Sentinel,
    /// It does not say: the command is forbidden to us, or it is no plain Redis.
    #[default]
    Unknown,
}

impl Role {
    /// Reads the answer to `ROLE`.
    pub(crate) fn of(answer: &Value) -> Option<Self> {
        let Value::Array(parts) = answer else { return None };
        match parts.first()? {
            Value::BulkString(name) => Some(Self::named(name)),
            Value::SimpleString(name) => Some(Self::named(name.as_bytes())),
            _ => None,
        }
    }

    /// Reads the server's word for it.
    pub(crate) const fn named(name: &[u8]) -> Self {
        match name {
            b"master" | b"primary" => Self::Primary,
            b"slave" | b"replica" => Self::Replica,
            b"sentinel" => Self::Sentinel,
            _ => Self::Unknown,
        }
    }

    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Sentinel => "sentinel",
            Self::Unknown => "unknown",
        }
    }
}
