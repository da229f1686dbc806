//! The outbox by itself: what it refuses, what it reports, what outlives it.

use super::memory::{Data, MemoryRemote};
use crate::cache::version::{NodeId, Version};
use crate::cache::{
    Answer, Batch, Change, DiskFolder, JournalError, JournalFolder, Key, Kind, Limits, Local, NoAnswer, Op,
    Outbox, OutboxSettings, Refused, Remote, SyncPolicy,
};
use crate::config::Config;
use bytes::Bytes;
use futures::FutureExt;

const NOW_MS: u64 = 1_800_000_000_000;
const ALL: usize = 1_000;

fn key(text: &str) -> Key {
    Bytes::from(text.to_owned())
}

fn set(name: &str, value: &str) -> Change {
    Change::Set { key: key(name), value: key(value), ttl_ms: Some(60_000) }
}

fn in_memory(settings: OutboxSettings) -> Outbox<DiskFolder> {
    Outbox::in_memory(settings, NodeId::new(1))
}

fn on_disk(path: &std::path::Path, settings: OutboxSettings) -> Outbox<DiskFolder> {
    let mut rng = fastrand::Rng::new();
    let node = NodeId::random(&mut rng);
    Outbox::open(DiskFolder::open(path).unwrap(), settings, node, NOW_MS, &mut rng).unwrap().0
}

fn record<F: JournalFolder>(outbox: &mut Outbox<F>, change: Change) -> Result<(), Refused> {
    outbox.record(&[change], NOW_MS).swap_remove(0).map(|_| ())
}

fn plan<F: JournalFolder>(outbox: &mut Outbox<F>) -> Batch {
    outbox.plan(Limits::new(ALL, 1 << 30), NOW_MS).unwrap()
}

fn send_all<F: JournalFolder>(outbox: &mut Outbox<F>, remote: &MemoryRemote) {
    remote.0.lock().unwrap().now_ms = NOW_MS;
    while !outbox.is_empty() {
        let batch = plan(outbox);
        let answers = remote.apply(batch.ops()).now_or_never().unwrap();
        let settled = outbox.settle(batch, answers, NOW_MS);
        assert!(settled.journal.is_none());
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let settings = OutboxSettings { memory_bytes_max: 2_000, ..OutboxSettings::default() };
    let mut outbox = in_memory(settings);
    let long = Change::Set { key: key("k"), value: key(""), ttl_ms: Some(settings.ttl_max_ms + 1) };
    let large = Change::Set { key: key("k"), value: vec![0; 33 << 20].into(), ttl_ms: None };
    assert!(matches!(record(&mut outbox, Change::Lock { key: key("l") }), Err(Refused::NeedsServer)));
    assert!(matches!(record(&mut outbox, long), Err(Refused::Ttl { .. })));
    assert!(matches!(record(&mut outbox, large), Err(Refused::TooLarge { .. })));
    assert!(matches!(record(&mut outbox, set("a}b", "")), Err(Refused::Key)));
    assert!(matches!(record(&mut outbox, Change::Delete { key: key("") }), Err(Refused::Key)));
    let none = Change::Remember { key: key("d"), window_ms: 0 };
    assert!(matches!(record(&mut outbox, none), Err(Refused::Ttl { .. })));
    let add = |delta| Change::Add { key: key("c"), delta, window_ms: None };
    record(&mut outbox, add(i64::MAX)).unwrap();
    assert!(matches!(record(&mut outbox, add(1)), Err(Refused::Overflow)));
    let both = outbox.record(&[add(-1), add(1), add(1)], NOW_MS);
    assert!(both[1].is_ok() && matches!(both[2], Err(Refused::Overflow)));
    assert!(matches!(outbox.record_sent(&add(1), Version::ZERO, NOW_MS), Err(Refused::InDoubt)));
    assert!(matches!(outbox.online(&add(1), Version::ZERO), Err(Refused::InDoubt)));
    let refused = record(&mut outbox, set("v", &"x".repeat(2_000))).unwrap_err();
    assert!(refused.to_string().contains("raise fallback.memory_bytes_max"), "{refused}");
    assert_eq!(outbox.len(), 1);
    assert_eq!(outbox.added(b"c", NOW_MS), i64::MAX);
}

#[test]
fn memory_is_given_back_when_values_end() {
    let settings = OutboxSettings { memory_bytes_max: 2_000, ..OutboxSettings::default() };
    let mut outbox = in_memory(settings);
    record(&mut outbox, set("a", &"x".repeat(1_200))).unwrap();
    assert!(matches!(record(&mut outbox, set("b", &"x".repeat(900))), Err(Refused::MemoryFull { .. })));
    let later = outbox.record(&[set("b", &"x".repeat(900))], NOW_MS + 60_000);
    assert!(later[0].is_ok());
    assert_eq!(outbox.value(b"a", NOW_MS + 60_000), Local::Absent);
}

#[test]
fn a_full_journal_refuses_writes_and_can_still_be_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let settings = OutboxSettings {
        journal_bytes_max: 4_000,
        journal_segment_bytes: 1_000,
        ..OutboxSettings::default()
    };
    let mut outbox = on_disk(dir.path(), settings);
    let mut taken = 0;
    let refused = loop {
        match record(&mut outbox, set(&format!("key {taken}"), &"x".repeat(100))) {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
    };
    let Refused::Journal(error) = &refused else { panic!("{refused}") };
    assert!(matches!(**error, JournalError::Full { .. }), "{refused}");
    assert!(taken > 10 && outbox.len() == taken);
    let remote = MemoryRemote::default();
    send_all(&mut outbox, &remote);
    assert_eq!(outbox.report().applied, taken as u64);
    record(&mut outbox, set("again", "x")).unwrap();
    // The same key over and over does not fill it: what is of no account makes room.
    for round in 0..500 {
        record(&mut outbox, set("again", &format!("{round}"))).unwrap();
    }
    assert!(outbox.journal_bytes() <= 4_000);
}

#[test]
fn what_was_acknowledged_outlives_the_process_and_is_sent_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let remote = MemoryRemote::default();
    let changes = [
        set("v", "value"),
        Change::Delete { key: key("gone") },
        Change::Add { key: key("c"), delta: 5, window_ms: None },
        Change::Remember { key: key("d"), window_ms: 9_000 },
        Change::PutField { key: key("s"), field: key("f"), value: key("x"), observed: Vec::new() },
    ];
    let mut outbox = on_disk(dir.path(), OutboxSettings::default());
    assert!(outbox.record(&changes, NOW_MS).iter().all(Result::is_ok));
    assert_eq!(outbox.durable(), 1);
    // The batch is sent, its answers are lost, the process dies.
    let batch = plan(&mut outbox);
    assert_eq!(remote.apply(batch.ops()).now_or_never().unwrap().len(), 5);
    drop(outbox);
    let mut outbox = on_disk(dir.path(), OutboxSettings::default());
    assert_eq!(outbox.len(), 5);
    assert!(outbox.is_remembered(b"d", NOW_MS));
    record(&mut outbox, Change::Add { key: key("c"), delta: 2, window_ms: None }).unwrap();
    send_all(&mut outbox, &remote);
    let server = remote.0.lock().unwrap();
    assert!(matches!(server.get(b"c"), Some((Data::Counter { sum: 7, .. }, None))), "{:?}", server.get(b"c"));
    assert!(
        matches!(server.get(b"v"), Some((Data::Value { .. }, Some(ends_ms))) if ends_ms == NOW_MS + 60_000)
    );
    assert_eq!(outbox.report().answered(), 6);
    drop(outbox);
    assert!(on_disk(dir.path(), OutboxSettings::default()).is_empty());
}

#[test]
fn closing_keeps_or_discards() {
    let dir = tempfile::tempdir().unwrap();
    for keep in [true, false] {
        let mut outbox =
            on_disk(dir.path(), OutboxSettings { sync: SyncPolicy::Request, ..OutboxSettings::default() });
        record(&mut outbox, set("v", "value")).unwrap();
        outbox.close(keep, NOW_MS).unwrap();
        assert_eq!(on_disk(dir.path(), OutboxSettings::default()).is_empty(), !keep);
    }
}

#[test]
fn durability_is_told_by_position() {
    let dir = tempfile::tempdir().unwrap();
    let settings = OutboxSettings { sync: SyncPolicy::Interval { ms: 50 }, ..OutboxSettings::default() };
    let mut outbox = on_disk(dir.path(), settings);
    outbox.maintain(NOW_MS).unwrap();
    let position = outbox.record(&[set("v", "value")], NOW_MS)[0].as_ref().unwrap().position;
    outbox.maintain(NOW_MS + 49).unwrap();
    assert!(outbox.durable() < position);
    outbox.maintain(NOW_MS + 50).unwrap();
    assert_eq!(outbox.durable(), position);
}

/// A key whose server never answers delays nobody else.
#[test]
fn every_key_has_its_turn() {
    let mut outbox = in_memory(OutboxSettings::default());
    for number in 0..10 {
        record(&mut outbox, set(&format!("{number}"), "x")).unwrap();
    }
    let mut served = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let batch = outbox.plan(Limits::new(3, 1 << 20), NOW_MS).unwrap();
        let answers = batch.ops().iter().map(|op| {
            if op.key() < &key("3") { Err(NoAnswer::because("away")) } else { Ok(Answer::Applied) }
        });
        let answers = answers.collect();
        served.extend(outbox.settle(batch, answers, NOW_MS).outcomes.into_iter().map(|outcome| outcome.key));
    }
    assert_eq!((served.len(), outbox.len()), (7, 3));
    assert!(outbox.report().unanswered >= 6);
}

#[test]
fn a_write_while_its_key_is_being_sent_is_sent_after_it() {
    let mut outbox = in_memory(OutboxSettings::default());
    let remote = MemoryRemote::default();
    record(&mut outbox, set("v", "one")).unwrap();
    record(&mut outbox, Change::Add { key: key("c"), delta: 1, window_ms: None }).unwrap();
    let batch = plan(&mut outbox);
    record(&mut outbox, set("v", "two")).unwrap();
    record(&mut outbox, Change::Add { key: key("c"), delta: 2, window_ms: None }).unwrap();
    let answers = remote.apply(batch.ops()).now_or_never().unwrap();
    outbox.settle(batch, answers, NOW_MS);
    assert_eq!((outbox.len(), outbox.added(b"c", NOW_MS)), (2, 2));
    send_all(&mut outbox, &remote);
    let server = remote.0.lock().unwrap();
    assert!(matches!(server.get(b"c"), Some((Data::Counter { sum: 3, .. }, _))));
    assert!(matches!(server.get(b"v"), Some((Data::Value { value, .. }, _)) if value == "two"));
}

#[test]
fn deletions_are_sent_first_and_remembered_longer_than_the_outage() {
    let settings = OutboxSettings { ttl_max_ms: 1_000_000, ..OutboxSettings::default() };
    let mut outbox = in_memory(settings);
    record(&mut outbox, set("a", "x")).unwrap();
    record(&mut outbox, Change::Delete { key: key("b") }).unwrap();
    let keep = |outbox: &mut Outbox<DiskFolder>, outage_ms| {
        let batch = outbox.plan(Limits::new(ALL, ALL).after_outage(outage_ms), NOW_MS).unwrap();
        let Op::Delete { keep_ms, .. } = &batch.ops()[0] else { panic!("{batch:?}") };
        *keep_ms
    };
    assert_eq!(keep(&mut outbox, 0), settings.tombstone_extra_ms);
    assert_eq!(keep(&mut outbox, 5), settings.tombstone_extra_ms + 5);
    outbox.set_settings(OutboxSettings { ttl_max_ms: 9_000_000, skew_max_ms: 7, ..settings });
    assert_eq!(keep(&mut outbox, 5), 9_000_007);
}

#[test]
fn what_is_long_past_is_not_sent_at_all() {
    let settings = OutboxSettings { ttl_max_ms: 60_000, ..OutboxSettings::default() };
    let mut outbox = in_memory(settings);
    record(&mut outbox, set("a", "x")).unwrap();
    record(&mut outbox, Change::Delete { key: key("b") }).unwrap();
    let limits = Limits::new(ALL, ALL);
    assert_eq!(outbox.plan(limits, NOW_MS + 59_999).unwrap().ops().len(), 2);
    assert!(outbox.plan(limits, NOW_MS + 60_000).unwrap().is_empty());
    assert!(outbox.is_empty());
    assert_eq!(outbox.report().expired, 2);
}

#[test]
fn a_write_at_the_server_takes_the_place_of_one_that_waits() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = on_disk(dir.path(), OutboxSettings::default());
    record(&mut outbox, set("v", "old")).unwrap();
    let (change, version) = (set("v", "new"), outbox.stamp(NOW_MS));
    let op = outbox.online(&change, version).unwrap();
    outbox.answered(&op, &Answer::Applied, NOW_MS).unwrap();
    assert_eq!(outbox.value(b"v", NOW_MS), Local::Unknown);
    drop(outbox);
    let mut outbox = on_disk(dir.path(), OutboxSettings::default());
    assert!(outbox.is_empty());
    let put = Change::PutField { key: key("s"), field: key("f"), value: key(""), observed: Vec::new() };
    assert!(outbox.online(&put, version).is_ok());
    record(&mut outbox, put.clone()).unwrap();
    assert!(matches!(outbox.online(&put, version), Err(Refused::Waiting)));
    assert!(outbox.is_waiting(Kind::Fields, &key("s")));
}

#[test]
fn a_report_tells_what_came_of_it() {
    let mut outbox = in_memory(OutboxSettings::default());
    let remote = MemoryRemote::default();
    let newer = Version::new(NOW_MS + 5, 0, NodeId::new(2));
    let other = Op::Set { key: key("a"), version: newer, value: key("x"), remaining_ms: 9, floor_ms: 0 };
    let seen = Op::Remember { key: key("d"), version: newer, remaining_ms: 9_000 };
    remote.0.lock().unwrap().now_ms = NOW_MS;
    assert_eq!(remote.apply(&[other, seen]).now_or_never().unwrap().len(), 2);
    record(&mut outbox, set("a", "mine")).unwrap();
    record(&mut outbox, Change::Remember { key: key("d"), window_ms: 5 }).unwrap();
    record(&mut outbox, Change::Remember { key: key("e"), window_ms: 5 }).unwrap();
    record(&mut outbox, Change::Set { key: key("b"), value: key("x"), ttl_ms: Some(3) }).unwrap();
    let batch = outbox.plan(Limits::new(ALL, ALL), NOW_MS + 4).unwrap();
    let answers = remote.apply(batch.ops()).now_or_never().unwrap();
    outbox.settle(batch, answers, NOW_MS + 4);
    let report = outbox.take_report();
    assert_eq!((report.superseded, report.conflicted, report.expired, report.applied), (1, 1, 1, 1));
    let examples: Vec<(&str, Kind)> =
        report.examples.iter().map(|example| (example.key.as_str(), example.kind)).collect();
    assert_eq!(examples, [("b", Kind::Value), ("a", Kind::Value), ("d", Kind::Dedup)]);
    assert!(outbox.is_empty() && outbox.report().answered() == 0);
    assert!(outbox.stamp(NOW_MS) > newer, "what was met on the server is followed");
}

#[test]
fn nothing_is_shown_of_keys_and_values() {
    let mut outbox = in_memory(OutboxSettings::default());
    let change = Change::PutField {
        key: key("hunter-k"),
        field: key("hunter-f"),
        value: key("hunter-v"),
        observed: Vec::new(),
    };
    record(&mut outbox, set("hunter-k", "hunter-v")).unwrap();
    record(&mut outbox, change.clone()).unwrap();
    let batch = plan(&mut outbox);
    let shown =
        format!("{outbox:?} {change:?} {batch:?} {:?} {:?}", outbox.value(b"hunter-k", 0), batch.ops()[0]);
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn an_outbox_may_be_handed_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&in_memory(OutboxSettings::default()));
}

#[test]
fn the_configuration_says_the_bounds() {
    let config = Config::from_url("redis://h?fallback.journal_sync=interval&fallback.skew_max_ms=5").unwrap();
    let settings = OutboxSettings::from(&config.fallback);
    assert_eq!((settings.sync, settings.skew_max_ms), (SyncPolicy::Interval { ms: 50 }, 5));
    assert_eq!(settings.memory_bytes_max, config.fallback.memory_bytes_max);
}
