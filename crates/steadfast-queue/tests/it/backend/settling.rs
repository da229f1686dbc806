//! What a verdict does.

use super::rig::{Choice, Make, Rig, dead, failure, ids, job, job_in, over_every_backend, retry, unique};
use steadfast_queue::backend::rules::Limits;
use steadfast_queue::backend::{Rejection, Settled};
use steadfast_queue::job::{HISTORY_MAX, PAYLOAD_BYTES_MAX};
use steadfast_queue::policy::RetryPolicy;
use steadfast_queue::state::Verdict;
use steadfast_queue::{JobId, NewJob, Priority, State};

over_every_backend!(
    s20_unknown_work_goes_to_the_dead_alone,
    retries_follow_the_schedule_and_end_dead,
    a_retry_after_takes_the_time_it_is_told,
    a_retry_after_nothing_is_due_at_once,
    a_snooze_spends_no_attempt,
    a_dead_letter_keeps_everything,
    history_is_bounded,
    follow_ups_come_with_their_parent,
    follow_ups_that_are_there_already_are_fine,
    a_rejected_follow_up_changes_nothing,
    follow_ups_count_together_against_the_bound,
    follow_ups_of_every_verdict,
    what_a_job_brings_under_its_own_key_is_checked_as_what_it_will_be,
);

async fn s20_unknown_work_goes_to_the_dead_alone(make: Make) {
    let rig = Rig::new(make);
    let mut odd = job();
    odd.kind = "nobody-knows-this".into();
    let odd = rig.add(odd).await;
    let mates = [rig.add(job()).await, rig.add(job()).await];
    for held in rig.take(10).await {
        if held.job.id == odd {
            rig.settle(&held, dead()).await;
        } else {
            rig.complete(&held).await;
        }
    }
    assert_eq!(rig.state(odd).await, Some(State::Dead));
    for mate in mates {
        assert_eq!(rig.state(mate).await, Some(State::Completed));
    }
}

async fn retries_follow_the_schedule_and_end_dead(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    for (attempt, delay_ms) in [(1, 1_000), (2, 2_000)] {
        let held = rig.next().await;
        assert_eq!(held.job.attempt, attempt);
        assert_eq!(rig.settle(&held, retry()).await, Settled::Now(State::Retryable));
        assert_eq!(rig.stats().await.retryable, 1);
        rig.pass(delay_ms - 1);
        rig.nothing_is_ready().await;
        rig.pass(1);
    }
    let held = rig.next().await;
    assert_eq!(held.job.history.len(), 2);
    assert_eq!(rig.settle(&held, retry()).await, Settled::Now(State::Dead));
    let job = rig.job(id).await;
    assert_eq!((job.state, job.attempt), (State::Dead, 3));
    assert_eq!(job.history.iter().map(|record| record.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    let stats = rig.stats().await;
    assert_eq!((stats.failed_total, stats.dead_total, stats.dead, stats.bytes), (3, 1, 1, 0));
}

async fn a_retry_after_takes_the_time_it_is_told(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, Verdict::Retry { failure: failure(), after_ms: Some(77) }).await;
    rig.pass(76);
    rig.nothing_is_ready().await;
    rig.pass(1);
    rig.next().await;
}

async fn a_retry_after_nothing_is_due_at_once(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let held = rig.next().await;
    rig.settle(&held, Verdict::Retry { failure: failure(), after_ms: Some(0) }).await;
    assert_eq!(rig.next().await.job.attempt, 2);
}

async fn a_snooze_spends_no_attempt(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    for _ in 0..20 {
        let held = rig.next().await;
        assert_eq!(held.job.attempt, 1);
        let snooze = Verdict::Snooze { after_ms: 3_600_000 };
        assert_eq!(rig.settle(&held, snooze).await, Settled::Now(State::Scheduled));
        rig.pass(3_600_000);
    }
    let job = rig.job(id).await;
    assert_eq!((job.attempt, job.history.len()), (0, 0));
}

async fn a_dead_letter_keeps_everything(make: Make) {
    let rig = Rig::new(make);
    let mut new = job();
    new.payload = "what it was about".into();
    let id = rig.add(new).await;
    let held = rig.next().await;
    rig.pass(3);
    assert_eq!(rig.settle(&held, dead()).await, Settled::Now(State::Dead));
    let job = rig.job(id).await;
    assert_eq!(job.payload, "what it was about");
    assert_eq!(job.finished_ms, Some(super::rig::START_MS + 3));
    let last = job.history.last().expect("a reason");
    assert_eq!((last.error.as_str(), last.message.as_str(), last.attempt), ("boom", "it broke", 1));
}

async fn history_is_bounded(make: Make) {
    let rig = Rig::new(make);
    let mut new = job();
    new.retry = RetryPolicy::new(vec![0; 40], 0.0).ok();
    let id = rig.add(new).await;
    for _ in 0..41 {
        let held = rig.next().await;
        rig.settle(&held, retry()).await;
    }
    let job = rig.job(id).await;
    assert_eq!((job.state, job.attempt, job.history.len()), (State::Dead, 41, HISTORY_MAX));
    assert_eq!((job.history[0].attempt, job.history[HISTORY_MAX - 1].attempt), (1, 41));
}

fn follow_up(parent: JobId, step: &str) -> NewJob {
    let mut new = job_in("next");
    new.id = Some(JobId::of_follow_up(parent, step));
    new
}

async fn follow_ups_come_with_their_parent(make: Make) {
    let rig = Rig::new(make);
    let parent = rig.add(job()).await;
    let held = rig.next().await;
    let steps = vec![follow_up(parent, "one"), follow_up(parent, "two")];
    assert_eq!(rig.settle_with(&held, Verdict::Complete, steps).await, Settled::Now(State::Completed));
    let next = rig.store.reserve(rig.request("next", 10)).await.expect("reserves");
    assert_eq!(ids(&next), [JobId::of_follow_up(parent, "one"), JobId::of_follow_up(parent, "two")]);
    assert_eq!(next[0].job.parent, Some(parent));
}

async fn follow_ups_that_are_there_already_are_fine(make: Make) {
    let rig = Rig::new(make);
    let parent = rig.add(job()).await;
    rig.add(follow_up(parent, "one")).await;
    let held = rig.next().await;
    let steps = vec![follow_up(parent, "one"), follow_up(parent, "two"), follow_up(parent, "two")];
    assert_eq!(rig.settle_with(&held, Verdict::Complete, steps).await, Settled::Now(State::Completed));
    let stats = rig.stats_of("next").await;
    assert_eq!((stats.available, stats.enqueued_total, stats.duplicates_total), (2, 2, 2));
}

async fn a_rejected_follow_up_changes_nothing(make: Make) {
    let rig = Rig::new(make);
    let parent = rig.add(job()).await;
    let held = rig.next().await;
    let mut large = follow_up(parent, "large");
    large.payload = vec![0; PAYLOAD_BYTES_MAX + 1].into();
    let steps = vec![follow_up(parent, "fine"), large];
    let settled = rig.settle_with(&held, Verdict::Complete, steps).await;
    assert!(matches!(settled, Settled::FollowUpRejected(Rejection::TooLarge { .. })), "{settled:?}");
    assert_eq!(rig.state(parent).await, Some(State::Running));
    assert_eq!(rig.stats_of("next").await.available, 0);
    assert_eq!(rig.stats().await.failed_total, 0);
    rig.complete(&held).await;
}

async fn follow_ups_count_together_against_the_bound(make: Make) {
    let limits = Limits { waiting_max: 2, ..Limits::default() };
    let rig = Rig::with(make, Choice { limits, ..Choice::default() });
    let parent = rig.add(job()).await;
    let held = rig.next().await;
    let three = ["one", "two", "three"].map(|step| follow_up(parent, step)).to_vec();
    let settled = rig.settle_with(&held, Verdict::Complete, three).await;
    assert_eq!(settled, Settled::FollowUpRejected(Rejection::QueueFull { waiting: 2, max: 2 }));
    assert_eq!(rig.stats_of("next").await.available, 0);
    let two = ["one", "two"].map(|step| follow_up(parent, step)).to_vec();
    assert_eq!(rig.settle_with(&held, Verdict::Complete, two).await, Settled::Now(State::Completed));
    assert_eq!(rig.stats_of("next").await.available, 2);
}

async fn follow_ups_of_every_verdict(make: Make) {
    let rig = Rig::new(make);
    let verdicts = [retry(), dead(), Verdict::Snooze { after_ms: 9 }, Verdict::Release];
    for (number, verdict) in verdicts.into_iter().enumerate() {
        let mut parent = unique(&format!("{number}"), 1_000);
        parent.priority = Priority::High;
        let parent = rig.add(parent).await;
        let held = rig.take(1).await.pop().expect("ready");
        assert_eq!(held.job.id, parent);
        let settled = rig.settle_with(&held, verdict, vec![follow_up(parent, "told")]).await;
        assert!(matches!(settled, Settled::Now(_)));
        assert_eq!(rig.stats_of("next").await.available, number as u64 + 1);
    }
}

/// A job that goes round comes again under its own key. While its window counts, that is itself; behind it, a new job, as soon
/// as this one has ended: unless it dies, since a dead letter keeps its key.
async fn what_a_job_brings_under_its_own_key_is_checked_as_what_it_will_be(make: Make) {
    let rig = Rig::new(make);
    let again = || unique("round", 100);
    let astray = || NewJob { batch: Some(JobId([9; 16])), ..again() };
    let id = rig.add(again()).await;
    let held = rig.next().await;
    rig.pass(100);
    let settled = rig.settle_with(&held, Verdict::Complete, vec![astray()]).await;
    assert_eq!(settled, Settled::FollowUpRejected(Rejection::BatchUnknown));
    assert_eq!(rig.state(id).await, Some(State::Running));
    let settled = rig.settle_with(&held, Verdict::Complete, vec![again()]).await;
    assert_eq!(settled, Settled::Now(State::Completed));
    let held = rig.next().await;
    assert_eq!((held.job.id, held.job.attempt), (id, 1));
    // Its window counts anew, so this is itself, whatever it says.
    let settled = rig.settle_with(&held, Verdict::Release, vec![astray()]).await;
    assert_eq!(settled, Settled::Now(State::Available));
    let held = rig.next().await;
    rig.pass(100);
    assert_eq!(rig.settle_with(&held, dead(), vec![astray()]).await, Settled::Now(State::Dead));
    assert_eq!(rig.stats().await.enqueued_total, 2);
    rig.nothing_is_ready().await;
}
