//! Runs other programs.

use anyhow::{Context, bail};
use std::process::{Command, Stdio};

/// Runs `program` with `args`, its output shown; fails if it does.
pub(crate) fn shown(program: &str, args: &[&str]) -> anyhow::Result<()> {
    println!("$ {program} {}", args.join(" "));
    let status =
        Command::new(program).args(args).status().with_context(|| format!("cannot run {program}"))?;
    if !status.success() {
        bail!("`{program} {}` ended with {status}", args.join(" "));
    }
    Ok(())
}

/// Runs `program` quietly and returns what it printed.
pub(crate) fn read(program: &str, args: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(args).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("`{program} {}` ended with {}", args.join(" "), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed something that is no text"))
}

/// Whether a program of this name can be run.
pub(crate) fn present(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null", program]).status();
    found.is_ok_and(|status| status.success())
}
