//! Looking for jobs.

use super::rig::{Make, Rig, START_MS, dead, delayed, job, job_in, over_every_backend, retry};
use steadfast_queue::backend::{Filter, Status};
use steadfast_queue::policy::Failure;
use steadfast_queue::state::Verdict;
use steadfast_queue::{JobId, State};

over_every_backend!(
    newest_first_page_by_page,
    every_filter_filters,
    running_jobs_are_seen_running,
    strangers_are_unknown,
    a_cursor_from_elsewhere_leads_nowhere,
);

pub(super) fn in_state(state: State) -> Filter {
    Filter { states: vec![state], ..Filter::default() }
}

async fn newest_first_page_by_page(make: Make) {
    let rig = Rig::new(make);
    let mut added = Vec::new();
    for number in 0..11 {
        added.push(rig.add(if number % 2 == 0 { job() } else { delayed(9_000) }).await);
    }
    for held in rig.take(4).await {
        rig.settle(&held, if held.job.id == added[0] { dead() } else { Verdict::Complete }).await;
    }
    let listed: Vec<JobId> = rig.all(Filter::default()).await.iter().map(|job| job.id).collect();
    added.reverse();
    assert_eq!(listed, added);
    let page = rig.store.list(Filter::default(), None, 0).await.expect("lists");
    assert!(page.jobs.is_empty());
}

async fn every_filter_filters(make: Make) {
    let rig = Rig::new(make);
    let mut special = job();
    special.kind = "special".into();
    special.correlation_id = "trace".into();
    special.payload = "its payload".into();
    let special = rig.add(special).await;
    let other = rig.add(job_in("other")).await;
    rig.pass(1_000);
    let failing = rig.add(job()).await;
    let held = rig.take(2).await;
    rig.settle(&held[0], Verdict::Dead { failure: Failure::new("no_such_thing", "gone") }).await;
    rig.settle(&held[1], retry()).await;
    let cases = [
        (Filter { queue: Some("other".into()), ..Filter::default() }, vec![other]),
        (Filter { kind: Some("special".into()), ..Filter::default() }, vec![special]),
        (Filter { correlation_id: Some("trace".into()), ..Filter::default() }, vec![special]),
        (Filter { error: Some("no_such_thing".into()), ..Filter::default() }, vec![special]),
        (Filter { error: Some("boom".into()), ..Filter::default() }, vec![failing]),
        (Filter { states: vec![State::Dead, State::Retryable], ..Filter::default() }, vec![failing, special]),
        (Filter { before_ms: Some(START_MS + 1_000), ..Filter::default() }, vec![other]),
        (Filter { before_ms: Some(START_MS + 1_001), ..Filter::default() }, vec![failing, other, special]),
        (Filter { queue: Some("none".into()), ..Filter::default() }, vec![]),
    ];
    for (filter, expected) in cases {
        let found: Vec<JobId> = rig.all(filter.clone()).await.iter().map(|job| job.id).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let found = rig.all(Filter { kind: Some("special".into()), ..Filter::default() }).await;
    assert_eq!(found[0].payload, "its payload");
    assert_eq!(found[0], rig.job(special).await);
}

async fn running_jobs_are_seen_running(make: Make) {
    let rig = Rig::new(make);
    let running = rig.add(job()).await;
    let waiting = rig.add(job()).await;
    rig.next().await;
    let ids_in = async |state| rig.all(in_state(state)).await.iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(ids_in(State::Running).await, [running]);
    assert_eq!(ids_in(State::Available).await, [waiting]);
    let status = rig.store.status(vec![waiting, running]).await.expect("asks");
    assert_eq!(status[0], Status { state: Some(State::Available), attempt: 0 });
    assert_eq!(status[1], Status { state: Some(State::Running), attempt: 1 });
    assert_eq!(rig.job(running).await.attempt, 1);
}

async fn strangers_are_unknown(make: Make) {
    let rig = Rig::new(make);
    let stranger = JobId::fresh();
    assert_eq!(rig.store.status(vec![stranger]).await.expect("asks"), [Status { state: None, attempt: 0 }]);
    assert_eq!(rig.store.get(vec![stranger]).await.expect("gets"), [None]);
}

async fn a_cursor_from_elsewhere_leads_nowhere(make: Make) {
    let rig = Rig::new(make);
    rig.add(job()).await;
    let page = rig.store.list(Filter::default(), Some("not a cursor".into()), 10).await.expect("lists");
    assert!(page.jobs.is_empty() && page.next.is_none());
}
