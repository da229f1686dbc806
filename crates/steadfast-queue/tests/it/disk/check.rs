//! Opens what is left of a store and holds it to what was promised.

use super::claims::{Claim, Claims};
use super::spec::{
    Class, Identity, PAUSED, QUEUES, Spec, follow_ups, keeps_all, number_of, options, tomorrow,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{ManualClock, SharedClock, SystemClock};
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::{Backend, Enqueued, Filter, Reserve, Settle, WorkerId};
use steadfast_queue::state::Verdict;
use steadfast_queue::{Job, Mode};

/// What was found, for those who want to go on.
pub(super) struct Left {
    store: Arc<LocalBackend>,
    classes: BTreeMap<u64, Class>,
    /// What the dead died of.
    causes: BTreeMap<u64, String>,
    seed: u64,
}

impl Left {
    /// Opens the store and compares every job.
    pub(super) async fn open(folder: &Path, seed: u64, claims: &Claims) -> Self {
        let clock: SharedClock = ManualClock::at(tomorrow(&SystemClock::shared()));
        let store = LocalBackend::open(options(folder, seed), clock).expect("opens");
        let jobs = all_jobs(&store).await;
        let (mut classes, mut causes) = (BTreeMap::new(), BTreeMap::new());
        for job in &jobs {
            let number = number_of(job);
            assert!(Spec::of(number).is_sound(job), "{number} is not what was stored");
            if let (Class::Dead, Some(cause)) = (Class::of(job), job.history.last()) {
                causes.insert(number, cause.error.clone());
            }
            assert!(classes.insert(number, Class::of(job)).is_none(), "{number} is there twice");
        }
        let left = Self { store, classes, causes, seed };
        left.compare(claims);
        left.count(&jobs).await;
        let paused = left
            .store
            .stats()
            .await
            .expect("counts")
            .queues
            .get(PAUSED)
            .is_some_and(|q| q.mode == Mode::Paused);
        assert!(claims.paused.is_empty() || claims.paused.contains(&paused), "paused: {paused}");
        left
    }

    fn class(&self, number: u64) -> Class {
        self.classes.get(&number).copied().unwrap_or(Class::Absent)
    }

    fn compare(&self, claims: &Claims) {
        for (&number, claim) in &claims.jobs {
            let class = self.class(number);
            let known = claim.may_be.contains(&class) || self.may_also_be(number, claim, class);
            assert!(
                known,
                "{number} is {class:?} and can only be {:?}: {claim:?}, dead of {:?}",
                claim.may_be,
                self.causes.get(&number)
            );
        }
        for number in self.classes.keys() {
            assert!(claims.jobs.contains_key(number), "{number} was never asked for");
        }
        for (&parent, claim) in &claims.jobs {
            self.compare_follow_ups(parent, claim, claims);
        }
    }

    /// What comes of a job by itself.
    fn may_also_be(&self, number: u64, claim: &Claim, class: Class) -> bool {
        let cause = self.causes.get(&number).map(String::as_str);
        match class {
            // Workers die here, and processes: a job that was begun often enough is taken for the reason.
            Class::Dead if cause == Some("crashed") => claim.times_held > 0,
            Class::Dead if cause == Some("expired") => {
                Spec::of(number).brief && claim.may_be.contains(&Class::Waiting(0))
            }
            Class::Absent => {
                let ends = claim.may_be.iter().any(|end| matches!(end, Class::Completed | Class::Cancelled));
                ends && !keeps_all(self.seed)
            }
            _ => false,
        }
    }

    /// Follow-ups come with what they follow, or neither comes.
    fn compare_follow_ups(&self, parent: u64, claim: &Claim, claims: &Claims) {
        if claim.begun_anew {
            return;
        }
        let class = self.class(parent);
        for follow_up in follow_ups(parent) {
            let there = self.class(follow_up) != Class::Absent;
            let followed = claims.jobs.get(&follow_up);
            // Where more is known of it, that is compared elsewhere.
            let unknown = BTreeSet::from([Class::Absent, Class::Waiting(0)]);
            let may_be_gone = followed.is_none_or(|followed| followed.may_be != unknown);
            match class {
                Class::Waiting(0) => assert!(!there, "{follow_up} came without {parent}"),
                Class::Completed | Class::Waiting(1) => {
                    assert!(
                        there || may_be_gone,
                        "{parent} is {class:?} without {follow_up}: {claim:?}, {followed:?}"
                    );
                }
                _ => {}
            }
        }
    }

    async fn count(&self, jobs: &[Job]) {
        let stats = self.store.stats().await.expect("counts");
        for queue in QUEUES {
            let found = jobs.iter().filter(|job| job.queue == queue);
            let counted = stats.queues.get(queue).cloned().unwrap_or_default();
            let all = counted.available
                + counted.scheduled
                + counted.running
                + counted.retryable
                + counted.completed
                + counted.dead
                + counted.cancelled;
            assert_eq!(all, found.count() as u64, "{queue}: {counted:?}");
        }
    }

    /// Works off all that waits: each once, groups in order, under fences that are new. Then every unique key is
    /// still known, and those that were given up are free.
    pub(super) async fn work_off(&self, claims: &Claims) {
        let mut order = Vec::new();
        let worker = WorkerId::fresh();
        for queue in QUEUES {
            loop {
                let (queue, wait) = (queue.to_owned(), Duration::ZERO);
                let request = Reserve { queue, max: 50, lease_ms: 10_000, worker, wait, no_suspects: false };
                let held = self.store.reserve(request).await.expect("reserves");
                if held.is_empty() {
                    break;
                }
                for held in &held {
                    let fence = (held.lease.fence.epoch, held.lease.fence.counter);
                    assert!(Some(&fence) > claims.fences.last(), "{fence:?} is no new fence");
                    order.push(number_of(&held.job));
                }
                let settle = |held: &steadfast_queue::backend::Reservation| Settle {
                    lease: held.lease,
                    verdict: Verdict::Complete,
                    follow_ups: Vec::new(),
                    note: None,
                };
                self.store.settle(held.iter().map(settle).collect()).await.expect("settles");
            }
        }
        let handed: BTreeSet<u64> = order.iter().copied().collect();
        assert_eq!(handed.len(), order.len(), "one was handed out twice: {order:?}");
        let waiting = |(&number, &class): (&u64, &Class)| match class {
            // They expire before they are handed out.
            Class::Waiting(0) if Spec::of(number).brief => None,
            Class::Waiting(_) => Some(number),
            _ => None,
        };
        let expected: BTreeSet<u64> = self.classes.iter().filter_map(waiting).collect();
        let handed: BTreeSet<u64> = handed
            .into_iter()
            .filter(|number| expected.contains(number) || !Spec::of(*number).brief)
            .collect();
        assert_eq!(handed, expected);
        let mut last = BTreeMap::new();
        for number in order {
            if let Some(group) = Spec::of(number).group {
                let before = last.insert(group, number);
                assert!(before < Some(number), "group {group}: {number} after {before:?}");
            }
        }
        self.ask_again(claims).await;
    }

    async fn ask_again(&self, claims: &Claims) {
        for (&number, claim) in &claims.jobs {
            let spec = Spec::of(number);
            if spec.identity != Identity::Unique {
                continue;
            }
            let was_there = self.class(number) != Class::Absent;
            let never = Class::Absent;
            let known = match was_there {
                true => Some(true),
                // Completed and no longer kept: its key is.
                false if !claim.may_be.contains(&never) => Some(true),
                false
                    if claim
                        .may_be
                        .iter()
                        .all(|class| matches!(class, Class::Absent | Class::Waiting(0))) =>
                {
                    Some(false)
                }
                false => None,
            };
            let answer = self.store.enqueue(vec![spec.job()]).await.expect("enqueues")[0];
            let duplicate = matches!(answer, Enqueued::Duplicate(_));
            assert!(
                known.is_none_or(|known| known == duplicate),
                "{number} was {:?}, {claim:?}, and is {answer:?}",
                self.class(number)
            );
        }
    }

    /// Ends as after a crash or not, and looks at the file itself.
    pub(super) async fn end(self, folder: &Path, clean: bool) {
        let ended = if clean { self.store.close().await } else { self.store.abandon().await };
        ended.expect("ends");
        integrity(folder, self.seed);
    }
}

/// What SQLite itself thinks of the file.
pub(super) fn integrity(folder: &Path, seed: u64) {
    let conn = rusqlite::Connection::open(options(folder, seed).path).expect("opens");
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(verdict, "ok");
}

async fn all_jobs(store: &LocalBackend) -> Vec<Job> {
    let (mut jobs, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.list(Filter::default(), cursor, 1_000).await.expect("lists");
        jobs.extend(page.jobs);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return jobs,
        }
    }
}
