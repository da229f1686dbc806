//! A job that is done and the jobs that follow it are one write: there is no moment at which the order is
//! placed and its invoice forgotten. An error that carries on tells each job apart.
//!
//! `cargo run -p steadfast-queue --example follow_ups`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;
use steadfast_queue::typed::{Context, Draft, Follow, JobError, JobType, Queue, Router};

#[derive(Serialize, Deserialize)]
struct PlaceOrder {
    id: u64,
}

impl JobType for PlaceOrder {
    const KIND: &'static str = "place-order";
    const QUEUE: &'static str = "orders";
}

#[derive(Serialize, Deserialize)]
struct SendInvoice {
    order: u64,
}

impl JobType for SendInvoice {
    const KIND: &'static str = "send-invoice";
    const QUEUE: &'static str = "mail";
}

#[derive(Serialize, Deserialize)]
struct AskForReview {
    order: u64,
}

impl JobType for AskForReview {
    const KIND: &'static str = "ask-for-review";
    const QUEUE: &'static str = "mail";
}

async fn place(order: PlaceOrder) -> Result<Follow, JobError> {
    println!("order {} placed", order.id);
    // The name of the step makes the id, so a second run of this job makes the same two.
    let review =
        Draft::of(&AskForReview { order: order.id }).step("review").delay(Duration::from_millis(300));
    Ok(Follow::one(Draft::of(&SendInvoice { order: order.id }).step("invoice")).and(review))
}

async fn invoice(invoice: SendInvoice, context: Context) {
    println!(
        "invoice for order {}, made by job {:?}, traced as {}",
        invoice.order,
        context.job().parent,
        context.correlation_id()
    );
}

async fn review(review: AskForReview) {
    println!("how was order {}?", review.order);
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let queue = Queue::in_memory();
    queue.push(PlaceOrder { id: 7 }).correlation("request-42").await?;
    let router = Router::new().handle(place).handle(invoice).handle(review);
    queue.serve(router, queue.until_empty()).await?;
    Ok(())
}
