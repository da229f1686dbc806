use crate::support::{Bench, START_MS, changing, conversation, draft, line, order, place, received, step};
use std::sync::Arc;
use std::time::Duration;
use steadfast_core::decision::{Change, Decision};
use steadfast_core::money::{Currency, Money};
use steadfast_core::order::OrderState;
use steadfast_core::ports::{Records, RecordsError};

/// Handles a "yes" as the order bot does: decides on what it reads, and again after a conflict.
async fn say_yes(records: Arc<dyn Records>, number: u64) -> bool {
    let id = conversation();
    loop {
        let seen = records.conversation(&id).await.expect("reads");
        let places = seen.draft.is_some();
        let mut changes = vec![received(number, START_MS)];
        if let Some(draft) = &seen.draft {
            changes.push(place(draft));
            changes.push(Change::DropDraft { conversation: id.clone() });
        }
        let step = step(&format!("yes/{number}"));
        match records.apply(&step, Some((id.clone(), seen.version)), changing(changes)).await {
            Ok(_) => return places,
            Err(RecordsError::Conflict) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

pub(super) async fn five_times_yes_is_one_order(bench: &Bench) {
    let save = Change::SaveDraft { conversation: conversation(), draft: draft(3) };
    bench.apply("show", changing(vec![save])).await;
    let mut people = tokio::task::JoinSet::new();
    for number in 1..=5 {
        people.spawn(say_yes(Arc::clone(&bench.records), number));
    }
    let placed = people.join_all().await.into_iter().filter(|placed| *placed).count();
    assert_eq!(placed, 1);
    let orders = bench.records.orders(&conversation(), 10).await.expect("reads");
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].placed, order(&draft(3), START_MS));
    assert_eq!((orders[0].state, orders[0].version), (OrderState::Placed, 1));
}

pub(super) async fn an_order_placed_again_stays_as_it_is(bench: &Bench) {
    bench.apply("one", changing(vec![place(&draft(1))])).await;
    bench.apply("move", changing(vec![advance(OrderState::Placed, OrderState::Routing)])).await;
    // The same id with other contents, as after a change of prices.
    let mut dearer = draft(1);
    dearer.lines = vec![line("1", 9, 99_000)];
    bench.apply("two", changing(vec![place(&dearer)])).await;
    let orders = bench.records.orders(&conversation(), 10).await.expect("reads");
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].placed, order(&draft(1), START_MS));
    assert_eq!(orders[0].state, OrderState::Routing);
}

fn advance(from: OrderState, to: OrderState) -> Change {
    let id = order(&draft(1), START_MS).id;
    Change::MoveOrder { id, from, to, by: "vendor".to_owned(), reason: "asked".to_owned() }
}

pub(super) async fn orders_move_by_the_table_of_states(bench: &Bench) {
    use OrderState::{Accepted, Cancelled, Delivered, Offered, Placed, Preparing, Routing};
    let unknown = bench.records.apply(&step("none"), None, changing(vec![advance(Placed, Routing)])).await;
    assert!(matches!(unknown, Err(RecordsError::Inconsistent { .. })), "{unknown:?}");

    bench.apply("place", changing(vec![place(&draft(1))])).await;
    let leap = bench.records.apply(&step("leap"), None, changing(vec![advance(Placed, Delivered)])).await;
    assert!(matches!(leap, Err(RecordsError::Inconsistent { .. })), "{leap:?}");
    let late = bench.records.apply(&step("late"), None, changing(vec![advance(Offered, Accepted)])).await;
    assert!(matches!(late, Err(RecordsError::Conflict)), "{late:?}");

    bench.clock.advance(Duration::from_secs(60));
    let path = [Placed, Routing, Offered, Accepted];
    let moves = path.windows(2).map(|pair| advance(pair[0], pair[1])).collect();
    bench.apply("accept", changing(moves)).await;
    let now = &bench.records.orders(&conversation(), 1).await.expect("reads")[0];
    assert_eq!((now.state, now.version, now.changed_ms), (Accepted, 4, bench.now_ms()));

    // The vendor begins, the customer calls off: who comes second conflicts.
    let (begin, cancel) = (advance(Accepted, Preparing), advance(Accepted, Cancelled));
    let (step_begin, step_cancel) = (step("begin"), step("cancel"));
    let (begun, cancelled) = tokio::join!(
        bench.records.apply(&step_begin, None, changing(vec![begin])),
        bench.records.apply(&step_cancel, None, changing(vec![cancel])),
    );
    assert_eq!(usize::from(begun.is_ok()) + usize::from(cancelled.is_ok()), 1);
}

pub(super) async fn the_newest_order_comes_first(bench: &Bench) {
    for version in 1..=5_u32 {
        let order = order(&draft(version), START_MS + i64::from(version / 2));
        let place = Change::PlaceOrder { order: Box::new(order) };
        bench.apply(&format!("place/{version}"), changing(vec![place])).await;
    }
    let newest = bench.records.orders(&conversation(), 3).await.expect("reads");
    let numbers: Vec<_> = newest.into_iter().map(|order| order.placed.number).collect();
    let expected = [5, 4, 3].map(|version| order(&draft(version), 0).number);
    assert_eq!(numbers, expected);
    assert!(bench.records.orders(&conversation(), 0).await.expect("reads").is_empty());
}

pub(super) async fn a_wrong_total_is_refused(bench: &Bench) {
    let mut wrong = order(&draft(1), START_MS);
    wrong.total = Money::new(wrong.total.minor + 1, Currency::NPR);
    let mut empty = order(&draft(2), START_MS);
    empty.lines.clear();
    for (name, order) in [("wrong", wrong), ("empty", empty)] {
        let decision: Decision = changing(vec![Change::PlaceOrder { order: Box::new(order) }]);
        let refused = bench.records.apply(&step(name), None, decision).await;
        assert!(matches!(refused, Err(RecordsError::Inconsistent { .. })), "{refused:?}");
    }
    assert!(bench.records.orders(&conversation(), 10).await.expect("reads").is_empty());
}
