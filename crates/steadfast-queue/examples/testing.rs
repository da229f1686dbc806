//! How to test a program's jobs: the handlers run for real, on a clock that the test moves.
//!
//! `cargo test -p steadfast-queue --example testing` (running it does nothing but say so)
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steadfast_queue::typed::{Draft, Follow, JobError, JobType, Router, State};

#[derive(Serialize, Deserialize)]
struct SignUp {
    mail: String,
}

impl JobType for SignUp {
    const KIND: &'static str = "sign-up";
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Remind {
    mail: String,
}

impl JobType for Remind {
    const KIND: &'static str = "remind";
}

/// What was sent to whom; it fails for as often as it is told to.
#[derive(Clone, Default)]
struct Outbox {
    sent: Arc<Mutex<Vec<String>>>,
    failures: Arc<Mutex<u32>>,
}

impl Outbox {
    fn send(&self, text: String) -> Result<(), JobError> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = failures.checked_sub(1) {
            *failures = left;
            return Err(JobError::retry("smtp", "the server is busy"));
        }
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        Ok(())
    }
}

async fn sign_up(job: SignUp, State(outbox): State<Outbox>) -> Result<Follow, JobError> {
    outbox.send(format!("welcome {}", job.mail))?;
    let day = Duration::from_secs(86_400);
    Ok(Follow::one(Draft::of(&Remind { mail: job.mail }).step("reminder").delay(day)))
}

async fn remind(job: Remind, State(outbox): State<Outbox>) -> Result<(), JobError> {
    outbox.send(format!("still there, {}?", job.mail))
}

fn router(outbox: &Outbox) -> Router {
    Router::new().handle(sign_up).handle(remind).with_state(outbox.clone())
}

fn main() {
    let _ = router(&Outbox::default());
    println!("run `cargo test -p steadfast-queue --example testing`");
}

#[cfg(test)]
mod tests {
    use super::*;
    use steadfast_queue::State as JobState;
    use steadfast_queue::testing::TestQueue;

    #[tokio::test]
    async fn a_day_later_they_are_reminded() {
        let outbox = Outbox::default();
        let test = TestQueue::new(router(&outbox)).expect("a sound router");
        test.push(SignUp { mail: "ada@example.com".into() }).await.expect("there is room");
        test.run_until_idle().await;
        assert_eq!(test.pushed::<Remind>().await, [Remind { mail: "ada@example.com".into() }]);
        test.advance(Duration::from_secs(86_400)).await;
        assert_eq!(
            *outbox.sent.lock().expect("lock"),
            ["welcome ada@example.com", "still there, ada@example.com?"]
        );
        test.assert_nothing_died().await;
    }

    #[tokio::test]
    async fn a_busy_server_is_asked_again() {
        let outbox = Outbox::default();
        *outbox.failures.lock().expect("lock") = 2;
        let test = TestQueue::new(router(&outbox)).expect("a sound router");
        let id = test.push(SignUp { mail: "ada@example.com".into() }).await.expect("there is room").id;
        test.run_until_idle().await;
        test.assert_state(id, JobState::Retryable).await;
        test.advance(Duration::from_secs(10)).await;
        test.assert_state(id, JobState::Completed).await;
    }

    #[tokio::test]
    async fn a_crash_makes_a_second_welcome_and_no_second_reminder() {
        let outbox = Outbox::default();
        let test = TestQueue::new(router(&outbox)).expect("a sound router");
        test.push(SignUp { mail: "ada@example.com".into() }).await.expect("there is room");
        // The mail went out, and the process died before the queue heard of it.
        test.crash_next().await;
        test.run_until_idle().await;
        assert_eq!(
            outbox.sent.lock().expect("lock").len(),
            2,
            "mails cannot be taken back: this is at least once"
        );
        assert_eq!(test.pushed::<Remind>().await.len(), 1, "follow-ups are exactly once");
    }
}
