//! One thing about a server that should be known.

use serde::Serialize;
use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Note,
    /// Something will go wrong, or does.
    Warning,
    /// The configuration says that such a server is not to be used: calls to it fail.
    Refused,
}

impl Severity {
    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Refused => "refused",
        }
    }
}

/// One thing about a server that should be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ServerFinding {
    /// Which rule found it.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What it is.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// What to do.
    pub advice: String,
}

impl ServerFinding {
    /// Writes it to the log.
    pub(crate) fn tell(&self, node: &str) {
        let Self { id, what, why, advice, .. } = self;
        match self.severity {
            Severity::Note => tracing::info!(node, rule = id, what, reason = why, advice, "server checked"),
            Severity::Warning => {
                tracing::warn!(node, rule = id, what, reason = why, advice, "server checked")
            }
            Severity::Refused => {
                tracing::error!(node, rule = id, what, reason = why, advice, "server refused")
            }
        }
    }
}

impl fmt::Display for ServerFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, what, why, advice, .. } = self;
        write!(f, "{}: {what}: {why}; {advice}", severity.as_str())
    }
}
