//! What jobs say while they run.

use super::rig::{
    Choice, LEASE_MS, Make, Rig, START_MS, dead, job, job_in, options, over_every_backend, retry,
};
use std::sync::Arc;
use steadfast_clock::{ManualClock, SharedClock};
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::rules::Retention;
use steadfast_queue::backend::{Control, Extend, Extended, Filter, Reservation, Settle, Settled};
use steadfast_queue::note::{LOG_LINES_MAX, Note, Progress};
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, JobId, State};

over_every_backend!(
    progress_and_log_are_kept_with_the_job,
    the_next_attempt_reads_what_the_last_one_said,
    s02_a_stale_worker_says_nothing,
    what_is_said_is_bounded,
    what_was_said_goes_with_its_job,
);

fn note(done: u64, lines: &[&str]) -> Option<Note> {
    Some(Note {
        progress: Some(Progress::of(done, 10)),
        log: lines.iter().map(|&line| line.into()).collect(),
    })
}

async fn say(rig: &Rig, held: &Reservation, note: Option<Note>) -> Extended {
    let extend = Extend { lease: held.lease, note };
    rig.store.extend(vec![extend], LEASE_MS).await.expect("extends")[0]
}

async fn settle(rig: &Rig, held: &Reservation, verdict: Verdict, note: Option<Note>) -> Settled {
    let settle = Settle { lease: held.lease, verdict, follow_ups: Vec::new(), note };
    rig.store.settle(vec![settle]).await.expect("settles")[0]
}

async fn log(rig: &Rig, id: JobId) -> Vec<(u32, String)> {
    rig.job(id).await.log.into_iter().map(|line| (line.attempt, line.text)).collect()
}

fn line(attempt: u32, text: &str) -> (u32, String) {
    (attempt, text.to_owned())
}

async fn progress_and_log_are_kept_with_the_job(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let held = rig.next().await;
    assert_eq!((rig.job(id).await.progress, rig.job(id).await.log.len()), (None, 0));
    rig.pass(5);
    assert_eq!(say(&rig, &held, note(3, &["one", "two"])).await, Extended::Held { cancel: false });
    rig.pass(5);
    let only_log = Note { progress: None, log: vec!["three".into()] };
    say(&rig, &held, Some(only_log)).await;
    let seen = rig.job(id).await;
    let progress = Progress { done: 3, total: 10, note: String::new(), at_ms: START_MS + 5 };
    assert_eq!(seen.progress, Some(progress.clone()));
    assert_eq!(seen.log.iter().map(|line| line.at_ms - START_MS).collect::<Vec<_>>(), [5, 5, 10]);
    assert_eq!(rig.all(Filter::default()).await, [seen], "a listing shows it too");
    assert_eq!(
        settle(&rig, &held, Verdict::Complete, note(10, &["done"])).await,
        Settled::Now(State::Completed)
    );
    let seen = rig.job(id).await;
    assert_eq!(seen.progress, Some(Progress { done: 10, at_ms: START_MS + 10, ..progress }));
    assert_eq!(log(&rig, id).await, [line(1, "one"), line(1, "two"), line(1, "three"), line(1, "done")]);
}

async fn the_next_attempt_reads_what_the_last_one_said(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let held = rig.next().await;
    settle(&rig, &held, retry(), note(4, &["half of it"])).await;
    rig.pass(1_000);
    let held = rig.next().await;
    assert_eq!(held.job.progress.as_ref().map(|progress| progress.done), Some(4));
    assert_eq!(held.job.log[0].text, "half of it");
    settle(&rig, &held, Verdict::Release, note(5, &[])).await;
    assert_eq!(rig.next().await.job.progress.map(|progress| progress.done), Some(5));
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    let held = rig.next().await;
    settle(&rig, &held, dead(), note(6, &["it cannot be done"])).await;
    rig.control(Control::Retry(vec![id])).await;
    let held = rig.next().await;
    assert_eq!(held.job.log.len(), 2, "an operator's retry keeps it as well");
    assert_eq!(held.job.progress.map(|progress| progress.done), Some(6));
}

async fn s02_a_stale_worker_says_nothing(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let stale = rig.next().await;
    rig.pass(LEASE_MS);
    rig.reclaim().await;
    assert_eq!(say(&rig, &stale, note(9, &["nobody runs it"])).await, Extended::Lost);
    let owner = rig.next().await;
    assert_eq!(say(&rig, &stale, note(9, &["too late"])).await, Extended::Lost);
    assert_eq!(settle(&rig, &stale, Verdict::Complete, note(9, &["too late"])).await, Settled::Lost);
    assert_eq!(log(&rig, id).await, []);
    say(&rig, &owner, note(1, &["mine"])).await;
    assert_eq!(log(&rig, id).await, [line(1, "mine")]);
    assert_eq!(rig.job(id).await.progress.map(|progress| progress.done), Some(1));
}

async fn what_is_said_is_bounded(make: Make) {
    let rig = Rig::new(make);
    let id = rig.add(job()).await;
    let held = rig.next().await;
    for call in 0..5 {
        let lines = (0..40).map(|number| format!("{call} {number}")).collect();
        say(&rig, &held, Some(Note { progress: None, log: lines })).await;
    }
    let kept = log(&rig, id).await;
    assert_eq!((kept.len(), kept[0].1.as_str()), (LOG_LINES_MAX, "0 0"));
    assert_eq!(kept[LOG_LINES_MAX - 1].1, "4 39");
}

async fn what_was_said_goes_with_its_job(make: Make) {
    let retention = Retention { completed_max: 1, ..Retention::default() };
    let rig = Rig::with(make, Choice { retention, ..Choice::default() });
    let mut last = None;
    for _ in 0..3 {
        let id = rig.add(job()).await;
        let held = rig.next().await;
        settle(&rig, &held, Verdict::Complete, note(1, &["done"])).await;
        last = Some(id);
    }
    assert_eq!(log(&rig, last.expect("one")).await.len(), 1);
    assert_eq!(rig.stats().await.completed, 1);
}

/// What is kept beside jobs is gone with them: looked at in the file itself.
#[tokio::test]
async fn nothing_stays_behind_in_the_file() {
    let (folder, clock) = (tempfile::tempdir().expect("a folder"), ManualClock::at(START_MS));
    let mut settings = options(&folder);
    settings.retention.completed_max = 1;
    let path = settings.path.clone();
    let shared: SharedClock = clock.clone();
    let store = LocalBackend::open(settings, shared.clone()).expect("opens");
    let rig = Rig::around(store.clone(), clock.clone());
    let mut kept = Vec::new();
    for verdict in [Verdict::Complete, dead(), retry(), Verdict::Release, Verdict::Complete] {
        kept.push(rig.add(job()).await);
        let held = rig.take(9).await.pop().expect("ready");
        say(&rig, &held, note(1, &["first"])).await;
        settle(&rig, &held, verdict, note(2, &["second"])).await;
    }
    // A crash keeps what was said; it was not synced, but it is in the hands of the system.
    rig.add(job()).await;
    let held = rig.take(9).await.pop().expect("ready");
    say(&rig, &held, note(7, &["before the crash"])).await;
    rig.add(job_in("other")).await;
    store.abandon().await.expect("ends");
    let store = LocalBackend::open(options_with(&folder), shared).expect("opens");
    let rig = Rig::around(store.clone() as Arc<dyn Backend>, clock);
    assert_eq!(rig.job(held.job.id).await.progress.map(|progress| progress.done), Some(7));
    let discarded = rig.control(Control::Discard(kept.clone())).await.affected;
    let filter = Filter::default();
    let purged = rig.control(Control::Purge { filter: Box::new(filter), limit: 99 }).await.affected;
    assert!(discarded > 0 && purged > 0);
    store.close().await.expect("closes");
    let conn = rusqlite::Connection::open(path).expect("opens");
    let left: i64 = conn.query_row("SELECT count(*) FROM note", [], |row| row.get(0)).expect("counts");
    assert_eq!(left, 0);
}

fn options_with(folder: &tempfile::TempDir) -> steadfast_queue::backend::LocalOptions {
    let mut settings = options(folder);
    settings.retention.completed_max = 1;
    settings
}
