//! What operators do to a queue, each with its count first, and the races around it.

use super::flow_rig::configure;
use super::rig::{
    Choice, LEASE_MS, Make, QUEUE, Rig, dead, delayed, ids, job, job_in, options, over_every_backend, retry,
    unique,
};
use std::time::Duration;
use steadfast_clock::{ManualClock, SharedClock, SystemClock};
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::{
    Control, Controlled, Enqueued, Extended, Filter, Rejection, Reserve, Settled, WorkerId,
};
use steadfast_queue::state::Verdict;
use steadfast_queue::{JobId, Mode, NewJob, QueueSettings, State};
use tokio::time::timeout;

over_every_backend!(
    a_draining_queue_takes_nothing_new_and_hands_out_what_is_there,
    a_follow_up_into_a_draining_queue_is_turned_away_but_for_its_own,
    s27_a_pause_while_somebody_waits_for_a_job,
    s26_a_job_called_off_around_its_start_ends_once,
    s26_a_job_called_off_around_its_end_ends_once,
    s26_a_job_called_off_while_it_waits_to_be_tried_again_ends_once,
    counting_changes_nothing,
    s32_the_key_of_a_job_deleted_by_hand_is_free,
    s32_a_key_that_was_released_is_free,
    a_slot_that_falls_free_wakes_who_waits,
    who_waits_for_a_rate_wakes_when_it_allows,
);

fn did(affected: u64, skipped: u64) -> Controlled {
    Controlled { affected, skipped }
}

async fn a_draining_queue_takes_nothing_new_and_hands_out_what_is_there(make: Make) {
    let rig = Rig::new(make);
    let known = rig.add(unique("m1", 3_600_000)).await;
    let second = rig.add(job()).await;
    assert_eq!(rig.control(Control::Drain(QUEUE.into())).await, did(1, 0));
    assert_eq!(rig.control(Control::Drain(QUEUE.into())).await, did(0, 1));
    assert_eq!(rig.stats().await.mode, Mode::Draining);
    assert_eq!(rig.enqueue(job()).await, Enqueued::Rejected(Rejection::Draining));
    assert_eq!(rig.enqueue(unique("m1", 3_600_000)).await, Enqueued::Duplicate(known));
    assert_eq!(rig.drain().await, [known, second]);
    assert_eq!(rig.enqueue(unique("m1", 3_600_000)).await, Enqueued::Duplicate(known), "done, and known");
    // A pause ends a drain and is ended by one; to resume ends either.
    assert_eq!(rig.control(Control::Pause(QUEUE.into())).await, did(1, 0));
    let third = rig.add(job()).await;
    rig.nothing_is_ready().await;
    assert_eq!(rig.control(Control::Drain(QUEUE.into())).await, did(1, 0));
    assert_eq!(rig.drain().await, [third]);
    assert_eq!(rig.control(Control::Resume(QUEUE.into())).await, did(1, 0));
    rig.add(job()).await;
    assert_eq!(rig.stats().await.mode, Mode::Running);
}

async fn a_follow_up_into_a_draining_queue_is_turned_away_but_for_its_own(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    rig.add(job_in("other")).await;
    rig.control(Control::Drain(QUEUE.into())).await;
    let follow_up = |step: &str, parent| NewJob { id: Some(JobId::of_follow_up(parent, step)), ..job() };
    let own = rig.next().await;
    let after = follow_up("next", own.job.id);
    let settled = rig.settle_with(&own, Verdict::Complete, vec![after]).await;
    assert_eq!(settled, Settled::Now(State::Completed), "what is there is worked off to its end");
    let foreign = rig.store.reserve(rig.request("other", 1)).await.expect("reserves").remove(0);
    let after = follow_up("next", foreign.job.id);
    let settled = rig.settle_with(&foreign, Verdict::Complete, vec![after.clone()]).await;
    assert_eq!(settled, Settled::FollowUpRejected(Rejection::Draining));
    assert!(matches!(rig.extend(&foreign).await, Extended::Held { .. }), "nothing changed");
    rig.control(Control::Resume(QUEUE.into())).await;
    let settled = rig.settle_with(&foreign, Verdict::Complete, vec![after]).await;
    assert_eq!(settled, Settled::Now(State::Completed));
    assert_eq!(rig.drain().await.len(), 2);
}

async fn s27_a_pause_while_somebody_waits_for_a_job(make: Make) {
    let (store, _folder) = make(SystemClock::shared(), Choice::default());
    let request = Reserve {
        queue: QUEUE.to_owned(),
        max: 1,
        lease_ms: LEASE_MS,
        worker: WorkerId::fresh(),
        wait: Duration::from_secs(600),
        no_suspects: false,
    };
    let mut waits = Box::pin(store.reserve(request.clone()));
    assert!(futures::poll!(&mut waits).is_pending());
    store.control(Control::Pause(QUEUE.into())).await.expect("pauses");
    store.enqueue(vec![job(), job()]).await.expect("enqueues");
    let now = Reserve { wait: Duration::ZERO, ..request };
    assert!(store.reserve(now.clone()).await.expect("reserves").is_empty());
    assert!(futures::poll!(&mut waits).is_pending(), "who waited before gets nothing either");
    store.control(Control::Resume(QUEUE.into())).await.expect("resumes");
    let taken = timeout(Duration::from_secs(20), waits).await.expect("woken").expect("reserves");
    assert_eq!(taken.len(), 1);
    assert_eq!(store.reserve(now).await.expect("reserves").len(), 1);
}

/// What is final stays as it is, whatever is tried; counted once.
async fn ended_once(rig: &Rig, id: JobId, state: State) {
    assert_eq!(rig.state(id).await, Some(state));
    assert_eq!(rig.control(Control::Cancel(vec![id])).await, did(0, 1));
    assert_eq!(rig.state(id).await, Some(state));
    let stats = rig.stats().await;
    assert_eq!(stats.completed + stats.cancelled + stats.dead, 1);
    assert_eq!(stats.available + stats.scheduled + stats.running + stats.retryable, 0);
    rig.nothing_is_ready().await;
}

async fn s26_a_job_called_off_around_its_start_ends_once(make: Make) {
    // Before: nobody gets it.
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    assert_eq!(rig.control(Control::Cancel(vec![id, id])).await, did(1, 1));
    ended_once(&rig, id, State::Cancelled).await;
    // After: its worker is told, and its word stands, once.
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let held = rig.next().await;
    assert_eq!(rig.control(Control::Cancel(vec![id])).await, did(1, 0));
    assert_eq!(rig.state(id).await, Some(State::Running));
    assert_eq!(rig.extend(&held).await, Extended::Held { cancel: true });
    assert_eq!(rig.settle(&held, retry()).await, Settled::Now(State::Cancelled));
    assert_eq!(rig.settle(&held, Verdict::Complete).await, Settled::Lost);
    ended_once(&rig, id, State::Cancelled).await;
}

async fn s26_a_job_called_off_around_its_end_ends_once(make: Make) {
    for (verdict, state) in [(Verdict::Complete, State::Completed), (dead(), State::Dead)] {
        for before in [true, false] {
            let rig = Rig::new(make);
            let id = rig.add(job()).await;
            let held = rig.next().await;
            if before {
                rig.control(Control::Cancel(vec![id])).await;
            }
            assert_eq!(rig.settle(&held, verdict.clone()).await, Settled::Now(state));
            ended_once(&rig, id, state).await;
        }
    }
}

async fn s26_a_job_called_off_while_it_waits_to_be_tried_again_ends_once(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, retry()).await;
    assert_eq!(rig.control(Control::Cancel(vec![id])).await, did(1, 0));
    rig.pass(60_000);
    rig.promote().await;
    ended_once(&rig, id, State::Cancelled).await;
    // Its lease ran out meanwhile.
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let held = rig.next().await;
    rig.control(Control::Cancel(vec![id])).await;
    rig.pass(LEASE_MS);
    assert_eq!(rig.reclaim().await, 1);
    assert_eq!(rig.settle(&held, Verdict::Complete).await, Settled::Lost);
    ended_once(&rig, id, State::Cancelled).await;
}

async fn counting_changes_nothing(make: Make) {
    let rig = Rig::new(make);
    let waiting = rig.add(unique("w", 3_600_000)).await;
    let doomed = rig.add(job()).await;
    let done = rig.add(unique("d", 3_600_000)).await;
    rig.add(delayed(9_000)).await;
    rig.take(1).await;
    let held = rig.take(2).await;
    assert_eq!(ids(&held), [doomed, done]);
    rig.settle(&held[0], dead()).await;
    rig.complete(&held[1]).await;
    let unknown = JobId([9; 16]);
    let all = vec![waiting, doomed, done, doomed, unknown];
    let filter =
        Filter { states: vec![State::Dead, State::Completed, State::Scheduled], ..Filter::default() };
    let settings = QueueSettings { waiting_max: Some(7), ..QueueSettings::default() };
    let before = (rig.stats().await, rig.all(Filter::default()).await);
    for (command, expected) in [
        (Control::Retry(all.clone()), did(1, 4)),
        (Control::Cancel(all.clone()), did(1, 4)),
        (Control::Discard(all.clone()), did(2, 3)),
        (Control::ReleaseKeys(all.clone()), did(1, 4)),
        (Control::Purge { filter: Box::new(filter.clone()), limit: 100 }, did(3, 0)),
        (Control::Purge { filter: Box::new(filter), limit: 2 }, did(2, 0)),
        (Control::Pause(QUEUE.into()), did(1, 0)),
        (Control::Drain(QUEUE.into()), did(1, 0)),
        (Control::Resume(QUEUE.into()), did(0, 1)),
        (configure(QUEUE, settings), did(1, 0)),
        (configure(QUEUE, QueueSettings::default()), did(0, 1)),
        (Control::Pause("unknown".into()), did(0, 0)),
        (Control::Resume("unknown".into()), did(0, 1)),
        (Control::Pause(String::new()), did(0, 1)),
        (Control::Count(Box::new(Control::Drain(QUEUE.into()))), did(1, 0)),
    ] {
        let counted = rig.control(Control::Count(Box::new(command.clone()))).await;
        assert_eq!(counted, expected, "{command:?}");
        assert_eq!((rig.stats().await, rig.all(Filter::default()).await), before, "{command:?}");
    }
    assert!(!rig.store.stats().await.expect("counts").queues.contains_key("unknown"));
    assert_eq!(rig.control(Control::Retry(all)).await, did(1, 4), "the same when it is done");
}

async fn s32_the_key_of_a_job_deleted_by_hand_is_free(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(unique("k", 3_600_000)).await;
    let held = rig.next().await;
    rig.complete(&held).await;
    assert_eq!(rig.enqueue(unique("k", 3_600_000)).await, Enqueued::Duplicate(id));
    assert_eq!(rig.control(Control::Discard(vec![id])).await, did(1, 0));
    assert_eq!(rig.enqueue(unique("k", 3_600_000)).await, Enqueued::New(id));
    let filter = Filter { states: vec![State::Available], ..Filter::default() };
    assert_eq!(rig.control(Control::Purge { filter: Box::new(filter), limit: 5 }).await.affected, 1);
    assert_eq!(rig.enqueue(unique("k", 3_600_000)).await, Enqueued::New(id));
    assert_eq!(rig.drain().await, [id]);
}

async fn s32_a_key_that_was_released_is_free(make: Make) {
    let rig = Rig::with(
        make,
        Choice {
            retention: steadfast_queue::backend::rules::Retention { completed_max: 1, ..Default::default() },
            ..Choice::default()
        },
    );
    let (kept, gone) = (unique("kept", 3_600_000), unique("gone", 3_600_000));
    let (gone_id, kept_id) = (rig.add(gone.clone()).await, rig.add(kept.clone()).await);
    let waits = rig.add(unique("waits", 3_600_000)).await;
    let dies = rig.add(unique("dies", 3_600_000)).await;
    for held in rig.take(2).await {
        rig.complete(&held).await;
    }
    assert_eq!(rig.state(gone_id).await, None, "no longer kept, and known all the same");
    assert_eq!(rig.enqueue(gone.clone()).await, Enqueued::Duplicate(gone_id));
    rig.control(Control::Retry(vec![])).await;
    let runs = rig.next().await;
    assert_eq!(runs.job.id, waits);
    let held = rig.next().await;
    rig.settle(&held, dead()).await;
    let all = vec![gone_id, kept_id, waits, dies, JobId([9; 16])];
    assert_eq!(rig.control(Control::ReleaseKeys(all.clone())).await, did(2, 3));
    assert_eq!(rig.control(Control::ReleaseKeys(all)).await, did(0, 5), "they have stopped counting");
    assert_eq!(rig.state(kept_id).await, Some(State::Completed), "still there to be looked at");
    assert_eq!(rig.enqueue(gone).await, Enqueued::New(gone_id));
    assert_eq!(rig.enqueue(kept).await, Enqueued::New(kept_id));
    assert_eq!(rig.enqueue(unique("waits", 1)).await, Enqueued::Duplicate(waits));
    assert_eq!(rig.enqueue(unique("dies", 1)).await, Enqueued::Duplicate(dies));
    assert_eq!(rig.drain().await, [gone_id, kept_id]);
}

/// A store on real time, and a request that waits for long.
fn patient(wait: Duration) -> Reserve {
    let (queue, worker) = (QUEUE.to_owned(), WorkerId::fresh());
    Reserve { queue, max: 1, lease_ms: LEASE_MS, worker, wait, no_suspects: false }
}

async fn a_slot_that_falls_free_wakes_who_waits(make: Make) {
    let (store, _folder) = make(SystemClock::shared(), Choice::default());
    let settings = QueueSettings { concurrency_max: Some(1), ..QueueSettings::default() };
    store.control(configure(QUEUE, settings)).await.expect("configures");
    store.enqueue(vec![job(), job()]).await.expect("enqueues");
    let held = store.reserve(patient(Duration::ZERO)).await.expect("reserves").remove(0);
    let mut waits = Box::pin(store.reserve(patient(Duration::from_secs(600))));
    assert!(futures::poll!(&mut waits).is_pending());
    assert!(store.reserve(patient(Duration::ZERO)).await.expect("reserves").is_empty());
    let settle = steadfast_queue::backend::Settle {
        lease: held.lease,
        verdict: Verdict::Complete,
        follow_ups: Vec::new(),
        note: None,
    };
    let woken = async {
        store.settle(vec![settle]).await.expect("settles");
    };
    let (taken, ()) = tokio::join!(timeout(Duration::from_secs(20), waits), woken);
    assert_eq!(taken.expect("woken").expect("reserves").len(), 1);
}

async fn who_waits_for_a_rate_wakes_when_it_allows(make: Make) {
    let (store, _folder) = make(SystemClock::shared(), Choice::default());
    let rate = Some(steadfast_queue::Rate::new(1, 50));
    let settings = QueueSettings { rate, ..QueueSettings::default() };
    store.control(configure(QUEUE, settings)).await.expect("configures");
    store.enqueue(vec![job(), job(), job()]).await.expect("enqueues");
    for _ in 0..3 {
        let taken = timeout(Duration::from_secs(20), store.reserve(patient(Duration::from_secs(600)))).await;
        assert_eq!(taken.expect("woken").expect("reserves").len(), 1);
    }
}

#[tokio::test]
async fn s27_a_pause_and_a_drain_outlive_a_restart() {
    for clean in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = ManualClock::at(super::rig::START_MS);
        let open = || {
            let shared: SharedClock = clock.clone();
            let store = LocalBackend::open(options(&folder), shared).expect("opens");
            (Rig::around(store.clone(), clock.clone()), store)
        };
        let (rig, store) = open();
        rig.add(job()).await;
        rig.add(job_in("drains")).await;
        rig.control(Control::Pause(QUEUE.into())).await;
        rig.control(Control::Drain("drains".into())).await;
        if clean { store.close().await } else { store.abandon().await }.expect("ends");
        let (rig, store) = open();
        rig.nothing_is_ready().await;
        assert_eq!(rig.enqueue(job_in("drains")).await, Enqueued::Rejected(Rejection::Draining));
        assert_eq!(rig.store.reserve(rig.request("drains", 5)).await.expect("reserves").len(), 1);
        store.close().await.expect("closes");
    }
}
