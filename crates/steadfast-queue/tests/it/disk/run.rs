//! Running a child on a disk.

use super::life::{FOLDER, PLAN, Plan};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use steadfast_testkit::disk::Disk;
use steadfast_testkit::wait_for_some;
use tempfile::TempDir;

const LIVES_FOR: Duration = Duration::from_secs(120);

/// A folder for stores, in memory where the system has such a place: what is synced there need not last.
pub(super) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

/// The folder's path without links, which the disk wants.
pub(super) fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().expect("a path")
}

/// Lets a child live. Whether it ended by itself; otherwise it was killed by its disk. It must not fail.
pub(super) async fn child(disk: &Disk, plan: Plan) -> bool {
    again(disk, "disk::life::child", &plan.as_text()).await
}

/// Runs the test `name` of this binary as a child.
pub(super) async fn again(disk: &Disk, name: &str, plan: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(FOLDER, &disk.folder)
        .env(PLAN, plan)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    disk.put_under(&mut command).expect("the disk");
    let mut child = command.spawn().expect("starts");
    let (mut out, mut errors) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let ended = wait_for_some(LIVES_FOR, || std::future::ready(child.try_wait().expect("asks")));
    let Some(status) = ended.await else {
        child.kill().expect("kills");
        child.wait().expect("ends");
        panic!("{name} {plan}: the child hangs");
    };
    let mut text = String::new();
    out.read_to_string(&mut text).expect("reads");
    errors.read_to_string(&mut text).expect("reads");
    assert!(status.success() || status.signal() == Some(9), "{name} {plan}: {status}\n{text}");
    status.success()
}

/// How many histories a test makes: its own number, or with `STEADFAST_HISTORIES` that one.
pub(super) fn histories(own: u64) -> u64 {
    set("STEADFAST_HISTORIES").unwrap_or(own)
}

/// Where the seeds begin: somewhere else at every run, unless told.
pub(super) fn seed() -> u64 {
    let fresh = || uuid::Uuid::new_v4().as_u64_pair().0 >> 24;
    let seed = set("STEADFAST_SEED").unwrap_or_else(fresh);
    tell(&format!("STEADFAST_SEED={seed}"));
    seed
}

/// For whoever reads the output of a test that failed, or ran long.
pub(super) fn tell(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("tells");
}

fn set(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
