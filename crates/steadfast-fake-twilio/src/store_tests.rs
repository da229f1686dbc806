use super::*;
use crate::sid::{Prefix, Random};
use proptest::prelude::*;

const OURS: &str = "whatsapp:+14155238886";

fn message(
    random: &mut Random,
    customer: &str,
    direction: Direction,
    created_ms: i64,
    body: &str,
) -> Message {
    Message {
        seq: 0,
        sid: random.sid(Prefix::Sm),
        direction,
        customer: Arc::from(customer),
        ours: Arc::from(OURS),
        service: None,
        body: body.into(),
        callback: None,
        created_ms,
        updated_ms: created_ms,
        sent_ms: None,
        status: if direction == Direction::Inbound { Status::Received } else { Status::Queued },
        error: None,
        num_media: 0,
        webhook: None,
        shown: None,
    }
}

fn filled(messages: u64, store_max: usize) -> Store {
    let mut random = Random::new(1);
    let mut store = Store::new(store_max, usize::MAX);
    for at in 0..messages {
        let direction = if at % 3 == 0 { Direction::Inbound } else { Direction::OutboundApi };
        let customer = format!("whatsapp:+97798000000{:02}", at % 20);
        let created_ms = i64::try_from(at).expect("small") * 1_000;
        store.push(message(&mut random, &customer, direction, created_ms, &format!("text {at}")));
    }
    store
}

#[test]
fn the_oldest_goes_first_and_leaves_no_trace_in_any_index() {
    let store = filled(1_000, 100);
    assert_eq!(store.ring.len(), 100);
    assert_eq!(store.by_sid.len(), 100);
    assert_eq!(store.inbound.len() + store.outbound.len(), 100);
    assert_eq!(store.chats.values().map(|chat| chat.seqs.len()).sum::<usize>(), 100);
    assert_eq!(store.recent.len(), store.chats.len());
    assert_eq!(store.stats().messages_dropped, 900);
    assert_eq!(store.get(900).map(|m| m.seq), None);
    assert_eq!(store.get(901).map(|m| m.body.to_string()), Some("text 900".to_owned()));
}

#[test]
fn bytes_are_a_bound_too() {
    let mut random = Random::new(1);
    let mut store = Store::new(1_000, 1_000);
    for at in 0..10 {
        store.push(message(&mut random, "whatsapp:+9779800000001", Direction::Inbound, at, &"x".repeat(300)));
    }
    assert_eq!(store.ring.len(), 3);
    assert!(store.bytes <= 1_000);
}

#[test]
fn a_chat_whose_messages_are_all_gone_is_gone() {
    let mut random = Random::new(1);
    let mut store = Store::new(2, usize::MAX);
    store.push(message(&mut random, "whatsapp:+9779800000001", Direction::Inbound, 0, "first"));
    for at in 1..4 {
        store.push(message(&mut random, "whatsapp:+9779800000002", Direction::Inbound, at, "later"));
    }
    assert_eq!(store.chats.len(), 1);
    assert_eq!(store.recent(10).len(), 1);
    assert!(store.chat("whatsapp:+9779800000001", 10).is_empty());
}

#[test]
fn every_filter_lists_what_a_full_scan_would() {
    let store = filled(300, 1_000);
    let customer = "whatsapp:+9779800000003";
    let queries = [
        ListQuery { limit: 500, ..ListQuery::default() },
        ListQuery { to: Some(customer.into()), limit: 500, ..ListQuery::default() },
        ListQuery { from: Some(customer.into()), limit: 500, ..ListQuery::default() },
        ListQuery { to: Some(OURS.into()), limit: 500, ..ListQuery::default() },
        ListQuery { from: Some(OURS.into()), limit: 500, from_s: Some(200), ..ListQuery::default() },
        ListQuery { to: Some(OURS.into()), from: Some(customer.into()), limit: 500, ..ListQuery::default() },
        ListQuery {
            to: Some(customer.into()),
            from: Some(customer.into()),
            limit: 500,
            ..ListQuery::default()
        },
        ListQuery { to_s: Some(50), limit: 500, ..ListQuery::default() },
    ];
    for query in queries {
        let scan: Vec<u64> = store.ring.iter().rev().filter(|m| query.fits(m)).map(|m| m.seq).collect();
        let (page, more) = store.list(&query, OURS);
        assert_eq!(page.iter().map(|m| m.seq).collect::<Vec<_>>(), scan, "{query:?}");
        assert!(!more);
    }
}

#[test]
fn the_window_follows_the_last_inbound_message() {
    let mut random = Random::new(1);
    let mut store = Store::new(10, usize::MAX);
    let person = "whatsapp:+9779800000001";
    assert!(store.window_open(person, WindowRule::Known, 0));
    assert!(!store.window_open(person, WindowRule::Strict, 0));
    store.push(message(&mut random, person, Direction::Inbound, 1_000, "hi"));
    assert!(store.window_open(person, WindowRule::Strict, 1_000 + DAY_MS - 1));
    assert!(!store.window_open(person, WindowRule::Known, 1_000 + DAY_MS));
    assert!(store.window_open(person, WindowRule::Off, 1_000 + DAY_MS));
    assert!(store.set_window_closed(person, true));
    assert!(!store.window_open(person, WindowRule::Off, 1_000));
    store.push(message(&mut random, person, Direction::Inbound, 2_000, "again"));
    assert!(store.window_open(person, WindowRule::Known, 2_000));
}

proptest! {
    #[test]
    fn pages_joined_are_the_whole_list(page_size in 1_usize..60, messages in 1_u64..200) {
        let store = filled(messages, 1_000);
        let all = ListQuery { to: Some(OURS.into()), limit: 1_000, ..ListQuery::default() };
        let whole: Vec<u64> = store.list(&all, OURS).0.iter().map(|m| m.seq).collect();
        let mut joined = Vec::new();
        let mut older_than = None;
        loop {
            let query = ListQuery { older_than, limit: page_size, ..all.clone() };
            let (page, more) = store.list(&query, OURS);
            joined.extend(page.iter().map(|m| m.seq));
            older_than = page.last().map(|m| m.seq);
            if !more {
                break;
            }
        }
        prop_assert_eq!(joined, whole);
    }
}
