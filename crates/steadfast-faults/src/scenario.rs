//! What a scenario is.

use futures::future::BoxFuture;
use std::time::Duration;

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

/// How long faults last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// As long as the scenario says.
    Full,
    /// As short as shows the same, for tests.
    Short,
}

impl Length {
    /// `full`, or in a test `short`.
    pub const fn of(self, full: Duration, short: Duration) -> Duration {
        match self {
            Self::Full => full,
            Self::Short => short,
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
    pub play: fn(Length) -> BoxFuture<'static, Outcome>,
}

impl Scenario {
    /// The fault's number and the variant's letter, to sort by.
    pub fn order(&self) -> (u32, &'static str) {
        let letters = self.id.trim_start_matches(|c: char| !c.is_ascii_lowercase());
        let number = self.id.trim_start_matches('F').trim_end_matches(|c: char| c.is_ascii_lowercase());
        (number.parse().unwrap_or(u32::MAX), letters)
    }

    /// Whether `asked` names it: `F5` names all its variants, `F5b` one.
    pub fn is(&self, asked: &str) -> bool {
        self.id == asked || self.id.trim_end_matches(|c: char| c.is_ascii_lowercase()) == asked
    }
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario").field("id", &self.id).field("on", &self.on).finish_non_exhaustive()
    }
}
