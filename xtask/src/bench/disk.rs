//! What the disk itself does: the floor under every durable figure.

use anyhow::Context;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

const WRITES: usize = 300;
const BLOCK: [u8; 4_096] = [7; 4_096];

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
