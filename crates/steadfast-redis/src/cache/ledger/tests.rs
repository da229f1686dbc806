//! The ledger's rules, and that it is what its entries make it.

use super::*;
use crate::cache::version::NodeId;
use proptest::prelude::*;

fn version(ms: u64) -> Version {
    Version::new(ms, 0, NodeId::new(ms % 3))
}

fn key(text: &'static str) -> Key {
    Bytes::from_static(text.as_bytes())
}

fn set(ms: u64, ttl_ms: u64) -> Entry {
    let expiry = Expiry::after(ms, ttl_ms);
    Entry::Set { version: version(ms), key: key("k"), value: Bytes::from_static(b"v"), expiry }
}

fn add(ms: u64, delta: i64, window_ms: u64) -> Entry {
    let expiry = Some(Expiry::after(ms, window_ms));
    Entry::Add { version: version(ms), key: key("c"), delta, expiry }
}

fn ledger(entries: &[Entry]) -> Ledger {
    let mut ledger = Ledger::default();
    for entry in entries {
        ledger.apply(entry);
    }
    ledger
}

#[test]
fn the_latest_write_of_a_value_counts_in_any_order() {
    let delete = Entry::Delete { version: version(2), key: key("k") };
    for entries in [[set(1, 10), delete.clone()], [delete.clone(), set(1, 10)]] {
        assert_eq!(ledger(&entries).value(b"k").unwrap().what, What::Deleted);
    }
    let later = ledger(&[delete, set(3, 10)]);
    assert!(matches!(later.value(b"k").unwrap().what, What::Live { .. }));
}

#[test]
fn an_answer_removes_what_it_is_for_and_nothing_later() {
    let done = |ms| Entry::Done { version: version(ms), key: key("k"), kind: Kind::Value };
    assert!(ledger(&[set(5, 10), done(5)]).value(b"k").is_none());
    assert!(ledger(&[set(5, 10), set(6, 10), done(5)]).value(b"k").is_some());
}

#[test]
fn a_counter_is_sealed_while_adding_goes_on() {
    let seal = Entry::Seal { version: version(3), key: key("c"), delta: 7, expiry: None };
    let done = Entry::Done { version: version(3), key: key("c"), kind: Kind::Counter };
    let ledger = ledger(&[add(1, 3, 99), add(2, 4, 99), seal, add(4, 5, 99)]);
    let counter = *ledger.counter(b"c").unwrap();
    assert_eq!((counter.sealed.unwrap().delta, counter.open.unwrap().delta), (7, 5));
    assert_eq!(counter.delta(4), 12);
    let mut ledger = ledger;
    ledger.apply(&done);
    assert_eq!(ledger.counter(b"c").unwrap().delta(4), 5);
}

#[test]
fn a_new_window_begins_when_the_old_one_has_ended() {
    let counter = *ledger(&[add(1, 3, 10), add(5, 4, 10)]).counter(b"c").unwrap();
    assert_eq!((counter.delta(10), counter.delta(11)), (7, 0), "the window is the first addition's");
    assert_eq!(ledger(&[add(1, 3, 10), add(11, 4, 10)]).counter(b"c").unwrap().delta(11), 4);
}

#[test]
fn a_key_is_seen_once_in_its_window() {
    let see = |ms| Entry::Remember { version: version(ms), key: key("d"), expiry: Expiry::after(ms, 10) };
    assert_eq!(ledger(&[see(1), see(5)]).sighting(b"d").unwrap().version, version(1));
    assert_eq!(ledger(&[see(1), see(11)]).sighting(b"d").unwrap().version, version(11));
}

#[test]
fn an_operation_on_a_field_takes_over_what_the_one_before_it_replaced() {
    let change = |ms, value: Option<&'static str>, observed: &[u64]| Entry::Field {
        version: version(ms),
        key: key("s"),
        field: key("f"),
        value: value.map(key),
        observed: observed.iter().copied().map(version).collect(),
    };
    // Node 0 puts, node 1 puts, node 1 again: its own earlier version needs no mention.
    let ledger = ledger(&[change(3, Some("a"), &[2]), change(4, Some("b"), &[]), change(7, None, &[])]);
    let field = ledger.field(b"s", b"f").unwrap();
    assert_eq!((field.version, &field.value), (version(7), &None));
    assert_eq!(field.observed, [version(2), version(3)]);
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let keys = || prop::sample::select(vec!["a", "b"]).prop_map(key);
    let ms = || 1..60_u64;
    let expiry = || (ms(), 1..20_u64).prop_map(|(ms, ttl)| Expiry::after(ms, ttl));
    prop_oneof![
        (ms(), keys(), expiry(), 0..9_usize).prop_map(|(ms, key, expiry, len)| Entry::Set {
            version: version(ms),
            key,
            value: vec![0; len].into(),
            expiry
        }),
        (ms(), keys()).prop_map(|(ms, key)| Entry::Delete { version: version(ms), key }),
        (ms(), keys(), -9..9_i64, prop::option::of(expiry()))
            .prop_map(|(ms, key, delta, expiry)| Entry::Add { version: version(ms), key, delta, expiry }),
        (ms(), keys(), -9..9_i64, prop::option::of(expiry()))
            .prop_map(|(ms, key, delta, expiry)| Entry::Seal { version: version(ms), key, delta, expiry }),
        (ms(), keys(), expiry()).prop_map(|(ms, key, expiry)| Entry::Remember {
            version: version(ms),
            key,
            expiry
        }),
        (ms(), keys(), keys(), prop::option::of(keys()), prop::collection::vec(ms(), 0..3)).prop_map(
            |(ms, key, field, value, observed)| Entry::Field {
                version: version(ms),
                key,
                field,
                value,
                observed: observed.into_iter().map(version).collect()
            }
        ),
        (ms(), keys(), 0..4_usize).prop_map(|(ms, key, kind)| Entry::Done {
            version: version(ms),
            key,
            kind: [Kind::Value, Kind::Counter, Kind::Dedup, Kind::Fields][kind]
        }),
    ]
}

fn sorted(ledger: &Ledger) -> Vec<String> {
    let mut entries: Vec<String> = ledger.entries().map(|entry| format!("{entry:?}")).collect();
    entries.sort();
    entries
}

#[test]
fn what_has_ended_is_let_go_of_but_for_versions() {
    let see = Entry::Remember { version: version(1), key: key("d"), expiry: Expiry::after(1, 10) };
    let mut ledger = ledger(&[set(1, 10), add(1, 3, 10), see]);
    ledger.trim(10, 0);
    assert_eq!(ledger.len(), 3);
    ledger.trim(11, 1);
    assert_eq!((ledger.len(), ledger.bytes()), (1, OVERHEAD + 1));
    assert_eq!(ledger.value(b"k").unwrap().version, version(1));
    ledger.trim(11, 2);
    assert_eq!((ledger.len(), ledger.bytes()), (0, 0));
}

proptest! {
    /// Growth is never told too small.
    #[test]
    fn growth_is_foreseen(entries in prop::collection::vec(any_entry(), 0..40)) {
        let mut ledger = Ledger::default();
        for entry in entries {
            let foreseen = ledger.bytes() + ledger.growth(&entry);
            ledger.apply(&entry);
            prop_assert!(ledger.bytes() <= foreseen, "{entry:?}");
        }
    }

    /// Its own entries make it again, at the same size; when all is answered nothing is left.
    #[test]
    fn it_is_what_its_entries_make_it(entries in prop::collection::vec(any_entry(), 0..40)) {
        let mut ledger = ledger(&entries);
        let copy = super::tests::ledger(&ledger.entries().collect::<Vec<_>>());
        prop_assert_eq!(sorted(&ledger), sorted(&copy));
        prop_assert_eq!(ledger.bytes(), copy.bytes());
        prop_assert_eq!(ledger.len(), ledger.keys().count());
        let keys: Vec<(Kind, Key)> = ledger.keys().map(|(kind, key)| (kind, key.clone())).collect();
        for (kind, key) in keys {
            prop_assert!(ledger.contains(kind, &key));
            ledger.apply(&Entry::Done { version: version(1_000), key, kind });
        }
        prop_assert_eq!((ledger.len(), ledger.bytes()), (0, 0));
    }
}
