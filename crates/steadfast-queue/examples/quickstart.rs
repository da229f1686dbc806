//! A durable job in one file: a struct, an async function, a queue.
//!
//! `cargo run -p steadfast-queue --example quickstart`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use steadfast_queue::typed::{Context, JobError, JobType, Queue, Router, State};

/// A job is a struct with a name.
#[derive(Serialize, Deserialize)]
struct SendMail {
    to: String,
}

impl JobType for SendMail {
    const KIND: &'static str = "send-mail";
    const QUEUE: &'static str = "mail";
}

#[derive(Clone)]
struct Mailer;

impl Mailer {
    async fn send(&self, to: &str) -> std::io::Result<()> {
        println!("  mail to {to}");
        Ok(())
    }
}

/// A handler is an async function: the job first, then what it needs. An error means: again later.
async fn send(mail: SendMail, State(mailer): State<Mailer>, context: Context) -> Result<(), JobError> {
    println!("attempt {} at job {}", context.attempt(), context.id());
    mailer.send(&mail.to).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let queue = Queue::open(folder.path().join("jobs.db"))?;

    for to in ["ada@example.com", "grace@example.com", "ada@example.com"] {
        // On disk when this returns; the same key within an hour is the same job.
        let receipt = queue.push(SendMail { to: to.into() }).unique(format!("welcome {to}")).await?;
        println!(
            "enqueued {}{}",
            receipt.id,
            if receipt.duplicate { ", which was there already" } else { "" }
        );
    }

    let router = Router::new().handle(send).concurrency("mail", 8).with_state(Mailer);
    // A service would say `queue.run(router).await?`, which ends at Ctrl-C or SIGTERM.
    queue.serve(router, queue.until_empty()).await?;
    println!("{} completed", queue.stats_of("mail").await?.completed);
    queue.close().await?;
    Ok(())
}
