//! Reality checks from message to reply.

use crate::support::{Bench, accepted_job, followed, inbound};
use steadfast_queue::handler::Outcome;

const AD: &str = "Hiring cashiers, $500 per day, start today";

#[tokio::test]
async fn an_ad_is_answered_with_a_verdict_once() {
    let bench = Bench::new();
    for _ in 0..3 {
        assert_eq!(bench.hears(1, AD).await, [""; 0]);
    }
    let replies = bench.twilio.accepted();
    assert_eq!(replies.len(), 1);
    assert!(replies[0].contains("Job Analysis Result") && replies[0].contains("Suspicious"));
    let stages = bench.stages(1).await;
    assert!(stages.iter().any(|stage| stage == "handled"), "{stages:?}");
}

#[tokio::test]
async fn what_is_too_short_or_no_ad_is_explained() {
    let bench = Bench::new();
    assert_eq!(bench.hears(1, "check: what a lovely day this is").await, [""; 0]);
    assert_eq!(bench.hears(2, "check").await, [""; 0]);
    let replies = bench.twilio.accepted();
    assert!(replies[0].contains("does not look like a job ad"), "{replies:?}");
    assert!(replies[1].contains("Paste the whole text"), "{replies:?}");
}

#[tokio::test]
async fn the_fourth_check_in_ten_seconds_waits_and_is_not_lost() {
    let bench = Bench::new();
    let mut checks = Vec::new();
    for number in 1..=4 {
        let job = accepted_job(&inbound(&bench.message(number, AD)));
        let jobs = followed(bench.run(&job).await);
        checks.push(jobs[0].clone());
    }
    for check in &checks[..3] {
        assert!(matches!(bench.run(&accepted_job(check)).await, Outcome::Complete(_)));
    }
    let Outcome::Snooze(wait_ms) = bench.run(&accepted_job(&checks[3])).await else { panic!("not deferred") };
    assert_eq!(wait_ms, 10_000);
    assert!(
        matches!(bench.run(&accepted_job(&checks[0])).await, Outcome::Complete(_)),
        "done work is not limited"
    );
    assert_eq!(bench.finish(checks[3].clone()).await, [""; 0]);
}
