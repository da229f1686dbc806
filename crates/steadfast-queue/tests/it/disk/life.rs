//! What the child does: producers, workers, housekeeping and an operator on one store, all at the same time. Every
//! call is announced before it is made and its answer is told after, in a file that the disk's log keeps in order
//! with everything else.

use super::spec::{Class, Identity, PAUSED, QUEUES, Spec, Word, follow_ups, number, number_of, options};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::{
    Backend, Control, Enqueued, Reservation, Reserve, Settle, Settled, Sweep, WorkerId,
};
use steadfast_queue::policy::Failure;
use steadfast_queue::state::Verdict;
use steadfast_queue::{JobId, QueueError, State};
use steadfast_testkit::disk::{Effect, Operation, Rule, SAID, arm};
use steadfast_testkit::{Dice, wait_for, wait_for_some};

pub(super) const FOLDER: &str = "STEADFAST_QUEUE_DISK_FOLDER";
pub(super) const PLAN: &str = "STEADFAST_QUEUE_DISK_PLAN";
const PRODUCERS: u64 = 4;
const RECOVERS_WITHIN: Duration = Duration::from_secs(20);

/// What goes wrong in a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Nothing,
    /// Short and interrupted calls, which are nobody's failure.
    Interrupted,
    /// No space, now and then.
    Full,
    /// Syncs that fail.
    Sync,
    /// Reads and writes that fail.
    Transfer,
    /// The rules at the start stay as they are.
    Untouched,
}

impl Trouble {
    const ALL: [Self; 6] =
        [Self::Nothing, Self::Interrupted, Self::Full, Self::Sync, Self::Transfer, Self::Untouched];
}

/// A life, told to the child in one line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) life: u64,
    /// Calls per producer.
    pub(super) calls: u64,
    pub(super) trouble: Trouble,
    /// How often the store is opened anew within the life.
    pub(super) openings: u64,
}

impl Plan {
    pub(super) fn as_text(&self) -> String {
        let trouble = Trouble::ALL.iter().position(|&known| known == self.trouble).unwrap_or(0);
        format!("{} {} {} {trouble} {}", self.seed, self.life, self.calls, self.openings)
    }

    fn parse(text: &str) -> Self {
        let numbers: Vec<u64> = text.split(' ').map(|word| word.parse().expect("a number")).collect();
        let trouble = Trouble::ALL[usize::try_from(numbers[3]).expect("small")];
        Self { seed: numbers[0], life: numbers[1], calls: numbers[2], trouble, openings: numbers[4] }
    }
}

/// The child. Run by itself, as one test of many, it lives a little, and all must be well.
#[tokio::test]
async fn child() {
    if let (Some(folder), Ok(plan)) = (std::env::var_os(FOLDER), std::env::var(PLAN)) {
        return live(&PathBuf::from(folder), Plan::parse(&plan)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    live(folder.path(), Plan { seed: 4, life: 0, calls: 4, trouble: Trouble::Nothing, openings: 2 }).await;
    let said = std::fs::read_to_string(folder.path().join(SAID)).expect("it said something");
    assert!(said.lines().count() > 20 && said.contains("got settle"), "{said}");
}

async fn live(folder: &Path, plan: Plan) {
    let said = OpenOptions::new().create(true).append(true).open(folder.join(SAID)).expect("opens");
    let mut dice = Dice::seeded(plan.seed.wrapping_add(plan.life << 32));
    for opening in 0..plan.openings {
        // An error of the trouble that is just over may still be told: then the second try is as good.
        let mut refused = None;
        let opened = wait_for_some(RECOVERS_WITHIN, || {
            let opened = LocalBackend::open(options(folder, plan.seed), SystemClock::shared());
            assert!(opened.is_ok() || opening > 0, "{opened:?}");
            std::future::ready(opened.map_err(|error| refused = Some(error)).ok())
        });
        let Some(store) = opened.await else { panic!("{refused:?}") };
        let life = Life {
            folder,
            plan,
            first: opening * plan.calls * 4,
            said: &said,
            store: Arc::clone(&store),
            ticks: AtomicU64::new(0),
            busy: AtomicU64::new(PRODUCERS),
            next_trouble: AtomicU64::new(5 + dice.below(20)),
            dice: Mutex::new(Dice::seeded(dice.draw())),
            doomed: Mutex::default(),
            ended: Mutex::default(),
        };
        life.run().await;
        if dice.percent(50) {
            store.close().await.expect("closes");
        } else {
            store.abandon().await.expect("ends");
        }
    }
}

struct Life<'a> {
    folder: &'a Path,
    plan: Plan,
    first: u64,
    said: &'a File,
    store: Arc<LocalBackend>,
    ticks: AtomicU64,
    /// Producers not done yet.
    busy: AtomicU64,
    next_trouble: AtomicU64,
    dice: Mutex<Dice>,
    doomed: Mutex<Vec<(u64, JobId)>>,
    ended: Mutex<Vec<(u64, JobId, State)>>,
}

impl Life<'_> {
    async fn run(&self) {
        let producers = futures::future::join_all((0..PRODUCERS).map(|producer| self.produce(producer)));
        let workers = futures::future::join_all((0..3).map(|_| self.work()));
        tokio::join!(producers, workers, self.keep_house(), self.operate());
        self.next_trouble.store(u64::MAX, Ordering::SeqCst);
        self.arm(&[]);
        // Whatever was wrong is over: the same process goes on.
        let last = Spec::of(number(90, self.plan.life, self.first));
        let goes_on = wait_for(RECOVERS_WITHIN, || async {
            self.enqueue(&[last.number]).await && !self.take(1).await.is_empty()
        });
        assert!(goes_on.await, "the store did not recover");
    }

    fn arm(&self, rules: &[Rule]) {
        if self.plan.trouble != Trouble::Untouched {
            arm(self.folder, rules).expect("arms");
        }
    }

    fn say(&self, line: &str) {
        let mut said = self.said;
        said.write_all(format!("{line}\n").as_bytes()).expect("says");
    }

    fn roll<T>(&self, draw: impl FnOnce(&mut Dice) -> T) -> T {
        draw(&mut lock(&self.dice))
    }

    /// Before every call: now and then, something begins or ceases to go wrong.
    fn tick(&self) {
        let ticks = self.ticks.fetch_add(1, Ordering::SeqCst) + 1;
        if ticks < self.next_trouble.load(Ordering::SeqCst) {
            return;
        }
        let rules = self.roll(|dice| trouble(self.plan.trouble, dice));
        self.arm(&rules);
        self.next_trouble.store(ticks + self.roll(|dice| 4 + dice.below(25)), Ordering::SeqCst);
    }

    /// Whether a call was answered. One that was not may have been carried out or not.
    fn answered<T>(&self, answer: Result<T, QueueError>) -> Option<T> {
        match answer {
            Ok(answer) => Some(answer),
            Err(QueueError::Unavailable { .. } | QueueError::Overloaded { .. })
                if matches!(self.plan.trouble, Trouble::Full | Trouble::Sync | Trouble::Transfer) =>
            {
                None
            }
            // What SQLite makes of a read that failed.
            Err(QueueError::Inconsistent { what })
                if self.plan.trouble == Trouble::Transfer && what.contains("malformed") =>
            {
                None
            }
            Err(error) => panic!("{error}: {error:?}"),
        }
    }

    async fn produce(&self, producer: u64) {
        let mut nth = self.first;
        for _ in 0..self.plan.calls {
            let count = self.roll(|dice| 1 + dice.below(4));
            let mut numbers: Vec<u64> =
                (nth..nth + count).map(|nth| number(producer, self.plan.life, nth)).collect();
            nth += count;
            // As Twilio would: what was not acknowledged comes again.
            let repeats = self.roll(|dice| dice.below(3));
            for _ in 0..=repeats {
                if numbers.is_empty() || self.enqueue(&numbers).await {
                    break;
                }
                // Without a name it would be another job.
                numbers.retain(|&number| Spec::of(number).identity != Identity::Fresh);
            }
        }
        self.busy.fetch_sub(1, Ordering::SeqCst);
    }

    /// Whether the call was answered.
    async fn enqueue(&self, numbers: &[u64]) -> bool {
        self.tick();
        let specs: Vec<Spec> = numbers.iter().map(|&number| Spec::of(number)).collect();
        let shown = numbers.iter().map(|number| format!(" {number}")).collect::<String>();
        self.say(&format!("ask enqueue{shown}"));
        let answer = self.store.enqueue(specs.iter().map(Spec::job).collect()).await;
        let Some(answers) = self.answered(answer) else { return false };
        let mut got = "got enqueue".to_owned();
        for (spec, answer) in specs.iter().zip(answers) {
            let word = match answer {
                Enqueued::New(_) => "new",
                Enqueued::Duplicate(_) => "duplicate",
                Enqueued::Rejected(_) => "rejected",
            };
            got.push_str(&format!(" {}={word}", spec.number));
            if let (Enqueued::New(id), true) = (answer, spec.doomed) {
                lock(&self.doomed).push((spec.number, id));
            }
        }
        self.say(&got);
        true
    }

    async fn take(&self, max: usize) -> Vec<Reservation> {
        self.tick();
        let queue = self.roll(|dice| dice.one_of(&QUEUES)).to_owned();
        let request = Reserve {
            queue,
            max,
            lease_ms: 30_000,
            worker: WorkerId::fresh(),
            wait: Duration::from_millis(2),
            no_suspects: false,
        };
        let taken = self.answered(self.store.reserve(request).await).unwrap_or_default();
        for held in &taken {
            let (epoch, counter) = (held.lease.fence.epoch, held.lease.fence.counter);
            self.say(&format!("held {} {} {epoch} {counter}", number_of(&held.job), held.job.attempt));
        }
        taken
    }

    async fn work(&self) {
        let mut idle = 0;
        while self.busy.load(Ordering::SeqCst) > 0 || idle < 3 {
            let max = self.roll(|dice| 1 + dice.place(6));
            let mut taken = self.take(max).await;
            idle = if taken.is_empty() { idle + 1 } else { 0 };
            // A worker that dies: its lease is left to run out.
            if self.roll(|dice| dice.percent(4))
                && let Some(lost) = taken.pop()
            {
                self.answered(self.store.extend(vec![lost.lease.into()], 1).await);
            }
            if !taken.is_empty() {
                self.settle(&taken).await;
            }
        }
    }

    async fn settle(&self, taken: &[Reservation]) {
        let mut ask = "ask settle".to_owned();
        let mut settles = Vec::new();
        for held in taken {
            let (number, attempt) = (number_of(&held.job), held.job.attempt);
            let word = self.roll(|dice| match dice.below(20) {
                0..11 => Word::Complete,
                11..15 => Word::Retry,
                15 => Word::Snooze,
                16 => Word::PutOff,
                17 => Word::Release,
                _ => Word::Dead,
            });
            let specs = if word.has_follow_ups(attempt) { follow_ups(number) } else { Vec::new() };
            let lease = held.lease.fence.counter;
            ask.push_str(&format!(" {number}={}={attempt}={lease}", word.as_str()));
            let failure = || Failure::new("boom", "it broke");
            let verdict = match word {
                Word::Complete => Verdict::Complete,
                Word::Retry => Verdict::Retry { failure: failure(), after_ms: None },
                Word::Snooze => Verdict::Snooze { after_ms: 1 },
                Word::PutOff => Verdict::PutOff { after_ms: 1 },
                Word::Release => Verdict::Release,
                Word::Dead => Verdict::Dead { failure: failure() },
            };
            let follow_ups = specs.into_iter().map(|number| Spec::of(number).job()).collect();
            settles.push(Settle { lease: held.lease, verdict, follow_ups, note: None });
        }
        self.say(&ask);
        for _ in 0..2 {
            self.tick();
            let Some(answers) = self.answered(self.store.settle(settles.clone()).await) else { continue };
            let mut got = "got settle".to_owned();
            for (held, answer) in taken.iter().zip(answers) {
                let number = number_of(&held.job);
                let word = match answer {
                    Settled::Now(state) => state.as_str(),
                    Settled::Lost => "lost",
                    Settled::FollowUpRejected(_) => "refused",
                };
                got.push_str(&format!(" {number}={word}={}", held.lease.fence.counter));
                if let Settled::Now(state) = answer
                    && state.is_final()
                    && Spec::of(number).group.is_none()
                {
                    lock(&self.ended).push((number, held.job.id, state));
                }
            }
            return self.say(&got);
        }
    }

    async fn keep_house(&self) {
        while self.busy.load(Ordering::SeqCst) > 0 {
            for sweep in Sweep::ALL {
                self.tick();
                self.answered(self.store.sweep(sweep, 20).await);
            }
        }
    }

    async fn operate(&self) {
        let mut paused = false;
        while self.busy.load(Ordering::SeqCst) > 0 {
            let doomed = lock(&self.doomed).pop();
            if let Some((number, id)) = doomed {
                self.command("cancel", number, Control::Cancel(vec![id])).await;
            }
            let ended = lock(&self.ended).pop();
            match ended {
                Some((number, id, State::Dead)) if self.roll(|dice| dice.percent(50)) => {
                    self.command("retry", number, Control::Retry(vec![id])).await;
                }
                Some((number, id, _)) => self.command("discard", number, Control::Discard(vec![id])).await,
                None => {}
            }
            paused = !paused;
            let command = if paused { Control::Pause } else { Control::Resume };
            self.command("pause", u64::from(paused), command(PAUSED.to_owned())).await;
        }
    }

    async fn command(&self, word: &str, number: u64, command: Control) {
        self.tick();
        self.say(&format!("ask {word} {number}"));
        if let Some(done) = self.answered(self.store.control(command).await) {
            self.say(&format!("got {word} {number}={}", done.affected));
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What goes wrong for a while; nothing as often as something.
fn trouble(trouble: Trouble, dice: &mut Dice) -> Vec<Rule> {
    if dice.percent(50) {
        return Vec::new();
    }
    let suffix = dice.one_of(&["-wal", "-wal", "queue.db", "-shm", "*"]);
    let skip = u32::try_from(dice.below(12)).unwrap_or(0);
    let times = dice.one_of(&[Some(1), Some(2), Some(9), None]);
    let rule = |operation, effect| Rule { operation, suffix, effect, skip, times };
    match trouble {
        Trouble::Nothing | Trouble::Untouched => Vec::new(),
        Trouble::Interrupted => {
            // For ever, a call that is interrupted is never made.
            let times = Some(times.unwrap_or(20));
            let short = Rule { suffix: "-wal", times, ..rule(Operation::Write, Effect::Short) };
            let effect = dice.one_of(&[Effect::Short, Effect::Eintr]);
            vec![short, Rule { suffix: "queue.db", times, ..rule(Operation::Write, effect) }]
        }
        Trouble::Full => {
            vec![rule(Operation::Write, Effect::Enospc), rule(Operation::Size, Effect::Enospc)]
        }
        Trouble::Sync => vec![rule(Operation::Sync, Effect::Eio)],
        Trouble::Transfer => {
            let operation =
                dice.one_of(&[Operation::Read, Operation::Write, Operation::Open, Operation::Any]);
            vec![rule(operation, Effect::Eio)]
        }
    }
}

/// A word of the log for the class it stands for, if it says more than that the job waits.
pub(super) fn class_of(word: &str, outcome: Class) -> Option<Class> {
    match word {
        "lost" | "refused" => None,
        "completed" => Some(Class::Completed),
        "dead" => Some(Class::Dead),
        "cancelled" => Some(Class::Cancelled),
        _ => Some(outcome),
    }
}
