//! Jobs of one customer run in order, one at a time, even when one fails; different customers run side by side.
//!
//! `cargo run -p steadfast-queue --example ordered_groups`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;
use steadfast_queue::typed::{Context, Draft, JobError, JobType, Queue, Router};
use steadfast_queue::{GroupKey, RetryPolicy};

#[derive(Serialize, Deserialize)]
struct Update {
    customer: String,
    step: u32,
}

impl JobType for Update {
    const KIND: &'static str = "update";

    fn group(&self) -> Option<GroupKey> {
        Some(GroupKey::of(&self.customer))
    }

    fn retry(&self) -> Option<RetryPolicy> {
        RetryPolicy::new([150], 0.0).ok()
    }
}

async fn apply(update: Update, context: Context) -> Result<(), JobError> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    if update.customer == "ada" && update.step == 1 && context.attempt() == 1 {
        println!("ada    step 1 fails; ada waits, the others do not");
        return Err(JobError::retry("locked", "try again"));
    }
    println!("{:6} step {}", update.customer, update.step);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = Queue::in_memory();
    let updates = (1..=3).flat_map(|step| ["ada", "grace", "edsger"].map(|name| (name, step)));
    let drafts = updates.map(|(name, step)| Draft::of(&Update { customer: name.into(), step }));
    for receipt in queue.push_all(drafts).await {
        receipt?;
    }
    let router = Router::new().handle(apply).concurrency("default", 16);
    queue.serve(router, queue.until_empty()).await?;
    Ok(())
}
