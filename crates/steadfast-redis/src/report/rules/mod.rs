//! What is concluded from the figures: each rule looks at them alone, and says nothing without evidence. Pure.

mod calls;
mod connections;
mod room;
mod servers;
#[cfg(test)]
mod tests;

use super::figures::Figures;
use super::finding::Finding;
use std::cmp::Reverse;

/// A rule: its name, and what it looks at.
struct Rule {
    id: &'static str,
    look: fn(&Figures<'_>) -> Vec<Finding>,
}

/// All rules.
const RULES: [&[Rule]; 4] = [calls::RULES, connections::RULES, room::RULES, servers::RULES];

/// Everything that the rules find, the gravest first.
pub(super) fn findings(figures: &Figures<'_>) -> Vec<Finding> {
    let named = |rule: &Rule| {
        (rule.look)(figures).into_iter().map(|finding| Finding { id: rule.id, ..finding }).collect()
    };
    let mut found: Vec<Finding> = RULES.into_iter().flatten().flat_map::<Vec<Finding>, _>(named).collect();
    found.sort_by_key(|finding| Reverse(finding.severity));
    found
}

/// A share as people write it.
fn percent(share: f64) -> String {
    match share * 100.0 {
        small if small < 1.0 => format!("{small:.2} %"),
        percent => format!("{percent:.0} %"),
    }
}

/// The next whole number of its size that reads well: 1, 2 or 5 with zeroes, at least `number`.
fn rounded_up(number: u64) -> u64 {
    let mut size = 1_u64;
    while size.saturating_mul(10) <= number {
        size = size.saturating_mul(10);
    }
    [1, 2, 5, 10]
        .map(|step| size.saturating_mul(step))
        .into_iter()
        .find(|round| *round >= number)
        .unwrap_or(number)
}
