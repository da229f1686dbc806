//! What the SQLite store offers beyond the port: the catalogue and the monitor's view.

use crate::support::{
    SECRET_TEXT, START_MS, Sqlite, answering, callback, changing, draft, number, order, place, reply, sid,
    step,
};
use std::time::Duration;
use steadfast_core::catalogue::Catalogue;
use steadfast_core::decision::Change;
use steadfast_core::money::Currency;
use steadfast_core::order::OrderState;
use steadfast_core::outbox::{OutboxState, SendRecord};
use steadfast_core::ports::Records;
use steadfast_records::{CatalogueError, RecordsRead};

#[tokio::test]
async fn the_first_start_has_something_to_sell() {
    let store = Sqlite::with(|options| options.seed_demo = true);
    assert_eq!(*store.records.catalogue().await.expect("reads"), Catalogue::demo());
    assert!(!store.records.seed_demo_catalogue().await.expect("asks"));
    let empty = Sqlite::new();
    assert!(empty.records.catalogue().await.expect("reads").products.is_empty());
    assert!(empty.records.seed_demo_catalogue().await.expect("seeds"));
    assert_eq!(*empty.records.catalogue().await.expect("reads"), Catalogue::demo());
}

#[tokio::test]
async fn a_replaced_catalogue_is_seen_at_once_and_orders_keep_their_prices() {
    let store = Sqlite::with(|options| options.seed_demo = true);
    let before = store.records.catalogue().await.expect("reads");
    store.records.apply(&step("place"), None, changing(vec![place(&draft(1))])).await.expect("applies");
    let mut dearer = (*before).clone();
    dearer.products.reverse();
    dearer.products.truncate(3);
    dearer.products.iter_mut().for_each(|product| product.price.minor *= 2);
    dearer.quantity_max = 7;
    store.records.replace_catalogue(&dearer).await.expect("replaces");
    assert_eq!(*store.records.catalogue().await.expect("reads"), dearer);
    let orders = store.records.orders(&crate::support::conversation(), 1).await.expect("reads");
    assert_eq!(orders[0].placed, order(&draft(1), START_MS));

    let mut wrong = dearer.clone();
    wrong.currency = Currency::parse("USD").expect("valid");
    let refused = store.records.replace_catalogue(&wrong).await;
    assert!(matches!(refused, Err(CatalogueError::Invalid(_))), "{refused:?}");
    assert_eq!(*store.records.catalogue().await.expect("reads"), dearer);
}

#[tokio::test]
async fn counts_are_what_a_scan_would_count() {
    let store = Sqlite::new();
    for number in 1..=9 {
        let name = step(&format!("answer/{number}"));
        store.records.apply(&name, None, answering(number)).await.expect("applies");
        let id = reply(number).id;
        store.records.claim(&id, 1_000).await.expect("claims");
        match number % 3 {
            0 => store.records.record_send(&id, SendRecord::Sent { sid: sid(100 + number) }).await,
            1 => store.records.record_send(&id, SendRecord::Failed { error_code: Some(63_016) }).await,
            _ => Ok(()),
        }
        .expect("recorded");
    }
    for version in 1..=4 {
        let moved = Change::MoveOrder {
            id: order(&draft(version), START_MS).id,
            from: OrderState::Placed,
            to: OrderState::Routing,
            by: "system".to_owned(),
            reason: String::new(),
        };
        let changes =
            if version > 2 { vec![place(&draft(version)), moved] } else { vec![place(&draft(version))] };
        let name = step(&format!("order/{version}"));
        store.records.apply(&name, None, changing(changes)).await.expect("applies");
    }
    let counts = store.records.counts().await.expect("counts");
    let conn = store.look();
    assert_eq!(counts.messages, 9);
    for (state, count) in counts.orders {
        let sql = format!("SELECT count(*) FROM orders WHERE state = '{}'", state.as_str());
        assert_eq!(i64::try_from(count).expect("small"), number(&conn, &sql), "{state:?}");
    }
    for (state, count) in counts.outbox {
        let sql = format!("SELECT count(*) FROM outbox WHERE state = '{}'", state.as_str());
        assert_eq!(i64::try_from(count).expect("small"), number(&conn, &sql), "{state:?}");
    }
}

#[tokio::test]
async fn pages_of_messages_leave_none_out_and_show_none_twice() {
    let store = Sqlite::new();
    for number in 1..=20 {
        // Several in the same millisecond.
        if number % 3 == 0 {
            store.clock.advance(Duration::from_millis(1));
        }
        let name = step(&format!("answer/{number}"));
        store.records.apply(&name, None, answering(number)).await.expect("applies");
    }
    let sent = SendRecord::Sent { sid: sid(120) };
    store.records.record_send(&reply(20).id, sent).await.expect("recorded");
    store.records.record_status(&callback(&sid(120), "delivered", None)).await.expect("recorded");

    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.records.recent_messages(cursor.clone(), 7).await.expect("reads");
        let Some(last) = page.last() else { break };
        cursor = Some(last.cursor.clone());
        all.extend(page);
    }
    assert_eq!(all.len(), 40);
    let mut keys: Vec<_> =
        all.iter().map(|message| (message.cursor.at_ms, message.cursor.key.clone())).collect();
    assert!(keys.is_sorted_by(|left, right| left > right));
    keys.dedup();
    assert_eq!(keys.len(), 40);
    let sent = all.iter().find(|message| message.sid.as_deref() == Some(sid(120).as_str())).expect("listed");
    assert_eq!((sent.stage.as_str(), sent.direction.as_str()), ("delivered", "outbound"));
    let shown = format!("{all:?}");
    assert!(!shown.contains(SECRET_TEXT) && !shown.contains("9812345678"), "{shown}");
}

#[tokio::test]
async fn replies_in_trouble_are_listed_the_latest_first() {
    let store = Sqlite::new();
    for number in 1..=4 {
        store.clock.advance(Duration::from_millis(1));
        let name = step(&format!("answer/{number}"));
        store.records.apply(&name, None, answering(number)).await.expect("applies");
        let id = reply(number).id;
        store.records.claim(&id, 1_000).await.expect("claims");
        let outcome = match number {
            1 => SendRecord::Ambiguous,
            2 => SendRecord::Failed { error_code: Some(63_024) },
            3 => SendRecord::Sent { sid: sid(103) },
            _ => SendRecord::NotSent,
        };
        store.records.record_send(&id, outcome).await.expect("recorded");
    }
    let troubled = store.records.troubled_replies(10).await.expect("reads");
    let states: Vec<_> = troubled.iter().map(|reply| (reply.state, reply.error_code)).collect();
    assert_eq!(states, [(OutboxState::Failed, Some(63_024)), (OutboxState::Ambiguous, None)]);
    assert_eq!(troubled[1].address, "whatsapp:…78");
    assert_eq!(store.records.troubled_replies(1).await.expect("reads").len(), 1);
}
