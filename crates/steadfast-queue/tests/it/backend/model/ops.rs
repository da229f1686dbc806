//! What may be asked of both stores, in small numbers, so that things meet.

use super::{CRONS, MISSED, NAMES, QUEUES};
use crate::backend::flow_rig::settings;
use proptest::prelude::*;
use steadfast_queue::batch::{OnDead, WaitsFor};
use steadfast_queue::note::{Note, Progress};
use steadfast_queue::{Mode, QueueSettings, State};

/// A new job.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) queue: usize,
    pub(super) priority: usize,
    pub(super) delay_ms: u64,
    pub(super) unique: Option<(u8, u64)>,
    pub(super) group: Option<u8>,
    pub(super) ttl_ms: Option<u64>,
    pub(super) bytes: usize,
    /// The batch of which callback, by its place among those there were.
    pub(super) batch: Option<usize>,
    pub(super) waits_for: Option<WaitsFor>,
}

#[derive(Clone, Debug)]
pub(super) enum Said {
    Complete,
    Retry(Option<u64>),
    Snooze(u64),
    PutOff(u64),
    Dead,
    Release,
}

/// A call. Jobs and leases are named by their place among all there were.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Enqueue(Vec<Spec>),
    Reserve {
        queue: usize,
        max: usize,
        lease_ms: u64,
        no_suspects: bool,
    },
    /// Each with what the job says last.
    Settle(Vec<(usize, Said, Vec<Spec>, Option<Note>)>),
    Extend(Vec<usize>, u64, Option<Note>),
    Pass(u64),
    StepWall(i64),
    Promote(usize),
    Reclaim(usize),
    Prune,
    Mode(usize, Mode),
    Configure(usize, Box<QueueSettings>),
    Retry(Vec<usize>),
    Cancel(Vec<usize>),
    Discard(Vec<usize>),
    ReleaseKeys(Vec<usize>),
    Purge {
        states: Vec<State>,
        limit: u64,
    },
    Seal(usize, u32),
    /// A name, a time, and a policy, each by its place in a list.
    PutSchedule(usize, usize, usize),
    RemoveSchedule(usize),
    List {
        states: Vec<State>,
        limit: usize,
    },
    Reopen,
}

pub(super) fn spec() -> impl Strategy<Value = Spec> {
    let delay_ms = prop_oneof![3 => Just(0), 1 => Just(50), 1 => Just(500)];
    let window_ms = prop_oneof![Just(100_u64), Just(3_600_000), Just(100_000_000)];
    let unique = proptest::option::of((0_u8..5, window_ms));
    let group = proptest::option::of(0_u8..3);
    let ttl_ms = proptest::option::weighted(0.2, prop_oneof![Just(30_u64), Just(300)]);
    let batch = proptest::option::weighted(0.3, any::<usize>());
    let on_dead = prop_oneof![Just(OnDead::Continue), Just(OnDead::Block)];
    let waits_for = (0_u32..4, on_dead).prop_map(|(jobs, on_dead)| WaitsFor { jobs, on_dead });
    let fan_in = (batch, proptest::option::weighted(0.15, waits_for));
    (0..QUEUES.len(), 0_usize..3, delay_ms, unique, group, ttl_ms, 0_usize..40, fan_in).prop_map(
        |(queue, priority, delay_ms, unique, group, ttl_ms, bytes, (batch, waits_for))| Spec {
            queue,
            priority,
            delay_ms,
            unique,
            group: group.filter(|&group| waits_for.is_none() || group == 0),
            ttl_ms,
            bytes,
            batch,
            waits_for,
        },
    )
}

pub(super) fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => Just(Said::Complete),
        2 => proptest::option::of(0_u64..100).prop_map(Said::Retry),
        1 => prop_oneof![Just(0_u64), Just(60)].prop_map(Said::Snooze),
        1 => prop_oneof![Just(0_u64), Just(60)].prop_map(Said::PutOff),
        1 => Just(Said::Dead),
        1 => Just(Said::Release),
    ]
}

pub(super) fn note() -> impl Strategy<Value = Option<Note>> {
    let progress =
        proptest::option::of((0_u64..9, 0_u64..9).prop_map(|(done, total)| Progress::of(done, total)));
    let log = proptest::collection::vec("[a-c]{0,3}", 0..3);
    proptest::option::weighted(0.3, (progress, log).prop_map(|(progress, log)| Note { progress, log }))
}

pub(super) fn states() -> impl Strategy<Value = Vec<State>> {
    proptest::sample::subsequence(State::ALL.to_vec(), 0..4)
}

pub(super) fn some() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(any::<usize>(), 1..4)
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let queue = 0..QUEUES.len();
    let lease_ms = prop_oneof![Just(20_u64), Just(200), Just(100_000)];
    let settles = proptest::collection::vec(
        (any::<usize>(), said(), proptest::collection::vec(spec(), 0..2), note()),
        1..5,
    );
    let mode = prop_oneof![3 => Just(Mode::Running), 1 => Just(Mode::Paused), 1 => Just(Mode::Draining)];
    let pass =
        prop_oneof![4 => 1_u64..100, 2 => 100_u64..1_000, 1 => Just(3_700_000_u64), 1 => Just(40_000_000)];
    prop_oneof![
        8 => proptest::collection::vec(spec(), 1..5).prop_map(Op::Enqueue),
        8 => (queue.clone(), 1_usize..6, lease_ms, any::<bool>())
            .prop_map(|(queue, max, lease_ms, no_suspects)| Op::Reserve { queue, max, lease_ms, no_suspects }),
        8 => settles.prop_map(Op::Settle),
        2 => (some(), 1_u64..300, note()).prop_map(|(leases, ms, note)| Op::Extend(leases, ms, note)),
        5 => pass.prop_map(Op::Pass),
        1 => prop_oneof![-1_000_i64..1_000, -1_000_000_i64..-2_000].prop_map(Op::StepWall),
        2 => (1_usize..5).prop_map(Op::Promote),
        4 => (1_usize..5).prop_map(Op::Reclaim),
        1 => Just(Op::Prune),
        2 => (queue.clone(), mode).prop_map(|(queue, mode)| Op::Mode(queue, mode)),
        2 => (queue, settings()).prop_map(|(queue, settings)| Op::Configure(queue, Box::new(settings))),
        2 => some().prop_map(Op::Retry),
        2 => some().prop_map(Op::Cancel),
        1 => some().prop_map(Op::Discard),
        1 => some().prop_map(Op::ReleaseKeys),
        1 => (states(), 1_u64..6).prop_map(|(states, limit)| Op::Purge { states, limit }),
        1 => (any::<usize>(), 0_u32..4).prop_map(|(callback, jobs)| Op::Seal(callback, jobs)),
        1 => (0..NAMES.len(), 0..CRONS.len(), 0..MISSED.len())
            .prop_map(|(name, cron, missed)| Op::PutSchedule(name, cron, missed)),
        1 => (0..NAMES.len()).prop_map(Op::RemoveSchedule),
        1 => (states(), 1_usize..6).prop_map(|(states, limit)| Op::List { states, limit }),
        1 => Just(Op::Reopen),
    ]
}
