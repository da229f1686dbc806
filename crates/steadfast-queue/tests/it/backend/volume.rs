//! Very many at once.

use super::rig::{Choice, Make, QUEUE, Rig, dead, delayed, job_in, over_every_backend};
use std::sync::atomic::{AtomicBool, Ordering};
use steadfast_queue::State;
use steadfast_queue::backend::rules::Limits;
use steadfast_queue::backend::{BATCH_MAX, Control, Enqueued, Filter, Settle, Sweep};
use steadfast_queue::state::Verdict;

over_every_backend!(s17_s18_a_hundred_thousand_at_once);

/// Scenario 17: all of them due at once come out in bounded steps. Scenario 18: purged while others work.
async fn s17_s18_a_hundred_thousand_at_once(make: Make) {
    const MANY: usize = 100_000;
    let limits = Limits { waiting_max: MANY as u64, ..Limits::default() };
    let rig = Rig::with(make, Choice { limits, ..Choice::default() });
    for _ in 0..MANY / 1_000 {
        let answers = rig.store.enqueue(vec![delayed(1_000); 1_000]).await.expect("enqueues");
        assert!(answers.iter().all(|answer| matches!(answer, Enqueued::New(_))));
    }
    assert!(matches!(rig.enqueue(delayed(1_000)).await, Enqueued::Rejected(_)));
    rig.pass(1_000);
    let mut promoted = 0;
    while promoted < 50_000 {
        let swept = rig.store.sweep(Sweep::Promote, 5_000).await.expect("promotes");
        assert!((1..=5_000).contains(&swept.moved));
        promoted += swept.moved;
    }
    // The rest is promoted by those who reserve.
    let mut worked = 0;
    while worked < 20_000 {
        let taken = rig.take(BATCH_MAX).await;
        assert!(!taken.is_empty());
        worked += taken.len();
        let verdict = if worked < 5_000 { dead() } else { Verdict::Complete };
        let settle = taken.into_iter().map(|held| Settle {
            lease: held.lease,
            verdict: verdict.clone(),
            follow_ups: Vec::new(),
            note: None,
        });
        rig.store.settle(settle.collect()).await.expect("settles");
    }
    let dead = rig.stats().await.dead;
    assert!(dead > 4_000);
    retry_all_the_dead(&rig).await;
    let waiting = (MANY - worked) as u64 + dead;
    let stats = rig.stats().await;
    assert_eq!((stats.dead, stats.available + stats.scheduled), (0, waiting));

    let nobody = Filter { kind: Some("nobody".into()), ..Filter::default() };
    assert!(rig.all(nobody).await.is_empty(), "a search for what is not there comes to an end");
    let filter = Filter {
        queue: Some(QUEUE.into()),
        states: vec![State::Available, State::Scheduled],
        ..Filter::default()
    };
    let purge = |dry_run| {
        let purge = Control::Purge { filter: Box::new(filter.clone()), limit: u64::MAX };
        if dry_run { Control::Count(Box::new(purge)) } else { purge }
    };
    assert_eq!(rig.control(purge(true)).await.affected, waiting);
    let purged = AtomicBool::new(false);
    let others = async {
        let mut served = 0;
        while !purged.load(Ordering::SeqCst) {
            let answer = rig.enqueue(job_in("other")).await;
            assert!(matches!(answer, Enqueued::New(_)));
            served += 1;
            tokio::task::yield_now().await;
        }
        served
    };
    let purging = async {
        let done = rig.control(purge(false)).await;
        purged.store(true, Ordering::SeqCst);
        done
    };
    let (done, served) = tokio::join!(purging, others);
    assert_eq!(done.affected, waiting);
    assert_eq!(rig.stats_of("other").await.available, served);
    let stats = rig.stats().await;
    assert_eq!((stats.available, stats.scheduled, stats.bytes), (0, 0, 0));
    rig.nothing_is_ready().await;
}

async fn retry_all_the_dead(rig: &Rig) {
    let filter = super::listing::in_state(State::Dead);
    loop {
        let page = rig.store.list(filter.clone(), None, BATCH_MAX).await.expect("lists");
        if page.jobs.is_empty() {
            return;
        }
        let ids: Vec<_> = page.jobs.iter().map(|job| job.id).collect();
        let many = ids.len() as u64;
        assert_eq!(rig.control(Control::Retry(ids)).await.affected, many);
    }
}
