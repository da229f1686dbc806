//! Replies go out once, within the rules, and never in silence.

use crate::support::{Act, Bench, START_MS, accepted_job, account, followed, inbound};
use proptest::prelude::*;
use std::time::Duration;
use steadfast_bot::payload::ReplyJob;
use steadfast_core::message::StatusCallback;
use steadfast_core::ports::{Records, RefusalClass};
use steadfast_core::{Clock, queues};
use steadfast_queue::handler::Outcome;
use steadfast_queue::job::AttemptRecord;
use steadfast_queue::policy::Failure;
use steadfast_queue::{Job, NewJob};

/// A reply waiting to be sent: the welcome to message `number`.
async fn reply(bench: &Bench, number: u64) -> Job {
    let job = accepted_job(&inbound(&bench.message(number, "hi")));
    accepted_job(&followed(bench.run(&job).await)[0])
}

fn snoozed(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Snooze(ms) => *ms,
        other => panic!("{other:?}"),
    }
}

/// Runs the job, moving the clock over its snoozes, until it says something else.
async fn settle(bench: &Bench, job: &Job) -> Outcome {
    for _ in 0..100 {
        match bench.run(job).await {
            Outcome::Snooze(ms) => bench.clock.advance(Duration::from_millis(ms)),
            other => return other,
        }
    }
    panic!("it never settles");
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Complete(jobs) if jobs.is_empty())
}

#[tokio::test]
async fn a_reply_is_sent_once_however_often_its_job_runs() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    for _ in 0..5 {
        assert!(is_done(&bench.run(&job).await));
    }
    assert_eq!(bench.twilio.sends(), 1);
}

#[tokio::test]
async fn defect_12_a_send_whose_answer_was_lost_is_found_in_the_list() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.twilio.will([Act::AcceptAndLose]);
    assert!(snoozed(&bench.run(&job).await) > 0);
    assert!(is_done(&settle(&bench, &job).await));
    assert_eq!((bench.twilio.sends(), bench.twilio.accepted().len()), (1, 1));
}

#[tokio::test]
async fn defect_12_a_send_that_never_arrived_is_repeated_after_the_grace_and_two_reads() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.twilio.will([Act::LoseOnly]);
    let began_ms = bench.clock.now_ms();
    assert!(is_done(&settle(&bench, &job).await));
    assert_eq!((bench.twilio.sends(), bench.twilio.accepted().len()), (2, 1));
    assert!(bench.clock.now_ms() - began_ms >= 60_000, "sent again within the grace");
    assert!(bench.twilio.lists() >= 2);
}

#[tokio::test]
async fn defect_12_however_often_the_list_is_read_nothing_is_sent_within_the_grace() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.twilio.will([Act::LoseOnly]);
    for _ in 0..59 {
        snoozed(&bench.run(&job).await);
        bench.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.twilio.sends(), 1);
}

#[tokio::test]
async fn a_clock_set_back_by_hours_holds_a_send_in_doubt_no_longer_than_the_grace() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.twilio.will([Act::LoseOnly]);
    snoozed(&bench.run(&job).await);
    bench.clock.step_wall(-5 * 3_600_000);
    let began_ms = bench.clock.mono_ms();
    assert!(is_done(&settle(&bench, &job).await));
    assert_eq!((bench.twilio.sends(), bench.twilio.accepted().len()), (2, 1));
    let took_ms = bench.clock.mono_ms() - began_ms;
    assert!((60_000..120_000).contains(&took_ms), "sent again after {took_ms} ms");
}

#[tokio::test]
async fn defect_12_a_list_that_shows_the_message_late_causes_no_second_one() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.twilio.will([Act::AcceptAndLose]);
    bench.twilio.list_is_late(true);
    bench.clock.advance(Duration::from_millis(snoozed(&bench.run(&job).await)));
    bench.clock.advance(Duration::from_millis(snoozed(&bench.run(&job).await)));
    bench.twilio.list_is_late(false);
    assert!(is_done(&settle(&bench, &job).await));
    assert_eq!(bench.twilio.sends(), 1);
}

#[tokio::test]
async fn a_callback_settles_a_send_in_doubt_without_the_list() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.twilio.will([Act::AcceptAndLose]);
    snoozed(&bench.run(&job).await);
    let payload: ReplyJob = serde_json::from_slice(&job.payload).expect("JSON");
    let callback = StatusCallback {
        sid: bench.twilio.accepted_sids()[0].clone(),
        account: account(),
        status: "sent".to_owned(),
        error_code: None,
        outbox_id: Some(payload.outbox_id),
        received_ms: START_MS,
    };
    let status =
        NewJob::new(queues::WEBHOOKS, queues::KIND_STATUS, serde_json::to_vec(&callback).expect("JSON"));
    assert_eq!(bench.finish(NewJob { codec: 1, ..status }).await, [""; 0]);
    assert!(is_done(&bench.run(&job).await));
    assert_eq!((bench.twilio.sends(), bench.twilio.lists()), (1, 0));
}

#[tokio::test]
async fn while_the_list_cannot_be_read_the_reply_is_held_and_not_sent_again() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.twilio.will([Act::LoseOnly]);
    bench.twilio.list_is_down(true);
    for _ in 0..50 {
        bench.clock.advance(Duration::from_millis(snoozed(&bench.run(&job).await)));
    }
    assert_eq!(bench.twilio.sends(), 1);
    bench.twilio.list_is_down(false);
    assert!(is_done(&settle(&bench, &job).await));
    assert_eq!((bench.twilio.sends(), bench.twilio.accepted().len()), (2, 1));
}

#[tokio::test]
async fn equal_texts_in_doubt_are_counted_against_the_list() {
    let bench = Bench::new();
    let (first, second) = (reply(&bench, 1).await, reply(&bench, 2).await);
    bench.twilio.will([Act::AcceptAndLose, Act::LoseOnly]);
    snoozed(&bench.run(&first).await);
    snoozed(&bench.run(&second).await);
    assert!(is_done(&settle(&bench, &first).await));
    assert!(is_done(&settle(&bench, &second).await), "the second took the first one's message for its own");
    assert_eq!((bench.twilio.sends(), bench.twilio.accepted().len()), (3, 2));
}

#[tokio::test]
async fn a_worker_that_dies_while_sending_leaves_a_send_in_doubt() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.twilio.will([Act::AcceptAndHang]);
    assert!(bench.run_or_die(&job).await.is_none());
    let held = snoozed(&bench.run(&job).await);
    assert!(held <= 30_000, "the claim holds {held} ms");
    assert!(is_done(&settle(&bench, &job).await));
    assert_eq!(bench.twilio.sends(), 1);
}

#[tokio::test]
async fn beyond_the_window_a_reply_is_dead_and_says_so() {
    let bench = Bench::new();
    let job = reply(&bench, 1).await;
    bench.clock.advance(Duration::from_secs(24 * 3_600));
    for expected in ["window_closed", "reply_failed"] {
        match bench.run(&job).await {
            Outcome::Dead(failure) => assert_eq!(failure.error, expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(bench.twilio.sends(), 0);
}

#[tokio::test]
async fn each_refusal_has_its_consequence() {
    use RefusalClass::{Config, OptedOut, PauseSender, Permanent, Retry, WindowClosed};
    let bench = Bench::new();
    let cases = [
        (Act::Refuse(Retry, Some(429), Some(7_000)), "snooze 7000"),
        (Act::Refuse(Retry, Some(408), None), "retry by schedule"),
        (Act::Refuse(Retry, None, None), "snooze 2000"),
        (Act::Refuse(PauseSender { for_ms: 60_000 }, Some(400), None), "snooze 60000"),
        (Act::Refuse(Config, Some(401), None), "snooze 30000"),
    ];
    let job = reply(&bench, 1).await;
    let told = |outcome: &Outcome| match outcome {
        Outcome::Retry(_, Some(ms)) => format!("retry after {ms}"),
        Outcome::Retry(_, None) => "retry by schedule".to_owned(),
        Outcome::Snooze(ms) | Outcome::PutOff(ms) => format!("snooze {ms}"),
        Outcome::Dead(failure) => format!("dead {}", failure.error),
        Outcome::Complete(_) => "done".to_owned(),
    };
    for (act, expected) in cases {
        bench.twilio.will([act.clone()]);
        assert_eq!(told(&bench.run(&job).await), expected, "{act:?}");
        bench.clock.advance(Duration::from_secs(61));
    }
    assert!(is_done(&bench.run(&job).await), "none of these stops the reply for good");
    for (number, act, expected) in [
        (2, Act::Refuse(Permanent, Some(400), None), "dead twilio_http_400"),
        (3, Act::Refuse(WindowClosed, Some(400), None), "dead window_closed"),
        (4, Act::Refuse(OptedOut, Some(400), None), "done"),
    ] {
        let job = reply(&bench, number).await;
        bench.twilio.will([act.clone()]);
        assert_eq!(told(&bench.run(&job).await), expected, "{act:?}");
        let sends = bench.twilio.sends();
        bench.run(&job).await;
        assert_eq!(bench.twilio.sends(), sends, "sent again after {act:?}");
    }
}

#[tokio::test]
async fn a_paused_sender_sends_nothing() {
    let bench = Bench::new();
    let (first, second) = (reply(&bench, 1).await, reply(&bench, 2).await);
    bench.twilio.will([Act::Refuse(RefusalClass::PauseSender { for_ms: 60_000 }, Some(400), None)]);
    snoozed(&bench.run(&first).await);
    assert_eq!(snoozed(&bench.run(&second).await), 60_000);
    assert_eq!(bench.twilio.sends(), 1);
}

#[tokio::test]
async fn an_entry_that_is_not_there_is_a_failure_and_not_a_success() {
    let bench = Bench::new();
    let payload = r#"{"outbox_id":"00000000000000000000000000000000"}"#;
    let job = NewJob { codec: 1, ..NewJob::new(queues::REPLIES, queues::KIND_REPLY, payload) };
    assert!(matches!(bench.run(&accepted_job(&job)).await, Outcome::Retry(..)));
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Accept),
        Just(Act::AcceptAndLose),
        Just(Act::LoseOnly),
        Just(Act::Refuse(RefusalClass::Retry, None, None)),
        Just(Act::Refuse(RefusalClass::PauseSender { for_ms: 5_000 }, Some(400), None)),
        Just(Act::Refuse(RefusalClass::Config, Some(401), None)),
        Just(Act::AcceptAndHang),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Defect 12: whatever happens to the answers, the person gets the reply, and gets it once.
    #[test]
    fn defect_12_never_twice_and_never_lost(acts in proptest::collection::vec(act(), 0..6)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let bench = Bench::new();
            let job = reply(&bench, 1).await;
            bench.twilio.will(acts);
            for _ in 0..100 {
                match bench.run_or_die(&job).await {
                    Some(Outcome::Snooze(ms)) => bench.clock.advance(Duration::from_millis(ms)),
                    Some(outcome) if is_done(&outcome) => break,
                    Some(other) => panic!("{other:?}"),
                    None => bench.clock.advance(Duration::from_secs(31)),
                }
            }
            assert_eq!(bench.twilio.accepted().len(), 1);
            let sid = bench.twilio.accepted_sids()[0].clone();
            assert_eq!(bench.records.known_sids(std::slice::from_ref(&sid)).await.expect("read"), [sid]);
        });
    }
}

#[tokio::test]
async fn an_operators_retry_sends_what_had_failed_for_good() {
    let bench = Bench::new();
    let mut job = reply(&bench, 1).await;
    bench.twilio.will([Act::Refuse(RefusalClass::Permanent, Some(400), None)]);
    let Outcome::Dead(failure) = bench.run(&job).await else { panic!("not dead") };
    // The process may die before the queue hears of it: that alone sends nothing.
    assert!(matches!(bench.run(&job).await, Outcome::Dead(_)));
    assert_eq!(bench.twilio.sends(), 1);
    // Out of the dead letters a job comes with its history and a fresh set of attempts.
    let Failure { error, message } = failure;
    job.history.push(AttemptRecord { attempt: 1, at_ms: START_MS, error, message });
    assert!(is_done(&bench.run(&job).await));
    assert_eq!((bench.twilio.sends(), bench.twilio.accepted().len()), (2, 1));
    assert!(is_done(&bench.run(&job).await));
    assert_eq!(bench.twilio.sends(), 2);
}
