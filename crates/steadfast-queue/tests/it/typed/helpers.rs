//! The test helpers keep their word.

use super::jobs::{Log, Mail, Order, mail, test};
use std::time::Duration;
use steadfast_queue::State;
use steadfast_queue::testing::START_MS;
use steadfast_queue::typed::{Context, Draft, JobError, Router, State as Part};

async fn send(mail: Mail, Part(log): Part<Log>, context: Context) -> Result<(), JobError> {
    log.note(format!("{} at {}", mail.to, context.job().run_at_ms - START_MS));
    if mail.to == "fails" { Err(JobError::retry("down", "down")) } else { Ok(()) }
}

async fn order(_: Order, context: Context) {
    context.enqueue_after(Draft::of(&mail("later")).delay(Duration::from_secs(10)));
}

#[tokio::test]
async fn time_passes_from_one_due_job_to_the_next() {
    let log = Log::default();
    let test = test(Router::new().handle(send).handle(order).with_state(log.clone()));
    test.push(mail("fails")).delay(Duration::from_secs(5)).await.expect("pushed");
    test.push(Order { id: 1 }).delay(Duration::from_secs(3)).await.expect("pushed");
    assert_eq!(test.run_until_idle().await, 0);
    // 3 s: the order; 5, 6 and 8 s: the failing mail; 13 s: what the order has made.
    assert_eq!(test.advance(Duration::from_secs(12)).await, 4);
    assert_eq!(test.advance(Duration::from_secs(1)).await, 1);
    assert_eq!(log.lines(), ["fails at 5000", "fails at 6000", "fails at 8000", "later at 13000"]);
    assert_eq!(test.states::<Mail>().await.get(&State::Dead), Some(&1));
    assert_eq!(test.dead_letters().await[0].history.len(), 3);
    assert_eq!(test.advance(Duration::from_secs(86_400 * 365)).await, 0);
}

#[tokio::test]
async fn two_runs_do_the_same() {
    async fn run() -> Vec<String> {
        let log = Log::default();
        let test = test(Router::new().handle(send).handle(order).with_state(log.clone()));
        for number in 0..20_u64 {
            test.push(Order { id: number }).await.expect("pushed");
            let to = if number % 3 == 0 { "fails".to_owned() } else { format!("mail {number}") };
            test.push(mail(&to)).delay(Duration::from_secs(number % 5)).await.expect("pushed");
        }
        test.advance(Duration::from_secs(60)).await;
        log.lines()
    }
    assert_eq!(run().await, run().await);
}
