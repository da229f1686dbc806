//! What comes in goes where it belongs, once, whatever is delivered twice.

use crate::support::{Bench, OURS, PERSON, accepted_job, account, followed, ids, inbound};
use steadfast_bot::limits::{LimitsConfig, Rule};
use steadfast_core::conversation::ConversationId;
use steadfast_core::message::{Content, MessageSid, StatusCallback};
use steadfast_core::ports::Records;
use steadfast_core::{Address, queues};
use steadfast_queue::handler::Outcome;
use steadfast_queue::{NewJob, Priority};

fn conversation() -> ConversationId {
    let address = |text| Address::parse(text).expect("valid");
    ConversationId::between(&account(), &address(OURS), &address(PERSON))
}

async fn routed(bench: &Bench, number: u64, body: &str) -> Vec<NewJob> {
    let job = accepted_job(&inbound(&bench.message(number, body)));
    followed(bench.run(&job).await)
}

#[tokio::test]
async fn an_order_goes_on_with_everything_that_follows_it() {
    let bench = Bench::new();
    let mut parent = accepted_job(&inbound(&bench.message(1, "2 rice")));
    parent.metadata.insert("token".to_owned(), "t1".to_owned());
    let jobs = followed(bench.run(&parent).await);
    assert_eq!(jobs.len(), 1);
    let job = &jobs[0];
    assert_eq!((job.queue.as_str(), job.kind.as_str()), (queues::ORDERS, queues::KIND_ORDER));
    assert_eq!(job.group, parent.group);
    assert_eq!(job.parent, Some(parent.id));
    assert_eq!(job.correlation_id, parent.correlation_id);
    assert_eq!(job.metadata, parent.metadata);
    assert_eq!(job.priority, Priority::Normal);
    assert_eq!(bench.stages(1).await, ["received", "routed"]);
}

#[tokio::test]
async fn a_check_has_its_own_policy() {
    let bench = Bench::new();
    let jobs = routed(&bench, 1, "Hiring cashiers, $500 per day, start today").await;
    assert_eq!(jobs[0].queue, queues::REALITY_CHECK);
    let retries = jobs[0].retry.as_ref().map(|retry| retry.delays_ms.len());
    assert_eq!((jobs[0].timeout_ms, retries), (30_000, Some(3)));
}

#[tokio::test]
async fn a_second_run_emits_the_same_jobs_whatever_changed() {
    let bench = Bench::new();
    let job = accepted_job(&inbound(&bench.message(1, "hi")));
    let first = followed(bench.run(&job).await);
    bench.bot.limits.block(Address::parse(PERSON).expect("valid"));
    let second = followed(bench.run(&job).await);
    assert_eq!(ids(&first), ids(&second));
    assert_eq!(first[0].payload, second[0].payload);
}

#[tokio::test]
async fn stop_goes_past_everything_and_silences_all_but_its_confirmation() {
    let bench = Bench::new();
    let jobs = routed(&bench, 1, "STOP").await;
    assert_eq!((jobs[0].priority, jobs[0].group), (Priority::High, None));
    for job in jobs {
        assert_eq!(bench.finish(job).await, [""; 0]);
    }
    assert!(bench.twilio.accepted()[0].contains("no more messages"));
    assert!(bench.records.conversation(&conversation()).await.expect("read").opted_out);
    assert_eq!(bench.hears(2, "hi").await, [""; 0]);
    assert_eq!(bench.twilio.accepted().len(), 1, "a welcome went to somebody who opted out");
    assert_eq!(bench.hears(3, "START").await, [""; 0]);
    assert_eq!(bench.hears(4, "hi").await, [""; 0]);
    assert_eq!(bench.twilio.accepted().len(), 3);
}

#[tokio::test]
async fn help_goes_past_a_waiting_conversation_in_a_line_of_its_own() {
    let bench = Bench::new();
    let parent = accepted_job(&inbound(&bench.message(1, "help")));
    let jobs = followed(bench.run(&parent).await);
    assert!(jobs[0].group.is_some() && jobs[0].group != parent.group);
    let again = routed(&bench, 2, "menu").await;
    assert_eq!(again[0].group, jobs[0].group, "two commands keep their order");
    assert_eq!(bench.finish(jobs[0].clone()).await, [""; 0]);
    assert!(bench.twilio.accepted()[0].contains("Rice (1kg)"), "the welcome shows what is on offer");
}

#[tokio::test]
async fn files_and_unknown_types_are_answered_and_reactions_are_not() {
    let bench = Bench::new();
    let other = |kind: &str| Content::Other { message_type: kind.to_owned() };
    let reaction = inbound(&bench.message_with(1, "", other("reaction")));
    assert_eq!(bench.finish(reaction).await, [""; 0]);
    assert_eq!(bench.twilio.sends(), 0);
    let sticker = inbound(&bench.message_with(2, "", other("sticker")));
    assert_eq!(bench.finish(sticker).await, [""; 0]);
    assert_eq!(bench.twilio.sends(), 1);
    assert_eq!(bench.stages(1).await, ["received", "routed"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept_for_an_operator() {
    let bench = Bench::new();
    for payload in ["", "{}", "[1,2", "\"+9779812345678 secret\""] {
        for kind in [queues::KIND_INBOUND, queues::KIND_STATUS] {
            let job = NewJob { codec: 1, ..NewJob::new(queues::WEBHOOKS, kind, payload) };
            match bench.run(&accepted_job(&job)).await {
                Outcome::Dead(failure) => {
                    assert_eq!(failure.error, "corrupt_payload");
                    assert!(!failure.message.contains("secret"), "{}", failure.message);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    let mut job = inbound(&bench.message(1, "hi"));
    job.codec = 9;
    assert!(matches!(bench.run(&accepted_job(&job)).await, Outcome::Dead(_)));
}

#[tokio::test]
async fn blocked_people_are_recorded_and_ignored() {
    let bench = Bench::new();
    bench.bot.limits.block(Address::parse(PERSON).expect("valid"));
    for (number, body) in [(1, "hi"), (2, "2 rice"), (3, "STOP")] {
        assert!(routed(&bench, number, body).await.is_empty());
        assert_eq!(bench.stages(number).await, ["received", "routed"]);
    }
}

#[tokio::test]
async fn a_flood_gets_one_notice_and_loses_no_order() {
    let limits =
        LimitsConfig { general: vec![Rule { count: 2, window_ms: 60_000 }], ..LimitsConfig::default() };
    let bench = Bench::with(|config| config.limits = limits);
    let mut counts = Vec::new();
    for (number, body) in [(1, "hi"), (2, "hi"), (3, "hi"), (4, "hi"), (5, "2 rice"), (6, "STOP")] {
        counts.push(routed(&bench, number, body).await.len());
    }
    // Two answered, one notice instead of an answer, silence; the order goes on, and so does STOP.
    assert_eq!(counts, [1, 1, 1, 0, 1, 1]);
}

#[tokio::test]
async fn stop_is_never_too_much() {
    let limits =
        LimitsConfig { general: vec![Rule { count: 0, window_ms: 60_000 }], ..LimitsConfig::default() };
    let bench = Bench::with(|config| config.limits = limits);
    assert_eq!(routed(&bench, 1, "STOP").await.len(), 1, "nothing but the confirmation");
}

#[tokio::test]
async fn a_status_callback_moves_its_reply_and_an_unknown_word_harms_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.hears(1, "hi").await, [""; 0]);
    let sid = bench.twilio.accepted_sids()[0].clone();
    for (status, code) in [("delivered", None), ("some_new_state", None), ("failed", Some(63_016))] {
        let callback = StatusCallback {
            sid: sid.clone(),
            account: account(),
            status: status.to_owned(),
            error_code: code,
            outbox_id: None,
            received_ms: crate::support::START_MS,
        };
        let payload = serde_json::to_vec(&callback).expect("JSON");
        let job = NewJob { codec: 1, ..NewJob::new(queues::WEBHOOKS, queues::KIND_STATUS, payload) };
        assert_eq!(bench.finish(job).await, [""; 0]);
    }
    let timeline = bench.records.timeline(&sid).await.expect("read").expect("known");
    assert!(timeline.events.iter().any(|event| event.stage == "delivered"));
    assert!(MessageSid::parse(timeline.sid).is_ok());
}
