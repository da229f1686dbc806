//! `cargo xtask test`: whatever the tests need is installed or named, then every test runs.

use crate::run::{present, read, shown};
use anyhow::bail;

/// Programs the tests run, and the Debian packages that bring them.
const NEEDED: &[(&str, &str)] = &[
    ("cc", "gcc"),
    ("kill", "procps"),
    ("sh", "dash"),
    ("prlimit", "util-linux"),
    ("redis-server", "redis-server"),
    ("redis-sentinel", "redis-sentinel"),
];

/// Installs, builds, tests.
pub(crate) fn run(args: &[String]) -> anyhow::Result<()> {
    install_missing()?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // nextest where it is at hand: each test in its own process, with a time limit. Else cargo's own
    // runner, which runs the same tests.
    if present("cargo-nextest") {
        shown("cargo", &[&["nextest", "run", "--workspace", "--locked"], args.as_slice()].concat())?;
    } else {
        shown("cargo", &[&["test", "--workspace", "--locked", "--all-targets"], args.as_slice()].concat())?;
    }
    shown("cargo", &["test", "--workspace", "--locked", "--doc", "--quiet"])
}

pub(crate) fn install_missing() -> anyhow::Result<()> {
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(program, _)| !present(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install --yes {}", missing.join(" "));
    let is_root = read("id", &["-u"]).is_ok_and(|id| id.trim() == "0");
    if !is_root || !present("apt-get") {
        bail!("the tests need {}; install them first, on Debian as root: {install}", missing.join(", "));
    }
    shown("apt-get", &["update"])?;
    shown("apt-get", &[&["install", "--yes", "--no-install-recommends"], missing.as_slice()].concat())
}
