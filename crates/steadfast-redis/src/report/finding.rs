//! One thing that should be done, or known.

use crate::health::Severity;
use serde::Serialize;
use std::fmt;

/// A setting, and what to change it to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SettingChange {
    /// Its name, as in [`crate::config::settings`].
    pub setting: &'static str,
    /// What it is now.
    pub from: u64,
    /// What to set it to.
    pub to: u64,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.to > self.from { "raise" } else { "lower" };
        write!(f, "{word} {} {} -> {}", self.setting, self.from, self.to)
    }
}

/// A figure that a finding rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Evidence {
    /// What it is, with its unit.
    pub figure: &'static str,
    /// How much.
    pub value: f64,
}

/// One thing that should be done, or known; never without figures, or the server's own words.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Which rule found it.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is so, with its figures.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// The setting of this client to change, if that is what helps.
    pub change: Option<SettingChange>,
    /// The figures.
    pub evidence: Vec<Evidence>,
}

impl Finding {
    /// One that no rule has put its name to yet.
    pub(super) fn new(severity: Severity, what: String, advice: impl Into<String>) -> Self {
        Self { id: "", severity, what, advice: advice.into(), change: None, evidence: Vec::new() }
    }

    pub(super) fn with(mut self, figure: &'static str, value: f64) -> Self {
        self.evidence.push(Evidence { figure, value });
        self
    }

    pub(super) fn change(mut self, setting: &'static str, from: u64, to: u64) -> Self {
        self.change = (from != to).then_some(SettingChange { setting, from, to });
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: ", self.severity.as_str(), self.what)?;
        match (&self.change, self.advice.is_empty()) {
            (Some(change), true) => write!(f, "{change}"),
            (Some(change), false) => write!(f, "{change}; {}", self.advice),
            (None, _) => f.write_str(&self.advice),
        }
    }
}
