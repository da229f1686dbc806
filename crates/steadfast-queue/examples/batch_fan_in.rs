//! Many jobs, and one that runs when all of them are over, whatever became of them.
//!
//! `cargo run -p steadfast-queue --example batch_fan_in`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use steadfast_queue::RetryPolicy;
use steadfast_queue::typed::{Context, Draft, JobError, JobType, Queue, Router};

#[derive(Serialize, Deserialize)]
struct Resize {
    image: u32,
}

impl JobType for Resize {
    const KIND: &'static str = "resize";

    fn retry(&self) -> Option<RetryPolicy> {
        Some(RetryPolicy::none())
    }
}

#[derive(Serialize, Deserialize)]
struct Publish {
    album: String,
}

impl JobType for Publish {
    const KIND: &'static str = "publish";
}

async fn resize(resize: Resize, context: Context) -> Result<(), JobError> {
    if resize.image == 4 {
        return Err(JobError::dead("corrupt_image", "no JPEG"));
    }
    // Operators see it with the job.
    context.log("resized to 1024 pixels");
    println!("image {} resized", resize.image);
    Ok(())
}

async fn publish(publish: Publish, context: Context) {
    if let Some(batch) = &context.job().waits_for {
        println!("album {:?}: {} images, {} lost", publish.album, batch.completed, batch.dead);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = Queue::in_memory();
    // The unique key lets the same call be repeated after an error: it completes what was begun.
    let callback = Draft::of(&Publish { album: "Lisbon".into() }).unique("album-17");
    let batch = queue.push_batch(callback, (1..=6).map(|image| Resize { image })).await?;
    println!("{} jobs, and {} waits for them", batch.jobs.len(), batch.callback.id);
    queue.serve(Router::new().handle(resize).handle(publish), queue.until_empty()).await?;
    Ok(())
}
