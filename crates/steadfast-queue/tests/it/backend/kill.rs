//! Scenario 35: a process killed at any moment loses nothing that it acknowledged.
//!
//! The child is this test binary once more, running [`child`] alone. It says on its output what it has got
//! acknowledged, after it has; the parent kills it without warning and looks at what is on disk.

use super::rig::START_MS;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use steadfast_clock::{ManualClock, SharedClock, SystemClock};
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::Retention;
use steadfast_queue::backend::{Backend, Enqueued, Reserve, Settle, Settled, WorkerId};
use steadfast_queue::policy::Failure;
use steadfast_queue::state::Verdict;
use steadfast_queue::{GroupKey, JobId, NewJob, State, Unique};
use tokio::time::Instant;

const FOLDER: &str = "STEADFAST_QUEUE_KILL_FOLDER";
const ROUNDS: u64 = 24;
const QUEUE: &str = "q";

fn store_options(folder: &Path) -> LocalOptions {
    // Every finished job is kept, so that each one acknowledged can be looked up.
    let retention = Retention { completed_max: u64::MAX, bytes_max: u64::MAX, ..Retention::default() };
    LocalOptions { retention, ..LocalOptions::new(folder.join("queue.db")) }
}

/// What the child does. Run by itself, as one test of many, it does a little of it, and all must be well.
#[tokio::test]
async fn child() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        work(&PathBuf::from(folder), Duration::from_secs(60)).await;
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    work(folder.path(), Duration::from_millis(100)).await;
    let store = LocalBackend::open(store_options(folder.path()), SystemClock::shared()).expect("opens");
    let stats = store.stats().await.expect("counts").queues.remove(QUEUE).expect("the queue");
    assert!(stats.completed > 0 && stats.running == 0, "{stats:?}");
    store.close().await.expect("closes");
}

fn say(word: &str, id: JobId) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word} {id}").expect("says");
    out.flush().expect("says");
}

async fn work(folder: &Path, span: Duration) {
    let store = LocalBackend::open(store_options(folder), SystemClock::shared()).expect("opens");
    let (end, number) = (Instant::now() + span, Arc::new(AtomicU64::new(0)));
    let start = SystemClock::shared().now_ms();
    let producers = (0..8).map(|_| produce(&store, &number, start, end));
    let workers = (0..3).map(|_| consume(&store, end));
    futures::future::join(futures::future::join_all(producers), futures::future::join_all(workers)).await;
    store.close().await.expect("closes");
}

async fn produce(store: &LocalBackend, number: &AtomicU64, start: i64, end: Instant) {
    while Instant::now() < end {
        let batch = (0..3).map(|_| {
            let number = number.fetch_add(1, Ordering::SeqCst);
            let mut new = NewJob::new(QUEUE, "kind", format!("payload {number}"));
            new.unique = Some(Unique::new(format!("{start} {number}")));
            new.group = (number.is_multiple_of(3)).then_some(GroupKey([(number % 5) as u8; 16]));
            new.delay_ms = if number.is_multiple_of(7) { 5 } else { 0 };
            new
        });
        for answer in store.enqueue(batch.collect()).await.expect("enqueues") {
            match answer {
                Enqueued::New(id) | Enqueued::Duplicate(id) => say("stored", id),
                // The queue is full of what was not worked on: so be it.
                Enqueued::Rejected(_) => {}
            }
        }
    }
}

async fn consume(store: &LocalBackend, end: Instant) {
    let worker = WorkerId::fresh();
    while Instant::now() < end {
        let (queue, wait) = (QUEUE.to_owned(), Duration::from_millis(20));
        let request = Reserve { queue, max: 4, lease_ms: 10_000, worker, wait, no_suspects: false };
        let held = store.reserve(request).await.expect("reserves");
        let verdict = |attempt: u32, id: JobId| match (attempt, id.0[0] % 4) {
            (1, 0) => Verdict::Retry { failure: Failure::new("boom", ""), after_ms: Some(3) },
            (1, 1) => Verdict::Release,
            (_, 2) => Verdict::Dead { failure: Failure::new("boom", "") },
            _ => Verdict::Complete,
        };
        // A release comes again at once, with its first attempt: sometimes it must end.
        let settles = held.iter().enumerate().map(|(at, held)| Settle {
            lease: held.lease,
            verdict: match verdict(held.job.attempt, held.job.id) {
                Verdict::Release if at % 2 == 0 => Verdict::Complete,
                verdict => verdict,
            },
            follow_ups: Vec::new(),
            note: None,
        });
        let settles: Vec<Settle> = settles.collect();
        let ids: Vec<JobId> = settles.iter().map(|settle| settle.lease.id).collect();
        for (id, settled) in ids.into_iter().zip(store.settle(settles).await.expect("settles")) {
            match settled {
                Settled::Now(State::Completed) => say("completed", id),
                Settled::Now(State::Dead) => say("dead", id),
                Settled::Now(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What a child got acknowledged.
#[derive(Debug, Default)]
struct Said {
    stored: BTreeSet<JobId>,
    completed: BTreeSet<JobId>,
    dead: BTreeSet<JobId>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        // The test harness prints lines of its own before ours.
        let mut words = line.split_whitespace();
        let (word, id) = (words.next(), words.next().and_then(JobId::parse));
        match (word, id) {
            (Some("stored"), Some(id)) => self.stored.insert(id),
            (Some("completed"), Some(id)) => self.completed.insert(id),
            (Some("dead"), Some(id)) => self.dead.insert(id),
            _ => false,
        };
    }
}

fn start_child(folder: &Path) -> Child {
    let binary = std::env::current_exe().expect("this binary");
    Command::new(binary)
        .args(["--exact", "backend::kill::child", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

/// Lets a child work until it has said so many lines, then kills it.
fn one_life(folder: &Path, lines: u64, said: &mut Said) {
    let mut child = start_child(folder);
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let (mut line, mut heard) = (String::new(), 0);
    while out.read_line(&mut line).expect("reads") > 0 {
        said.hear(&line);
        line.clear();
        heard += 1;
        if heard == lines {
            child.kill().expect("kills");
        }
    }
    assert!(heard >= lines, "the child ended by itself after {heard} lines");
    child.wait().expect("ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s35_killed_at_any_moment() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut said = Said::default();
    let mut dice = steadfast_queue::backend::rules::Dice::new();
    for round in 0..ROUNDS {
        let lines = 20 + (dice.roll() * 900.0) as u64;
        tokio::task::block_in_place(|| one_life(folder.path(), lines, &mut said));
        check(folder.path(), &said).await;
        assert!(!said.stored.is_empty(), "round {round}");
    }
    assert!(
        said.completed.len() > 100 && said.dead.len() > 10,
        "{} {}",
        said.completed.len(),
        said.dead.len()
    );
    drain(folder.path(), &said).await;
}

async fn check(folder: &Path, said: &Said) {
    let path = store_options(folder).path;
    let conn = rusqlite::Connection::open(&path).expect("opens");
    let verdict: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checks");
    assert_eq!(verdict, "ok");
    drop(conn);
    let store = LocalBackend::open(store_options(folder), SystemClock::shared()).expect("opens");
    let stored: Vec<JobId> = said.stored.iter().copied().collect();
    for ids in stored.chunks(1_000) {
        for (id, status) in ids.iter().zip(store.status(ids.to_vec()).await.expect("asks")) {
            let state = status.state.unwrap_or_else(|| panic!("{id} was acknowledged and is gone"));
            if said.completed.contains(id) {
                assert_eq!(state, State::Completed, "{id} came back");
            }
            if said.dead.contains(id) {
                assert_eq!(state, State::Dead, "{id} came back");
            }
        }
    }
    // As a crash would: what the child left running stays counted as it is.
    store.abandon().await.expect("ends");
}

/// All that is left can be worked off, once each.
async fn drain(folder: &Path, said: &Said) {
    let clock: SharedClock = ManualClock::at(START_MS + 1_000_000_000_000);
    let store = LocalBackend::open(store_options(folder), clock).expect("opens");
    let mut seen = BTreeSet::new();
    let worker = WorkerId::fresh();
    loop {
        let queue = QUEUE.to_owned();
        let request =
            Reserve { queue, max: 100, lease_ms: 10_000, worker, wait: Duration::ZERO, no_suspects: false };
        let held = store.reserve(request).await.expect("reserves");
        if held.is_empty() {
            break;
        }
        let settle = |held: &steadfast_queue::backend::Reservation| Settle {
            lease: held.lease,
            verdict: Verdict::Complete,
            follow_ups: Vec::new(),
            note: None,
        };
        for held in &held {
            assert!(seen.insert(held.job.id), "{} was handed out twice", held.job.id);
            assert!(!said.completed.contains(&held.job.id) && !said.dead.contains(&held.job.id));
        }
        store.settle(held.iter().map(settle).collect()).await.expect("settles");
    }
    let stats = store.stats().await.expect("counts").queues.remove(QUEUE).expect("the queue");
    assert_eq!(
        (stats.available, stats.scheduled, stats.running, stats.retryable, stats.bytes),
        (0, 0, 0, 0, 0)
    );
    store.close().await.expect("closes");
}
