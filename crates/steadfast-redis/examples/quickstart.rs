//! A program that stays up whatever Redis does: it counts visits, and says each second what became of its calls.
//!
//! `cargo run -p steadfast-redis --example quickstart -- --seconds 60`, and meanwhile stop Redis, kill it, fill it, start it
//! again. Ends on Ctrl-C or after `--seconds`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use steadfast_redis::role::Role;
use steadfast_redis::{Client, Error, Outcome, Result};
use tokio::time::{Instant, interval, sleep};

/// What became of the calls of one second.
#[derive(Debug, Default)]
struct Seen {
    good: u64,
    not_sent: u64,
    rejected: u64,
    ambiguous: u64,
    slowest: Duration,
    error: Option<Error>,
}

impl Seen {
    fn note<T>(&mut self, done: Result<T>, took: Duration) {
        self.slowest = self.slowest.max(took);
        let Err(error) = done else { return self.good += 1 };
        match error.outcome() {
            Outcome::NotSent => self.not_sent += 1,
            Outcome::Rejected => self.rejected += 1,
            Outcome::Ambiguous => self.ambiguous += 1,
        }
        self.error = Some(error);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    // Returns at once, also if there is no Redis yet. No call may take longer than this.
    let redis = Client::open(&url)?.within(Duration::from_millis(500));
    let seen = Mutex::default();
    tokio::select! {
        () = visits(&redis, &seen) => {}
        () = report(&redis, &seen) => {}
        () = sleep(runs_for()?) => println!("the time is over"),
        _ = tokio::signal::ctrl_c() => println!("told to stop"),
    }
    redis.close(Instant::now() + Duration::from_secs(1)).await;
    Ok(())
}

/// The service's own work: a write that must not be doubled, and a read.
async fn visits(redis: &Client, seen: &Mutex<Seen>) {
    loop {
        let since = Instant::now();
        let written = redis.incr("visits", 1).await;
        note(seen, written, since);
        let since = Instant::now();
        let read = redis.get::<Option<i64>>("visits").await;
        note(seen, read, since);
        sleep(Duration::from_millis(5)).await;
    }
}

fn note<T>(seen: &Mutex<Seen>, done: Result<T>, since: Instant) {
    seen.lock().unwrap_or_else(PoisonError::into_inner).note(done, since.elapsed());
}

/// A line for each second; what went wrong beneath it, when it is another thing than before.
async fn report(redis: &Client, seen: &Mutex<Seen>) {
    let (mut seconds, mut last) = (interval(Duration::from_secs(1)), None::<String>);
    seconds.tick().await;
    for second in 1.. {
        seconds.tick().await;
        let now = std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner));
        let Seen { good, not_sent, rejected, ambiguous, slowest, error } = now;
        let primary = redis.nodes().into_iter().find(|node| node.role == Role::Primary);
        let primary = primary.map_or_else(|| "no primary is known".to_owned(), |node| node.address);
        println!(
            "{second:>4} s  {good:>3} good, {not_sent} not sent, {rejected} rejected, {ambiguous} ambiguous; \
             slowest {} ms; {primary}",
            slowest.as_millis()
        );
        if let Some(error) = error.as_ref().filter(|error| Some(error.code()) != last.as_deref()) {
            println!("        {error}");
        }
        last = error.map(|error| error.code().to_owned());
    }
}

/// `--seconds 60`; without it, a year.
fn runs_for() -> Result<Duration, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(Duration::from_secs(365 * 86_400)),
        (Some("--seconds"), Some(seconds)) => Ok(Duration::from_secs(seconds.parse()?)),
        _ => Err("usage: quickstart [--seconds NUMBER]".into()),
    }
}
