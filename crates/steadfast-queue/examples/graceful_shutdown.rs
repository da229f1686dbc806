//! A stop lets running jobs end, up to a limit; what does not end in time is given back without an attempt, and
//! runs at the next start.
//!
//! `cargo run -p steadfast-queue --example graceful_shutdown`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;
use steadfast_queue::typed::{Context, JobError, JobType, Queue, Router};
use steadfast_queue::worker::WorkerConfig;

#[derive(Serialize, Deserialize)]
struct Render {
    name: String,
    ms: u64,
}

impl JobType for Render {
    const KIND: &'static str = "render";
}

async fn render(job: Render, context: Context) -> Result<(), JobError> {
    println!("{}: begins", job.name);
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(job.ms)) => {
            println!("{}: done", job.name);
            Ok(())
        }
        () = context.cancelled() => {
            println!("{}: told to stop, tidies up", job.name);
            // Not a failed attempt: after a stop an error means that the job is given back.
            Err(JobError::retry("stopped", "told to stop"))
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let queue = Queue::open(folder.path().join("jobs.db"))?;
    for (name, ms) in [("short", 300), ("long", 60_000)] {
        queue.push(Render { name: name.into(), ms }).await?;
    }
    let router = Router::new().handle(render).configure("default", |config| WorkerConfig {
        drain_timeout: Duration::from_millis(500),
        cancel_grace: Duration::from_millis(100),
        ..config
    });
    // In a service: `queue.run(router).await?`; a second signal then gives all back at once.
    let deploy = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        println!("stop, please");
    };
    queue.serve(router, deploy).await?;
    let stats = queue.stats_of("default").await?;
    println!("completed: {}, back in the queue: {}", stats.completed, stats.available);
    queue.close().await?;
    Ok(())
}
