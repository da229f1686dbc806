//! Payloads encrypted at rest: what lies on disk, and a change of the key while jobs wait.
//!
//! `cargo run -p steadfast-queue --features encryption --example encrypted`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use steadfast_queue::sealed::{KeyRing, Sealed};
use steadfast_queue::typed::{JobType, Queue, Router};

#[derive(Serialize, Deserialize)]
struct Diagnose {
    patient: String,
}

impl JobType for Diagnose {
    const KIND: &'static str = "diagnose";
}

async fn diagnose(job: Diagnose) {
    println!("the worker reads: {}", job.patient);
}

/// In production from a file that only the service may read; `openssl rand -hex 32` makes a key.
const KEY_2026: &str = "2026=b8f1b05f2b4cbd3c2d6e4a4f1e3f0c9d7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d";
const KEY_2027: &str = "2027=1f2e3d4c5b6a79880716253443526170f0e1d2c3b4a5968778695a4b3c2d1e0f";

fn on_disk(folder: &Path, text: &str) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(folder)? {
        let bytes = std::fs::read(entry?.path())?;
        if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let plain = Queue::open(folder.path().join("jobs.db"))?;
    let sealed = Sealed::new(Arc::clone(plain.backend()), KeyRing::parse(KEY_2026)?);
    let queue = plain.wrapped(|_| sealed.clone());

    queue.push(Diagnose { patient: "Ada Lovelace".into() }).await?;
    println!("on disk in the clear: {}", on_disk(folder.path(), "Ada Lovelace")?);

    // The new key first: it seals from now on, the old one still opens.
    sealed.rotate(KeyRing::parse(&format!("{KEY_2027},{KEY_2026}"))?);
    queue.push(Diagnose { patient: "Grace Hopper".into() }).await?;
    queue.serve(Router::new().handle(diagnose), queue.until_empty()).await?;
    println!("on disk in the clear: {}", on_disk(folder.path(), "Grace Hopper")?);
    queue.close().await?;
    Ok(())
}
