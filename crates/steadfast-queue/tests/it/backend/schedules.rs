//! Scenario 31: jobs that come by the clock, each time once.

use super::crashes::{Crash, Mortal};
use super::rig::{Choice, Make, QUEUE, Rig, START_MS, job, options, over_every_backend};
use std::collections::BTreeSet;
use std::sync::Arc;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::rules::Limits;
use steadfast_queue::backend::{Control, Controlled, Sweep};
use steadfast_queue::cron::CronError;
use steadfast_queue::schedule::{AGAIN_MS, Missed, SCHEDULES_MAX, Schedule, ScheduleError, ScheduleStats};
use steadfast_queue::{Backend, JobId, QueueError, State};

over_every_backend!(
    a_schedule_brings_a_job_at_each_of_its_times,
    the_same_schedule_again_keeps_its_place,
    s31_missed_times_are_treated_as_was_chosen,
    s31_many_nodes_bring_each_time_once,
    s31_clock_steps_never_fire_twice,
    s31_the_clock_changes_for_the_summer,
    a_full_queue_loses_no_time_and_brings_no_storm,
    a_catch_up_comes_in_chunks,
    what_cannot_be_used_is_refused,
    schedules_are_bounded,
);

const MINUTE_MS: u64 = 60_000;
const NOTHING: [i64; 0] = [];
/// The rig's clock starts at 10 seconds to 18:13:30 or so: the first full minute is here.
const FIRST_MS: i64 = START_MS.div_euclid(60_000) * 60_000 + 60_000;

fn minutely(missed: Missed) -> Schedule {
    Schedule { missed, ..Schedule::new("tick", "* * * * *", QUEUE, "kind", "payload") }
}

fn put(schedule: &Schedule) -> Control {
    Control::PutSchedule(Box::new(schedule.clone()))
}

async fn stats(rig: &Rig) -> ScheduleStats {
    rig.store.stats().await.expect("counts").schedules["tick"].clone()
}

/// Moves the clock to so many minutes after the first full one.
fn go_to(rig: &Rig, minutes: i64) {
    use steadfast_clock::Clock;
    let ahead = FIRST_MS + minutes * 60_000 - rig.clock.now_ms();
    rig.pass(u64::try_from(ahead).expect("time goes on"));
}

fn at(minutes: i64) -> i64 {
    FIRST_MS + minutes * 60_000
}

/// What came, by the times that it stands for, in order; all of it is worked off.
async fn came(rig: &Rig) -> Vec<i64> {
    let mut times = Vec::new();
    loop {
        let taken = rig.take(100).await;
        if taken.is_empty() {
            return times;
        }
        for held in taken {
            assert_eq!(held.job.id, JobId::of_schedule("tick", held.job.run_at_ms));
            assert_eq!(held.job.metadata["schedule"], "tick");
            times.push(held.job.run_at_ms);
            rig.complete(&held).await;
        }
    }
}

async fn a_schedule_brings_a_job_at_each_of_its_times(make: Make) {
    let rig = Rig::new(make);
    assert_eq!(rig.control(put(&minutely(Missed::Skip))).await.affected, 1);
    assert_eq!((stats(&rig).await.next_ms, stats(&rig).await.last_ms), (Some(at(0)), None));
    let next = rig.store.sweep(Sweep::Promote, 9).await.expect("promotes").next_in_ms;
    assert_eq!(next, Some(u64::try_from(FIRST_MS - START_MS).expect("ahead")), "waiters wake in time");
    rig.nothing_is_ready().await;
    go_to(&rig, 0);
    assert_eq!(rig.promote().await, 1);
    assert_eq!(rig.promote().await, 0);
    go_to(&rig, 1);
    assert_eq!(came(&rig).await, [at(0), at(1)], "a reservation brings it too");
    let seen = stats(&rig).await;
    assert_eq!((seen.next_ms, seen.last_ms), (Some(at(2)), Some(at(1))));
    assert_eq!((seen.cron.as_str(), seen.queue.as_str()), ("* * * * *", QUEUE));
    assert_eq!(rig.control(Control::RemoveSchedule("tick".into())).await.affected, 1);
    assert_eq!(rig.control(Control::RemoveSchedule("tick".into())).await.skipped, 1);
    go_to(&rig, 9);
    assert_eq!(came(&rig).await, NOTHING);
}

async fn the_same_schedule_again_keeps_its_place(make: Make) {
    let rig = Rig::new(make);
    rig.control(put(&minutely(Missed::Coalesce))).await;
    go_to(&rig, 3);
    // As every node does at its start.
    assert_eq!(rig.control(put(&minutely(Missed::Coalesce))).await, Controlled::default());
    assert_eq!(came(&rig).await, [at(3)]);
    go_to(&rig, 5);
    let other = Schedule { payload: "other".into(), ..minutely(Missed::Coalesce) };
    assert_eq!(rig.control(put(&other)).await.affected, 1);
    assert_eq!(stats(&rig).await.last_ms, Some(at(3)));
    assert_eq!(came(&rig).await, [at(5)], "a new version brings another job, and misses none");
    go_to(&rig, 7);
    let hasty = Schedule { cron: "*/2 * * * *".into(), ..other };
    assert_eq!(rig.control(put(&hasty)).await.affected, 1);
    assert_eq!(came(&rig).await, NOTHING, "other times begin anew");
    rig.pass(2 * MINUTE_MS);
    assert_eq!(came(&rig).await.len(), 1);
}

async fn s31_missed_times_are_treated_as_was_chosen(make: Make) {
    for (missed, late_s, expected) in [
        (Missed::Skip, 0, vec![10]),
        (Missed::Skip, 30, vec![10]),
        (Missed::CatchUp { max: 3 }, 30, vec![8, 9, 10]),
        (Missed::CatchUp { max: 1_000 }, 30, (0..=10).collect()),
        (Missed::Coalesce, 30, vec![10]),
    ] {
        let rig = Rig::new(make);
        rig.control(put(&minutely(missed))).await;
        go_to(&rig, 10);
        rig.pass(late_s * 1_000);
        let expected: Vec<i64> = expected.into_iter().map(at).collect();
        assert_eq!(came(&rig).await, expected, "{missed:?} {late_s}");
        go_to(&rig, 11);
        assert_eq!(came(&rig).await, [at(11)], "{missed:?}: and then as ever");
    }
    // Hourly, half an hour late: nobody wants it any more, or somebody does.
    for (missed, count) in [(Missed::Skip, 0), (Missed::Coalesce, 1), (Missed::CatchUp { max: 5 }, 1)] {
        let rig = Rig::new(make);
        rig.control(put(&Schedule { cron: "@hourly".into(), ..minutely(missed) })).await;
        let next_ms = stats(&rig).await.next_ms.expect("one");
        rig.pass(u64::try_from(next_ms - START_MS).expect("ahead") + 30 * MINUTE_MS);
        assert_eq!(came(&rig).await.len(), count, "{missed:?}");
        assert_eq!(stats(&rig).await.next_ms, Some(next_ms + 3_600_000));
    }
}

async fn s31_many_nodes_bring_each_time_once(make: Make) {
    let rig = Rig::new(make);
    let mut times = BTreeSet::new();
    for minute in 0..20 {
        let nodes = (0..5).map(|_| async {
            rig.control(put(&minutely(Missed::Skip))).await;
            rig.promote().await;
            rig.take(3).await
        });
        go_to(&rig, minute);
        for held in futures::future::join_all(nodes).await.concat() {
            assert!(times.insert(held.job.run_at_ms), "{} came twice", held.job.run_at_ms);
            rig.complete(&held).await;
        }
    }
    // The first node put it there after the first minute had begun.
    assert_eq!(times, (1..20).map(at).collect());
}

async fn s31_clock_steps_never_fire_twice(make: Make) {
    let rig = Rig::new(make);
    rig.control(put(&minutely(Missed::CatchUp { max: 9 }))).await;
    go_to(&rig, 2);
    assert_eq!(came(&rig).await, [at(0), at(1), at(2)]);
    rig.clock.step_wall(-10 * 60_000);
    assert_eq!(came(&rig).await, NOTHING);
    rig.pass(10 * MINUTE_MS - 1);
    assert_eq!(came(&rig).await, NOTHING, "those times have been");
    rig.pass(1 + MINUTE_MS);
    assert_eq!(came(&rig).await, [at(3)]);
    rig.clock.step_wall(4 * 60_000);
    assert_eq!(came(&rig).await, [at(4), at(5), at(6), at(7)]);
    // A clock that was a year ahead for a while must not silence it for a year.
    rig.clock.step_wall(365 * 86_400_000);
    assert_eq!(came(&rig).await.len(), 9);
    rig.clock.step_wall(-365 * 86_400_000);
    assert_eq!(came(&rig).await, NOTHING);
    rig.pass(MINUTE_MS);
    assert_eq!(came(&rig).await, [at(8)]);
}

/// Berlin, 29 March 2026: at 01:00 UTC, 02:00 becomes 03:00; 25 October: 03:00 becomes 02:00.
async fn s31_the_clock_changes_for_the_summer(make: Make) {
    for (before_ms, expected_ms) in [
        (1_774_738_800_000_i64, vec![1_774_746_000_000, 1_774_830_600_000]),
        (1_792_872_000_000, vec![1_792_888_200_000, 1_792_978_200_000]),
    ] {
        let rig = Rig::new(make);
        rig.clock.step_wall(before_ms - START_MS);
        let nightly = Schedule {
            cron: "30 2 * * *".into(),
            zone: "Europe/Berlin".into(),
            ..minutely(Missed::CatchUp { max: 99 })
        };
        rig.control(put(&nightly)).await;
        let mut times = Vec::new();
        for _ in 0..48 * 4 {
            rig.pass(15 * MINUTE_MS);
            times.extend(came(&rig).await);
        }
        assert_eq!(times, expected_ms);
    }
}

async fn a_full_queue_loses_no_time_and_brings_no_storm(make: Make) {
    let limits = Limits { waiting_max: 2, ..Limits::default() };
    let rig = Rig::with(make, Choice { limits, ..Choice::default() });
    rig.control(put(&minutely(Missed::Coalesce))).await;
    for _ in 0..2 {
        rig.add(job()).await;
    }
    go_to(&rig, 0);
    let swept = rig.store.sweep(Sweep::Promote, 9).await.expect("promotes");
    assert_eq!((swept.moved, swept.next_in_ms), (0, Some(AGAIN_MS)), "it is not asked in a loop");
    assert_eq!((stats(&rig).await.next_ms, stats(&rig).await.last_ms), (Some(at(0)), None));
    go_to(&rig, 60);
    assert_eq!(rig.promote().await, 0);
    for held in rig.take(9).await {
        rig.complete(&held).await;
    }
    rig.pass(AGAIN_MS);
    assert_eq!(came(&rig).await, [at(0), at(60)], "what was owed, and one for all that passed since");
    assert_eq!(stats(&rig).await.next_ms, Some(at(61)));
}

async fn a_catch_up_comes_in_chunks(make: Make) {
    let rig = Rig::new(make);
    rig.control(put(&minutely(Missed::CatchUp { max: 25 }))).await;
    go_to(&rig, 99);
    for chunk in [10, 10, 5, 0] {
        assert_eq!(rig.store.sweep(Sweep::Promote, 10).await.expect("promotes").moved, chunk);
    }
    assert_eq!(came(&rig).await, (75..=99).map(at).collect::<Vec<_>>());
}

async fn what_cannot_be_used_is_refused(make: Make) {
    let rig = Rig::new(make);
    let refused = async |schedule: Schedule| match rig.store.control(put(&schedule)).await {
        Err(QueueError::Schedule(error)) => error,
        other => panic!("{other:?}"),
    };
    let sound = || minutely(Missed::Skip);
    assert_eq!(refused(Schedule { name: String::new(), ..sound() }).await, ScheduleError::Name);
    let never = refused(Schedule { cron: "0 0 30 2 *".into(), ..sound() }).await;
    assert_eq!(never, ScheduleError::Cron(CronError::Never));
    let zone = refused(Schedule { zone: "Nowhere/At_All".into(), ..sound() }).await;
    assert_eq!(zone, ScheduleError::Cron(CronError::Zone("Nowhere/At_All".into())));
    assert!(matches!(refused(Schedule { queue: String::new(), ..sound() }).await, ScheduleError::Job(_)));
    let max = refused(Schedule { missed: Missed::CatchUp { max: 0 }, ..sound() }).await;
    assert_eq!(max, ScheduleError::CatchUp(0));
    assert!(rig.store.stats().await.expect("counts").schedules.is_empty());
}

async fn schedules_are_bounded(make: Make) {
    let rig = Rig::new(make);
    let named = |number: usize| put(&Schedule { name: format!("s{number}"), ..minutely(Missed::Skip) });
    let puts = (0..SCHEDULES_MAX).map(|number| rig.control(named(number)));
    let put: u64 = futures::future::join_all(puts).await.iter().map(|done| done.affected).sum();
    assert_eq!(put, SCHEDULES_MAX as u64);
    assert_eq!(rig.control(named(SCHEDULES_MAX)).await, Controlled { affected: 0, skipped: 1 });
    rig.control(Control::RemoveSchedule("s7".into())).await;
    assert_eq!(rig.control(named(SCHEDULES_MAX)).await.affected, 1);
    go_to(&rig, 0);
    assert_eq!(rig.promote().await, SCHEDULES_MAX as u64);
}

fn open(folder: &tempfile::TempDir, clock: &Arc<ManualClock>) -> (Rig, Arc<LocalBackend>) {
    let shared: SharedClock = clock.clone();
    let store = LocalBackend::open(options(folder), shared).expect("opens");
    (Rig::around(store.clone(), clock.clone()), store)
}

#[tokio::test]
async fn s31_a_node_that_was_down_treats_what_it_missed_as_was_chosen() {
    for (missed, expected) in [
        (Missed::Skip, vec![]),
        (Missed::Coalesce, vec![at(7)]),
        (Missed::CatchUp { max: 2 }, vec![at(6), at(7)]),
    ] {
        let (folder, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::at(START_MS));
        let (rig, store) = open(&folder, &clock);
        let thrice = Schedule { cron: "* 0-12,14-23 * * *".into(), ..minutely(missed) };
        rig.control(put(&thrice)).await;
        go_to(&rig, 2);
        assert_eq!(came(&rig).await.last(), Some(&at(2)));
        store.abandon().await.expect("ends");
        let (rig, store) = open(&folder, &clock);
        assert_eq!(rig.control(put(&thrice)).await, Controlled::default(), "it is still there");
        store.close().await.expect("closes");
        go_to(&rig, 7);
        let (rig, _store) = open(&folder, &clock);
        // Late by more than a minute, for those who skip.
        let expected = if missed == Missed::Skip { vec![at(7)] } else { expected };
        assert_eq!(came(&rig).await, expected, "{missed:?}");
        assert_eq!(stats(&rig).await.next_ms, Some(at(8)));
    }
}

/// Three times fire, with a crash at the `left`th write. Returns whether there was one.
async fn three_times_fire(left: usize, crash: Crash) -> bool {
    let mut mortal = Mortal::new(left, crash);
    let schedule = minutely(Missed::CatchUp { max: 9 });
    while mortal.write(async |store| store.control(put(&schedule)).await).await.is_none() {}
    for minute in 0..3 {
        go_to(&mortal.rig(), minute);
        for _ in 0..3 {
            mortal.write(async |store| store.sweep(Sweep::Promote, 9).await).await;
        }
        // A durable write takes what the sweep has stored along.
        while mortal.write(async |store| store.control(put(&schedule)).await).await.is_none() {}
    }
    let rig = mortal.rig();
    rig.promote().await;
    let times: Vec<i64> = rig.take(9).await.iter().map(|held| held.job.run_at_ms).collect();
    assert_eq!(times, [at(0), at(1), at(2)], "{left} {crash:?}");
    assert_eq!(rig.state(JobId::of_schedule("tick", at(1))).await, Some(State::Running));
    mortal.has_crashed()
}

#[tokio::test]
async fn s31_each_time_fires_once_whatever_write_the_crash_comes_at() {
    for crash in [Crash::Before, Crash::After] {
        let mut left = 1;
        while three_times_fire(left, crash).await {
            left += 1;
        }
        assert!(left > 9, "{left}");
    }
}
