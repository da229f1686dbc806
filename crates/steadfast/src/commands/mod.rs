//! One command, one file.

mod bench;
mod config;
mod dlq;
mod doctor;
mod events;
mod fake_twilio;
mod http;
mod jobs;
mod queues;
mod schedules;
mod serve;
mod trigger;

use crate::cli::{Cli, Command, Global};
use crate::config::{Config, Problem, load, sources};
use crate::node::DataDir;
use std::future::Future;
use std::process::ExitCode;

/// The exit code for a configuration that cannot be used.
const EXIT_CONFIG: u8 = 2;

/// Runs what the command line asks for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let global = cli.global;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Config { command } => config::run(&command, &global),
        Command::Doctor { command } => doctor::run(command, &global),
        Command::Serve => with_config(&global, |config| {
            let global = global.clone();
            on_runtime(serve::run(config, Box::new(move || read_config(&global))))
        }),
        Command::FakeTwilio(args) => {
            with_config(&global, |config| on_runtime(fake_twilio::run(config, args)))
        }
        Command::Bench { command } => with_config(&global, |config| on_runtime(bench::run(config, command))),
        Command::Trigger(args) => with_config(&global, |config| on_runtime(trigger::run(config, args))),
        Command::Queues { command, json } => {
            with_config(&global, |config| on_runtime(queues::run(config, command, json)))
        }
        Command::Schedules { command, json } => {
            with_config(&global, |config| on_runtime(schedules::run(config, command, json)))
        }
        Command::Jobs { command } => with_config(&global, |config| on_runtime(jobs::run(config, command))),
        Command::Events(asked) => with_config(&global, |config| on_runtime(events::run(config, asked))),
        Command::Dlq { command } => with_config(&global, |config| on_runtime(dlq::run(config, command))),
    }
}

fn with_config(
    global: &Global,
    run: impl FnOnce(Config) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    match read_config(global) {
        Ok(config) => run(config),
        Err(problems) => {
            print_problems(&problems);
            Ok(ExitCode::from(EXIT_CONFIG))
        }
    }
}

/// The checked configuration, or everything that is wrong with it.
fn read_config(global: &Global) -> Result<Config, Vec<Problem>> {
    let sources = sources(global.config.as_deref(), global.flags()).map_err(|problem| vec![problem])?;
    load(&sources)
}

#[expect(clippy::print_stderr, reason = "the command's answer to a person")]
fn print_problems(problems: &[Problem]) {
    let plural = if problems.len() == 1 { "problem" } else { "problems" };
    eprintln!("error: the configuration has {} {plural}:", problems.len());
    for problem in problems {
        eprintln!("  - {problem}");
    }
    eprintln!("`steadfast config show --about` explains every setting.");
}

fn on_runtime(task: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(task)
}

/// The data folder of the node that a command looks at.
fn data_dir(config: &Config) -> DataDir {
    DataDir::at(&config.data_dir)
}
