//! A wall clock that can be set for one process alone: a few lines of C, loaded before its C library.

use crate::preload;
use anyhow::Context;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const SHIM: &str = include_str!("clock_shim.c");

/// The clock of the nodes started with [`WallClock::prelude`].
#[derive(Debug)]
pub(super) struct WallClock {
    shim: PathBuf,
    path: PathBuf,
    file: File,
}

impl WallClock {
    /// Compiles the shim into `folder`. The clock stands right.
    pub(super) fn make(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.canonicalize().context("the run's folder is gone")?;
        let shim = preload::library("clock", SHIM, &folder)?;
        let path = folder.join("clock");
        let file = File::create(&path).context("cannot write the clock's file")?;
        let clock = Self { shim, path, file };
        clock.set(0)?;
        Ok(clock)
    }

    /// What a shell says before it becomes a node.
    pub(super) fn prelude(&self) -> String {
        format!("export STEADFAST_CLOCK_FILE='{}' LD_PRELOAD='{}'", self.path.display(), self.shim.display())
    }

    /// Sets it `off_ms` off the true time, at once and for running nodes too.
    pub(super) fn set(&self, off_ms: i64) -> anyhow::Result<()> {
        self.file.write_all_at(&off_ms.to_ne_bytes(), 0).context("cannot set the clock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::process::Command;

    async fn seconds(clock: &WallClock) -> anyhow::Result<i64> {
        let script = format!("{}\nexec date +%s", clock.prelude());
        let output = Command::new("sh").args(["-c", &script]).output().await?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    }

    #[tokio::test]
    async fn the_clock_of_another_process_is_set() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let clock = WallClock::make(folder.path())?;
        let right = seconds(&clock).await?;
        clock.set(-3_600_500)?;
        let early = seconds(&clock).await?;
        assert!((3_500..=3_601).contains(&(right - early)), "{right} {early}");
        Ok(())
    }
}
