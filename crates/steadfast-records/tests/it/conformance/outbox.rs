use crate::support::{Bench, START_MS, changing, conversation, received, reply, sid};
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::decision::{Change, Decision};
use steadfast_core::outbox::{Claim, OutboxEntry, OutboxId, OutboxState, SendRecord};
use steadfast_core::ports::RecordsError;

async fn claim(bench: &Bench, id: &OutboxId) -> Claim {
    bench.records.claim(id, 30_000).await.expect("asks")
}

async fn granted(bench: &Bench, id: &OutboxId) -> OutboxEntry {
    match claim(bench, id).await {
        Claim::Granted(entry) => *entry,
        other => panic!("expected a grant, got {other:?}"),
    }
}

async fn ambiguous(bench: &Bench, id: &OutboxId) -> OutboxEntry {
    match claim(bench, id).await {
        Claim::Ambiguous(entry) => *entry,
        other => panic!("expected doubt, got {other:?}"),
    }
}

async fn record(bench: &Bench, id: &OutboxId, outcome: SendRecord) {
    bench.records.record_send(id, outcome).await.expect("recorded");
}

pub(super) async fn a_claim_lets_one_sender_through(bench: &Bench) {
    assert_eq!(claim(bench, &reply(1).id).await, Claim::Unknown);
    let reply = bench.queue_reply(1).await;
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (records, id) = (Arc::clone(&bench.records), reply.id.clone());
        senders.spawn(async move { records.claim(&id, 30_000).await.expect("asks") });
    }
    let claims = senders.join_all().await;
    let grants: Vec<_> = claims
        .iter()
        .filter_map(|claim| if let Claim::Granted(entry) = claim { Some(entry) } else { None })
        .collect();
    assert_eq!(grants.len(), 1);
    assert_eq!(grants[0].reply, reply);
    assert_eq!((grants[0].state, grants[0].first_try_ms), (OutboxState::Sending, Some(START_MS)));
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::Held { for_ms: 30_000 }).count(), 15);
}

pub(super) async fn a_claim_that_ran_out_is_ambiguous(bench: &Bench) {
    let reply = bench.queue_reply(1).await;
    granted(bench, &reply.id).await;
    bench.clock.advance(Duration::from_secs(29));
    assert_eq!(claim(bench, &reply.id).await, Claim::Held { for_ms: 1_000 });
    bench.clock.advance(Duration::from_secs(1));
    let entry = ambiguous(bench, &reply.id).await;
    assert_eq!((entry.state, entry.first_try_ms), (OutboxState::Ambiguous, Some(START_MS)));
    // It stays so, until there is evidence; the sleeper itself may bring it.
    ambiguous(bench, &reply.id).await;
    record(bench, &reply.id, SendRecord::Sent { sid: sid(100) }).await;
    assert_eq!(claim(bench, &reply.id).await, Claim::Settled(OutboxState::Sent));
}

pub(super) async fn what_is_sent_is_settled(bench: &Bench) {
    let reply = bench.queue_reply(1).await;
    granted(bench, &reply.id).await;
    record(bench, &reply.id, SendRecord::Sent { sid: sid(100) }).await;
    for late in [SendRecord::NotSent, SendRecord::Ambiguous, SendRecord::Failed { error_code: None }] {
        record(bench, &reply.id, late).await;
        assert_eq!(claim(bench, &reply.id).await, Claim::Settled(OutboxState::Sent));
    }
    record(bench, &reply.id, SendRecord::Sent { sid: sid(100) }).await;
    let twice = bench.records.record_send(&reply.id, SendRecord::Sent { sid: sid(101) }).await;
    assert!(matches!(twice, Err(RecordsError::Inconsistent { .. })), "{twice:?}");
    let timeline = bench.records.timeline(&sid(1)).await.expect("reads").expect("known");
    assert!(timeline.events.iter().any(|event| event.stage == "sent_twice"));
    let known = bench.records.known_sids(&[sid(101), sid(100), sid(1)]).await.expect("reads");
    assert_eq!(known, [sid(100)]);
}

pub(super) async fn what_is_not_sent_can_be_claimed_again(bench: &Bench) {
    let reply = bench.queue_reply(1).await;
    granted(bench, &reply.id).await;
    record(bench, &reply.id, SendRecord::NotSent).await;
    bench.clock.advance(Duration::from_secs(5));
    let entry = granted(bench, &reply.id).await;
    assert_eq!(entry.first_try_ms, Some(START_MS + 5_000));
}

pub(super) async fn an_ambiguous_send_is_cleared_by_a_search(bench: &Bench) {
    let reply = bench.queue_reply(1).await;
    granted(bench, &reply.id).await;
    record(bench, &reply.id, SendRecord::Ambiguous).await;
    record(bench, &reply.id, SendRecord::AbsentFromList).await;
    record(bench, &reply.id, SendRecord::AbsentFromList).await;
    assert_eq!(ambiguous(bench, &reply.id).await.absent_reads, 2);
    record(bench, &reply.id, SendRecord::NotSent).await;
    assert_eq!(granted(bench, &reply.id).await.absent_reads, 0);
    // The next doubt starts counting anew.
    record(bench, &reply.id, SendRecord::Ambiguous).await;
    assert_eq!(ambiguous(bench, &reply.id).await.absent_reads, 0);
}

pub(super) async fn a_sid_belongs_to_one_reply(bench: &Bench) {
    let (one, two) = (bench.queue_reply(1).await, bench.queue_reply(2).await);
    granted(bench, &one.id).await;
    granted(bench, &two.id).await;
    record(bench, &one.id, SendRecord::Sent { sid: sid(100) }).await;
    record(bench, &two.id, SendRecord::Ambiguous).await;
    let stolen = bench.records.record_send(&two.id, SendRecord::Sent { sid: sid(100) }).await;
    assert!(matches!(stolen, Err(RecordsError::Inconsistent { .. })), "{stolen:?}");
    ambiguous(bench, &two.id).await;
    let timeline = bench.records.timeline(&sid(2)).await.expect("reads").expect("known");
    assert!(timeline.events.iter().any(|event| event.stage == "sent_unclear"));
}

pub(super) async fn an_entry_knows_its_window_and_its_opt_out(bench: &Bench) {
    let reply = bench.queue_reply(1).await;
    let stop = Change::SetOptedOut { conversation: conversation(), opted_out: true };
    bench.apply("stop", changing(vec![received(2, START_MS + 7), stop])).await;
    let entry = granted(bench, &reply.id).await;
    assert_eq!((entry.last_inbound_ms, entry.opted_out), (Some(START_MS + 7), true));
}

pub(super) async fn an_existing_reply_is_left_alone(bench: &Bench) {
    let first = bench.queue_reply(1).await;
    granted(bench, &first.id).await;
    record(bench, &first.id, SendRecord::Sent { sid: sid(100) }).await;
    let mut again = reply(1);
    again.body = "something else".to_owned();
    bench.apply("again", Decision { outbox: vec![again], ..Decision::default() }).await;
    assert_eq!(claim(bench, &first.id).await, Claim::Settled(OutboxState::Sent));
    let timeline = bench.records.timeline(&sid(1)).await.expect("reads").expect("known");
    assert_eq!(timeline.events.iter().filter(|event| event.stage == "reply_queued").count(), 1);
}

pub(super) async fn every_end_is_kept(bench: &Bench) {
    let (failed, suppressed) = (bench.queue_reply(1).await, bench.queue_reply(2).await);
    granted(bench, &failed.id).await;
    record(bench, &failed.id, SendRecord::Failed { error_code: Some(63_016) }).await;
    assert_eq!(claim(bench, &failed.id).await, Claim::Settled(OutboxState::Failed));
    record(bench, &suppressed.id, SendRecord::Suppressed { reason: "opted_out" }).await;
    assert_eq!(claim(bench, &suppressed.id).await, Claim::Settled(OutboxState::Suppressed));
    let unknown = bench.records.record_send(&reply(3).id, SendRecord::NotSent).await;
    assert!(matches!(unknown, Err(RecordsError::Inconsistent { .. })), "{unknown:?}");
}
