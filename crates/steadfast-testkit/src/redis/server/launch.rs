//! The process of a server.

use anyhow::Context;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::{Child, Command};

pub(super) fn config_path(folder: &Path) -> PathBuf {
    folder.join("redis.conf")
}

pub(super) fn log_path(folder: &Path) -> PathBuf {
    folder.join("redis.log")
}

/// Starts `program` on the configuration in `folder`; it is killed when its handle is dropped.
pub(super) fn spawn(program: &str, folder: &Path) -> anyhow::Result<Child> {
    let path = log_path(folder);
    let out = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let out = out.with_context(|| format!("cannot write {}", path.display()))?;
    let err = out.try_clone().context("cannot share the log")?;
    let mut command = Command::new(program);
    command.arg(config_path(folder)).current_dir(folder);
    command.stdin(Stdio::null()).stdout(out).stderr(err).kill_on_drop(true);
    command.spawn().with_context(|| format!("cannot start {program}: is it installed?"))
}
