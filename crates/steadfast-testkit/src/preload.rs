//! A few lines of C put before the C library of another process (`LD_PRELOAD`).
//!
//! Linux with the GNU C library, and a C compiler (`CC`, or `cc`), are needed; they are what SQLite is built with
//! anyway.

use anyhow::{Context, bail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers what this process builds: two threads may build at the same time.
static BUILDS: AtomicU64 = AtomicU64::new(0);

/// The library of `source` in `folder`, built if it is not there yet. Blocks while the compiler runs.
///
/// Others may build it at the same time: each builds its own, and the last one stays.
///
/// # Errors
/// Without a C compiler, or if it refuses `source`.
pub(crate) fn library(name: &str, source: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    let library = folder.join(format!("steadfast-{name}-{:016x}.so", fingerprint(source)));
    if library.exists() {
        return Ok(library);
    }
    let build = BUILDS.fetch_add(1, Ordering::Relaxed);
    let own = library.with_extension(format!("{}-{build}", std::process::id()));
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(&compiler);
    command.args(["-shared", "-fPIC", "-O2", "-x", "c", "-o"]).arg(&own).args(["-", "-ldl"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = command.spawn().with_context(|| format!("no C compiler: {}", compiler.display()))?;
    // A compiler that ends early breaks the pipe; what it says then is worth more than that.
    let _ = running.stdin.take().context("the compiler has no input")?.write_all(source.as_bytes());
    let built = running.wait_with_output().context("the C compiler cannot be waited for")?;
    if !built.status.success() {
        let said = String::from_utf8_lossy(&built.stderr);
        bail!("{} did not compile the {name}'s library: {said}", compiler.display());
    }
    std::fs::rename(&own, &library).context("cannot move the library to its place")?;
    Ok(library)
}

/// FNV-1a: tells versions of the source apart.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_build_at_once_and_get_the_same() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let source = "int steadfast_nothing(void) { return 0; }";
        let build = || library("nothing", source, folder.path());
        let built: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(build)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for path in built {
            assert!(path?.exists());
        }
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1, "nothing is left behind");
        Ok(())
    }

    #[test]
    fn what_the_compiler_says_is_told() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let error = library("broken", "int broken(", folder.path()).expect_err("does not compile");
        assert!(error.to_string().contains("error"), "{error}");
        Ok(())
    }
}
