//! The durable store held against the reference model: the same calls must get the same answers and leave the
//! same jobs behind, whatever the calls are.

mod histories;
mod told;

use super::flow_rig::{configure, schedule, settings};
use super::rig::{START_MS, options};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::{Bounds, LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::{Limits, Retention};
use steadfast_queue::backend::{
    Backend, Control, Enqueued, Extend, Extended, Filter, Lease, MemoryBackend, Reservation, Reserve, Settle,
    Span, Sweep, WorkerId,
};
use steadfast_queue::batch::{OnDead, WaitsFor};
use steadfast_queue::note::{Note, Progress};
use steadfast_queue::policy::Failure;
use steadfast_queue::schedule::{Missed, Schedule};
use steadfast_queue::state::Verdict;
use steadfast_queue::{GroupKey, Job, JobId, Mode, NewJob, Priority, QueueSettings, State, Unique};
use tempfile::TempDir;

const QUEUES: [&str; 2] = ["a", "b"];
const CASES: u32 = 64;
const NAMES: [&str; 2] = ["x", "y"];
const CRONS: [&str; 3] = ["*/20 * * * * *", "* * * * *", "30 2 * * *"];
const MISSED: [Missed; 4] =
    [Missed::Skip, Missed::Coalesce, Missed::CatchUp { max: 3 }, Missed::CatchUp { max: 9 }];

/// A new job, in small numbers, so that things meet.
#[derive(Clone, Debug)]
struct Spec {
    queue: usize,
    priority: usize,
    delay_ms: u64,
    unique: Option<(u8, u64)>,
    group: Option<u8>,
    ttl_ms: Option<u64>,
    bytes: usize,
    /// The batch of which callback, by its place among those there were.
    batch: Option<usize>,
    waits_for: Option<WaitsFor>,
}

#[derive(Clone, Debug)]
enum Said {
    Complete,
    Retry(Option<u64>),
    Snooze(u64),
    PutOff(u64),
    Dead,
    Release,
}

/// A call. Jobs and leases are named by their place among all there were.
#[derive(Clone, Debug)]
enum Op {
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

fn spec() -> impl Strategy<Value = Spec> {
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

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => Just(Said::Complete),
        2 => proptest::option::of(0_u64..100).prop_map(Said::Retry),
        1 => prop_oneof![Just(0_u64), Just(60)].prop_map(Said::Snooze),
        1 => prop_oneof![Just(0_u64), Just(60)].prop_map(Said::PutOff),
        1 => Just(Said::Dead),
        1 => Just(Said::Release),
    ]
}

fn note() -> impl Strategy<Value = Option<Note>> {
    let progress =
        proptest::option::of((0_u64..9, 0_u64..9).prop_map(|(done, total)| Progress::of(done, total)));
    let log = proptest::collection::vec("[a-c]{0,3}", 0..3);
    proptest::option::weighted(0.3, (progress, log).prop_map(|(progress, log)| Note { progress, log }))
}

fn states() -> impl Strategy<Value = Vec<State>> {
    proptest::sample::subsequence(State::ALL.to_vec(), 0..4)
}

fn some() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(any::<usize>(), 1..4)
}

fn op() -> impl Strategy<Value = Op> {
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
        1 => (queue.clone(), mode).prop_map(|(queue, mode)| Op::Mode(queue, mode)),
        2 => (queue, settings()).prop_map(|(queue, settings)| Op::Configure(queue, Box::new(settings))),
        2 => some().prop_map(Op::Retry),
        2 => some().prop_map(Op::Cancel),
        1 => some().prop_map(Op::Discard),
        1 => some().prop_map(Op::ReleaseKeys),
        1 => (states(), 1_u64..6).prop_map(|(states, limit)| Op::Purge { states, limit }),
        1 => (any::<usize>(), 0_u32..4).prop_map(|(callback, jobs)| Op::Seal(callback, jobs)),
        1 => (0_usize..2, 0..CRONS.len(), 0..MISSED.len())
            .prop_map(|(name, cron, missed)| Op::PutSchedule(name, cron, missed)),
        1 => (0_usize..2).prop_map(Op::RemoveSchedule),
        1 => (states(), 1_usize..6).prop_map(|(states, limit)| Op::List { states, limit }),
        1 => Just(Op::Reopen),
    ]
}

/// Both stores, and what was seen of them so far.
struct Pair {
    clock: Arc<ManualClock>,
    model: Arc<MemoryBackend>,
    local: Arc<LocalBackend>,
    folder: TempDir,
    /// Every job: its id in the model, its id in the store.
    jobs: Vec<(JobId, JobId)>,
    /// From the store's ids to the model's.
    same: HashMap<JobId, JobId>,
    leases: Vec<(Lease, Lease)>,
    callbacks: Vec<(JobId, JobId)>,
    specs: usize,
    told: told::Told,
}

fn choice() -> (Limits, Retention) {
    let limits = Limits { waiting_max: 12, bytes_max: 300 };
    // No fewer than one call may settle: see what is kept of more than that in `bounds`.
    let retention = Retention { completed_max: 4, cancelled_max: 2, bytes_max: 60, age_max_ms: Some(5_000) };
    (limits, retention)
}

fn open(folder: &TempDir, clock: &Arc<ManualClock>) -> Arc<LocalBackend> {
    let (limits, retention) = choice();
    let bounds = Bounds { window_max: 2, cache_bytes_max: 1_200, ..Bounds::default() };
    let shared: SharedClock = clock.clone();
    LocalBackend::open(LocalOptions { limits, retention, bounds, ..options(folder) }, shared).expect("opens")
}

impl Pair {
    fn new() -> Self {
        let clock = ManualClock::at(START_MS);
        let (limits, retention) = choice();
        let shared: SharedClock = clock.clone();
        let model = MemoryBackend::with(shared, limits, retention);
        let folder = tempfile::tempdir().expect("a folder");
        let local = open(&folder, &clock);
        Self {
            clock,
            model,
            local,
            folder,
            jobs: Vec::new(),
            same: HashMap::new(),
            leases: Vec::new(),
            callbacks: Vec::new(),
            specs: 0,
            told: told::Told::default(),
        }
    }

    fn new_job(&mut self, spec: &Spec) -> NewJob {
        self.specs += 1;
        let mut new = NewJob::new(QUEUES[spec.queue], format!("kind {}", self.specs), vec![7; spec.bytes]);
        new.priority = Priority::ALL[spec.priority];
        new.delay_ms = spec.delay_ms;
        new.unique = spec.unique.map(|(key, window_ms)| Unique { key: vec![key], window_ms });
        new.group = spec.group.map(|group| GroupKey([group; 16]));
        new.ttl_ms = spec.ttl_ms;
        new.retry = if self.specs.is_multiple_of(2) { schedule(&[10, 200]) } else { None };
        new.waits_for = spec.waits_for;
        new
    }

    /// Puts jobs into their batches, for the model and for the store.
    fn in_batches(&self, specs: &[Spec], jobs: Vec<NewJob>) -> (Vec<NewJob>, Vec<NewJob>) {
        let both = specs.iter().zip(jobs).map(|(spec, mut new)| {
            let callback = spec.batch.and_then(|at| self.callbacks.get(at % self.callbacks.len().max(1)));
            let mut other = new.clone();
            (new.batch, other.batch) = callback.copied().unzip();
            (new, other)
        });
        both.unzip()
    }

    fn new_jobs(&mut self, specs: &[Spec]) -> Vec<NewJob> {
        specs.iter().map(|spec| self.new_job(spec)).collect()
    }

    fn know(&mut self, model: JobId, local: JobId) {
        if self.same.insert(local, model).is_none() {
            self.jobs.push((model, local));
        }
    }

    fn pick(&self, places: &[usize]) -> Vec<(JobId, JobId)> {
        let pick = |place: &usize| self.jobs.get(place % self.jobs.len().max(1)).copied();
        places.iter().filter_map(pick).collect()
    }

    async fn run(&mut self, op: &Op) {
        match op {
            Op::Enqueue(specs) => self.enqueue(specs).await,
            Op::Reserve { queue, max, lease_ms, no_suspects } => {
                self.reserve(*queue, *max, *lease_ms, *no_suspects).await;
            }
            Op::Settle(settles) => self.settle(settles).await,
            Op::Extend(places, lease_ms, note) => self.extend(places, *lease_ms, note.as_ref()).await,
            Op::Pass(ms) => self.clock.advance(Duration::from_millis(*ms)),
            Op::StepWall(ms) => {
                self.clock.step_wall(*ms);
                // The store notices with the next call that reaches its writer; a mere look does not.
                self.extend(&[], 1, None).await;
            }
            Op::Promote(limit) => {
                let model = self.model.sweep(Sweep::Promote, *limit).await.expect("model");
                assert_eq!(self.local.sweep(Sweep::Promote, *limit).await.expect("local"), model);
            }
            Op::Reclaim(limit) => {
                let model = self.model.sweep(Sweep::Reclaim, *limit).await.expect("model");
                assert_eq!(self.local.sweep(Sweep::Reclaim, *limit).await.expect("local"), model);
            }
            Op::Prune => {
                self.model.sweep(Sweep::Prune, 1_000).await.expect("model");
                self.local.sweep(Sweep::Prune, 1_000).await.expect("local");
            }
            Op::List { states, limit } => self.list(states, *limit).await,
            Op::Reopen => {
                self.local.close().await.expect("closes");
                self.local = open(&self.folder, &self.clock);
                self.model.restart();
            }
            _ => self.control(op).await,
        }
    }

    async fn enqueue(&mut self, specs: &[Spec]) {
        let jobs = self.new_jobs(specs);
        let (model, local) = self.in_batches(specs, jobs);
        let model = self.model.enqueue(model).await.expect("model");
        let local = self.local.enqueue(local).await.expect("local");
        assert_eq!(model.len(), local.len());
        for ((model, local), spec) in model.into_iter().zip(local).zip(specs) {
            if let (Enqueued::New(model), Enqueued::New(local), Some(_)) = (model, local, spec.waits_for) {
                self.callbacks.push((model, local));
            }
            match (model, local) {
                (Enqueued::New(model), Enqueued::New(local))
                | (Enqueued::Duplicate(model), Enqueued::Duplicate(local)) => {
                    self.know(model, local);
                }
                (model, local) => assert_eq!(model, local),
            }
        }
    }

    async fn reserve(&mut self, queue: usize, max: usize, lease_ms: u64, no_suspects: bool) {
        let (queue, worker) = (QUEUES[queue].to_owned(), WorkerId::fresh());
        let request = Reserve { queue, max, lease_ms, worker, wait: Duration::ZERO, no_suspects };
        let model = self.model.reserve(request.clone()).await.expect("model");
        let local = self.local.reserve(request).await.expect("local");
        let shown = |held: &Reservation| (held.job.clone(), held.lease_ms, held.alone);
        let expected: Vec<_> = model.iter().map(shown).collect();
        let got: Vec<_> =
            local.iter().map(|held| (self.translated(&held.job), held.lease_ms, held.alone)).collect();
        assert_eq!(got, expected);
        self.leases.extend(model.iter().map(|held| held.lease).zip(local.iter().map(|held| held.lease)));
    }

    async fn settle(&mut self, settles: &[(usize, Said, Vec<Spec>, Option<Note>)]) {
        let (model, local) = self.settlements(settles);
        let model = self.model.settle(model).await.expect("model");
        assert_eq!(self.local.settle(local).await.expect("local"), model);
    }

    /// Settlements for the model and for the store; none while nothing was ever reserved.
    fn settlements(
        &mut self,
        settles: &[(usize, Said, Vec<Spec>, Option<Note>)],
    ) -> (Vec<Settle>, Vec<Settle>) {
        let (mut model, mut local) = (Vec::new(), Vec::new());
        for (place, said, specs, note) in settles {
            let Some(&lease) = self.leases.get(place % self.leases.len().max(1)) else { break };
            let verdict = match said {
                Said::Complete => Verdict::Complete,
                Said::Retry(after_ms) => {
                    Verdict::Retry { failure: Failure::new("boom", "m"), after_ms: *after_ms }
                }
                Said::Snooze(after_ms) => Verdict::Snooze { after_ms: *after_ms },
                Said::PutOff(after_ms) => Verdict::PutOff { after_ms: *after_ms },
                Said::Dead => Verdict::Dead { failure: Failure::new("bad", "m") },
                Said::Release => Verdict::Release,
            };
            let mut follow_ups = self.new_jobs(specs);
            for (step, new) in follow_ups.iter_mut().enumerate() {
                let id = JobId::of_follow_up(lease.0.id, &format!("{step}"));
                new.id = Some(id);
                let known = new.resolve_id();
                self.know(known, known);
                if new.waits_for.is_some() {
                    self.callbacks.push((known, known));
                }
            }
            // Both follow one parent, by its name in the model.
            for new in &mut follow_ups {
                new.parent = Some(JobId([1; 16]));
            }
            let (follow_ups, others) = self.in_batches(specs, follow_ups);
            let settle = |lease, follow_ups| Settle {
                lease,
                verdict: verdict.clone(),
                follow_ups,
                note: note.clone(),
            };
            model.push(settle(lease.0, follow_ups));
            local.push(settle(lease.1, others));
        }
        (model, local)
    }

    async fn extend(&self, places: &[usize], lease_ms: u64, note: Option<&Note>) {
        let pick = |place: &usize| self.leases.get(place % self.leases.len().max(1)).copied();
        let both = places.iter().filter_map(pick).map(|(model, local)| {
            let extend = |lease| Extend { lease, note: note.cloned() };
            (extend(model), extend(local))
        });
        let (model, local): (Vec<Extend>, Vec<Extend>) = both.unzip();
        let model: Vec<Extended> = self.model.extend(model, lease_ms).await.expect("model");
        assert_eq!(self.local.extend(local, lease_ms).await.expect("local"), model);
    }

    async fn list(&self, states: &[State], limit: usize) {
        let filter = Filter { states: states.to_vec(), ..Filter::default() };
        for filter in [
            Filter { error: Some("boom".into()), ..filter.clone() },
            Filter { group: Some(GroupKey([1; 16])), ..filter.clone() },
            Filter { finished: Span { since_ms: Some(START_MS + 500), until_ms: None }, ..filter.clone() },
            filter,
        ] {
            self.list_filtered(filter, limit).await;
        }
    }

    async fn list_filtered(&self, filter: Filter, limit: usize) {
        let (mut expected, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.model.list(filter.clone(), cursor, limit).await.expect("model");
            expected.extend(page.jobs);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let (mut got, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.local.list(filter.clone(), cursor, limit).await.expect("local");
            assert!(page.jobs.len() <= limit);
            got.extend(page.jobs.iter().map(|job| self.translated(job)));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(got, expected);
    }

    /// Settings without chance in them.
    async fn begin(&self) {
        for queue in 0..QUEUES.len() {
            let settings = QueueSettings { retry: schedule(&[10, 200]), ..QueueSettings::default() };
            self.control(&Op::Configure(queue, Box::new(settings))).await;
        }
    }

    async fn control(&self, op: &Op) {
        let both = |command: &dyn Fn(Vec<JobId>) -> Control, places: &[usize]| {
            let (model, local): (Vec<JobId>, Vec<JobId>) = self.pick(places).into_iter().unzip();
            (command(model), command(local))
        };
        let (model, local) = match op {
            Op::Mode(queue, mode) => {
                let command = match mode {
                    Mode::Running => Control::Resume,
                    Mode::Paused => Control::Pause,
                    Mode::Draining => Control::Drain,
                };
                (command(QUEUES[*queue].to_owned()), command(QUEUES[*queue].to_owned()))
            }
            Op::Configure(queue, settings) => {
                let command = configure(QUEUES[*queue], (**settings).clone());
                (command.clone(), command)
            }
            Op::Retry(places) => both(&Control::Retry, places),
            Op::Cancel(places) => both(&Control::Cancel, places),
            Op::Discard(places) => both(&Control::Discard, places),
            Op::ReleaseKeys(places) => both(&Control::ReleaseKeys, places),
            Op::PutSchedule(name, cron, missed) => {
                let schedule = Schedule {
                    missed: MISSED[*missed],
                    zone: "Europe/Berlin".to_owned(),
                    ..Schedule::new(NAMES[*name], CRONS[*cron], QUEUES[*name], "tick", "p")
                };
                let command = Control::PutSchedule(Box::new(schedule));
                (command.clone(), command)
            }
            Op::RemoveSchedule(name) => {
                let command = Control::RemoveSchedule(NAMES[*name].to_owned());
                (command.clone(), command)
            }
            Op::Seal(place, jobs) => {
                let callback = self.callbacks.get(place % self.callbacks.len().max(1));
                let Some(&(model, local)) = callback else { return };
                (Control::Seal { id: model, jobs: *jobs }, Control::Seal { id: local, jobs: *jobs })
            }
            Op::Purge { states, limit } => {
                let filter = Filter { states: states.clone(), ..Filter::default() };
                let command = Control::Purge { filter: Box::new(filter), limit: *limit };
                (command.clone(), command)
            }
            other => panic!("{other:?} is no command"),
        };
        let count = |command: &Control| Control::Count(Box::new(command.clone()));
        let counted = self.model.control(count(&model)).await.expect("model");
        assert_eq!(self.local.control(count(&local)).await.expect("local"), counted);
        let of_jobs = model.queue().is_none();
        let model = self.model.control(model).await.expect("model");
        assert_eq!(self.local.control(local).await.expect("local"), model);
        if of_jobs {
            assert_eq!(counted, model);
        }
    }

    fn known(&self, id: JobId) -> JobId {
        self.same.get(&id).copied().unwrap_or(id)
    }

    /// The store's job under its name in the model.
    fn translated(&self, job: &Job) -> Job {
        let mut job = job.clone();
        job.id = self.known(job.id);
        job.batch = job.batch.map(|id| self.known(id));
        job
    }

    /// Every job, every count, and every event.
    async fn compare(&mut self) {
        let same = &self.same;
        let known = |id| same.get(&id).copied().unwrap_or(id);
        self.told.compare(&*self.model, &*self.local, known).await;
        let (model, local): (Vec<JobId>, Vec<JobId>) = self.jobs.iter().copied().unzip();
        for (model, local) in model.chunks(1_000).zip(local.chunks(1_000)) {
            let expected = self.model.get(model.to_vec()).await.expect("model");
            let got = self.local.get(local.to_vec()).await.expect("local");
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.iter().zip(expected) {
                assert_eq!(got.as_ref().map(|job| self.translated(job)), expected);
            }
            let expected = self.model.status(model.to_vec()).await.expect("model");
            assert_eq!(self.local.status(local.to_vec()).await.expect("local"), expected);
        }
        let (expected, got) =
            (self.model.stats().await.expect("model"), self.local.stats().await.expect("local"));
        assert_eq!(got.settings, expected.settings);
        let groups = self.model.dead_groups(None, 2).await.expect("model");
        assert_eq!(self.local.dead_groups(None, 2).await.expect("local"), groups);
        assert_eq!(got.schedules, expected.schedules);
        let (expected, got) = (expected.queues, got.queues);
        let names: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
        for name in names {
            // A queue that holds nothing may be there or not.
            let mut expected = expected.get(name).cloned().unwrap_or_default();
            let got = got.get(name).cloned().unwrap_or_default();
            // The oldest need not be known, but must not be wrong.
            if got.oldest_ms.is_none() {
                expected.oldest_ms = None;
            }
            assert_eq!(got, expected, "{name}");
        }
    }
}

#[test]
fn the_durable_store_does_what_the_model_does() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let run = TestRunner::new(config).run(&proptest::collection::vec(op(), 1..60), |ops| {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                let mut pair = Pair::new();
                pair.begin().await;
                for op in &ops {
                    pair.run(op).await;
                    pair.compare().await;
                }
                pair.local.close().await.expect("closes");
            });
        }));
        outcome.map_err(|cause| {
            let said = cause.downcast_ref::<String>().cloned().unwrap_or_default();
            TestCaseError::fail(said)
        })
    });
    if let Err(error) = run {
        panic!("{error}");
    }
}
