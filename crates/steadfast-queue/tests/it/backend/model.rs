//! The durable store held against the reference model: the same calls must get the same answers and leave the
//! same jobs behind, whatever the calls are.

mod histories;
mod history;
mod ops;
mod told;

use super::flow_rig::{configure, schedule};
use super::rig::{START_MS, options};
use ops::{Op, Said, Spec, op};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{Clock, ManualClock, SharedClock};
use steadfast_queue::backend::local::{Bounds, LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::{self, Limits, Retention};
use steadfast_queue::backend::{
    Backend, Control, Enqueued, Extend, Extended, Fence, Filter, Lease, MemoryBackend, Reservation, Reserve,
    Settle, Span, Sweep, WorkerId,
};
use steadfast_queue::note::Note;
use steadfast_queue::policy::Failure;
use steadfast_queue::schedule::{Missed, Schedule};
use steadfast_queue::state::Verdict;
use steadfast_queue::{GroupKey, Job, JobId, Mode, NewJob, Priority, QueueSettings, State, Unique};
use tempfile::TempDir;

const QUEUES: [&str; 2] = ["a", "b"];
const CASES: u32 = 64;
/// What still matters, for the most part.
const LATEST: usize = 8;
const PAGE: usize = 1_000;
const NAMES: [&str; 2] = ["x", "y"];
const CRONS: [&str; 3] = ["*/20 * * * * *", "* * * * *", "30 2 * * *"];
const MISSED: [Missed; 4] =
    [Missed::Skip, Missed::Coalesce, Missed::CatchUp { max: 3 }, Missed::CatchUp { max: 9 }];

/// Both stores, and what was seen of them so far.
struct Pair {
    clock: Arc<ManualClock>,
    model: Arc<MemoryBackend>,
    local: Arc<LocalBackend>,
    options: LocalOptions,
    _folder: TempDir,
    /// No job brings others. Where fewer completed jobs are kept than one transaction may bring, those it pushes out at
    /// once are counted beforehand: should one be refused, fewer are kept than might be, which the model does not do.
    childless: bool,
    /// Every job: its id in the model, its id in the store.
    jobs: Vec<(JobId, JobId)>,
    /// From the store's ids to the model's.
    same: HashMap<JobId, JobId>,
    leases: Vec<(Lease, Lease)>,
    callbacks: Vec<(JobId, JobId)>,
    /// What an id stands for: a queue and a key.
    keys: HashMap<JobId, (usize, u8)>,
    /// Until when ids count or counted, and the latest that the clock has shown.
    untils: HashMap<JobId, Vec<i64>>,
    peak_ms: i64,
    specs: usize,
    worker: WorkerId,
    /// The last that the store gave out.
    last_fence: Option<Fence>,
    told: told::Told,
}

fn choice() -> (Limits, Retention) {
    let limits = Limits { waiting_max: 12, bytes_max: 300 };
    // No fewer than one call may settle: see what is kept of more than that in `bounds`.
    let retention = Retention { completed_max: 4, cancelled_max: 2, bytes_max: 60, age_max_ms: Some(5_000) };
    (limits, retention)
}

fn narrow() -> Bounds {
    Bounds { window_max: 2, cache_bytes_max: 1_200, fresh_max: 4, ..Bounds::default() }
}

/// One of them by its place: one of the latest as often as any.
fn one_of<T: Copy>(all: &[T], place: usize) -> Option<T> {
    let (place, latest) = (place / 2, place.is_multiple_of(2));
    let among = if latest { all.len().min(LATEST) } else { all.len() };
    all.iter().rev().nth(place % among.max(1)).copied()
}

impl Pair {
    fn new(limits: Limits, retention: Retention, bounds: Bounds) -> Self {
        let clock = ManualClock::at(START_MS);
        let shared: SharedClock = clock.clone();
        let model = MemoryBackend::with(Arc::clone(&shared), limits, retention);
        let folder = tempfile::tempdir().expect("a folder");
        let options = LocalOptions { limits, retention, bounds, ..options(&folder) };
        let local = LocalBackend::open(options.clone(), shared).expect("opens");
        Self {
            clock,
            model,
            local,
            options,
            _folder: folder,
            childless: false,
            jobs: Vec::new(),
            same: HashMap::new(),
            leases: Vec::new(),
            callbacks: Vec::new(),
            keys: HashMap::new(),
            untils: HashMap::new(),
            peak_ms: START_MS,
            specs: 0,
            worker: WorkerId::fresh(),
            last_fence: None,
            told: told::Told::default(),
        }
    }

    /// Opens the store again, once it is closed.
    fn reopen(&mut self) {
        let shared: SharedClock = self.clock.clone();
        self.local = LocalBackend::open(self.options.clone(), shared).expect("opens");
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
        if let Some((key, _)) = spec.unique {
            let (id, means) = (new.resolve_id(), (spec.queue, key));
            // Both stores take the id from the key: that it is the right one, neither can tell.
            assert_eq!(*self.keys.entry(id).or_insert(means), means, "one id for two keys");
            if self.is_doubtful(id) {
                new.unique = None;
            } else {
                self.counts_for(id, rules::window_ms(&new));
            }
        }
        new
    }

    /// Whether the id has stopped counting, and the clock was set back to before that: the one store may have forgotten
    /// it meanwhile, and the other not.
    fn is_doubtful(&mut self, id: JobId) -> bool {
        let now_ms = self.now_ms();
        let untils = self.untils.get(&id).into_iter().flatten();
        untils.into_iter().any(|&until_ms| now_ms < until_ms && until_ms <= self.peak_ms)
    }

    fn counts_for(&mut self, id: JobId, window_ms: u64) {
        let until_ms = rules::later(self.now_ms(), window_ms);
        self.untils.entry(id).or_default().push(until_ms);
    }

    fn now_ms(&mut self) -> i64 {
        let now_ms = self.clock.now_ms();
        self.peak_ms = self.peak_ms.max(now_ms);
        now_ms
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
        self.counts_for(local, 0);
        if self.same.insert(local, model).is_none() {
            self.jobs.push((model, local));
        }
    }

    fn pick(&self, places: &[usize]) -> Vec<(JobId, JobId)> {
        places.iter().filter_map(|&place| one_of(&self.jobs, place)).collect()
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
                self.model.restart();
                self.reopen();
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
        let queue = QUEUES[queue].to_owned();
        // One and the same now and then, so that leases differ by their fences alone.
        let worker = if max.is_multiple_of(2) { self.worker } else { WorkerId::fresh() };
        let request = Reserve { queue, max, lease_ms, worker, wait: Duration::ZERO, no_suspects };
        let local = self.local.reserve(request.clone()).await.expect("local");
        self.reserved(request, local).await;
    }

    /// The store has answered: so must the model.
    async fn reserved(&mut self, request: Reserve, local: Vec<Reservation>) {
        let model = self.model.reserve(request).await.expect("model");
        let shown = |held: &Reservation| (held.job.clone(), held.lease_ms, held.alone, held.last_attempt);
        let expected: Vec<_> = model.iter().map(shown).collect();
        let got = local.iter().map(|held| Reservation { job: self.translated(&held.job), ..held.clone() });
        assert_eq!(got.map(|held| shown(&held)).collect::<Vec<_>>(), expected);
        for held in &local {
            let fence = held.lease.fence;
            assert!(self.last_fence < Some(fence), "{fence:?} is no new one");
            self.last_fence = Some(fence);
        }
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
        let both = settles.iter().map_while(|(place, said, specs, note)| {
            let lease = one_of(&self.leases, *place)?;
            Some(self.settlement(lease, said, specs, note.as_ref()))
        });
        both.unzip()
    }

    fn settlement(
        &mut self,
        lease: (Lease, Lease),
        said: &Said,
        specs: &[Spec],
        note: Option<&Note>,
    ) -> (Settle, Settle) {
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
        let specs = if self.childless { &[] } else { specs };
        let (follow_ups, others) = self.follow_ups(lease.0.id, specs);
        let settle =
            |lease, follow_ups| Settle { lease, verdict: verdict.clone(), follow_ups, note: note.cloned() };
        (settle(lease.0, follow_ups), settle(lease.1, others))
    }

    fn follow_ups(&mut self, parent: JobId, specs: &[Spec]) -> (Vec<NewJob>, Vec<NewJob>) {
        let mut follow_ups = self.new_jobs(specs);
        for (step, new) in follow_ups.iter_mut().enumerate() {
            let mut id = JobId::of_follow_up(parent, &format!("{step}"));
            if self.is_doubtful(id) {
                id = JobId::of_follow_up(parent, &format!("{step} {}", new.kind));
            }
            new.id = Some(id);
            let known = new.resolve_id();
            self.counts_for(known, rules::window_ms(new));
            self.know(known, known);
            if new.waits_for.is_some() {
                self.callbacks.push((known, known));
            }
        }
        // Both follow one parent, by its name in the model.
        for new in &mut follow_ups {
            new.parent = Some(JobId([1; 16]));
        }
        self.in_batches(specs, follow_ups)
    }

    async fn extend(&self, places: &[usize], lease_ms: u64, note: Option<&Note>) {
        let held = places.iter().filter_map(|&place| one_of(&self.leases, place));
        let both = held.map(|(model, local)| {
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

    /// Sets the queues to what has no chance in it.
    async fn begin(&mut self, settings: &[QueueSettings; 2]) {
        for (queue, settings) in settings.iter().enumerate() {
            self.control(&Op::Configure(queue, Box::new(settings.clone()))).await;
        }
    }

    async fn control(&mut self, op: &Op) {
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
            Op::ReleaseKeys(places) => {
                let mut ids = self.pick(places);
                ids.retain(|&(_, local)| !self.is_doubtful(local));
                ids.iter().for_each(|&(_, local)| self.counts_for(local, 0));
                let (model, local) = ids.into_iter().unzip();
                (Control::ReleaseKeys(model), Control::ReleaseKeys(local))
            }
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

    /// Every job by its id, also those that are gone.
    async fn compare_by_id(&self) {
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
    }

    /// Every job that is there.
    async fn compare_all(&self) {
        self.list_filtered(Filter::default(), PAGE).await;
    }

    /// Every count, and every event.
    async fn compare(&mut self) {
        // What the clock shows now was seen.
        self.now_ms();
        let same = &self.same;
        let known = |id| same.get(&id).copied().unwrap_or(id);
        self.told.compare(&*self.model, &*self.local, known).await;
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
                let (limits, retention) = choice();
                let mut pair = Pair::new(limits, retention, narrow());
                let settings = QueueSettings { retry: schedule(&[10, 200]), ..QueueSettings::default() };
                pair.begin(&[settings.clone(), settings]).await;
                for op in &ops {
                    pair.run(op).await;
                    pair.compare().await;
                    pair.compare_all().await;
                }
                pair.compare_by_id().await;
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
