//! Everything at once, for a few seconds; `cargo xtask chaos local` does it for minutes, on a disk of its own.

use crate::support::binary;
use std::time::Duration;
use steadfast_testkit::chaos::{self, Options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g1_g2_g3_kills_stops_clock_steps_and_a_full_disk_under_load_lose_and_double_nothing()
-> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let options = Options {
        length: Duration::from_secs(6),
        kills: 4,
        seed: 180,
        per_second: 40,
        senders: 60,
        unanswered_max: 100,
        own_disk: false,
        ambiguous_grace: Duration::from_secs(1),
        quiet_within: Duration::from_secs(90),
        ..Options::new(binary().to_owned(), folder.path().join("chaos"))
    };
    let report = chaos::run(options).await?;
    assert!(report.breaches().is_empty(), "{report}");
    assert!(report.done.kills >= 4 && report.done.disk_full >= 1 && report.done.clock_steps >= 2, "{report}");
    assert!(report.tally.handled_once > 30, "{report}");
    Ok(())
}
