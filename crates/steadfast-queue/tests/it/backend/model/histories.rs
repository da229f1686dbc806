//! Histories with everything in them: the calls of the model test, several of them at the same instant, commits that
//! fail or only seem to, and processes that die at a write. After each step both stores must be alike.
//!
//! `STEADFAST_HISTORIES=<n>` runs so many, `STEADFAST_SEED=<seed>` those of a run before.

use super::{Op, Pair, Said, Spec, choice, op, said, spec};
use crate::backend::rig::options;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{Bounds, Faults, LocalBackend, LocalOptions};
use steadfast_queue::backend::{Backend, Enqueued, Settle, Settled, Sweep};
use steadfast_queue::{JobId, NewJob, QueueError};
use tempfile::TempDir;

const HISTORIES: u32 = 24;

/// A call that writes.
#[derive(Clone, Debug)]
enum Call {
    Enqueue(Vec<Spec>),
    Settle(Vec<(usize, Said, Vec<Spec>)>),
}

#[derive(Clone, Debug)]
enum Step {
    One(Op),
    /// At the same instant, so that they share a transaction.
    Together(Vec<Call>),
    /// The commit fails.
    Lost(Call),
    /// The commit succeeds, and is reported as failed; then the process ends cleanly.
    Unsure(Call),
    /// The process dies: before the commit, or after it and before the answer.
    Dies(Option<Call>, bool),
}

/// At most `settles` settlements: of more completions at once than are kept, fewer may be.
fn call(settles: usize) -> impl Strategy<Value = Call> {
    let settle = (any::<usize>(), said(), proptest::collection::vec(spec(), 0..2));
    prop_oneof![
        proptest::collection::vec(spec(), 1..4).prop_map(Call::Enqueue),
        proptest::collection::vec(settle, 1..=settles).prop_map(Call::Settle),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => op().prop_map(Step::One),
        3 => proptest::collection::vec(call(1), 2..5).prop_map(Step::Together),
        1 => call(4).prop_map(Step::Lost),
        1 => call(4).prop_map(Step::Unsure),
        1 => (proptest::option::of(call(4)), any::<bool>()).prop_map(|(call, stored)| Step::Dies(call, stored)),
    ]
}

/// A call, put together for each of the two.
#[derive(Debug)]
enum Both {
    Enqueue(Vec<NewJob>),
    Settle(Vec<Settle>, Vec<Settle>),
}

#[derive(Debug)]
enum Answers {
    Enqueue(Vec<Enqueued>),
    Settle(Vec<Settled>),
}

struct History {
    pair: Pair,
    faults: Faults,
    /// What an id stands for: a queue and a key.
    keys: HashMap<JobId, (usize, u8)>,
}

fn open(folder: &TempDir, clock: &Arc<ManualClock>, faults: &Faults) -> Arc<LocalBackend> {
    let (limits, retention) = choice();
    let bounds = Bounds { window_max: 2, cache_bytes_max: 1_200, wal_pages_max: 30, ..Bounds::default() };
    let shared: SharedClock = clock.clone();
    let opened = LocalOptions { limits, retention, bounds, faults: faults.clone(), ..options(folder) };
    LocalBackend::open(opened, shared).expect("opens")
}

impl History {
    async fn new() -> Self {
        let mut history = Self { pair: Pair::new(), faults: Faults::default(), keys: HashMap::new() };
        history.pair.begin().await;
        history.end(true).await;
        history
    }

    /// The process ends and begins anew.
    async fn end(&mut self, clean: bool) {
        let pair = &mut self.pair;
        if clean {
            pair.local.close().await.expect("closes");
            pair.model.restart();
        } else {
            pair.local.abandon().await.expect("ends");
            pair.model.crash();
        }
        pair.local = open(&pair.folder, &pair.clock, &self.faults);
    }

    fn nothing_fails(&self) {
        self.faults.commits_lost.store(0, Ordering::SeqCst);
        self.faults.commits_unsure.store(0, Ordering::SeqCst);
    }

    async fn run(&mut self, step: &Step) {
        match step {
            Step::One(Op::Reopen) => self.end(true).await,
            Step::One(op) => self.pair.run(op).await,
            Step::Together(calls) => self.together(calls).await,
            Step::Lost(call) => {
                let both = self.prepare(call);
                self.faults.commits_lost.store(1, Ordering::SeqCst);
                self.refused(&both).await;
            }
            Step::Unsure(call) => {
                let both = self.prepare(call);
                self.faults.commits_unsure.store(1, Ordering::SeqCst);
                self.refused(&both).await;
                self.model(both).await;
                // What was counted since the start of the process is not on the disk.
                self.end(true).await;
            }
            Step::Dies(call, stored) => {
                // So that the marks of what runs are on the disk, whoever came first.
                self.pair.local.sweep(Sweep::Reclaim, 0).await.expect("sweeps");
                if let Some(call) = call {
                    let both = self.prepare(call);
                    let fault = if *stored { &self.faults.commits_unsure } else { &self.faults.commits_lost };
                    fault.store(1, Ordering::SeqCst);
                    self.refused(&both).await;
                    if *stored {
                        self.model(both).await;
                    }
                }
                self.end(false).await;
            }
        }
    }

    fn prepare(&mut self, call: &Call) -> Both {
        match call {
            Call::Enqueue(specs) => {
                let mut jobs = self.pair.new_jobs(specs);
                for (new, spec) in jobs.iter_mut().zip(specs) {
                    // Under one name in both, whether it is answered or not.
                    if new.unique.is_none() {
                        new.id = Some(JobId::fresh());
                    }
                    let id = new.resolve_id();
                    // Both stores take the id from the key: that it is the right one, neither can tell.
                    if let Some((key, _)) = spec.unique {
                        let means = (spec.queue, key);
                        assert_eq!(*self.keys.entry(id).or_insert(means), means, "one id for two keys");
                    }
                    self.pair.know(id, id);
                }
                Both::Enqueue(jobs)
            }
            Call::Settle(settles) => {
                let silent: Vec<_> = settles
                    .iter()
                    .map(|(place, said, specs)| (*place, said.clone(), specs.clone(), None))
                    .collect();
                let (model, local) = self.pair.settlements(&silent);
                Both::Settle(model, local)
            }
        }
    }

    async fn local(&self, both: &Both) -> Result<Answers, QueueError> {
        let local = &self.pair.local;
        Ok(match both {
            Both::Enqueue(jobs) => Answers::Enqueue(local.enqueue(jobs.clone()).await?),
            Both::Settle(_, settles) => Answers::Settle(local.settle(settles.clone()).await?),
        })
    }

    async fn model(&self, both: Both) -> Answers {
        let model = &self.pair.model;
        match both {
            Both::Enqueue(jobs) => Answers::Enqueue(model.enqueue(jobs).await.expect("model")),
            Both::Settle(settles, _) => Answers::Settle(model.settle(settles).await.expect("model")),
        }
    }

    /// The call must fail, for nobody knows whether it is on the disk.
    async fn refused(&self, both: &Both) {
        let nothing = matches!(both, Both::Settle(_, settles) if settles.is_empty());
        match self.local(both).await {
            Err(QueueError::Unavailable { .. }) => {}
            Ok(_) if nothing => {}
            other => panic!("answered without a commit: {other:?}"),
        }
        self.nothing_fails();
    }

    async fn together(&mut self, calls: &[Call]) {
        let calls: Vec<Both> = calls.iter().map(|call| self.prepare(call)).collect();
        // In the order in which they are polled first, they are asked.
        let answers = futures::future::join_all(calls.iter().map(|call| self.local(call))).await;
        for (call, answer) in calls.into_iter().zip(answers) {
            let expected = self.model(call).await;
            match (answer.expect("local"), expected) {
                (Answers::Enqueue(got), Answers::Enqueue(expected)) => assert_eq!(got, expected),
                (Answers::Settle(got), Answers::Settle(expected)) => assert_eq!(got, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}

fn set(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
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
    let (done, steps_done) = (AtomicU64::new(0), AtomicU64::new(0));
    let run = runner.run(&proptest::collection::vec(step(), 1..50), |steps| {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut history = History::new().await;
                for step in &steps {
                    history.run(step).await;
                    history.pair.compare().await;
                }
                history.pair.local.close().await.expect("closes");
            });
        }));
        done.fetch_add(1, Ordering::SeqCst);
        steps_done.fetch_add(steps.len() as u64, Ordering::SeqCst);
        outcome.map_err(|cause| {
            let said = cause.downcast_ref::<String>().cloned().unwrap_or_default();
            TestCaseError::fail(said)
        })
    });
    let (done, steps) = (done.into_inner(), steps_done.into_inner());
    writeln!(std::io::stdout(), "{done} histories of {steps} steps, STEADFAST_SEED={seed}").expect("tells");
    if let Err(error) = run {
        panic!("seed {seed}, after {done} histories, shrinking included: {error}");
    }
}
