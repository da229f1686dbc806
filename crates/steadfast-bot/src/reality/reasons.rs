//! The three reasons of a verdict.

use super::detect::Findings;
use super::flags::{Flag, Severity};
use super::score::Class;
use super::signs::Sign;
use std::ops::Range;

/// What a reason rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// A red flag.
    Flag(Flag),
    /// A good sign.
    Sign(Sign),
    /// A good sign that was looked for and not found.
    Missing(Sign),
    /// A good sign that cannot make up for the flags.
    Outweighed(Sign),
    /// Something that would speak for more trust is not there.
    Unproven,
}

impl Basis {
    /// Whether it may stand under a verdict of this class.
    pub const fn supports(self, class: Class) -> bool {
        match class {
            Class::Legit => matches!(self, Self::Sign(_)),
            Class::Suspicious | Class::LikelyScam => !matches!(self, Self::Sign(_)),
        }
    }
}

/// A reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What it rests on.
    pub basis: Basis,
    /// The words of the ad that it quotes.
    pub quote: Option<String>,
    /// The whole reason, the quotation included; at most 200 characters.
    pub text: String,
}

fn quoting(text: &str, basis: Basis, says: &str, range: &Range<usize>) -> Reason {
    let quote = &text[range.clone()];
    Reason { basis, quote: Some(quote.to_owned()), text: format!("{says}: “{quote}”") }
}

/// Three reasons for `class`, the weightiest first.
pub(super) fn reasons(text: &str, findings: &Findings, class: Class) -> [Reason; 3] {
    let mut reasons = match class {
        Class::Legit => for_trust(text, findings),
        Class::Suspicious | Class::LikelyScam => against(text, findings),
    }
    .into_iter();
    std::array::from_fn(|_| reasons.next().unwrap_or_else(unproven))
}

/// Always true of a text: the last resort where a verdict has fewer than three reasons of its own.
fn unproven() -> Reason {
    let text = "Nothing in it can be proven from the text alone.".to_owned();
    Reason { basis: Basis::Unproven, quote: None, text }
}

fn for_trust(text: &str, findings: &Findings) -> Vec<Reason> {
    let mut signs: Vec<_> = findings.signs.iter().collect();
    signs.sort_by_key(|(sign, _)| std::cmp::Reverse(sign.worth()));
    signs.into_iter().map(|(&sign, range)| quoting(text, Basis::Sign(sign), sign.says(), range)).collect()
}

fn against(text: &str, findings: &Findings) -> Vec<Reason> {
    let mut flags: Vec<_> = findings.flags.iter().collect();
    // The order of the flags breaks ties: it is by weight, too.
    flags.sort_by_key(|&(&flag, _)| (std::cmp::Reverse(flag.severity()), flag));
    let strong = flags.iter().any(|(flag, _)| flag.severity() > Severity::Mild);
    let quoted = flags.into_iter().map(|(&flag, range)| quoting(text, Basis::Flag(flag), flag.says(), range));
    let missing = missing(findings).into_iter().map(|(sign, says)| Reason {
        basis: Basis::Missing(sign),
        quote: None,
        text: says.to_owned(),
    });
    let outweighed = findings.signs.iter().map(|(&sign, range)| {
        let says = if strong {
            "This sounds proper, but cannot make up for that"
        } else {
            "This sounds proper, but proves nothing"
        };
        quoting(text, Basis::Outweighed(sign), says, range)
    });
    quoted.chain(missing).chain(outweighed).collect()
}

/// What was looked for and is not there, the most telling first.
fn missing(findings: &Findings) -> Vec<(Sign, &'static str)> {
    let has = |sign: Sign| findings.signs.contains_key(&sign);
    let known_by = |sign: Sign| match sign {
        Sign::CareersPage => has(Sign::CareersPage) || has(Sign::CompanyEmail),
        Sign::Degree => has(Sign::Degree) || has(Sign::Experience) || has(Sign::Licence),
        Sign::Employer => has(Sign::Employer) || has(Sign::Established),
        sign => has(sign),
    };
    let order = [
        Sign::Employer,
        Sign::CareersPage,
        Sign::Degree,
        Sign::Duties,
        Sign::PayRange,
        Sign::Address,
        Sign::Benefits,
    ];
    order
        .into_iter()
        .filter(|&sign| !known_by(sign))
        .filter_map(|sign| Some((sign, sign.missing()?)))
        .collect()
}
