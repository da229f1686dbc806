//! A disk that misbehaves under a real process: it fails, fills up, loses what was not synced, or ends the process
//! in the middle of a write.
//!
//! [`Disk`] builds a small library (disk.c) with the C compiler and puts it before a child process with
//! `LD_PRELOAD`. The library sees every call on files below one folder. It fails some of them by [`Rule`]s, and
//! writes down what would reach the disk. From that log, [`platter::Platter`] builds what a power cut at any moment
//! could leave behind.
//!
//! What the child writes to a file named [`SAID`] in the folder is no part of the disk: it says what it was promised,
//! in the same order as everything else. Linux with the GNU C library and a C
//! compiler are needed.

pub mod platter;
pub mod trace;

use crate::preload;
use anyhow::Context;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines written to this file of the folder are kept in the log, and are on no image.
pub const SAID: &str = "said";
/// Text written to this file of the folder replaces the rules.
const CONTROL: &str = "disk-control";
const SOURCE: &str = include_str!("disk/disk.c");

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening a file or folder.
    Open,
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// `fsync` and `fdatasync`.
    Sync,
    /// Changing a file's length.
    Size,
    /// Removing a name.
    Unlink,
    /// All of these.
    Any,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The call fails: input/output error. A sync that fails so loses what it should have confirmed.
    Eio,
    /// The call fails: no space left.
    Enospc,
    /// The call is interrupted.
    Eintr,
    /// Half of what was asked is read or written.
    Short,
    /// The process is killed before the call.
    Kill,
    /// The process is killed when half of it is written.
    Tear,
}

/// Which calls misbehave, and how.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Which calls.
    pub operation: Operation,
    /// On files whose name ends so; `*` means all.
    pub suffix: &'static str,
    /// What happens to them.
    pub effect: Effect,
    /// So many calls go well first.
    pub skip: u32,
    /// So many fail then; `None`: all from then on.
    pub times: Option<u32>,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = match self.operation {
            Operation::Open => "open",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Sync => "sync",
            Operation::Size => "size",
            Operation::Unlink => "unlink",
            Operation::Any => "any",
        };
        let effect = match self.effect {
            Effect::Eio => "EIO",
            Effect::Enospc => "ENOSPC",
            Effect::Eintr => "EINTR",
            Effect::Short => "SHORT",
            Effect::Kill => "KILL",
            Effect::Tear => "TEAR",
        };
        let times = self.times.map_or(-1, i64::from);
        write!(f, "{operation} {} {effect} {} {times}", self.suffix, self.skip)
    }
}

fn as_text(rules: &[Rule]) -> String {
    let lines: Vec<String> = rules.iter().map(ToString::to_string).collect();
    // Not empty, so that it is written at all.
    format!("{}\n", lines.join(";"))
}

/// Called by the child: from now on these rules hold, and no others.
///
/// # Errors
/// If the folder cannot be written.
pub fn arm(folder: &Path, rules: &[Rule]) -> std::io::Result<()> {
    std::fs::write(folder.join(CONTROL), as_text(rules))
}

/// How a child's files below `folder` behave.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The folder, by its absolute path without links.
    pub folder: PathBuf,
    /// Where to write down what happens; beside the folder, not in it.
    pub log: Option<PathBuf>,
    /// The rules at the start.
    pub rules: Vec<Rule>,
    /// After a failed sync, reading shows at once what is really on the disk. Otherwise it goes on showing what was
    /// written, and only a power cut brings the truth out. Kernels do either, by file system and memory pressure.
    pub drops: bool,
    /// A sync takes so many microseconds and is not done. For tests that read the log, not the files.
    pub sync_us: Option<u32>,
}

impl Disk {
    /// A disk that does as it should.
    pub fn sound(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), log: None, rules: Vec::new(), drops: false, sync_us: None }
    }

    /// Puts the disk under `command`.
    ///
    /// # Errors
    /// Without a C compiler.
    pub fn put_under(&self, command: &mut Command) -> anyhow::Result<()> {
        command.env("LD_PRELOAD", library()?).env("STEADFAST_DISK_FOLDER", &self.folder);
        if let Some(log) = &self.log {
            command.env("STEADFAST_DISK_LOG", log);
        }
        if !self.rules.is_empty() {
            command.env("STEADFAST_DISK_RULES", as_text(&self.rules));
        }
        if self.drops {
            command.env("STEADFAST_DISK_DROPS", "1");
        }
        if let Some(us) = self.sync_us {
            command.env("STEADFAST_DISK_SYNC_US", us.to_string());
        }
        Ok(())
    }
}

/// The library, beside the running test binary.
fn library() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe().context("this binary has no path")?;
    preload::library("disk", SOURCE, binary.parent().context("this binary lies nowhere")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_said_as_the_library_reads_them() {
        let rule =
            Rule { operation: Operation::Sync, suffix: "-wal", effect: Effect::Eio, skip: 3, times: Some(1) };
        let for_ever =
            Rule { operation: Operation::Any, suffix: "*", effect: Effect::Enospc, skip: 0, times: None };
        assert_eq!(as_text(&[rule, for_ever]), "sync -wal EIO 3 1;any * ENOSPC 0 -1\n");
    }
}
