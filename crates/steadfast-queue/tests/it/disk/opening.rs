//! Each single call that opening a store makes fails once, as do those of a first piece of work. Every time there is an
//! error that says so, or none; and then the same process opens the store, and all is there.

use super::life::FOLDER;
use super::run::{again, real, scratch};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use steadfast_clock::SystemClock;
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::backend::{Backend, Enqueued};
use steadfast_queue::{NewJob, Unique};
use steadfast_testkit::disk::{Disk, Effect, Operation, Rule, arm};

/// More calls than opening, storing one job and closing make.
const CALLS_MAX: u32 = 400;
const WELL: u32 = 8;

fn open(folder: &Path) -> Result<Arc<LocalBackend>, impl std::error::Error> {
    LocalBackend::open(LocalOptions::new(folder.join("store").join("queue.db")), SystemClock::shared())
}

fn job(number: u32) -> NewJob {
    let mut new = NewJob::new("q", "kind", vec![7; 3_000]);
    new.unique = Some(Unique { key: number.to_string().into_bytes(), window_ms: 60_000_000 });
    new
}

/// Whether the job was acknowledged.
async fn one_try(folder: &Path, number: u32) -> bool {
    let Ok(store) = open(folder) else { return false };
    let stored = store.enqueue(vec![job(number)]).await;
    let ended = if number.is_multiple_of(2) { store.close().await } else { store.abandon().await };
    // Whether it ended well is the disk's business.
    drop(ended);
    matches!(stored.as_deref(), Ok([Enqueued::New(_) | Enqueued::Duplicate(_)]))
}

async fn sweep(folder: &Path, effect: Effect, fresh: bool) -> u32 {
    let (mut stored, mut well) = (Vec::new(), 0);
    for skip in 0..CALLS_MAX {
        if fresh {
            // Errors and all, the folder is made anew: the first start of all is under test.
            let _ = std::fs::remove_dir_all(folder.join("store"));
            stored.clear();
        }
        let rule = |operation| Rule { operation, suffix: "*", effect, skip, times: Some(1) };
        arm(folder, &[rule(Operation::Any)]).expect("arms");
        if one_try(folder, skip).await {
            stored.push(skip);
        }
        // Whatever failed, the next start is well, and finds everything.
        arm(folder, &[]).expect("arms");
        let store = open(folder).or_else(|_| open(folder)).expect("opens when nothing fails");
        for &number in &stored {
            let answer = store.enqueue(vec![job(number)]).await.expect("asks");
            assert!(matches!(answer[..], [Enqueued::Duplicate(_)]), "{effect:?} {skip}: {number} is gone");
        }
        store.close().await.expect("closes");
        // So many in a row went well: there was no such call any more.
        well = if stored.last() == Some(&skip) { well + 1 } else { 0 };
        if well == WELL {
            return skip;
        }
    }
    CALLS_MAX
}

/// The child. Run by itself, nothing fails.
#[tokio::test]
async fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        let folder = scratch();
        assert!(one_try(folder.path(), 1).await);
        return;
    };
    let folder = PathBuf::from(folder);
    for (effect, fresh) in [(Effect::Eio, false), (Effect::Enospc, false), (Effect::Eio, true)] {
        sweep(&folder, effect, fresh).await;
        let _ = std::fs::remove_dir_all(folder.join("store"));
    }
}

#[tokio::test]
async fn s35_every_single_call_of_a_start_may_fail() {
    let folder = scratch();
    let disk = Disk { sync_us: Some(0), ..Disk::sound(real(folder.path())) };
    assert!(again(&disk, "disk::opening::child", "").await);
}
