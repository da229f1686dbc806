//! What a process uses, as the kernel counts it, and what the node itself says about its store.

use crate::commands::http::client;
use anyhow::Context;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use url::Url;

/// The kernel counts processor time for users in hundredths of a second (USER_HZ), on every Linux.
const TICK_S: f64 = 0.01;
/// Metrics of the local store: commits, their batches, and whatever else it measures.
const STORE: &str = "steadfast_queue_local_";

/// A look at a process.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    cpu_s: f64,
    written_bytes: u64,
}

impl Usage {
    /// Of the process `pid`, or of this one.
    pub(super) fn of(pid: Option<u32>) -> Self {
        let folder = pid.map_or_else(|| "/proc/self".to_owned(), |pid| format!("/proc/{pid}"));
        let stat = std::fs::read_to_string(format!("{folder}/stat")).unwrap_or_default();
        // After the name, which may hold anything, in parentheses: fields 14 and 15 of the whole line.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        let io = std::fs::read_to_string(format!("{folder}/io")).unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        let written_bytes = written.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        Self { cpu_s: (ticks(11) + ticks(12)) * TICK_S, written_bytes }
    }

    /// Processor time since `before`, in microseconds per one of `count`.
    pub(super) fn cpu_us_each(&self, before: &Self, count: u64) -> f64 {
        (self.cpu_s - before.cpu_s) * 1e6 / count.max(1) as f64
    }

    /// Bytes sent to the disk since `before`, per one of `count`.
    pub(super) fn written_each(&self, before: &Self, count: u64) -> f64 {
        self.written_bytes.saturating_sub(before.written_bytes) as f64 / count.max(1) as f64
    }
}

/// Resident memory of a process, in MiB: now, and its peak since [`forget_peak`].
pub(super) fn resident_mib(pid: u32) -> (f64, f64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib =
            line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1_024.0
    };
    (mib("VmRSS:"), mib("VmHWM:"))
}

/// Lets the peak of a process of ours begin anew.
pub(super) fn forget_peak(pid: u32) {
    // Where the kernel does not allow it, the peak is the one since the start.
    let _done = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

/// Sums and counts of the store's metrics.
#[derive(Debug, Default)]
pub(super) struct Store(BTreeMap<String, f64>);

impl Store {
    /// Reads them; a node without metrics has none.
    pub(super) async fn read(metrics: Option<&Url>) -> anyhow::Result<Self> {
        let Some(metrics) = metrics else { return Ok(Self::default()) };
        let url = metrics.join("/metrics").context("no URL of the metrics")?;
        let text = client()?.get(url).send().await.context("the metrics do not answer")?.text().await?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let own = text.lines().filter_map(|line| line.strip_prefix(STORE));
        let pairs = own.filter(|line| !line.contains('{')).filter_map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        });
        Self(pairs.collect())
    }

    /// What happened since `before`: of histograms how many and their mean, of the rest the difference.
    pub(super) fn since(&self, before: &Self) -> Value {
        let grown = |name: &str| self.0.get(name).map(|now| now - before.0.get(name).copied().unwrap_or(0.0));
        let mut figures = Map::new();
        for name in self.0.keys() {
            let Some(whole) = name.strip_suffix("_sum") else {
                if !name.ends_with("_count") && name.ends_with("_total") {
                    figures.insert(name.clone(), json!(grown(name)));
                }
                continue;
            };
            let (sum, count) = (grown(name), grown(&format!("{whole}_count")));
            if let (Some(sum), Some(count)) = (sum, count)
                && count > 0.0
            {
                figures.insert(whole.to_owned(), json!({ "count": count, "mean": sum / count }));
            }
        }
        Value::Object(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_was_added() {
        let before = Store::parse(
            "steadfast_queue_local_batch_calls_sum 10\nsteadfast_queue_local_batch_calls_count 5\n",
        );
        let after = Store::parse(
            "# HELP x\nsteadfast_queue_local_batch_calls_bucket{le=\"1\"} 3\n\
             steadfast_queue_local_batch_calls_sum 40\nsteadfast_queue_local_batch_calls_count 10\n\
             steadfast_queue_local_errors_total 2\nother_total 9\n",
        );
        let since = after.since(&before);
        assert_eq!(since["batch_calls"], json!({ "count": 5.0, "mean": 6.0 }));
        assert_eq!(since["errors_total"], json!(2.0));
        assert_eq!(since.as_object().map(Map::len), Some(2));
    }

    #[test]
    fn this_process_uses_something() {
        let usage = Usage::of(None);
        assert!(usage.cpu_s >= 0.0);
        assert!(resident_mib(std::process::id()).0 > 0.1);
    }
}
