//! Random histories of several nodes: writes, outages, crashes at any step, clock steps, lost replies, full disks,
//! ends of lifetimes. When all is quiet, the server is what the reference says.
//!
//! `STEADFAST_HISTORIES` says how many (300 if it does not).

use super::world::{CLOCK_ERROR_MS, TTL_MAX_MS, Way, World, fields, keys_of, window_keys};
use crate::cache::journal::sim::Stop;
use crate::cache::{Change, Key, Kind, OutboxSettings, SyncPolicy};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestRng, TestRunner};

pub(super) const NODES: usize = 3;

/// One write, of which it is not yet known what is observed.
#[derive(Clone, Debug)]
pub(super) enum What {
    Set(usize, u8, u64),
    Delete(usize),
    Add(usize, i64),
    AddWindow(usize, i64, u64),
    Remember(usize, u64),
    Put(usize, usize, u8),
    Remove(usize, usize),
    Lock,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Write(usize, What, Way),
    WriteMany(usize, Vec<What>),
    Send(usize, usize, Vec<Way>, bool),
    Advance(u64),
    Clock(usize, i64),
    Online(usize, bool),
    Late,
    Maintain(usize),
    Crash(usize, u64, bool, Option<u64>),
    Stop(usize, bool),
    Room(usize, Option<usize>),
    FailSync(usize),
    FailNames(usize, u8),
    Close(usize),
}

fn what() -> impl Strategy<Value = What> {
    let key = || 0..2_usize;
    let ttl = || prop_oneof![1_000..20_000_u64, 1_000..=TTL_MAX_MS];
    prop_oneof![
        4 => (key(), any::<u8>(), ttl()).prop_map(|(key, value, ttl)| What::Set(key, value, ttl)),
        2 => key().prop_map(What::Delete),
        3 => (key(), -20..20_i64).prop_map(|(key, delta)| What::Add(key, delta)),
        2 => (key(), 1..20_i64, ttl()).prop_map(|(key, delta, ttl)| What::AddWindow(key, delta, ttl)),
        2 => (key(), ttl()).prop_map(|(key, ttl)| What::Remember(key, ttl)),
        3 => (key(), key(), any::<u8>()).prop_map(|(key, field, value)| What::Put(key, field, value)),
        3 => (key(), key()).prop_map(|(key, field)| What::Remove(key, field)),
        1 => Just(What::Lock),
    ]
}

fn way() -> impl Strategy<Value = Way> {
    prop_oneof![
        5 => Just(Way::Good), 1 => Just(Way::RequestLost), 1 => Just(Way::ReplyLost), 1 => Just(Way::ComesAgain),
        1 => Just(Way::Late),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..NODES;
    prop_oneof![
        16 => (node(), what(), way()).prop_map(|(node, what, way)| Step::Write(node, what, way)),
        3 => (node(), prop::collection::vec(what(), 2..6)).prop_map(|(node, whats)| Step::WriteMany(node, whats)),
        8 => (node(), 1..8_usize, prop::collection::vec(way(), 1..6), prop::bool::weighted(0.85))
            .prop_map(|(node, count, ways, settle)| Step::Send(node, count, ways, settle)),
        5 => prop_oneof![1..2_000_u64, 1..60_000_u64, 1..2 * TTL_MAX_MS].prop_map(Step::Advance),
        2 => (node(), -CLOCK_ERROR_MS..=CLOCK_ERROR_MS).prop_map(|(node, error)| Step::Clock(node, error)),
        6 => (node(), any::<bool>()).prop_map(|(node, online)| Step::Online(node, online)),
        2 => Just(Step::Late),
        2 => node().prop_map(Step::Maintain),
        6 => (node(), 0..12_u64, any::<bool>(), prop::option::weighted(0.3, 0..6_u64))
            .prop_map(|(node, steps, power, opening)| Step::Crash(node, steps, power, opening)),
        2 => (node(), any::<bool>()).prop_map(|(node, power)| Step::Stop(node, power)),
        1 => (node(), prop::option::of(0..400_usize)).prop_map(|(node, room)| Step::Room(node, room)),
        1 => node().prop_map(Step::FailSync),
        1 => (node(), 0..4_u8).prop_map(|(node, count)| Step::FailNames(node, count)),
        1 => node().prop_map(Step::Close),
    ]
}

fn settings() -> impl Strategy<Value = OutboxSettings> {
    let sync = prop_oneof![
        3 => Just(SyncPolicy::Always),
        1 => Just(SyncPolicy::Interval { ms: 1_000 }),
        1 => Just(SyncPolicy::Request),
    ];
    let memory = prop_oneof![4 => Just(1 << 20), 1 => 1_000..6_000_u64];
    let journal = prop_oneof![4 => Just(1_u64 << 20), 1 => 1_500..6_000_u64];
    (sync, memory, journal, 100..2_000_u64).prop_map(|(sync, memory, journal, segment)| OutboxSettings {
        memory_bytes_max: memory,
        journal_bytes_max: journal,
        journal_segment_bytes: segment,
        sync,
        ..roomy()
    })
}

/// Settings with room for everything.
pub(super) fn roomy() -> OutboxSettings {
    OutboxSettings {
        memory_bytes_max: 1 << 20,
        journal_bytes_max: 1 << 20,
        sync: SyncPolicy::Always,
        ttl_max_ms: TTL_MAX_MS,
        // Two clocks may differ by twice the error, and each may be set between two runs.
        skew_max_ms: 4 * CLOCK_ERROR_MS.unsigned_abs(),
        tombstone_extra_ms: 0,
        ..OutboxSettings::default()
    }
}

fn change(world: &World, node: usize, what: &What) -> Change {
    let key = |kind: Kind, number: usize| -> Key { keys_of(kind)[number].clone() };
    let value = |value: u8| Bytes::from(format!("{value}").repeat(usize::from(value % 40)));
    match *what {
        What::Set(number, byte, ttl_ms) => {
            let ttl_ms = (byte % 4 != 0).then_some(ttl_ms);
            Change::Set { key: key(Kind::Value, number), value: value(byte), ttl_ms }
        }
        What::Delete(number) => Change::Delete { key: key(Kind::Value, number) },
        What::Add(number, delta) => Change::Add { key: key(Kind::Counter, number), delta, window_ms: None },
        What::AddWindow(number, delta, window_ms) => {
            Change::Add { key: window_keys()[number].clone(), delta, window_ms: Some(window_ms) }
        }
        What::Remember(number, window_ms) => Change::Remember { key: key(Kind::Dedup, number), window_ms },
        What::Put(number, field, byte) => {
            let (key, field) = (key(Kind::Fields, number), fields()[field].clone());
            let observed = world.observed(node, &key, &field);
            Change::PutField { key, field, value: value(byte), observed }
        }
        What::Remove(number, field) => {
            let (key, field) = (key(Kind::Fields, number), fields()[field].clone());
            let observed = world.observed(node, &key, &field);
            Change::RemoveField { key, field, observed }
        }
        What::Lock => Change::Lock { key: Bytes::from_static(b"lock") },
    }
}

fn take(world: &mut World, step: &Step) {
    match step {
        Step::Write(node, what, way) => {
            let change = change(world, *node, what);
            world.write(*node, &[change], *way);
        }
        Step::WriteMany(node, whats) => {
            let mut changes: Vec<Change> = Vec::new();
            for what in whats {
                let change = change(world, *node, what);
                if !changes.iter().any(|other| other.key() == change.key()) {
                    changes.push(change);
                }
            }
            world.write(*node, &changes, Way::Good);
        }
        Step::Send(node, count, ways, settle) => world.send(*node, *count, ways, *settle),
        Step::Advance(ms) => world.advance(*ms),
        Step::Clock(node, error) => world.nodes[*node].clock_error_ms = *error,
        Step::Online(node, online) => world.set_online(*node, *online),
        Step::Late => world.deliver_late(),
        Step::Maintain(node) => world.maintain(*node),
        Step::Crash(node, steps, power, opening) => {
            let node = &mut world.nodes[*node];
            node.disk.die_after(*steps);
            node.stop = if *power { Stop::Power } else { Stop::Kill };
            node.dies_opening = *opening;
        }
        Step::Stop(node, power) => {
            world.restart(*node, Some(if *power { Stop::Power } else { Stop::Kill }));
        }
        Step::Room(node, room) => world.nodes[*node].disk.set_room(*room),
        Step::FailSync(node) => world.nodes[*node].disk.fail_sync(),
        Step::FailNames(node, count) => world.nodes[*node].disk.fail_names(*count),
        Step::Close(node) => world.close(*node),
    }
}

pub(super) fn finish(mut world: World, steps: &[Step]) {
    for step in steps {
        take(&mut world, step);
        world.check();
    }
    world.quiet();
    world.check_quiet();
}

/// How many histories are lived.
pub(super) fn histories() -> u32 {
    std::env::var("STEADFAST_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(300)
}

/// The machine of the first node stops in one given step, at every one in turn.
#[test]
fn a_crash_at_any_step_of_the_journal_changes_nothing() {
    let config = ProptestConfig { max_local_rejects: u32::MAX, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let mut runs = 0;
    for scenario in 0..u64::from(histories().div_ceil(30)) {
        let quiet = prop_oneof![step().prop_filter("crashes are made here", |step| {
            !matches!(
                step,
                Step::Crash(..)
                    | Step::Stop(..)
                    | Step::Clock(..)
                    | Step::Room(..)
                    | Step::FailSync(..)
                    | Step::FailNames(..)
            )
        })];
        let steps = prop::collection::vec(quiet, 30..50).new_tree(&mut runner).unwrap().current();
        // Segments so small that they are begun, ended and rewritten all the time.
        let settings = OutboxSettings {
            journal_segment_bytes: 200,
            ..settings().new_tree(&mut runner).unwrap().current()
        };
        let mut crash_free = World::new(scenario, NODES, settings);
        for step in &steps {
            take(&mut crash_free, step);
        }
        for dies_at in 0..crash_free.nodes[0].disk.steps() {
            for (stop, opening) in [(Stop::Kill, None), (Stop::Power, None), (Stop::Power, Some(dies_at % 5))]
            {
                let mut world = World::new(scenario * 1_000 + dies_at, NODES, settings);
                let node = &mut world.nodes[0];
                node.disk.die_after(dies_at);
                (node.stop, node.dies_opening) = (stop, opening);
                finish(world, &steps);
                runs += 1;
            }
        }
    }
    assert!(runs > 100, "only {runs} crashes");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: histories(), max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn when_all_is_quiet_the_server_is_what_the_reference_says(
        seed in any::<u64>(), settings in settings(), steps in prop::collection::vec(step(), 1..80),
    ) {
        finish(World::new(seed, NODES, settings), &steps);
    }
}
