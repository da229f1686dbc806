//! The binary: command line, configuration, wiring and lifecycle. The only crate that names concrete
//! back-ends.

mod cli;
mod commands;
mod config;
mod lifecycle;
mod node;
mod telemetry;
mod webhook;
mod wire;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// What, then why, cause by cause.
#[expect(clippy::print_stderr, reason = "the last word of a failed command")]
fn report(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}
