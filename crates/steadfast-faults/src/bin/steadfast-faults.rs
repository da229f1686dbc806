//! Plays the scenarios and prints a table.
#![expect(clippy::print_stdout, reason = "a development tool talks to a person")]

use clap::Parser;
use std::process::ExitCode;
use steadfast_faults::{Length, all, table};

/// Plays what can go wrong under the Redis client, and prints what was expected and what was seen.
#[derive(Debug, Parser)]
struct Options {
    /// Only these: `F5` is all its variants, `F5b` one
    ids: Vec<String>,
    /// Shorter outages, as in the tests
    #[arg(long)]
    short: bool,
    /// Show the client's log
    #[arg(long)]
    log: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if options.log {
        tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG).init();
    }
    let length = if options.short { Length::Short } else { Length::Full };
    let all = all();
    let unknown: Vec<_> =
        options.ids.iter().filter(|asked| !all.iter().any(|scenario| scenario.is(asked))).collect();
    if !unknown.is_empty() {
        println!("no such scenario: {unknown:?}; there are F1 to F26, and variants such as F5b");
        return ExitCode::FAILURE;
    }
    let wanted = |id: &steadfast_faults::Scenario| {
        options.ids.is_empty() || options.ids.iter().any(|asked| id.is(asked))
    };
    let mut not_held = Vec::new();
    let chosen: Vec<_> = all.iter().filter(|scenario| wanted(scenario)).collect();
    for scenario in &chosen {
        let outcome = table::play(scenario, length).await;
        if !outcome.as_ref().is_ok_and(|seen| seen.holds) {
            not_held.push(scenario.id);
        }
        println!("{}\n", table::line(scenario, &outcome));
    }
    println!("{} of {} hold", chosen.len() - not_held.len(), chosen.len());
    if not_held.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("not: {}", not_held.join(", "));
    ExitCode::FAILURE
}
