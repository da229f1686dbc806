//! What happens is told, in its order, once, and only if it is so.

use super::rig::{
    Choice, LEASE_MS, Make, QUEUE, Rig, dead, delayed, expiring, grouped, job, job_in, options,
    over_every_backend, retry, unique,
};
use std::sync::atomic::Ordering;
use std::time::Duration;
use steadfast_clock::{ManualClock, SharedClock, SystemClock};
use steadfast_queue::backend::local::{Faults, LocalBackend, LocalOptions};
use steadfast_queue::backend::{Control, Extend, Filter, Rejection, Settle, Settled, Sweep};
use steadfast_queue::event::{
    EVENTS_MAX, EVENTS_PAGE_MAX, Event, EventCursor, EventKind, Events, EventsFrom, Followed, Follower, Gap,
};
use steadfast_queue::note::{Note, Progress};
use steadfast_queue::state::Verdict;
use steadfast_queue::{JobId, NewJob, QueueError, QueueSettings, State};
use tokio::time::timeout;

over_every_backend!(
    a_life_is_told_in_its_order,
    what_is_no_failure_is_told_as_what_it_is,
    ends_are_told_with_their_words,
    of_queues_changes_are_told,
    what_did_not_happen_is_not_told,
    s26_a_job_called_off_tells_one_end,
    a_reader_goes_on_where_it_was,
    one_who_fell_behind_is_told_how_much_it_missed,
    who_waits_is_woken_and_who_waited_long_enough_goes,
    a_follower_sees_everything_and_resumes,
);

const SOON: Duration = Duration::from_secs(20);

async fn read(rig: &Rig, from: EventsFrom) -> Events {
    rig.store.events(from, EVENTS_PAGE_MAX, Duration::ZERO).await.expect("reads")
}

async fn all(rig: &Rig) -> Vec<Event> {
    read(rig, EventsFrom::Oldest).await.events
}

fn kinds(events: &[Event]) -> Vec<EventKind> {
    events.iter().map(|event| event.kind).collect()
}

async fn a_life_is_told_in_its_order(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(grouped(7)).await;
    let first = rig.next().await;
    rig.pass(5);
    let halfway = Note { progress: Some(Progress::of(1, 2)), log: vec!["a secret".into()] };
    let extend = Extend { lease: first.lease, note: Some(halfway) };
    rig.store.extend(vec![extend], LEASE_MS).await.expect("extends");
    rig.settle(&first, retry()).await;
    rig.pass(1_000);
    let second = rig.next().await;
    let after = NewJob { id: Some(JobId([3; 16])), ..job_in("other") };
    rig.settle_with(&second, Verdict::Complete, vec![after]).await;
    let events = all(&rig).await;
    let of = |event: &Event| (event.kind, event.attempt, event.error.clone(), event.percent);
    let word = Some("boom".into());
    assert_eq!(
        events.iter().filter(|event| event.job == Some(id)).map(of).collect::<Vec<_>>(),
        [
            (EventKind::Enqueued, 0, None, None),
            (EventKind::Started, 1, None, None),
            (EventKind::Progress, 1, None, Some(50)),
            (EventKind::Retried, 1, word, None),
            (EventKind::Started, 2, None, None),
            (EventKind::Completed, 2, None, None),
        ]
    );
    let last = events.last().expect("the follow-up comes behind what brought it");
    assert_eq!((last.kind, last.job, &*last.queue), (EventKind::Enqueued, Some(JobId([3; 16])), "other"));
    assert_eq!(last.at_ms - events[0].at_ms, 1_005);
    assert!(events[..6].iter().all(|event| &*event.queue == QUEUE && event.group.is_some()));
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, (0..7).collect::<Vec<u64>>());
    assert!(!format!("{events:?}").contains("secret") && !format!("{events:?}").contains("it broke"));
}

async fn what_is_no_failure_is_told_as_what_it_is(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    for verdict in [
        Verdict::Snooze { after_ms: 0 },
        Verdict::PutOff { after_ms: 0 },
        Verdict::Release,
        Verdict::Snooze { after_ms: 9 },
    ] {
        let held = rig.next().await;
        rig.settle(&held, verdict).await;
        rig.pass(9);
    }
    rig.next().await;
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    use EventKind::{Enqueued, PutOff, Reclaimed, Released, Snoozed, Started};
    let told = all(&rig).await;
    let expected = [
        Enqueued, Started, Snoozed, Started, PutOff, Started, Released, Started, Snoozed, Started, Reclaimed,
    ];
    assert_eq!(kinds(&told), expected);
    assert!(told[1..].iter().all(|event| event.attempt == 1), "{told:?}");
}

async fn ends_are_told_with_their_words(make: Make) {
    let rig = Rig::new(make);
    let dies = rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, dead()).await;
    let expires = rig.add(expiring(10)).await;
    rig.pass(10);
    rig.promote().await;
    let crashes = rig.add(job()).await;
    for _ in 0..3 {
        rig.next().await;
        rig.pass(LEASE_MS);
        rig.reclaim().await;
    }
    let cancelled = rig.add(delayed(99)).await;
    rig.control(Control::Cancel(vec![cancelled])).await;
    let ends = |events: &[Event]| {
        let ends = events.iter().filter(|event| event.kind.is_end());
        ends.map(|event| (event.job.expect("a job"), event.kind, event.attempt, event.error.clone()))
            .collect::<Vec<_>>()
    };
    let events = all(&rig).await;
    let expected = [
        (dies, EventKind::Dead, 1, Some("boom".into())),
        (expires, EventKind::Expired, 0, Some("expired".into())),
        (crashes, EventKind::Dead, 1, Some("crashed".into())),
        (cancelled, EventKind::Cancelled, 0, None),
    ];
    assert_eq!(ends(&events), expected);
    // By hand: a life more, and then none.
    rig.control(Control::Retry(vec![dies])).await;
    let held = rig.next().await;
    rig.complete(&held).await;
    rig.control(Control::Discard(vec![dies, expires])).await;
    let waits = rig.add(delayed(99)).await;
    let filter = Filter { states: vec![State::Scheduled, State::Cancelled], ..Filter::default() };
    assert_eq!(rig.control(Control::Purge { filter: Box::new(filter), limit: 9 }).await.affected, 2);
    let told = &all(&rig).await[events.len()..];
    let told: Vec<_> = told.iter().map(|event| (event.job.expect("a job"), event.kind)).collect();
    assert_eq!(
        told,
        [
            (dies, EventKind::RetriedByHand),
            (dies, EventKind::Started),
            (dies, EventKind::Completed),
            (dies, EventKind::Discarded),
            (expires, EventKind::Discarded),
            (waits, EventKind::Enqueued),
            (cancelled, EventKind::Discarded),
            (waits, EventKind::Discarded),
        ]
    );
}

async fn of_queues_changes_are_told(make: Make) {
    let rig = Rig::new(make);
    let settings = Box::new(QueueSettings { waiting_max: Some(5), ..QueueSettings::default() });
    for command in [
        Control::Pause(QUEUE.into()),
        Control::Pause(QUEUE.into()),
        Control::Drain(QUEUE.into()),
        Control::Resume(QUEUE.into()),
        Control::Configure { queue: QUEUE.into(), settings: settings.clone() },
        Control::Configure { queue: QUEUE.into(), settings },
    ] {
        rig.control(command).await;
    }
    let events = all(&rig).await;
    use EventKind::{Configured, Drained, Paused, Resumed};
    assert_eq!(kinds(&events), [Paused, Drained, Resumed, Configured]);
    assert!(events.iter().all(|event| &*event.queue == QUEUE && event.job.is_none()));
}

async fn what_did_not_happen_is_not_told(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(unique("once", 3_600_000)).await;
    rig.add(job()).await;
    let held = rig.next().await;
    let told = all(&rig).await.len();
    rig.enqueue(unique("once", 3_600_000)).await;
    rig.enqueue(job_in("")).await;
    for command in [Control::Cancel(vec![id]), Control::Pause(QUEUE.into())] {
        rig.control(Control::Count(Box::new(command))).await;
    }
    rig.control(Control::Retry(vec![id, JobId([9; 16])])).await;
    let bad = vec![job_in("")];
    let rejected = rig.settle_with(&held, Verdict::Complete, bad).await;
    assert_eq!(rejected, Settled::FollowUpRejected(Rejection::BadName));
    let stale = Settle { lease: held.lease, verdict: dead(), follow_ups: Vec::new(), note: None };
    rig.complete(&held).await;
    assert_eq!(rig.store.settle(vec![stale]).await.expect("settles"), [Settled::Lost]);
    assert_eq!(kinds(&all(&rig).await[told..]), [EventKind::Completed]);
}

async fn s26_a_job_called_off_tells_one_end(make: Make) {
    // Before its start, while it runs and says something else, while it waits to be tried again, after its end.
    for verdict in [None, Some(retry()), Some(Verdict::Complete), Some(dead()), Some(Verdict::Release)] {
        let rig = Rig::new(make);
        let id = rig.add(job()).await;
        let held = if verdict.is_some() { Some(rig.next().await) } else { None };
        rig.control(Control::Cancel(vec![id, id])).await;
        if let (Some(held), Some(verdict)) = (&held, verdict.clone()) {
            rig.settle(held, verdict.clone()).await;
            rig.settle(held, verdict).await;
        }
        rig.control(Control::Cancel(vec![id])).await;
        rig.pass(LEASE_MS);
        rig.reclaim().await;
        let events = all(&rig).await;
        let ends: Vec<EventKind> = kinds(&events).into_iter().filter(|kind| kind.is_end()).collect();
        let expected = match verdict {
            Some(Verdict::Complete) => EventKind::Completed,
            Some(Verdict::Dead { .. }) => EventKind::Dead,
            _ => EventKind::Cancelled,
        };
        assert_eq!(ends, [expected], "{verdict:?}");
        assert_eq!(events.last().map(|event| event.kind), Some(expected), "nothing comes behind it");
    }
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, retry()).await;
    rig.control(Control::Cancel(vec![id])).await;
    rig.pass(60_000);
    rig.promote().await;
    rig.nothing_is_ready().await;
    use EventKind::{Cancelled, Enqueued, Retried, Started};
    assert_eq!(kinds(&all(&rig).await), [Enqueued, Started, Retried, Cancelled]);
    // Called off while it ran, and its worker never came back.
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    rig.next().await;
    rig.control(Control::Cancel(vec![id])).await;
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    assert_eq!(kinds(&all(&rig).await), [Enqueued, Started, Cancelled]);
}

async fn a_reader_goes_on_where_it_was(make: Make) {
    let rig = Rig::new(make);
    let before = read(&rig, EventsFrom::Now).await;
    for _ in 0..5 {
        rig.add(job()).await;
    }
    let now = read(&rig, EventsFrom::Now).await;
    assert_eq!((now.events.len(), now.gap), (0, Gap::None));
    let (mut from, mut seen) = (EventsFrom::After(before.next), Vec::new());
    loop {
        let page = rig.store.events(from, 2, Duration::ZERO).await.expect("reads");
        assert_eq!(page.gap, Gap::None);
        if page.events.is_empty() {
            break;
        }
        assert!(page.events.len() <= 2);
        // A cursor survives being written down.
        from = EventsFrom::After(page.next.to_string().parse().expect("a cursor"));
        seen.extend(page.events);
    }
    assert_eq!(seen, all(&rig).await);
    assert_eq!(from, EventsFrom::After(now.next));
    let foreign = EventCursor { stream: !now.next.stream, ..now.next };
    let page = read(&rig, EventsFrom::After(foreign)).await;
    assert_eq!((page.gap, page.events), (Gap::Unknown, seen));
}

async fn one_who_fell_behind_is_told_how_much_it_missed(make: Make) {
    let rig = Rig::new(make);
    let start = read(&rig, EventsFrom::Now).await.next;
    // Nothing has a word for a failure: the count is the bound.
    for _ in 0..EVENTS_MAX / 1_000 {
        rig.store.enqueue(vec![job(); 1_000]).await.expect("enqueues");
    }
    rig.store.enqueue(vec![job(); EVENTS_MAX % 1_000 + 200]).await.expect("enqueues");
    let page = rig.store.events(EventsFrom::After(start), usize::MAX, Duration::ZERO).await.expect("reads");
    assert_eq!(page.gap, Gap::Events(200));
    assert_eq!((page.events.len(), page.events[0].number), (EVENTS_PAGE_MAX, 200));
    let rest = read(&rig, EventsFrom::After(page.next)).await;
    assert_eq!((rest.gap, rest.events[0].number), (Gap::None, 200 + EVENTS_PAGE_MAX as u64));
}

async fn who_waits_is_woken_and_who_waited_long_enough_goes(make: Make) {
    let (store, _folder) = make(SystemClock::shared(), Choice::default());
    let start = store.events(EventsFrom::Now, 1, Duration::from_millis(20)).await.expect("reads");
    assert!(start.events.is_empty());
    let from = EventsFrom::After(start.next);
    let mut waiting: Vec<_> = (0..3).map(|_| store.events(from, 9, Duration::from_secs(600))).collect();
    for waits in &mut waiting {
        assert!(futures::poll!(waits).is_pending());
    }
    store.enqueue(vec![job(), job()]).await.expect("enqueues");
    for waits in waiting {
        let page = timeout(SOON, waits).await.expect("woken").expect("reads");
        assert_eq!(kinds(&page.events), [EventKind::Enqueued; 2], "one commit is seen as a whole");
    }
}

async fn a_follower_sees_everything_and_resumes(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let mut follower = Follower::new(rig.store.clone(), EventsFrom::Now);
    assert!(futures::poll!(Box::pin(follower.next())).is_pending());
    assert!(follower.cursor().is_some());
    let ids = [rig.add(job()).await, rig.add(job()).await];
    for id in ids {
        match timeout(SOON, follower.next()).await.expect("in time").expect("reads") {
            Followed::Event(event) => assert_eq!(event.job, Some(id)),
            other => panic!("{other:?}"),
        }
    }
    let place = follower.cursor().expect("a place");
    drop(follower);
    let held = rig.next().await;
    rig.complete(&held).await;
    let mut resumed = Follower::new(rig.store.clone(), EventsFrom::After(place));
    let event =
        timeout(SOON, resumed.next_of(&[EventKind::Completed])).await.expect("in time").expect("reads");
    assert_eq!(event.job, Some(held.job.id));
    let foreign = EventCursor { stream: !place.stream, ..place };
    let mut lost = Follower::new(rig.store.clone(), EventsFrom::After(foreign));
    assert_eq!(lost.next().await.expect("reads"), Followed::Missed(Gap::Unknown));
    assert!(matches!(lost.next().await, Ok(Followed::Event(Event { number: 0, .. }))));
}

fn store() -> (Rig, Faults, std::sync::Arc<LocalBackend>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let (faults, clock) = (Faults::default(), ManualClock::at(super::rig::START_MS));
    let shared: SharedClock = clock.clone();
    let opened = LocalOptions { faults: faults.clone(), ..options(&folder) };
    let store = LocalBackend::open(opened, shared).expect("opens");
    (Rig::around(store.clone(), clock), faults, store, folder)
}

#[tokio::test]
async fn a_commit_that_failed_tells_nothing() {
    let (rig, faults, _store, _folder) = store();
    rig.add(job()).await;
    let start = read(&rig, EventsFrom::Now).await.next;
    faults.commits_lost.store(1, Ordering::SeqCst);
    rig.store.enqueue(vec![job()]).await.expect_err("the disk refuses");
    faults.pages_max.store(1, Ordering::SeqCst);
    rig.store
        .enqueue(vec![NewJob::new(QUEUE, "kind", vec![7; 100_000])])
        .await
        .expect_err("the disk is full");
    faults.pages_max.store(1_000_000, Ordering::SeqCst);
    let id = rig.add(job()).await;
    let page = read(&rig, EventsFrom::After(start)).await;
    assert_eq!((page.gap, page.events.len(), page.events[0].job), (Gap::None, 1, Some(id)));
}

#[tokio::test]
async fn a_commit_in_doubt_that_is_stored_is_a_gap() {
    let (rig, faults, _store, _folder) = store();
    rig.add(job()).await;
    let start = read(&rig, EventsFrom::Now).await.next;
    let mut waits = Box::pin(rig.store.events(EventsFrom::After(start), 9, Duration::from_secs(600)));
    assert!(futures::poll!(&mut waits).is_pending());
    faults.commits_unsure.store(1, Ordering::SeqCst);
    rig.store.enqueue(vec![unique("in doubt", 3_600_000)]).await.expect_err("nobody knows");
    // The next call finds out what the disk holds.
    rig.enqueue(unique("in doubt", 3_600_000)).await;
    let page = timeout(SOON, waits).await.expect("woken").expect("reads");
    assert_eq!((page.gap, page.events.len()), (Gap::Unknown, 0));
    let id = rig.add(job()).await;
    let page = read(&rig, EventsFrom::After(page.next)).await;
    assert_eq!((page.gap, page.events[0].job), (Gap::None, Some(id)));
}

#[tokio::test]
async fn a_restart_is_a_gap_and_what_it_found_is_told() {
    let (rig, _faults, store, folder) = store();
    for _ in 0..2 {
        rig.add(job()).await;
    }
    let (first, second) = (rig.next().await, rig.next().await);
    rig.control(Control::Cancel(vec![second.job.id])).await;
    let cursor = read(&rig, EventsFrom::Now).await.next;
    // So that the marks of what runs are on the disk.
    rig.store.sweep(Sweep::Prune, 0).await.expect("sweeps");
    let waits = rig.store.events(EventsFrom::After(cursor), 9, Duration::from_secs(600));
    let (waited, ended) = tokio::join!(waits, store.abandon());
    ended.expect("ends");
    assert!(matches!(waited, Err(QueueError::Closed)), "{waited:?}");
    let shared: SharedClock = rig.clock.clone();
    let store = LocalBackend::open(options(&folder), shared).expect("opens");
    let rig = Rig::around(store, rig.clock.clone());
    let page = read(&rig, EventsFrom::After(cursor)).await;
    assert_eq!(page.gap, Gap::Unknown);
    let told: Vec<_> = page.events.iter().map(|event| (event.job, event.kind)).collect();
    let expected = [(Some(first.job.id), EventKind::Reclaimed), (Some(second.job.id), EventKind::Cancelled)];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_reservation_that_nobody_waits_for_is_told_as_taken_back() {
    let (rig, _faults, _store, _folder) = store();
    rig.store.enqueue(vec![job(); 30]).await.expect("enqueues");
    for _ in 0..30 {
        let mut waits = Box::pin(rig.store.reserve(rig.request(QUEUE, 1)));
        // Asked, and gone, before the answer or behind it.
        let _ = futures::poll!(&mut waits);
    }
    rig.store.sweep(Sweep::Reclaim, 0).await.expect("sweeps");
    let running = rig.stats().await.running;
    let events = all(&rig).await;
    let count = |kind| events.iter().filter(|event| event.kind == kind).count() as u64;
    assert_eq!(count(EventKind::Started) - count(EventKind::Released), running);
}
