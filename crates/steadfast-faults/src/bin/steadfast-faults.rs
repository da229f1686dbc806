//! Plays the scenarios and prints a table.
#![expect(clippy::print_stdout, reason = "a development tool talks to a person")]

use clap::Parser;
use std::process::ExitCode;
use steadfast_faults::{all, table};

/// Plays what can go wrong under the Redis client, and prints what was expected and what was seen.
#[derive(Debug, Parser)]
struct Options {
    /// Only those whose id starts with one of these (F1, F5)
    ids: Vec<String>,
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
    let wanted = |id: &str| {
        let number = id.trim_end_matches(|c: char| c.is_ascii_lowercase());
        options.ids.is_empty() || options.ids.iter().any(|asked| asked == id || asked == number)
    };
    let (mut held, mut played) = (0, 0);
    for scenario in all().iter().filter(|scenario| wanted(scenario.id)) {
        let outcome = table::play(scenario).await;
        played += 1;
        held += u32::from(outcome.as_ref().is_ok_and(|seen| seen.holds));
        println!("{}\n", table::line(scenario, &outcome));
    }
    println!("{held} of {played} hold");
    if held == played { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
