//! A process that dies amid a job, and the next one that finds the job again.
//!
//! `cargo run -p steadfast-queue --example crash_and_resume`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use steadfast_queue::typed::{Context, JobType, Queue, Router};

#[derive(Serialize, Deserialize)]
struct Import {
    rows: u32,
}

impl JobType for Import {
    const KIND: &'static str = "import";
}

async fn dies(import: Import) {
    println!("child: importing {} rows; the power goes", import.rows);
    std::process::abort();
}

async fn works(import: Import, context: Context) {
    let job = context.job();
    println!(
        "parent: importing {} rows, attempt {}, {} crash before",
        import.rows, job.attempt, job.crash_count
    );
}

/// Acknowledges one job, then dies in it without a chance to clean up.
async fn child(path: &Path) -> Result<(), Box<dyn Error>> {
    let queue = Queue::open(path)?;
    queue.push(Import { rows: 1_000 }).await?;
    println!("child: enqueued, and told so");
    queue.serve(Router::new().handle(dies), queue.until_empty()).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if let Some(path) = std::env::args_os().nth(1) {
        return child(&PathBuf::from(path)).await;
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("jobs.db");
    let status = Command::new(std::env::current_exe()?).arg(&path).status()?;
    println!("parent: the child ended with {status}");

    let queue = Queue::open(&path)?;
    queue.serve(Router::new().handle(works), queue.until_empty()).await?;
    println!("parent: {} completed", queue.stats_of("default").await?.completed);
    queue.close().await?;
    Ok(())
}
