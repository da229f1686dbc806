//! How fast group commit is here. A figure to read, not a promise: nothing is asserted about it.

use crate::support::{answering, path_in, step};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use steadfast_core::SystemClock;
use steadfast_core::ports::Records;
use steadfast_records::{RecordsOptions, SqliteRecords};

const CALLERS: u64 = 64;
const SPAN_MS: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applies_per_second() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = SystemClock::shared();
    let options = RecordsOptions::at(path_in(folder.path()));
    let records = SqliteRecords::open(options, Arc::clone(&clock)).expect("opens");
    for callers in [1, CALLERS] {
        let done = Arc::new(AtomicU64::new(0));
        let started_ms = clock.mono_ms();
        let mut tasks = tokio::task::JoinSet::new();
        for caller in 0..callers {
            let (records, clock, done) = (Arc::clone(&records), Arc::clone(&clock), Arc::clone(&done));
            tasks.spawn(async move {
                let mut number = callers * 1_000_000_000 + caller * 1_000_000;
                while clock.mono_ms() - started_ms < SPAN_MS {
                    number += 1;
                    let name = step(&format!("load/{number}"));
                    let applied = records.apply(&name, None, answering(number)).await;
                    assert!(applied.expect("applies").fresh);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        tasks.join_all().await;
        let per_second = done.load(Ordering::Relaxed) * 1_000 / (clock.mono_ms() - started_ms).max(1);
        println!("{callers} callers: {per_second} applies/s");
    }
    records.close().await;
}
