//! Limits as settings of the queue: how many jobs may begin within a time, over all and per customer, and how
//! many may run at once. They hold over all workers and are changed while it runs.
//!
//! `cargo run -p steadfast-queue --example rate_limit`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use steadfast_queue::typed::{Draft, JobType, Queue, Router, State};
use steadfast_queue::{GroupKey, QueueSettings, Rate};
use tokio::time::Instant;

#[derive(Serialize, Deserialize)]
struct Sms {
    to: String,
    number: u32,
}

impl JobType for Sms {
    const KIND: &'static str = "sms";
    const QUEUE: &'static str = "sms";

    fn group(&self) -> Option<GroupKey> {
        Some(GroupKey::of(&self.to))
    }
}

async fn send(sms: Sms, State(began): State<Instant>) {
    println!("{:>5} ms  {:5} {}", began.elapsed().as_millis(), sms.to, sms.number);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = Queue::in_memory();
    let settings = QueueSettings {
        // Ten a second in all, two a second to the same person, three at the same time.
        rate: Some(Rate::new(10, 1_000)),
        group_rate: Some(Rate::new(2, 1_000)),
        concurrency_max: Some(3),
        ..QueueSettings::default()
    };
    queue.configure("sms", settings).await?;
    let texts = (1..=4).flat_map(|number| ["ada", "grace"].map(|to| (to, number)));
    for receipt in queue.push_all(texts.map(|(to, number)| Draft::of(&Sms { to: to.into(), number }))).await {
        receipt?;
    }
    let router = Router::new().handle(send).concurrency("sms", 16).with_state(Instant::now());
    queue.serve(router, queue.until_empty()).await?;
    Ok(())
}
