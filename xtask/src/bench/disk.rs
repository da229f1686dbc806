//! What the disk itself does: the floor under every durable figure.

use anyhow::Context;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

const WRITES: usize = 300;
const BLOCK: [u8; 4_096] = [7; 4_096];

/// About what the node writes to its log per message in the open loop.
const PACED_BLOCKS: usize = 3;
/// As long as the log is under load, give or take.
const PACED_FILE_BLOCKS: usize = 4_096;
const PACED_SECONDS: u64 = 15;

/// A disk that was given work before, such as the blocks of removed files to discard, is waited for so many times.
const CALMINGS: usize = 10;
const CALMING: Duration = Duration::from_secs(2);
/// What a calm disk takes at most for one of [`WRITES`], in milliseconds.
const CALM_MS: f64 = 5.0;

/// How long writing 4 KiB at the end of a file and `fdatasync` take, one after the other, and overwriting them.
pub(super) fn fdatasync(folder: &Path) -> anyhow::Result<Value> {
    let path = folder.join("fdatasync.probe");
    let mut file = std::fs::File::create(&path).context("cannot write beside the store")?;
    let appended = timed(&mut file)?;
    std::io::Seek::rewind(&mut file).context("cannot rewind")?;
    let overwritten = timed(&mut file)?;
    std::fs::remove_file(&path).context("cannot remove the probe's file")?;
    Ok(json!({ "append": appended, "overwrite": overwritten }))
}

/// Waits until the disk has done what earlier work left it with, half a minute at most.
#[expect(clippy::disallowed_methods, reason = "a disk cannot be asked whether it is done")]
pub(super) fn calm(folder: &Path) -> anyhow::Result<()> {
    for _ in 0..CALMINGS {
        let probe = fdatasync(folder)?;
        let slowest = ["append", "overwrite"].map(|kind| probe[kind]["max_ms"].as_f64().unwrap_or(0.0));
        if slowest.iter().all(|&ms| ms < CALM_MS) {
            return Ok(());
        }
        std::thread::sleep(CALMING);
    }
    println!("the disk does not come to rest");
    Ok(())
}

/// The same writes, due at fixed times whatever the disk does, and nothing else: as much and as often as a node has to
/// sync in the open loop. Whatever is due is synced together, and latency counts from when a write was due.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the machine's time")]
pub(super) fn paced(folder: &Path, per_second: u32) -> anyhow::Result<Value> {
    let path = folder.join("paced.probe");
    let file = std::fs::File::create(&path).context("cannot write beside the store")?;
    file.write_all_at(&BLOCK.repeat(PACED_FILE_BLOCKS), 0).and_then(|()| file.sync_all())?;
    let writes = PACED_SECONDS * u64::from(per_second.max(1));
    let due = |number: u64| Duration::from_secs(PACED_SECONDS).mul_f64(number as f64 / writes as f64);
    let (begun, data) = (Instant::now(), BLOCK.repeat(PACED_BLOCKS));
    let (mut took_us, mut done, mut place) = (Vec::new(), 0, 0);
    while done < writes {
        if let Some(early) = due(done).checked_sub(begun.elapsed()) {
            std::thread::sleep(early);
        }
        let now = begun.elapsed();
        let ready = (done..writes).take_while(|&number| due(number) <= now).count() as u64;
        for _ in 0..ready {
            file.write_all_at(&data, place).context("the disk refuses to write")?;
            place = (place + data.len() as u64) % (BLOCK.len() * PACED_FILE_BLOCKS) as u64;
        }
        file.sync_data().context("the disk refuses to sync")?;
        let now = begun.elapsed();
        took_us.extend((done..done + ready).map(|number| now.saturating_sub(due(number)).as_micros()));
        done += ready;
    }
    std::fs::remove_file(&path).context("cannot remove the probe's file")?;
    took_us.sort_unstable();
    let at = |per_mille: usize| {
        took_us[(took_us.len() * per_mille / 1_000).min(took_us.len() - 1)] as f64 / 1_000.0
    };
    let (p50, p99, p999, max) = (at(500), at(990), at(999), at(1_000));
    println!(
        "the disk alone, {} KiB and fdatasync, {per_second}/s: p50 {p50:.2} ms  p99 {p99:.2} ms  p99.9 {p999:.2} ms  max {max:.1} ms",
        PACED_BLOCKS * BLOCK.len() / 1_024
    );
    Ok(json!({ "per_second": per_second, "p50_ms": p50, "p99_ms": p99, "p99_9_ms": p999, "max_ms": max }))
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads the machine's time")]
fn timed(file: &mut std::fs::File) -> anyhow::Result<Value> {
    let mut took_us = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all(&BLOCK).and_then(|()| file.sync_data()).context("the disk refuses to sync")?;
        took_us.push(begun.elapsed().as_micros());
    }
    took_us.sort_unstable();
    let at =
        |percent: usize| took_us[(took_us.len() * percent / 100).min(took_us.len() - 1)] as f64 / 1_000.0;
    Ok(json!({ "p50_ms": at(50), "p99_ms": at(99), "max_ms": at(100) }))
}
