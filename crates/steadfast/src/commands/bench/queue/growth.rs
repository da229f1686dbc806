//! Whether it matters how many jobs wait.

use super::super::usage::resident_mib;
use super::super::{Output, per_second};
use super::work::{self, Lanes};
use super::{BATCH, BATCH_LANES, CALLERS};
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::time::Duration;
use steadfast_queue::backend::BATCH_MAX;

/// The first step.
const FIRST: u64 = 1_000;

/// Full cycles beside 10^3, 10^4, … waiting jobs, up to `waiting_max`, and how each compares to the first.
pub(super) async fn run(out: &Output, path: &Path, waiting_max: u64, span: Duration) -> anyhow::Result<()> {
    let store = super::open(path)?;
    let mut waiting = 0;
    let mut first = None;
    let mut goal = FIRST;
    while goal <= waiting_max {
        while waiting < goal {
            let jobs = usize::try_from(goal - waiting)?.min(BATCH_MAX);
            work::enqueue(&store, jobs).await?;
            waiting += jobs as u64;
        }
        let batched = Lanes { name: "batched", lanes: BATCH_LANES, batch: BATCH };
        let batched = work::cycles(&store, batched, span).await?;
        let single = Lanes { name: "one by one", lanes: CALLERS, batch: 1 };
        let single = work::cycles(&store, single, span).await?;
        let rates = (per_second(batched.jobs, batched.took), per_second(single.jobs, single.took));
        let (first_batched, first_single) = *first.get_or_insert(rates);
        let relative = (rates.0 / first_batched, rates.1 / first_single);
        let resident = resident_mib(std::process::id()).0;
        out.say(
            &format!(
                "beside {waiting:>10} waiting: {:>8.0} cycles/s batched ({:>4.0} % of the first), {:>8.0}/s one by one \
                 ({:>4.0} %), {resident:.1} MiB resident",
                rates.0,
                relative.0 * 100.0,
                rates.1,
                relative.1 * 100.0
            ),
            &json!({
                "what": "growth",
                "waiting": waiting,
                "batched_per_second": rates.0,
                "batched_of_first": relative.0,
                "one_by_one_per_second": rates.1,
                "one_by_one_of_first": relative.1,
                "resident_mib": resident,
            }),
        )?;
        goal = goal.saturating_mul(10);
    }
    store.close().await.context("the store did not close")
}
