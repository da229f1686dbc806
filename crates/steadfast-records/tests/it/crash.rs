//! kill -9 at random moments: what was acknowledged is there whole, and nothing is there by half.

use crate::support::{
    Bench, START_MS, answering, conversation, draft, look, number, order, path_in, place, reply, sid, step,
};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use steadfast_core::decision::{Change, Decision};
use steadfast_core::outbox::Claim;
use steadfast_core::ports::Records;
use steadfast_core::{ManualClock, SystemClock};
use steadfast_records::{RecordsOptions, SqliteRecords};

const FOLDER: &str = "STEADFAST_RECORDS_CRASH_FOLDER";
const FIRST: &str = "STEADFAST_RECORDS_CRASH_FIRST";
const KILLS: u64 = 20;
/// Numbers that one life of the child may use.
const LIFE: u64 = 1_000_000;

/// An order, its items, a reply, a follow-up and a timeline: everything a decision can touch.
fn decision(number: u64) -> Decision {
    let mut decision = answering(number);
    let version = u32::try_from(number).expect("small");
    decision.changes.push(place(&draft(version)));
    decision.changes.push(Change::SaveDraft { conversation: conversation(), draft: draft(version) });
    decision
}

fn name(number: u64) -> String {
    format!("crash/{number}")
}

/// The child: applies decisions from eight tasks and says which were acknowledged, until it is killed.
/// Run as a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Some(folder), Ok(first)) = (std::env::var_os(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().expect("a number");
    let options = RecordsOptions::at(path_in(Path::new(&folder)));
    let records = SqliteRecords::open(options, SystemClock::shared()).expect("opens");
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let records = Arc::clone(&records);
        tasks.spawn(async move {
            for turn in 0..LIFE / 8 {
                let number = first + turn * 8 + task;
                let applied = records.apply(&step(&name(number)), None, decision(number)).await;
                assert!(applied.expect("applies").fresh);
                println!("ACK {number} END");
            }
        });
    }
    tasks.join_all().await;
}

/// Runs a child, kills it after `acks` acknowledgements, and gives all it had printed.
fn run_and_kill(folder: &Path, first: u64, acks: usize) -> Vec<u64> {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["crash::child", "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut acknowledged = Vec::new();
    for line in output.lines() {
        let line = line.expect("text");
        let number = line.split_once("ACK ").and_then(|(_, rest)| rest.strip_suffix(" END"));
        acknowledged.extend(number.map(|number| number.parse::<u64>().expect("a number")));
        if acknowledged.len() == acks {
            child.kill().expect("killed");
        }
    }
    child.wait().expect("ends");
    assert!(acknowledged.len() >= acks, "the child ended by itself after {}", acknowledged.len());
    acknowledged
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut runner = TestRunner::default();
    let mut acknowledged = BTreeSet::new();
    for life in 0..KILLS {
        let acks = (1_usize..400).new_tree(&mut runner).expect("generates").current();
        acknowledged.extend(run_and_kill(folder.path(), life * LIFE + 1, acks));
        check(folder.path(), &acknowledged).await;
    }
    println!("{KILLS} kills, {} acknowledged decisions, all whole", acknowledged.len());
}

/// Opens what the dead left, by itself and through the store.
async fn check(folder: &Path, acknowledged: &BTreeSet<u64>) {
    let clock = ManualClock::at(START_MS);
    let records = SqliteRecords::open(RecordsOptions::at(path_in(folder)), clock.clone()).expect("opens");
    let bench = Bench { records: records.clone(), clock, _keep: Box::new(()) };
    let conn = look(folder);
    let steps = number(&conn, "SELECT count(*) FROM step_ledger");
    assert!(steps >= i64::try_from(acknowledged.len()).expect("small"), "steps were lost");
    for (table, times) in [
        ("messages", 1),
        ("orders", 1),
        ("order_items", 2),
        ("order_events", 1),
        ("outbox", 1),
        // The checks of earlier lives claimed replies, which the next start puts in doubt.
        ("message_events WHERE stage <> 'ambiguous'", 3),
    ] {
        let rows = number(&conn, &format!("SELECT count(*) FROM {table}"));
        assert_eq!(rows, steps * times, "{table} does not match the ledger");
    }
    assert_eq!(number(&conn, "SELECT version FROM conversations"), steps);
    assert_eq!(
        conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)),
        Ok("ok".to_owned())
    );
    let orders = records.orders(&conversation(), u32::MAX).await.expect("reads");
    let orders: BTreeMap<_, _> =
        orders.into_iter().map(|order| (order.placed.number.clone(), order.placed)).collect();
    for &number in acknowledged.iter().rev().take(50) {
        let placed = order(&draft(u32::try_from(number).expect("small")), START_MS);
        assert_eq!(orders.get(&placed.number), Some(&placed));
        check_one(&bench, number).await;
    }
    records.close().await;
}

async fn check_one(bench: &Bench, number: u64) {
    let stored = bench.records.applied(&step(&name(number))).await.expect("reads");
    assert_eq!(stored, Some(decision(number)), "step {number} is not there whole");
    assert!(bench.records.timeline(&sid(number)).await.expect("reads").is_some());
    let again = bench.records.apply(&step(&name(number)), None, Decision::default()).await.expect("hits");
    assert!(!again.fresh);
    let claim = bench.records.claim(&reply(number).id, 1_000).await.expect("asks");
    assert!(!matches!(claim, Claim::Unknown), "reply {number} is gone");
}
