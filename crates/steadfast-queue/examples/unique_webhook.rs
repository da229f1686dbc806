//! A webhook that is delivered five times at once, and once more after it was handled, is one job.
//!
//! `cargo run -p steadfast-queue --example unique_webhook`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use steadfast_queue::Unique;
use steadfast_queue::typed::{JobType, Queue, Router};

#[derive(Clone, Serialize, Deserialize)]
struct PaymentReceived {
    event: String,
    cents: u64,
}

impl JobType for PaymentReceived {
    const KIND: &'static str = "payment-received";

    /// The key comes from the value, so no caller can forget it. It counts for an hour unless said otherwise,
    /// also after the job has completed.
    fn unique(&self) -> Option<Unique> {
        Some(Unique::new(self.event.as_bytes()))
    }
}

async fn book(payment: PaymentReceived) {
    println!("booked {} cents", payment.cents);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let queue = Queue::open(folder.path().join("jobs.db"))?;
    let event = PaymentReceived { event: "evt_17".into(), cents: 1_200 };

    let deliveries = (0..5).map(|_| queue.push(event.clone()).into_future());
    for receipt in futures::future::join_all(deliveries).await {
        let receipt = receipt?;
        println!("job {}, duplicate: {}", receipt.id, receipt.duplicate);
    }
    queue.serve(Router::new().handle(book), queue.until_empty()).await?;

    let late = queue.push(event).await?;
    println!("a late delivery, duplicate: {}", late.duplicate);
    queue.close().await?;
    Ok(())
}
