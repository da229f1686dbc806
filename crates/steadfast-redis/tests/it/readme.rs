//! The README's quickstart is this crate's, word for word, and runs.

use std::process::Stdio;
use std::time::Duration;
use steadfast_testkit::redis::Server;
use tokio::process::Command;

#[cfg(test)]
mod quickstart {
    include!("../readme/quickstart.rs");

    pub(super) fn run() {
        main().unwrap();
    }
}

#[test]
fn the_readme_shows_what_is_run() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains(include_str!("../readme/quickstart.rs")));
}

/// Run by the next one, as a process of its own: the quickstart reads its URL from the environment.
#[test]
#[ignore = "run by the_quickstart_runs"]
fn as_a_process() {
    quickstart::run();
}

#[tokio::test]
async fn the_quickstart_runs() {
    let server = Server::start().await.unwrap();
    let mut this = Command::new(std::env::current_exe().unwrap());
    this.args(["--ignored", "--exact", "readme::as_a_process", "--nocapture"]);
    this.env("REDIS_URL", server.url()).stdin(Stdio::null()).kill_on_drop(true);
    let done = tokio::time::timeout(Duration::from_secs(30), this.output()).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && told.contains("hello\norder 1\n"), "{told}");
}
