//! Histories with everything in them: the calls of the model test, several of them at the same instant, rounds of jobs that
//! come, end and come again, commits that fail or only seem to, reads and marks that fail, and processes that end or die
//! while the clock is moved. After each step both stores must be alike.
//!
//! `STEADFAST_HISTORIES=<n>` runs so many, `STEADFAST_SEED=<seed>` those of a run before.

use super::history::History;
use super::ops::{Op, Said, Spec, note, op, said, spec};
use crate::backend::flow_rig::{schedule, settings};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use steadfast_queue::QueueSettings;
use steadfast_queue::backend::Sweep;
use steadfast_queue::backend::local::Bounds;
use steadfast_queue::backend::rules::{Limits, Retention};
use steadfast_queue::note::Note;

const HISTORIES: u32 = 24;
const STEPS_MAX: usize = 50;

/// How the stores of a history are set up.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) limits: Limits,
    pub(super) retention: Retention,
    pub(super) bounds: Bounds,
    /// What the queues are set to at the beginning.
    pub(super) settings: [QueueSettings; 2],
}

/// A call that writes.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Enqueue(Vec<Spec>),
    Settle(Vec<(usize, Said, Vec<Spec>, Option<Note>)>),
}

/// What the clock does while no process is there to see it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meanwhile {
    Nothing,
    /// Time passes, in milliseconds.
    Passes(u64),
    /// The wall clock is set on or back by so many milliseconds.
    IsSet(i64),
}

/// What fails while somebody asks for a job, which must be as if nobody had asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missing {
    /// Its row cannot be read.
    Row,
    /// Its mark cannot be put on disk.
    Mark,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    One(Op),
    /// At the same instant, so that they share a transaction.
    Together(Vec<Call>),
    /// Jobs come, are handed out and settled, so many in a call, and come again.
    Round(Vec<Spec>, Vec<Said>, usize),
    /// Many jobs come at once, and may be worked off at once, so many in a reservation.
    Flood(Vec<Spec>, Option<usize>),
    /// A queue is worked off, so many jobs in a reservation.
    Drain(usize, usize),
    /// The commit fails, and after it so many attempts to open the store again.
    Lost(Call, u32),
    /// The commit succeeds, and is reported as failed; then the process ends cleanly.
    Unsure(Call),
    /// A job of this queue is asked for while something fails.
    Unserved(usize, Missing),
    /// Time goes on to a millisecond before something is due there, and then to that very moment.
    Brink(Sweep),
    /// The process ends and begins anew.
    Ends(Meanwhile),
    /// The process dies: amid a call or not; before its commit, or after it and before the answer.
    Dies(Option<Call>, bool, Meanwhile),
}

fn shape() -> impl Strategy<Value = Shape> {
    let limits = prop_oneof![
        2 => Just(Limits { waiting_max: 12, bytes_max: 300 }),
        1 => Just(Limits { waiting_max: 100, bytes_max: 4_000 }),
    ];
    let kept = (
        prop_oneof![1 => Just(0_u64), 1 => Just(1), 4 => Just(4)],
        prop_oneof![1 => Just(0_u64), 2 => Just(2)],
        prop_oneof![Just(60_u64), Just(2_000)],
    );
    let retention = kept.prop_map(|(completed_max, cancelled_max, bytes_max)| Retention {
        completed_max,
        cancelled_max,
        bytes_max,
        age_max_ms: Some(5_000),
    });
    let sizes = (
        prop_oneof![2 => Just(2_usize), 1 => Just(3), 1 => Just(64)],
        prop_oneof![Just(0_usize), Just(1_200), Just(1 << 20)],
        prop_oneof![Just(30_u32), Just(1_000)],
        prop_oneof![1 => Just(1_usize), 2 => Just(4), 1 => Just(Bounds::default().fresh_max)],
    );
    let bounds = sizes.prop_map(|(window_max, cache_bytes_max, wal_pages_max, fresh_max)| Bounds {
        window_max,
        cache_bytes_max,
        wal_pages_max,
        fresh_max,
        ..Bounds::default()
    });
    let plain = || QueueSettings { retry: schedule(&[10, 200]), ..QueueSettings::default() };
    let own = || prop_oneof![1 => Just(plain()), 2 => settings()];
    (limits, retention, bounds, [own(), own()]).prop_map(|(limits, retention, bounds, settings)| Shape {
        limits,
        retention,
        bounds,
        settings,
    })
}

fn specs(from: usize, to: usize) -> impl Strategy<Value = Vec<Spec>> {
    proptest::collection::vec(spec(), from..to)
}

/// At most `settles` settlements: of more completions at once than are kept, fewer may be.
fn call(settles: usize) -> impl Strategy<Value = Call> {
    let settle = (any::<usize>(), said(), specs(0, 2), note());
    prop_oneof![
        specs(1, 4).prop_map(Call::Enqueue),
        proptest::collection::vec(settle, 1..=settles).prop_map(Call::Settle),
    ]
}

fn meanwhile() -> impl Strategy<Value = Meanwhile> {
    let passes = prop_oneof![Just(30_u64), Just(600), Just(6_000), Just(3_700_000)];
    let is_set = prop_oneof![Just(-1_500_i64), Just(-5_000), Just(-1_000_000), Just(200), Just(100_000)];
    prop_oneof![
        3 => Just(Meanwhile::Nothing),
        1 => passes.prop_map(Meanwhile::Passes),
        1 => is_set.prop_map(Meanwhile::IsSet),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let queue = 0..super::QUEUES.len();
    let verdicts = proptest::collection::vec(prop_oneof![2 => Just(Said::Complete), 1 => said()], 1..4);
    let missing = prop_oneof![Just(Missing::Row), Just(Missing::Mark)];
    let flood = proptest::option::of(1_usize..9);
    let sweep = prop_oneof![Just(Sweep::Promote), Just(Sweep::Reclaim)];
    let dies = (proptest::option::of(call(4)), any::<bool>(), meanwhile());
    prop_oneof![
        24 => op().prop_map(Step::One),
        6 => proptest::collection::vec(call(1), 2..5).prop_map(Step::Together),
        4 => (specs(2, 7), verdicts, 1_usize..9).prop_map(|(s, said, at_once)| Step::Round(s, said, at_once)),
        2 => (specs(8, 30), flood).prop_map(|(specs, max)| Step::Flood(specs, max)),
        2 => (queue.clone(), 1_usize..9).prop_map(|(queue, max)| Step::Drain(queue, max)),
        2 => (call(4), 0_u32..3).prop_map(|(call, reopens)| Step::Lost(call, reopens)),
        1 => call(4).prop_map(Step::Unsure),
        2 => (queue, missing).prop_map(|(queue, missing)| Step::Unserved(queue, missing)),
        2 => sweep.prop_map(Step::Brink),
        1 => meanwhile().prop_map(Step::Ends),
        2 => dies.prop_map(|(call, stored, meanwhile)| Step::Dies(call, stored, meanwhile)),
    ]
}

fn set(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Runs a history; what went wrong, if anything did.
fn run(runtime: &tokio::runtime::Runtime, shape: &Shape, steps: &[Step]) -> Result<(), String> {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut history = History::new(shape).await;
            for step in steps {
                history.run(step).await;
            }
            history.close().await;
        });
    }));
    outcome.map_err(|cause| match cause.downcast::<String>() {
        Ok(said) => *said,
        Err(cause) => cause.downcast_ref::<&str>().copied().unwrap_or_default().to_owned(),
    })
}

#[test]
fn histories_of_both_stores_are_alike_whatever_fails() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let cases = set("STEADFAST_HISTORIES").map_or(HISTORIES, |n| u32::try_from(n).expect("fewer"));
    let seed = set("STEADFAST_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0 >> 24);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 1_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let tell = |line: String| writeln!(std::io::stdout(), "{line}").expect("tells");
    let (done, steps_done, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let found = runner.run(&(shape(), proptest::collection::vec(step(), 1..STEPS_MAX)), |(shape, steps)| {
        let done = done.fetch_add(1, Ordering::SeqCst) + 1;
        steps_done.fetch_add(steps.len() as u64, Ordering::SeqCst);
        if done.is_multiple_of(1_000) {
            tell(format!("{done} histories, STEADFAST_SEED={seed}"));
        }
        run(&runtime, &shape, &steps).map_err(|said| {
            if failed.fetch_add(1, Ordering::SeqCst) == 0 {
                tell(format!("history {done} fails, STEADFAST_SEED={seed}: {said}\n{shape:?} {steps:?}"));
            }
            TestCaseError::fail(said)
        })
    });
    let (done, steps) = (done.into_inner(), steps_done.into_inner());
    tell(format!("{done} histories of {steps} steps, STEADFAST_SEED={seed}"));
    if let Err(error) = found {
        panic!("seed {seed}, after {done} histories, shrinking included: {error}");
    }
}
