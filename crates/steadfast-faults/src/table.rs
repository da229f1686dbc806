//! Playing scenarios and printing what was seen.

use crate::scenario::{Length, Outcome, Scenario};
use std::time::Duration;

/// The longest that one may take.
const PLAY_WITHIN: Duration = Duration::from_secs(90);

/// Plays one, with a bound on its time.
pub async fn play(scenario: &Scenario, length: Length) -> Outcome {
    match tokio::time::timeout(PLAY_WITHIN, (scenario.play)(length)).await {
        Ok(outcome) => outcome,
        Err(_) => anyhow::bail!("not over after {PLAY_WITHIN:?}"),
    }
}

/// One line of the table.
pub fn line(scenario: &Scenario, outcome: &Outcome) -> String {
    let head = format!("{:<5} {:<9} {}", scenario.id, scenario.on.as_str(), scenario.fault);
    let (verdict, seen) = match outcome {
        Ok(seen) => (if seen.holds { "holds" } else { "BROKEN" }, format!("{}: {}", seen.what, seen.figure)),
        Err(error) => ("FAILED", format!("{error:#}")),
    };
    format!("{head}\n      expected  {}\n      seen      {seen}\n      {verdict}", scenario.expected)
}
