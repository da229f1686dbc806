//! Orders from message to reply, over real records.

use crate::support::{Bench, OURS, PERSON, accepted_job, account, followed, inbound};
use steadfast_core::Address;
use steadfast_core::conversation::ConversationId;
use steadfast_core::order::Order;
use steadfast_core::ports::Records;
use steadfast_queue::handler::Outcome;

async fn orders(bench: &Bench) -> Vec<Order> {
    let address = |text| Address::parse(text).expect("valid");
    let conversation = ConversationId::between(&account(), &address(OURS), &address(PERSON));
    bench.records.orders(&conversation, 10).await.expect("readable")
}

#[tokio::test]
async fn an_order_is_shown_confirmed_and_placed() {
    let bench = Bench::new();
    assert_eq!(bench.hears(1, "2 rice, 1 oil").await, [""; 0]);
    assert!(orders(&bench).await.is_empty(), "placed before it was confirmed");
    assert_eq!(bench.hears(2, "yes").await, [""; 0]);
    let placed = orders(&bench).await;
    assert_eq!(placed.len(), 1);
    assert_eq!(placed[0].placed.total.minor, 44_000);
    let replies = bench.twilio.accepted();
    assert!(replies[0].contains("440") && replies[1].contains(&placed[0].placed.number), "{replies:?}");
}

/// Defect 14: a retry of the confirming message made a second order.
#[tokio::test]
async fn defect_14_five_deliveries_of_yes_place_one_order_and_send_one_reply() {
    let bench = Bench::new();
    assert_eq!(bench.hears(1, "1x2, 3x1").await, [""; 0]);
    let yes = inbound(&bench.message(2, "yes"));
    for _ in 0..5 {
        assert_eq!(bench.finish(yes.clone()).await, [""; 0]);
    }
    assert_eq!(orders(&bench).await.len(), 1);
    assert_eq!(bench.twilio.accepted().len(), 2);
}

/// Defect 14, the other half: the worker dies after the order was placed and before its job was settled.
#[tokio::test]
async fn defect_14_a_worker_that_dies_after_placing_makes_no_second_order() {
    let bench = Bench::new();
    assert_eq!(bench.hears(1, "2 rice").await, [""; 0]);
    let routed = followed(bench.run(&accepted_job(&inbound(&bench.message(2, "yes")))).await);
    let job = accepted_job(&routed[0]);
    let first = followed(bench.run(&job).await);
    let second = followed(bench.run(&job).await);
    assert_eq!(first[0].id, second[0].id);
    assert_eq!(orders(&bench).await.len(), 1);
}

/// Defect 14, the third: what the catalogue does not know was dropped, and an order of nothing confirmed.
#[tokio::test]
async fn defect_14_what_is_unknown_is_said_and_never_ordered() {
    let bench = Bench::new();
    assert_eq!(bench.hears(1, "99x5").await, [""; 0]);
    assert_eq!(bench.hears(2, "yes").await, [""; 0]);
    assert!(orders(&bench).await.is_empty());
    assert!(bench.twilio.accepted()[0].contains("99"), "{:?}", bench.twilio.accepted());
}

#[tokio::test]
async fn two_messages_decided_at_once_both_count() {
    let bench = Bench::new();
    let mut jobs = Vec::new();
    for (number, body) in [(1, "2 rice"), (2, "1 oil")] {
        let routed = followed(bench.run(&accepted_job(&inbound(&bench.message(number, body)))).await);
        jobs.push(accepted_job(&routed[0]));
    }
    // The group order keeps such jobs apart; if it ever fails, the version does.
    let (first, second) = tokio::join!(bench.run(&jobs[0]), bench.run(&jobs[1]));
    assert!(matches!((first, second), (Outcome::Complete(_), Outcome::Complete(_))));
    assert_eq!(bench.hears(3, "yes").await, [""; 0]);
    assert_eq!(orders(&bench).await[0].placed.lines.len(), 2);
}

#[tokio::test]
async fn an_order_beyond_the_persons_rate_waits() {
    let bench = Bench::new();
    let mut waits = 0;
    for number in 0..101 {
        let routed = followed(bench.run(&accepted_job(&inbound(&bench.message(number, "2 rice")))).await);
        let last = accepted_job(&routed[0]);
        waits += usize::from(matches!(bench.run(&last).await, Outcome::Snooze(60_000)));
    }
    assert_eq!(waits, 1);
}
