//! Who holds a job, and who only thinks so.

use super::rig::{LEASE_MS, Make, Rig, dead, ids, job, over_every_backend, retry};
use steadfast_queue::backend::{Extended, Lease, Reserve, Settle, Settled, Sweep, WorkerId};
use steadfast_queue::state::Verdict;
use steadfast_queue::{JobId, State};

over_every_backend!(
    s1_a_worker_that_dies_costs_a_crash_and_no_attempt,
    s2_a_worker_that_slept_too_long_changes_nothing,
    s3_a_late_failure_is_refused,
    s6_a_second_ack_is_lost_and_counts_nothing,
    s19_a_batch_is_answered_one_by_one,
    s21_a_poison_job_spares_the_innocent,
    s22_stepping_the_wall_clock_ends_no_lease,
    s34_another_incarnation_is_another_worker,
    a_lease_holds_until_somebody_reclaims_it,
    an_extension_counts_from_now,
    fences_only_grow,
    reclaim_heeds_its_limit_and_says_when_to_come_back,
    a_suspect_comes_alone,
    only_crashes_in_a_row_kill,
    what_did_not_run_keeps_its_crashes,
);

async fn s1_a_worker_that_dies_costs_a_crash_and_no_attempt(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let first = rig.next().await;
    assert_eq!(first.job.attempt, 1);
    rig.pass(LEASE_MS - 1);
    assert_eq!(rig.reclaim().await, 0);
    rig.pass(1);
    assert_eq!(rig.reclaim().await, 1);
    assert_eq!(rig.state(id).await, Some(State::Available));
    let second = rig.next().await;
    assert_eq!((second.job.attempt, second.job.crash_count), (1, 1));
    assert_eq!(rig.stats().await.reclaimed_total, 1);
}

async fn s2_a_worker_that_slept_too_long_changes_nothing(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let sleeper = rig.next().await;
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    assert_eq!(rig.extend(&sleeper).await, Extended::Lost);
    let owner = rig.next().await;
    assert_eq!(rig.extend(&sleeper).await, Extended::Lost);
    assert_eq!(rig.settle(&sleeper, Verdict::Complete).await, Settled::Lost);
    assert_eq!(rig.state(id).await, Some(State::Running));
    rig.complete(&owner).await;
    assert_eq!(rig.settle(&sleeper, dead()).await, Settled::Lost);
    assert_eq!(rig.state(id).await, Some(State::Completed));
}

async fn s3_a_late_failure_is_refused(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let late = rig.next().await;
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    let owner = rig.next().await;
    let follow_up = super::rig::unique("made by a stranger", 1_000);
    assert_eq!(rig.settle_with(&late, retry(), vec![follow_up]).await, Settled::Lost);
    assert_eq!(rig.job(id).await.history, []);
    assert_eq!(rig.stats().await.enqueued_total, 1);
    rig.complete(&owner).await;
}

async fn s6_a_second_ack_is_lost_and_counts_nothing(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let held = rig.next().await;
    rig.complete(&held).await;
    assert_eq!(rig.settle(&held, Verdict::Complete).await, Settled::Lost);
    let stats = rig.stats().await;
    assert_eq!((stats.completed_total, stats.completed, stats.running), (1, 1, 0));
}

async fn s19_a_batch_is_answered_one_by_one(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..4 {
        rig.add(job()).await;
    }
    let expired = rig.next().await;
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    let held = rig.take(4).await;
    let settle =
        |lease: Lease| Settle { lease, verdict: Verdict::Complete, follow_ups: Vec::new(), note: None };
    let unknown = Lease { id: JobId::fresh(), ..held[0].lease };
    let batch = vec![
        settle(held[0].lease),
        settle(unknown),
        settle(expired.lease),
        settle(held[1].lease),
        settle(held[1].lease),
        settle(held[2].lease),
    ];
    let done = Settled::Now(State::Completed);
    let lost = Settled::Lost;
    assert_eq!(rig.store.settle(batch).await.expect("settles"), [done, lost, lost, done, lost, done]);
    let stats = rig.stats().await;
    assert_eq!((stats.completed, stats.completed_total, stats.running), (3, 3, 1));
}

async fn s21_a_poison_job_spares_the_innocent(make: Make) {
    let rig = Rig::new(make);
    let mut jobs = Vec::new();
    for _ in 0..10 {
        jobs.push(rig.add(job()).await);
    }
    for crash in 1..=2 {
        let taken = rig.take(10).await;
        assert_eq!(taken.len(), 10, "crash {crash}");
        assert!(taken.iter().all(|held| !held.alone));
        rig.pass(LEASE_MS);
        assert_eq!(rig.reclaim().await, 10);
    }
    // All ten are suspects now. Each comes alone; the poison dies of it, the nine innocent ones finish.
    let innocents = Reserve { no_suspects: true, ..rig.request(super::rig::QUEUE, 10) };
    assert!(rig.store.reserve(innocents).await.expect("reserves").is_empty());
    for &expected in &jobs {
        let alone = rig.take(10).await;
        assert_eq!(ids(&alone), [expected]);
        assert!(alone[0].alone);
        if expected == jobs[0] {
            rig.pass(LEASE_MS);
            rig.reclaim().await;
        } else {
            rig.complete(&alone[0]).await;
        }
    }
    let poison = rig.job(jobs[0]).await;
    assert_eq!((poison.state, poison.crash_count), (State::Dead, 3));
    assert_eq!(poison.history.last().map(|record| record.error.as_str()), Some("crashed"));
    let stats = rig.stats().await;
    assert_eq!((stats.dead, stats.completed, stats.failed_total, stats.dead_total), (1, 9, 0, 1));
}

async fn s22_stepping_the_wall_clock_ends_no_lease(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let held = rig.next().await;
    rig.clock.step_wall(3_600_000);
    assert_eq!(rig.reclaim().await, 0);
    rig.clock.step_wall(-7_200_000);
    assert_eq!(rig.reclaim().await, 0);
    rig.complete(&held).await;
}

async fn s34_another_incarnation_is_another_worker(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let held = rig.next().await;
    let namesake = Lease { worker: WorkerId::fresh(), ..held.lease };
    assert_eq!(rig.store.extend(vec![namesake.into()], 1_000).await.expect("extends"), [Extended::Lost]);
    let settle = Settle { lease: namesake, verdict: Verdict::Complete, follow_ups: Vec::new(), note: None };
    assert_eq!(rig.store.settle(vec![settle]).await.expect("settles"), [Settled::Lost]);
    rig.complete(&held).await;
}

async fn a_lease_holds_until_somebody_reclaims_it(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    rig.add(job()).await;
    let held = rig.take(2).await;
    rig.pass(LEASE_MS + 5);
    assert_eq!(rig.extend(&held[0]).await, Extended::Held { cancel: false });
    assert_eq!(rig.settle(&held[1], Verdict::Complete).await, Settled::Now(State::Completed));
    assert_eq!(rig.reclaim().await, 0);
}

async fn an_extension_counts_from_now(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let held = rig.next().await;
    rig.pass(LEASE_MS - 1);
    assert_eq!(rig.extend(&held).await, Extended::Held { cancel: false });
    rig.pass(LEASE_MS - 1);
    assert_eq!(rig.reclaim().await, 0);
    rig.pass(1);
    assert_eq!(rig.reclaim().await, 1);
}

async fn fences_only_grow(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let mut last = None;
    for _ in 0..5 {
        let held = rig.next().await;
        assert!(Some(held.lease.fence) > last);
        last = Some(held.lease.fence);
        rig.settle(&held, Verdict::Release).await;
    }
}

async fn reclaim_heeds_its_limit_and_says_when_to_come_back(make: Make) {
    let rig = Rig::new(make);
    for _ in 0..3 {
        rig.add(job()).await;
    }
    rig.take(2).await;
    rig.pass(LEASE_MS - 40);
    rig.take(1).await;
    rig.pass(40);
    let swept = rig.store.sweep(Sweep::Reclaim, 1).await.expect("reclaims");
    assert_eq!((swept.moved, swept.next_in_ms), (1, Some(0)));
    let swept = rig.store.sweep(Sweep::Reclaim, 9).await.expect("reclaims");
    assert_eq!((swept.moved, swept.next_in_ms), (1, Some(LEASE_MS - 40)));
    assert_eq!(rig.stats().await.available, 2);
}

async fn a_suspect_comes_alone(make: Make) {
    let rig = Rig::new(make);
    let first = rig.add(job()).await;
    for _ in 0..2 {
        rig.next().await;
        rig.pass(LEASE_MS);
        rig.reclaim().await;
    }
    let second = rig.add(job()).await;
    let third = rig.add(job()).await;
    let innocents = Reserve { no_suspects: true, ..rig.request(super::rig::QUEUE, 1) };
    assert_eq!(ids(&rig.store.reserve(innocents).await.expect("reserves")), [second]);
    let suspect = rig.take(5).await;
    assert_eq!(ids(&suspect), [first]);
    assert!(suspect[0].alone);
    assert_eq!(ids(&rig.take(5).await), [third]);
}

/// The lease of the next job runs out; returns the crashes counted before.
async fn crash(rig: &Rig) -> u32 {
    let held = rig.next().await;
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    held.job.crash_count
}

async fn only_crashes_in_a_row_kill(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    for verdict in [Verdict::Snooze { after_ms: 5 }, Verdict::Snooze { after_ms: 0 }, retry()] {
        assert_eq!((crash(&rig).await, crash(&rig).await), (0, 1));
        let held = rig.next().await;
        assert!(held.alone, "after two in a row");
        rig.settle(&held, verdict).await;
        assert_eq!(rig.job(id).await.crash_count, 0);
        rig.pass(10_000);
    }
    // No suspect any more: it comes with others.
    let other = rig.add(job()).await;
    let taken = rig.take(2).await;
    assert_eq!(ids(&taken), [other, id]);
    assert!(!taken[1].alone);
    rig.complete(&taken[0]).await;
    rig.settle(&taken[1], Verdict::Release).await;
    for crashes in 0..3 {
        assert_eq!(crash(&rig).await, crashes);
    }
    assert_eq!(rig.state(id).await, Some(State::Dead));
}

async fn what_did_not_run_keeps_its_crashes(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    assert_eq!((crash(&rig).await, crash(&rig).await), (0, 1));
    for verdict in [Verdict::Release, Verdict::PutOff { after_ms: 0 }, Verdict::PutOff { after_ms: 50 }] {
        let held = rig.next().await;
        assert_eq!((held.job.attempt, held.job.crash_count, held.alone), (1, 2, true));
        rig.settle(&held, verdict).await;
        let job = rig.job(id).await;
        assert_eq!((job.attempt, job.crash_count), (0, 2));
        if job.state == State::Scheduled {
            rig.nothing_is_ready().await;
            rig.pass(50);
        }
    }
    assert_eq!(crash(&rig).await, 2);
    assert_eq!(rig.state(id).await, Some(State::Dead));
}
