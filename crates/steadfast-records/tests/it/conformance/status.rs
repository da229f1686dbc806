use crate::support::{Bench, callback, sid};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use steadfast_core::outbox::{Claim, NewReply, OutboxState, SendRecord};
use steadfast_core::ports::RecordsError;
use steadfast_core::status::DeliveryStatus;

#[derive(Deserialize)]
struct Case {
    name: String,
    arrive: Vec<String>,
    #[serde(rename = "final")]
    end: String,
    transitions: Option<usize>,
}

const WORDS: [&str; 9] =
    ["queued", "sending", "sent", "delivered", "read", "failed", "undelivered", "canceled", "some_new_state"];

/// The stages that the timeline shows from the callbacks on.
async fn shown(bench: &Bench, reply: &NewReply) -> Vec<String> {
    let timeline = bench.records.timeline(&reply.in_reply_to).await.expect("reads").expect("known");
    let callbacks = timeline
        .events
        .iter()
        .filter(|event| event.detail.starts_with("status callback,") || event.detail == "status callback");
    callbacks.map(|event| event.stage.clone()).collect()
}

async fn sent(bench: &Bench, number: u64) -> NewReply {
    let reply = bench.queue_reply(number).await;
    let claim = bench.records.claim(&reply.id, 30_000).await.expect("asks");
    assert!(matches!(claim, Claim::Granted(_)));
    let outcome = SendRecord::Sent { sid: sid(1_000 + number) };
    bench.records.record_send(&reply.id, outcome).await.expect("recorded");
    reply
}

pub(super) async fn arrivals_in_any_order(bench: &Bench) {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../vectors/status_order.json")).expect("cases");
    assert!(cases.len() >= 5);
    for (number, case) in (1..).zip(cases) {
        let reply = sent(bench, number).await;
        let mut moves = 0;
        for word in &case.arrive {
            let callback = callback(&sid(1_000 + number), word, None);
            moves += usize::from(bench.records.record_status(&callback).await.expect("recorded"));
        }
        let shown = shown(bench, &reply).await;
        assert_eq!(shown.last(), Some(&case.end), "{}", case.name);
        assert_eq!(shown.len(), moves, "{}", case.name);
        if let Some(transitions) = case.transitions {
            assert_eq!(moves, transitions, "{}", case.name);
        }
    }
}

pub(super) async fn a_callback_before_the_answer_proves_the_send(bench: &Bench) {
    // The answer to the send is lost: doubt, until the callback names the reply.
    let reply = bench.queue_reply(1).await;
    bench.records.claim(&reply.id, 30_000).await.expect("asks");
    bench.records.record_send(&reply.id, SendRecord::Ambiguous).await.expect("recorded");
    let proof = callback(&sid(1_001), "delivered", Some(&reply));
    assert!(bench.records.record_status(&proof).await.expect("recorded"));
    let claim = bench.records.claim(&reply.id, 30_000).await.expect("asks");
    assert_eq!(claim, Claim::Settled(OutboxState::Sent));
    assert_eq!(bench.records.known_sids(&[sid(1_001)]).await.expect("reads"), [sid(1_001)]);

    // The answer comes after the callback: the same news twice.
    let reply = bench.queue_reply(2).await;
    bench.records.claim(&reply.id, 30_000).await.expect("asks");
    let early = callback(&sid(1_002), "queued", Some(&reply));
    assert!(bench.records.record_status(&early).await.expect("recorded"));
    let answer = SendRecord::Sent { sid: sid(1_002) };
    bench.records.record_send(&reply.id, answer).await.expect("recorded");
    let other = SendRecord::Sent { sid: sid(1_003) };
    let other = bench.records.record_send(&reply.id, other).await;
    assert!(matches!(other, Err(RecordsError::Inconsistent { .. })), "{other:?}");
}

pub(super) async fn callbacks_before_the_sid_is_known_are_followed_later(bench: &Bench) {
    let reply = bench.queue_reply(1).await;
    bench.records.claim(&reply.id, 30_000).await.expect("asks");
    // Their URL names no reply, so nobody can tell yet whose they are. Late, early, twice.
    for word in ["read", "sent", "read", "never_heard_of"] {
        let early = callback(&sid(1_001), word, None);
        assert!(!bench.records.record_status(&early).await.expect("recorded"));
    }
    let answer = SendRecord::Sent { sid: sid(1_001) };
    bench.records.record_send(&reply.id, answer).await.expect("recorded");
    let timeline = bench.records.timeline(&sid(1_001)).await.expect("reads").expect("known");
    assert!(timeline.events.iter().any(|event| event.stage == "read"));
    assert!(timeline.events.iter().any(|event| event.stage == "never_heard_of"));
    let late = callback(&sid(1_001), "delivered", None);
    assert!(!bench.records.record_status(&late).await.expect("recorded"));
}

pub(super) async fn a_callback_for_an_unknown_message_is_no_error(bench: &Bench) {
    let stranger = callback(&sid(5_000), "delivered", None);
    assert!(!bench.records.record_status(&stranger).await.expect("recorded"));
    let named = crate::support::reply(77);
    let stranger = callback(&sid(5_001), "delivered", Some(&named));
    assert!(!bench.records.record_status(&stranger).await.expect("recorded"));
    assert_eq!(bench.records.timeline(&sid(5_000)).await.expect("reads"), None);
}

pub(super) async fn a_second_message_is_told_and_not_followed(bench: &Bench) {
    let reply = sent(bench, 1).await;
    for _ in 0..3 {
        let second = callback(&sid(9_999), "read", Some(&reply));
        assert!(!bench.records.record_status(&second).await.expect("recorded"));
    }
    let timeline = bench.records.timeline(&sid(1)).await.expect("reads").expect("known");
    assert_eq!(timeline.events.iter().filter(|event| event.stage == "sent_twice").count(), 1);
    assert!(shown(bench, &reply).await.is_empty());
}

pub(super) async fn error_codes_are_kept(bench: &Bench) {
    let reply = sent(bench, 1).await;
    let mut undelivered = callback(&sid(1_001), "undelivered", None);
    undelivered.error_code = Some(63_024);
    assert!(bench.records.record_status(&undelivered).await.expect("recorded"));
    let timeline = bench.records.timeline(&reply.in_reply_to).await.expect("reads").expect("known");
    let last = timeline.events.last().expect("events");
    assert_eq!(last.stage, "undelivered");
    assert!(last.detail.contains("63024"));
}

pub(super) async fn random_callbacks_never_move_back(bench: &Bench) {
    let mut runner = TestRunner::deterministic();
    let sequence = (prop::collection::vec(prop::sample::select(WORDS.to_vec()), 1..12), 0_usize..12);
    for number in 1..=40 {
        let (words, answered_after) = sequence.new_tree(&mut runner).expect("generates").current();
        let reply = bench.queue_reply(number).await;
        bench.records.claim(&reply.id, 30_000).await.expect("asks");
        let sid = sid(1_000 + number);
        let answer = || bench.records.record_send(&reply.id, SendRecord::Sent { sid: sid.clone() });
        let mut expected = None;
        for (index, word) in words.iter().enumerate() {
            if index == answered_after {
                answer().await.expect("recorded");
            }
            let named = (index % 3 == 0).then_some(&reply);
            bench.records.record_status(&callback(&sid, word, named)).await.expect("recorded");
        }
        answer().await.expect("recorded");
        for word in &words {
            let next = DeliveryStatus::parse(word);
            expected = next.and_then(|next| DeliveryStatus::advance(expected, next)).or(expected);
        }
        let shown = shown(bench, &reply).await;
        let shown: Vec<_> = shown.iter().filter_map(|stage| DeliveryStatus::parse(stage)).collect();
        for pair in shown.windows(2) {
            assert_eq!(DeliveryStatus::advance(Some(pair[0]), pair[1]), Some(pair[1]), "{words:?}");
        }
        // Failures of equal rank: whichever came first stays, and which came first is not always known.
        let rank = |status: Option<DeliveryStatus>| {
            status.map(|status| match status {
                DeliveryStatus::Failed | DeliveryStatus::Undelivered | DeliveryStatus::Canceled => "failed",
                other => other.as_str(),
            })
        };
        assert_eq!(rank(shown.last().copied()), rank(expected), "{words:?}");
    }
}
