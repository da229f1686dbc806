//! A disk that can be filled: a file system of its own where root allows one, else a bound on the size of files.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// Room of the file system, in MiB. The file behind it is sparse.
const SIZE_MIB: u64 = 4_096;

/// Where the node's data lie.
#[derive(Debug)]
pub(super) enum Disk {
    /// An ext4 file system in a file, mounted here.
    Mounted { at: PathBuf },
    /// A plain folder; full means that no file of the node grows any further.
    Bounded { at: PathBuf },
}

impl Disk {
    /// Makes one below `folder`, a file system of its `own` if that is wanted and possible.
    pub(super) async fn make(folder: &Path, own: bool) -> anyhow::Result<Self> {
        let at = folder.join("disk");
        std::fs::create_dir_all(&at).with_context(|| format!("cannot create {}", at.display()))?;
        if !own {
            return Ok(Self::Bounded { at });
        }
        let image = folder.join("disk.img");
        let file = std::fs::File::create(&image).context("cannot create the disk's image")?;
        file.set_len(SIZE_MIB << 20).context("cannot size the disk's image")?;
        let (image_text, at_text) = (image.display().to_string(), at.display().to_string());
        let mounted = match quiet("mkfs.ext4", &["-q", "-F", "-m", "0", &image_text]).await {
            Ok(()) => quiet("mount", &["-o", "loop", &image_text, &at_text]).await,
            Err(error) => Err(error),
        };
        match mounted {
            Ok(()) => Ok(Self::Mounted { at }),
            Err(_) => {
                std::fs::remove_file(&image).context("cannot remove the disk's image")?;
                Ok(Self::Bounded { at })
            }
        }
    }

    /// How it is filled, in words.
    pub(super) const fn how(&self) -> &'static str {
        match self {
            Self::Mounted { .. } => "an ext4 file system of its own, filled to the last block",
            Self::Bounded { .. } => "a bound on the size of the node's files",
        }
    }

    /// The node's data folder.
    pub(super) fn data(&self) -> PathBuf {
        match self {
            Self::Mounted { at } | Self::Bounded { at } => at.join("data"),
        }
    }

    /// What a shell says before it becomes a node, while the disk is `full` or not.
    pub(super) fn prelude(&self, full: bool) -> String {
        match self {
            Self::Mounted { .. } => String::new(),
            Self::Bounded { .. } if full => {
                format!("trap '' XFSZ; ulimit -S -f {}", self.bound_bytes().div_ceil(512))
            }
            Self::Bounded { .. } => "trap '' XFSZ".to_owned(),
        }
    }

    /// The size that the node's largest file has now.
    fn bound_bytes(&self) -> u64 {
        let entries = std::fs::read_dir(self.data()).into_iter().flatten().flatten();
        entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).max().unwrap_or(0)
    }

    fn filler(&self) -> Option<PathBuf> {
        match self {
            Self::Mounted { at } => Some(at.join("filler")),
            Self::Bounded { .. } => None,
        }
    }

    /// Leaves no room for the node that runs as `pid`.
    pub(super) async fn fill(&self, pid: u32) -> anyhow::Result<()> {
        let Some(filler) = self.filler() else {
            return quiet(
                "prlimit",
                &["--pid", &pid.to_string(), &format!("--fsize={}:", self.bound_bytes())],
            )
            .await;
        };
        // A few times, by halves: whatever the node frees or takes meanwhile, in the end nothing is left.
        let mut step_mib = SIZE_MIB;
        let mut size_mib = 0;
        while step_mib > 0 {
            let wanted = format!("{}MiB", size_mib + step_mib);
            match quiet("fallocate", &["-l", &wanted, &filler.display().to_string()]).await {
                Ok(()) => size_mib += step_mib,
                Err(_) => step_mib /= 2,
            }
        }
        // The rest, block by block, until the disk says so itself.
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&filler)?;
        while std::io::Write::write_all(&mut file, &[0; 4_096]).is_ok() {}
        Ok(())
    }

    /// Gives the room back.
    pub(super) async fn free(&self, pid: Option<u32>) -> anyhow::Result<()> {
        match (self.filler(), pid) {
            (Some(filler), _) => std::fs::remove_file(&filler).context("cannot remove the filler"),
            (None, Some(pid)) => quiet("prlimit", &["--pid", &pid.to_string(), "--fsize=unlimited:"]).await,
            (None, None) => Ok(()),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Self::Mounted { at } = self {
            // Lazily: a process that hangs must not keep the run from ending.
            let _done = std::process::Command::new("umount").arg("-l").arg(at).status();
        }
    }
}

/// Runs a program and wants it to succeed.
async fn quiet(program: &str, args: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.output().await.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("`{program} {}`: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
