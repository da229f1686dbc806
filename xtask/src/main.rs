//! Development tasks: `cargo xtask test | bench | layers`.
//!
//! Kept free of the project's own crates, so that it builds in seconds on a fresh machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a development tool talks to a person")]

mod bench;
mod layers;
mod run;
mod test;

use clap::{Parser, Subcommand};
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
        what: Bench,
    },
    /// Check which crate may know which, and the other laws of the house
    Layers,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Signed webhooks against the built binary: closed loop, then open loop
    Gateway {
        /// Messages of the closed loop
        #[arg(long, default_value_t = 100_000)]
        messages: u64,
        /// Connections of the closed loop
        #[arg(long, default_value_t = 50)]
        connections: u32,
        /// Messages per second of the open loop
        #[arg(long, default_value_t = 2_000)]
        rate: u32,
        /// Seconds of the open loop
        #[arg(long, default_value_t = 10)]
        seconds: u32,
    },
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Test { args } => test::run(&args),
        Task::Bench { what: Bench::Gateway { messages, connections, rate, seconds } } => {
            bench::gateway(messages, connections, rate, seconds)
        }
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
