//! From findings to score, class and confidence. Flags cap the score: nothing good in the text lifts it.

use super::detect::Findings;
use super::flags::{Flag, Severity};

/// How far an ad may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// 0-29.
    LikelyScam,
    /// 30-69.
    Suspicious,
    /// 70-100.
    Legit,
}

impl Class {
    /// The class of a score.
    pub const fn of(score: u8) -> Self {
        match score {
            0..=29 => Self::LikelyScam,
            30..=69 => Self::Suspicious,
            _ => Self::Legit,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LikelyScam => "Likely Scam",
            Self::Suspicious => "Suspicious",
            Self::Legit => "Legit",
        }
    }
}

/// A score and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Score {
    /// 0-100.
    pub score: u8,
    /// 0-100.
    pub confidence_pct: u8,
}

/// Where an ad begins that shows nothing either way.
const NEUTRAL: i32 = 55;
/// Words alone prove no employer genuine.
const BEST: i32 = 95;
/// Good signs that a good class takes at least: as many as there are reasons.
const SIGNS_MIN: usize = 3;
/// Flags, none of them mild, that together are a scam.
const FLAGS_OF_A_SCAM: usize = 5;

/// Scores what was found.
pub(super) fn score(findings: &Findings) -> Score {
    let mut severities: Vec<Severity> = findings.flags.keys().map(|flag| flag.severity()).collect();
    severities.sort_unstable_by(|a, b| b.cmp(a));
    let signs: i32 = findings.signs.keys().map(|sign| sign.worth()).sum();
    let cap = severities.first().map_or(BEST, |gravest| gravest.cap());
    let cap = if findings.flags.contains_key(&Flag::Vague) { cap.min(40) } else { cap };
    let push: i32 = severities.iter().skip(1).map(|severity| severity.push()).sum();
    let start = (NEUTRAL + signs).min(BEST).min(cap) - push;
    let score = match severities.first() {
        _ if is_scam(findings, &severities) => start.min(Severity::Scam.cap()).clamp(2, 29),
        Some(Severity::Mild) | None if findings.signs.len() >= SIGNS_MIN => start.clamp(30, BEST),
        _ => start.clamp(30, 69),
    };
    let score = u8::try_from(score).unwrap_or(0);
    Score { score, confidence_pct: confidence(findings, &severities, Class::of(score)) }
}

/// A grave demand alone makes an ad suspicious. A scam takes what nobody honest ever asks for, or a fee with
/// a trick to it, or a heap of flags.
fn is_scam(findings: &Findings, severities: &[Severity]) -> bool {
    let fee = findings.flags.contains_key(&Flag::Fee);
    severities.first() == Some(&Severity::Scam)
        || (fee && findings.flags.keys().any(|flag| flag.makes_a_fee_a_scam()))
        || severities.iter().filter(|severity| **severity > Severity::Mild).count() >= FLAGS_OF_A_SCAM
}

fn confidence(findings: &Findings, severities: &[Severity], class: Class) -> u8 {
    let count = |least: usize, each: u8, most: u8| {
        u8::try_from(least).unwrap_or(u8::MAX).saturating_mul(each).min(most)
    };
    match class {
        Class::LikelyScam => 75 + count(severities.len(), 4, 20),
        Class::Suspicious if severities.is_empty() => 45,
        Class::Suspicious => 50 + count(severities.len(), 6, 30),
        Class::Legit => 55 + count(findings.signs.len(), 4, 30),
    }
}
