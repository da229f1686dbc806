//! The binary's inside: command line, configuration, wiring and lifecycle. The only crate that names
//! concrete back-ends.
//!
//! A library so that the configuration can be held against hostile input from outside; nothing else is
//! meant to be called.
#![warn(missing_docs)]

mod cli;
mod commands;
mod config;
mod lifecycle;
mod node;
mod reload;
mod telemetry;
mod webhook;
mod wire;

use clap::Parser;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
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

/// Whether a node would start with this configuration: the text of `steadfast.toml`, the environment, and
/// `key=value` from the command line. All problems at once, in words.
pub fn check_configuration(
    file: &str,
    env: BTreeMap<String, String>,
    flags: Vec<(String, String)>,
) -> Result<(), Vec<String>> {
    let file = Some((PathBuf::from(config::DEFAULT_FILE), file.to_owned()));
    match config::load(&config::Sources { file, env, flags }) {
        Ok(_) => Ok(()),
        Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
    }
}
