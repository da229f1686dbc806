use crate::support::{
    Bench, SECRET_TEXT, START_MS, answering, callback, changing, conversation, draft, order, place, received,
    sid,
};
use std::time::Duration;
use steadfast_core::decision::Change;
use steadfast_core::order::OrderState;
use steadfast_core::outbox::SendRecord;

async fn a_whole_life(bench: &Bench) {
    bench.clock.advance(Duration::from_secs(1));
    let routed = Change::Event { sid: sid(1), stage: "routed".to_owned(), detail: "order".to_owned() };
    bench.apply("route", changing(vec![received(1, START_MS), routed])).await;
    bench.clock.advance(Duration::from_secs(1));
    let handled = Change::Event { sid: sid(1), stage: "handled".to_owned(), detail: String::new() };
    let check = Change::RecordCheck {
        sid: sid(1),
        score: 22,
        class: "Likely Scam".to_owned(),
        confidence_pct: 90,
        reasons: vec![format!("it says {SECRET_TEXT:?}"); 3],
    };
    let advance = Change::MoveOrder {
        id: order(&draft(1), START_MS).id,
        from: OrderState::Placed,
        to: OrderState::Cancelled,
        by: "customer".to_owned(),
        reason: SECRET_TEXT.to_owned(),
    };
    let stop = Change::SetOptedOut { conversation: conversation(), opted_out: true };
    let mut decision = answering(1);
    decision.changes = vec![handled, check, place(&draft(1)), advance, stop];
    bench.apply("handle", decision).await;
    bench.clock.advance(Duration::from_secs(1));
    let reply = crate::support::reply(1);
    bench.records.claim(&reply.id, 30_000).await.expect("asks");
    let outcome = SendRecord::Sent { sid: sid(100) };
    bench.records.record_send(&reply.id, outcome).await.expect("recorded");
    for word in ["delivered", "read"] {
        let mut callback = callback(&sid(100), word, Some(&reply));
        callback.received_ms = START_MS + 9_000;
        bench.records.record_status(&callback).await.expect("recorded");
    }
}

pub(super) async fn an_inbound_message_tells_all_that_it_caused(bench: &Bench) {
    a_whole_life(bench).await;
    let timeline = bench.records.timeline(&sid(1)).await.expect("reads").expect("known");
    assert_eq!((timeline.direction.as_str(), timeline.address.as_str()), ("inbound", "whatsapp:…78"));
    assert_eq!(timeline.correlation_id, format!("{:032x}", 1));
    let stages: Vec<_> = timeline.events.iter().map(|event| event.stage.as_str()).collect();
    let expected = [
        "received",
        "routed",
        "handled",
        "checked",
        "order_placed",
        "order_cancelled",
        "opted_out",
        "reply_queued",
        "sent",
        "delivered",
        "read",
    ];
    assert_eq!(stages, expected);
    assert!(timeline.events.is_sorted_by_key(|event| event.at_ms));
    let shown = format!("{timeline:?}");
    assert!(!shown.contains(SECRET_TEXT) && !shown.contains("9812345678"), "{shown}");
}

pub(super) async fn a_reply_tells_its_own_part(bench: &Bench) {
    a_whole_life(bench).await;
    let timeline = bench.records.timeline(&sid(100)).await.expect("reads").expect("known");
    assert_eq!((timeline.direction.as_str(), timeline.address.as_str()), ("outbound", "whatsapp:…78"));
    assert_eq!(timeline.correlation_id, format!("{:032x}", 1));
    let stages: Vec<_> = timeline.events.iter().map(|event| event.stage.as_str()).collect();
    assert_eq!(stages, ["reply_queued", "sent", "delivered", "read"]);
}

pub(super) async fn a_stranger_has_no_timeline(bench: &Bench) {
    assert_eq!(bench.records.timeline(&sid(4_242)).await.expect("reads"), None);
}
