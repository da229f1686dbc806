//! What fails is tried again by its schedule; what fails for good waits for somebody, with its history.
//!
//! `cargo run -p steadfast-queue --example retries_and_dead_letters`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use steadfast_queue::RetryPolicy;
use steadfast_queue::typed::{Context, JobError, JobType, Queue, Router, State};

#[derive(Serialize, Deserialize)]
struct Charge {
    order: u32,
    cents: i64,
}

impl JobType for Charge {
    const KIND: &'static str = "charge";
    const QUEUE: &'static str = "payments";

    /// Three retries, fast enough to watch. Without this: 2, 4, 8, 16 and 30 seconds.
    fn retry(&self) -> Option<RetryPolicy> {
        RetryPolicy::new([100, 200, 400], 0.1).ok()
    }
}

/// Whether the payment provider is up.
#[derive(Clone)]
struct Provider(Arc<AtomicBool>);

async fn charge(charge: Charge, State(provider): State<Provider>, context: Context) -> Result<(), JobError> {
    println!("order {}: attempt {}", charge.order, context.attempt());
    if charge.cents <= 0 {
        // Trying again would not help.
        return Err(JobError::dead("bad_amount", "the amount is not positive"));
    }
    if charge.order == 2 && context.attempt() < 3 {
        return Err(JobError::retry("timeout", "the provider took too long"));
    }
    if charge.order == 3 && !provider.0.load(Ordering::SeqCst) {
        return Err(JobError::retry("provider_down", "connection refused"));
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = Queue::in_memory();
    let provider = Provider(Arc::default());
    for (order, cents) in [(1, 500), (2, 700), (3, 900), (4, 0)] {
        queue.push(Charge { order, cents }).await?;
    }
    let router = || Router::new().handle(charge).with_state(provider.clone());
    queue.serve(router(), queue.until_empty()).await?;

    println!("\ndead letters:");
    for job in queue.dead_letters("payments", 10).await? {
        println!("  {}", String::from_utf8_lossy(&job.payload));
        for failure in &job.history {
            println!("    attempt {}: {} ({})", failure.attempt, failure.error, failure.message);
        }
    }

    println!("\nthe provider is up again; the one that could not help it gets a fresh set of attempts:");
    provider.0.store(true, Ordering::SeqCst);
    let dead = queue.dead_letters("payments", 10).await?;
    let of_provider =
        |job: &&steadfast_queue::Job| job.history.last().is_some_and(|last| last.error == "provider_down");
    let ids: Vec<_> = dead.iter().filter(of_provider).map(|job| job.id).collect();
    queue.retry(&ids).await?;
    queue.serve(router(), queue.until_empty()).await?;
    println!("{} dead letter left", queue.stats_of("payments").await?.dead);
    Ok(())
}
