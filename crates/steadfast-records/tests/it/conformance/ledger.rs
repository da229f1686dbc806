use crate::support::{
    Bench, START_MS, answering, changing, conversation, draft, message, place, received, reply, sid, step,
};
use std::sync::Arc;
use steadfast_core::conversation::Conversation;
use steadfast_core::decision::{Change, Decision};
use steadfast_core::order::{OrderId, OrderState};
use steadfast_core::outbox::Claim;
use steadfast_core::ports::RecordsError;

pub(super) async fn a_repeat_gives_back_the_first_decision(bench: &Bench) {
    let first = answering(1);
    let applied = bench.records.apply(&step("route"), None, first.clone()).await.expect("applies");
    assert!(applied.fresh);
    assert_eq!(applied.decision, first);

    // Offered another decision, on whatever version: the first one comes back, and nothing changes.
    let mut other = answering(2);
    other.changes.push(Change::SaveDraft { conversation: conversation(), draft: draft(1) });
    let again = bench.records.apply(&step("route"), Some((conversation(), 77)), other).await.expect("hits");
    assert!(!again.fresh);
    assert_eq!(again.decision, first);
    assert_eq!(bench.records.applied(&step("route")).await.expect("reads"), Some(first));
    assert_eq!(bench.records.applied(&step("other")).await.expect("reads"), None);
    assert_eq!(bench.records.timeline(&sid(2)).await.expect("reads"), None);
    let conversation = bench.records.conversation(&conversation()).await.expect("reads");
    assert_eq!((conversation.version, conversation.draft), (0, None));
}

pub(super) async fn one_of_many_appliers_of_a_step_is_fresh(bench: &Bench) {
    let mut appliers = tokio::task::JoinSet::new();
    for number in 1..=32 {
        let records = Arc::clone(&bench.records);
        let apply = async move { records.apply(&step("once"), None, answering(number)).await };
        appliers.spawn(apply);
    }
    let applied: Vec<_> =
        appliers.join_all().await.into_iter().map(|applied| applied.expect("applies")).collect();
    assert_eq!(applied.iter().filter(|applied| applied.fresh).count(), 1);
    assert!(applied.iter().all(|other| other.decision == applied[0].decision));
}

async fn assert_untouched(bench: &Bench, number: u64, name: &str) {
    assert_eq!(bench.records.applied(&step(name)).await.expect("reads"), None);
    assert_eq!(bench.records.timeline(&sid(number)).await.expect("reads"), None);
    assert_eq!(bench.records.claim(&reply(number).id, 1_000).await.expect("asks"), Claim::Unknown);
}

pub(super) async fn a_stale_version_changes_nothing(bench: &Bench) {
    let save = changing(vec![Change::SaveDraft { conversation: conversation(), draft: draft(1) }]);
    bench.records.apply(&step("first"), Some((conversation(), 0)), save).await.expect("applies");
    for stale in [0, 2, u64::MAX] {
        let result = bench.records.apply(&step("late"), Some((conversation(), stale)), answering(9)).await;
        assert!(matches!(result, Err(RecordsError::Conflict)), "{result:?}");
        assert_untouched(bench, 9, "late").await;
    }
    let late = bench.records.apply(&step("late"), Some((conversation(), 1)), answering(9)).await;
    assert!(late.expect("applies").fresh);
}

pub(super) async fn a_decision_applies_whole_or_not_at_all(bench: &Bench) {
    bench.apply("place", changing(vec![place(&draft(1))])).await;
    let id = OrderId::derived(&conversation(), "draft", 1);
    let mut decision = answering(5);
    decision.changes.push(Change::SaveDraft { conversation: conversation(), draft: draft(2) });
    decision.changes.push(Change::MoveOrder {
        id,
        from: OrderState::Routing,
        to: OrderState::Offered,
        by: "system".to_owned(),
        reason: String::new(),
    });
    // Its neighbours in the same commit are none of its business.
    let names = ["left", "middle", "right"].map(step);
    let (left, middle, right) = tokio::join!(
        bench.records.apply(&names[0], None, answering(6)),
        bench.records.apply(&names[1], None, decision),
        bench.records.apply(&names[2], None, answering(7)),
    );
    assert!(left.expect("applies").fresh && right.expect("applies").fresh);
    assert!(matches!(middle, Err(RecordsError::Conflict)), "{middle:?}");
    assert_untouched(bench, 5, "middle").await;
    assert_eq!(bench.records.conversation(&conversation()).await.expect("reads").draft, None);
}

pub(super) async fn versions_count_the_decisions_that_changed_a_conversation(bench: &Bench) {
    let id = conversation();
    assert_eq!(bench.records.conversation(&id).await.expect("reads"), Conversation::new(id.clone()));
    // Hearing from somebody is no decision about the conversation.
    bench.apply("route", changing(vec![received(1, START_MS)])).await;
    assert_eq!(bench.records.conversation(&id).await.expect("reads").version, 0);
    // Even a decision without changes uses its version up.
    let expected = Some((id.clone(), 0));
    bench.records.apply(&step("look"), expected, Decision::default()).await.expect("applies");
    assert_eq!(bench.records.conversation(&id).await.expect("reads").version, 1);
    // A draft changed by someone who expected nothing still outdates what others decided before.
    let save = |version| Change::SaveDraft { conversation: conversation(), draft: draft(version) };
    bench.apply("save", changing(vec![save(1), save(2)])).await;
    assert_eq!(bench.records.conversation(&id).await.expect("reads").version, 2);
}

pub(super) async fn a_message_recorded_twice_is_recorded_once(bench: &Bench) {
    bench.apply("one", changing(vec![received(1, START_MS + 60_000)])).await;
    bench.apply("two", changing(vec![received(1, START_MS + 90_000)])).await;
    bench.apply("earlier", changing(vec![received(2, START_MS)])).await;
    let conversation = bench.records.conversation(&conversation()).await.expect("reads");
    assert_eq!(conversation.last_inbound_ms, Some(START_MS + 60_000));
    let timeline = bench.records.timeline(&sid(1)).await.expect("reads").expect("known");
    let received: Vec<_> = timeline.events.iter().filter(|event| event.stage == "received").collect();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].at_ms, message(1, START_MS + 60_000).received_ms);
}

pub(super) async fn drafts_and_opting_out_are_remembered(bench: &Bench) {
    let id = conversation();
    let opt = |opted_out| changing(vec![Change::SetOptedOut { conversation: conversation(), opted_out }]);
    bench
        .apply("save", changing(vec![Change::SaveDraft { conversation: id.clone(), draft: draft(4) }]))
        .await;
    bench.apply("stop", opt(true)).await;
    let stopped = bench.records.conversation(&id).await.expect("reads");
    assert_eq!((stopped.draft, stopped.opted_out), (Some(draft(4)), true));
    bench.apply("start", opt(false)).await;
    bench.apply("drop", changing(vec![Change::DropDraft { conversation: id.clone() }])).await;
    let started = bench.records.conversation(&id).await.expect("reads");
    assert_eq!((started.draft, started.opted_out), (None, false));
}

pub(super) async fn a_read_after_a_write_sees_it(bench: &Bench) {
    for version in 1..=50 {
        let save = Change::SaveDraft { conversation: conversation(), draft: draft(version) };
        bench.apply(&format!("save/{version}"), changing(vec![save])).await;
        let seen = bench.records.conversation(&conversation()).await.expect("reads");
        assert_eq!(seen.draft, Some(draft(version)));
    }
    bench.records.ping().await.expect("answers");
}
