//! Forgetting: what goes, when, and what never goes.

use crate::support::{
    SECRET_TEXT, START_MS, Sqlite, answering, callback, changing, conversation, draft, number, order, place,
    received, reply, sid, step,
};
use steadfast_core::decision::Change;
use steadfast_core::order::OrderState;
use steadfast_core::outbox::{Claim, SendRecord};
use steadfast_core::ports::{Records, RecordsError};
use steadfast_records::{PruneReport, RecordsRead, Retention};

const DAY_MS: i64 = 86_400_000;

async fn prune(store: &Sqlite, days: i64) -> PruneReport {
    let retention = Retention::default();
    let mut all = PruneReport::default();
    loop {
        let report = store.records.prune(START_MS + days * DAY_MS, retention, 3).await.expect("prunes");
        all.texts_cleared += report.texts_cleared;
        all.rows_deleted += report.rows_deleted;
        if !report.more {
            return all;
        }
    }
}

fn advance(version: u32, from: OrderState, to: OrderState) -> Change {
    let id = order(&draft(version), START_MS).id;
    Change::MoveOrder { id, from, to, by: "system".to_owned(), reason: String::new() }
}

/// Ten answered messages, eight of whose replies went out; a finished and an open order; a check; a draft.
async fn a_full_house() -> Sqlite {
    let store = Sqlite::new();
    for number in 1..=10 {
        let name = step(&format!("answer/{number}"));
        store.records.apply(&name, None, answering(number)).await.expect("applies");
        if number <= 8 {
            let sent = SendRecord::Sent { sid: sid(100 + number) };
            store.records.record_send(&reply(number).id, sent).await.expect("recorded");
        }
    }
    let check = Change::RecordCheck {
        sid: sid(1),
        score: 50,
        class: "Suspicious".to_owned(),
        confidence_pct: 80,
        reasons: vec![SECRET_TEXT.to_owned(); 3],
    };
    let mut with_text = draft(3);
    with_text.address = Some(SECRET_TEXT.to_owned());
    let changes = vec![
        place(&draft(1)),
        place(&draft(2)),
        advance(1, OrderState::Placed, OrderState::Cancelled),
        check,
        Change::SaveDraft { conversation: conversation(), draft: with_text },
    ];
    store.records.apply(&step("orders"), None, changing(changes)).await.expect("applies");
    store.records.record_status(&callback(&sid(999), "read", None)).await.expect("recorded");
    store
}

/// Whether the text lies anywhere in the file's tables.
fn text_rows(store: &Sqlite) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM messages WHERE body <> '' OR content IS NOT NULL OR profile_name IS NOT NULL)
        + (SELECT count(*) FROM outbox WHERE body IS NOT NULL)
        + (SELECT count(*) FROM step_ledger WHERE decision IS NOT NULL)
        + (SELECT count(*) FROM reality_checks WHERE reasons IS NOT NULL)
        + (SELECT count(*) FROM conversations WHERE draft IS NOT NULL)";
    number(&store.look(), sql)
}

#[tokio::test]
async fn young_records_stay_untouched() {
    let store = a_full_house().await;
    let before = text_rows(&store);
    assert_eq!(prune(&store, 29).await, PruneReport::default());
    assert_eq!(text_rows(&store), before);
}

#[tokio::test]
async fn texts_go_first_and_the_rest_stays() {
    let store = a_full_house().await;
    let report = prune(&store, 31).await;
    assert_eq!(report.rows_deleted, 0);
    // What is left are the two replies that are still to be sent: without their texts they could not be.
    assert_eq!(text_rows(&store), 2);
    assert_eq!(store.records.counts().await.expect("counts").messages, 10);
    let Claim::Granted(entry) = store.records.claim(&reply(9).id, 1_000).await.expect("asks") else {
        panic!("the unsent reply is gone");
    };
    assert!(entry.reply.body.contains(SECRET_TEXT));
    // A step done long ago is still done, whatever is offered; what followed from it is not known any more,
    // and saying so beats completing its job as if nothing had followed.
    let again = store.records.apply(&step("answer/1"), None, answering(77)).await;
    assert!(matches!(again, Err(RecordsError::Inconsistent { .. })), "{again:?}");
    let timeline = store.records.timeline(&sid(1)).await.expect("reads").expect("known");
    assert_eq!(timeline.address, "whatsapp:…78");
    assert_eq!(prune(&store, 31).await, PruneReport::default());
}

#[tokio::test]
async fn in_the_end_only_the_unfinished_stays() {
    let store = a_full_house().await;
    let stop = Change::SetOptedOut { conversation: conversation(), opted_out: true };
    store.records.apply(&step("stop"), None, changing(vec![stop])).await.expect("applies");
    prune(&store, 181).await;
    let conn = store.look();
    let rows = |table: &str| number(&conn, &format!("SELECT count(*) FROM {table}"));
    for table in
        ["messages", "message_events", "step_ledger", "reality_checks", "status_callbacks", "contacts"]
    {
        assert_eq!(rows(table), 0, "{table}");
    }
    assert_eq!((rows("outbox"), rows("orders"), rows("order_items"), rows("order_events")), (2, 1, 2, 1));
    let orders = store.records.orders(&conversation(), 9).await.expect("reads");
    assert_eq!(orders[0].placed, order(&draft(2), START_MS));
    assert!(store.records.conversation(&conversation()).await.expect("reads").opted_out);
    let counts = store.records.counts().await.expect("counts");
    let pending: u64 = counts.outbox.iter().map(|(_, count)| count).sum();
    assert_eq!((counts.messages, pending), (0, 2));
}

#[tokio::test]
async fn a_quiet_conversation_goes_and_a_lively_one_stays() {
    let store = Sqlite::new();
    store.records.apply(&step("old"), None, changing(vec![received(1, START_MS)])).await.expect("applies");
    prune(&store, 181).await;
    assert_eq!(number(&store.look(), "SELECT count(*) FROM conversations"), 0);
    store.clock.advance(std::time::Duration::from_secs(100 * 86_400));
    let young = START_MS + 100 * DAY_MS;
    store.records.apply(&step("new"), None, changing(vec![received(2, young)])).await.expect("applies");
    prune(&store, 181).await;
    assert_eq!(number(&store.look(), "SELECT count(*) FROM conversations"), 1);
    assert_eq!(number(&store.look(), "SELECT count(*) FROM contacts"), 1);
}
