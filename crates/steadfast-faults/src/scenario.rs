//! What a scenario is.

use futures::future::BoxFuture;

/// What stands in for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// A simulated one in this process, whose every step is scripted.
    Simulated,
    /// Real processes.
    Real,
}

impl On {
    /// The word for the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Real => "real",
        }
    }
}

/// What a scenario saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What happened, in a few words.
    pub what: String,
    /// The figure that it is judged by.
    pub figure: String,
    /// Whether that is what was expected.
    pub holds: bool,
}

impl Seen {
    /// Something seen.
    pub fn new(holds: bool, what: impl Into<String>, figure: impl Into<String>) -> Self {
        Self { what: what.into(), figure: figure.into(), holds }
    }
}

/// The result of running one: an error is a scenario that could not be played.
pub type Outcome = anyhow::Result<Seen>;

/// One fault and what is expected of the client.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// `F1`, …; letters tell variants apart.
    pub id: &'static str,
    /// What it runs on.
    pub on: On,
    /// The fault.
    pub fault: &'static str,
    /// What is expected.
    pub expected: &'static str,
    /// Plays it.
    pub play: fn() -> BoxFuture<'static, Outcome>,
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario").field("id", &self.id).field("on", &self.on).finish_non_exhaustive()
    }
}
