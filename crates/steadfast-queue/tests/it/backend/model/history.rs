//! One history: what its steps do to both stores.

use super::histories::{Call, Meanwhile, Missing, Shape, Step};
use super::ops::{Op, Said, Spec};
use super::{Pair, QUEUES};
use std::sync::atomic::Ordering;
use std::time::Duration;
use steadfast_queue::backend::local::Faults;
use steadfast_queue::backend::{Backend, Control, Enqueued, Reserve, Settle, Settled, Sweep, WorkerId};
use steadfast_queue::{JobId, NewJob, QueueError};

/// Nothing is in this queue: what is done to it is written and changes nothing else.
const IDLE: &str = "idle";
/// What one step did wrong, is still wrong a few steps later.
const ALL_EVERY: usize = 2;
const BY_ID_EVERY: usize = 8;
/// The furthest that is waited for.
const AHEAD_MS_MAX: u64 = 4_000_000;
const JOBS_MAX: usize = 100;
const LEASE_MS: u64 = 100_000;
/// So many reservations work a queue off, or else something keeps coming back.
const ROUNDS_MAX: usize = 30;
/// The most that one call may complete where fewer may be kept.
const COMPLETIONS_MAX: usize = 4;

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

pub(super) struct History {
    pair: Pair,
    faults: Faults,
    idles_paused: bool,
    steps: usize,
}

impl History {
    pub(super) async fn new(shape: &Shape) -> Self {
        let mut pair = Pair::new(shape.limits, shape.retention, shape.bounds);
        pair.childless = shape.retention.completed_max < COMPLETIONS_MAX as u64;
        pair.begin(&shape.settings).await;
        let faults = pair.options.faults.clone();
        Self { pair, faults, idles_paused: false, steps: 0 }
    }

    pub(super) async fn close(self) {
        self.pair.compare_all().await;
        self.pair.compare_by_id().await;
        self.pair.local.close().await.expect("closes");
    }

    /// Takes a step, after which both stores must be alike: that all counts are is seen at once.
    pub(super) async fn run(&mut self, step: &Step) {
        match step {
            Step::One(op) => self.pair.run(op).await,
            Step::Together(calls) => self.together(calls).await,
            Step::Round(specs, said, at_once) => self.round(specs, said, *at_once).await,
            Step::Flood(specs, max) => self.flood(specs, *max).await,
            Step::Drain(queue, max) => self.drain(*queue, *max).await,
            Step::Lost(call, reopens) => self.lost(call, *reopens).await,
            Step::Unsure(call) => {
                let both = self.prepare(call);
                self.faults.commits_unsure.store(1, Ordering::SeqCst);
                self.refused(&both).await;
                self.model(both).await;
                // What was counted since the start of the process is not on the disk.
                self.end(true, Meanwhile::Nothing).await;
            }
            Step::Unserved(queue, missing) => self.unserved(*queue, *missing).await,
            Step::Brink(sweep) => self.brink(*sweep).await,
            Step::Ends(meanwhile) => self.end(true, *meanwhile).await,
            Step::Dies(call, stored, meanwhile) => self.die(call.as_ref(), *stored, *meanwhile).await,
        }
        self.pair.compare().await;
        self.steps += 1;
        if self.steps.is_multiple_of(ALL_EVERY) {
            self.pair.compare_all().await;
        }
        if self.steps.is_multiple_of(BY_ID_EVERY) {
            self.pair.compare_by_id().await;
        }
    }

    /// The process ends and begins anew.
    async fn end(&mut self, clean: bool, meanwhile: Meanwhile) {
        let pair = &mut self.pair;
        if clean {
            pair.local.close().await.expect("closes");
        } else {
            pair.local.abandon().await.expect("ends");
        }
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Passes(ms) => pair.clock.advance(Duration::from_millis(ms)),
            Meanwhile::IsSet(ms) => pair.clock.step_wall(ms),
        }
        if clean {
            pair.model.restart()
        } else {
            pair.model.crash()
        }
        pair.reopen();
    }

    async fn die(&mut self, call: Option<&Call>, stored: bool, meanwhile: Meanwhile) {
        // So that the marks of what runs are on the disk, whoever came first, and what time it is.
        self.write().await;
        if let Some(call) = call {
            let both = self.prepare(call);
            let fault = if stored { &self.faults.commits_unsure } else { &self.faults.commits_lost };
            fault.store(1, Ordering::SeqCst);
            self.refused(&both).await;
            if stored {
                self.model(both).await;
            }
        }
        self.end(false, meanwhile).await;
    }

    /// Writes something, which changes nothing that matters.
    async fn write(&mut self) {
        self.idles_paused = !self.idles_paused;
        let idle = IDLE.to_owned();
        let command = if self.idles_paused { Control::Pause(idle) } else { Control::Resume(idle) };
        let expected = self.pair.model.control(command.clone()).await.expect("model");
        assert_eq!(expected.affected, 1);
        assert_eq!(self.pair.local.control(command).await.expect("local"), expected);
    }

    fn nothing_fails(&self) {
        let Faults { commits_lost, commits_unsure, reopens_lost, rows_lost, marks_lost, .. } = &self.faults;
        for fault in [commits_lost, commits_unsure, reopens_lost, rows_lost, marks_lost] {
            fault.store(0, Ordering::SeqCst);
        }
    }

    async fn lost(&mut self, call: &Call, reopens: u32) {
        let both = self.prepare(call);
        self.faults.commits_lost.store(1, Ordering::SeqCst);
        self.refused(&both).await;
        for _ in 0..reopens {
            self.faults.reopens_lost.store(1, Ordering::SeqCst);
            self.refused(&both).await;
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

    /// Whether what a group was charged is not given back, lest those behind overtake.
    async fn keeps_charges(&self, queue: usize) -> bool {
        let settings = self.pair.model.stats().await.expect("model").settings;
        let settings = settings.get(QUEUES[queue]);
        settings.is_some_and(|own| own.group_rate.is_some() && own.group_concurrency.is_some_and(|n| n > 1))
    }

    /// Whoever asks for a job meets a fault, or nothing that could fail. Then somebody else asks.
    async fn unserved(&mut self, queue: usize, missing: Missing) {
        if self.keeps_charges(queue).await {
            return;
        }
        let fault = match missing {
            Missing::Row => &self.faults.rows_lost,
            Missing::Mark => &self.faults.marks_lost,
        };
        fault.store(1, Ordering::SeqCst);
        let request = Reserve {
            queue: QUEUES[queue].to_owned(),
            max: 1,
            lease_ms: LEASE_MS,
            worker: WorkerId::fresh(),
            wait: Duration::ZERO,
            no_suspects: false,
        };
        let answer = self.pair.local.reserve(request.clone()).await;
        let met = fault.load(Ordering::SeqCst) == 0;
        self.nothing_fails();
        match answer {
            Ok(reserved) if !met => self.pair.reserved(request, reserved).await,
            // Jobs before it may have been found not to be due yet.
            Ok(reserved) => assert!(reserved.is_empty(), "handed out all the same: {reserved:?}"),
            Err(QueueError::Unavailable { .. }) if met => {}
            Err(error) => panic!("nothing failed, and still: {error:?}"),
        }
        if met {
            self.pair.reserve(queue, 1, LEASE_MS, false).await;
        }
    }

    async fn brink(&mut self, sweep: Sweep) {
        let ahead_ms = self.sweep(sweep, 0).await;
        let Some(ahead_ms) = ahead_ms.filter(|ahead_ms| (1..AHEAD_MS_MAX).contains(ahead_ms)) else { return };
        for ms in [ahead_ms - 1, 1] {
            self.pair.run(&Op::Pass(ms)).await;
            self.sweep(sweep, JOBS_MAX).await;
        }
    }

    /// When something will be due.
    async fn sweep(&mut self, sweep: Sweep, limit: usize) -> Option<u64> {
        let expected = self.pair.model.sweep(sweep, limit).await.expect("model");
        assert_eq!(self.pair.local.sweep(sweep, limit).await.expect("local"), expected);
        expected.next_in_ms
    }

    async fn round(&mut self, specs: &[Spec], said: &[Said], at_once: usize) {
        self.pair.enqueue(specs).await;
        for queue in 0..QUEUES.len() {
            let before = self.pair.leases.len();
            self.pair.reserve(queue, specs.len(), LEASE_MS, false).await;
            self.end_leases(before, said, at_once).await;
        }
        self.pair.enqueue(specs).await;
    }

    async fn flood(&mut self, specs: &[Spec], max: Option<usize>) {
        self.pair.enqueue(specs).await;
        let Some(max) = max else { return };
        for queue in 0..QUEUES.len() {
            self.drain(queue, max).await;
        }
    }

    async fn drain(&mut self, queue: usize, max: usize) {
        for _ in 0..ROUNDS_MAX {
            let before = self.pair.leases.len();
            self.pair.reserve(queue, max, LEASE_MS, false).await;
            if self.pair.leases.len() == before {
                break;
            }
            self.end_leases(before, &[Said::Complete], max).await;
        }
    }

    /// Ends all leases but the first `before`, so many in a call.
    async fn end_leases(&mut self, before: usize, said: &[Said], at_once: usize) {
        let at_once = if self.pair.childless { at_once } else { at_once.min(COMPLETIONS_MAX) };
        let leases: Vec<_> = self.pair.leases[before..].iter().copied().zip(said.iter().cycle()).collect();
        for leases in leases.chunks(at_once) {
            let both = leases.iter().map(|&(lease, said)| self.pair.settlement(lease, said, &[], None));
            let (model, local): (Vec<_>, Vec<_>) = both.unzip();
            let expected = self.pair.model.settle(model).await.expect("model");
            assert_eq!(self.pair.local.settle(local).await.expect("local"), expected);
        }
    }

    fn prepare(&mut self, call: &Call) -> Both {
        match call {
            Call::Enqueue(specs) => {
                let mut jobs = self.pair.new_jobs(specs);
                for new in &mut jobs {
                    // Under one name in both, whether it is answered or not.
                    if new.unique.is_none() {
                        new.id = Some(JobId::fresh());
                    }
                    let id = new.resolve_id();
                    self.pair.know(id, id);
                }
                Both::Enqueue(jobs)
            }
            Call::Settle(settles) => {
                let (model, local) = self.pair.settlements(settles);
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
