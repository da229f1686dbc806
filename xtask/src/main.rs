//! Development tasks: `cargo xtask test | bench | attack | chaos | faults | layers`.
//!
//! Kept free of the project's own crates, so that it builds in seconds on a fresh machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a development tool talks to a person")]

mod attack;
mod bench;
mod chaos;
mod faults;
mod layers;
mod locks;
mod run;
mod test;

use clap::Parser;
use std::process::ExitCode;

/// Development tasks of Steadfast.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Install what the tests need, and run all of them
    Test {
        /// Passed on to the test runner
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Measure
    Bench {
        #[command(subcommand)]
        what: bench::Bench,
    },
    /// Attack the public edge of the built binary, and measure what honest people notice
    Attack(attack::Attack),
    /// Try to make the built binary break its promises
    Chaos {
        #[command(subcommand)]
        what: chaos::Chaos,
    },
    /// Play everything that can go wrong under the Redis client, and print what was expected and what was seen
    Faults(faults::Faults),
    /// Check which crate may know which, and the other laws of the house
    Layers,
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Test { args } => test::run(&args),
        Task::Bench { what } => bench::run(what),
        Task::Attack(attack) => attack::run(&attack),
        Task::Chaos { what } => chaos::run(what),
        Task::Faults(faults) => faults::run(&faults),
        Task::Layers => layers::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
