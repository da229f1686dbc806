//! Jobs for later, and jobs by the clock: two days in a moment, on a clock that this program moves.
//!
//! `cargo run -p steadfast-queue --example delayed_and_cron`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;
use steadfast_queue::schedule::Missed;
use steadfast_queue::testing::{START_MS, TestQueue};
use steadfast_queue::typed::{Context, JobType, Router};

#[derive(Serialize, Deserialize)]
struct Report {
    what: String,
}

impl JobType for Report {
    const KIND: &'static str = "report";
}

async fn report(report: Report, context: Context) {
    let hours = (context.job().run_at_ms - START_MS) / 3_600_000;
    println!("day {}, {:>2}:00  {}", hours / 24 + 1, hours % 24, report.what);
}

fn of(what: &str) -> Report {
    Report { what: what.to_owned() }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // A service has a `Queue` of its own and real time; all else is the same.
    let test = TestQueue::new(Router::new().handle(report))?;
    let queue = test.queue();

    queue.push(of("once, in 30 hours")).delay(Duration::from_secs(30 * 3_600)).await?;
    // Stored with the queue: put again at every start, it is still one schedule, and each time fires once.
    queue.schedule("nightly", "0 3 * * *", of("every night at 3 in Berlin")).zone("Europe/Berlin").await?;
    // After a night that the process slept through, the latest fires and stands for all.
    queue.schedule("noon", "0 12 * * *", of("every noon, UTC")).missed(Missed::Coalesce).await?;

    test.advance(Duration::from_secs(2 * 86_400)).await;
    queue.unschedule("nightly").await?;
    println!("no more nights");
    test.advance(Duration::from_secs(86_400)).await;
    Ok(())
}
