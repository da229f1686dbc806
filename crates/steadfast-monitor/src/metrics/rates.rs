//! How fast things move and how often they fail, from counters sampled now and then.

use super::window::{CounterWindow, RatioWindow};
use crate::view::Rates;
use std::collections::BTreeMap;
use steadfast_queue::backend::{QueueStats, Stats};

const MINUTE_MS: u64 = 60_000;
const ERROR_SPAN_MS: u64 = 5 * MINUTE_MS;
/// Queues followed at most; queues are named by the program, so this is never met.
const QUEUES_MAX: usize = 64;
/// Samples are taken at most so often.
const SAMPLE_GAP_MS: u64 = 1_000;

/// What the recorder's counters say, summed over their labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) webhooks: u64,
    pub(crate) webhook_errors: u64,
    pub(crate) messages: u64,
}

#[derive(Debug)]
struct QueueWindows {
    enqueued: CounterWindow,
    completed: CounterWindow,
    failed: CounterWindow,
    errors: RatioWindow,
}

impl QueueWindows {
    fn new(start_ms: u64) -> Self {
        let minute = || CounterWindow::new(MINUTE_MS, start_ms, 0);
        let errors = RatioWindow::new(ERROR_SPAN_MS, start_ms);
        Self { enqueued: minute(), completed: minute(), failed: minute(), errors }
    }

    fn record(&mut self, now_ms: u64, stats: &QueueStats) {
        self.enqueued.record(now_ms, stats.enqueued_total);
        self.completed.record(now_ms, stats.completed_total);
        self.failed.record(now_ms, stats.failed_total);
        let ended = stats.completed_total.saturating_add(stats.failed_total);
        self.errors.record(now_ms, ended, stats.failed_total);
    }
}

/// All windows.
#[derive(Debug)]
pub(crate) struct RateBook {
    start_ms: u64,
    sampled_ms: Option<u64>,
    queues: BTreeMap<String, QueueWindows>,
    gateway: RatioWindow,
    messages: CounterWindow,
}

impl RateBook {
    /// A book opened at `now_ms` (monotonic). Every counter it will see stood at zero when the process began.
    pub(crate) fn new(now_ms: u64) -> Self {
        Self {
            start_ms: now_ms,
            sampled_ms: None,
            queues: BTreeMap::new(),
            gateway: RatioWindow::new(ERROR_SPAN_MS, now_ms),
            messages: CounterWindow::new(MINUTE_MS, now_ms, 0),
        }
    }

    /// Whether a sample is due: asking for one costs a count of the queues.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        self.sampled_ms.is_none_or(|at| now_ms.saturating_sub(at) >= SAMPLE_GAP_MS)
    }

    pub(crate) fn record(&mut self, now_ms: u64, stats: &Stats, flow: Option<Flow>) {
        self.sampled_ms = Some(now_ms);
        for (name, stats) in &stats.queues {
            if self.queues.len() >= QUEUES_MAX && !self.queues.contains_key(name) {
                continue;
            }
            let start_ms = self.start_ms;
            self.queues
                .entry(name.clone())
                .or_insert_with(|| QueueWindows::new(start_ms))
                .record(now_ms, stats);
        }
        if let Some(flow) = flow {
            self.gateway.record(now_ms, flow.webhooks, flow.webhook_errors);
            self.messages.record(now_ms, flow.messages);
        }
    }

    /// How fast `queue` moves.
    pub(crate) fn of_queue(&self, queue: &str, now_ms: u64) -> Rates {
        self.queues.get(queue).map_or_else(Rates::default, |windows| Rates {
            enqueued_per_second: windows.enqueued.per_second(now_ms),
            completed_per_second: windows.completed.per_second(now_ms),
            failed_attempts_per_second: windows.failed.per_second(now_ms),
        })
    }

    /// The share of failures by component, over five minutes.
    pub(crate) fn error_rates(&self, now_ms: u64) -> Vec<(String, f64)> {
        let gateway = ("gateway".to_owned(), self.gateway.ratio(now_ms));
        let queues = self.queues.iter().map(|(name, windows)| (name.clone(), windows.errors.ratio(now_ms)));
        std::iter::once(gateway).chain(queues).collect()
    }

    /// Messages handled per second, over one minute.
    pub(crate) fn messages_per_second(&self, now_ms: u64) -> f64 {
        self.messages.per_second(now_ms)
    }
}

/// The sum over all labels of counter `name` in a Prometheus text.
pub(crate) fn sum_of(text: &str, name: &str) -> u64 {
    text.lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            let value = match rest.as_bytes().first()? {
                b' ' => rest,
                // A label's value may hold blanks and brackets, but nothing follows the last bracket but the value.
                b'{' => rest.rsplit_once('}')?.1,
                _ => return None,
            };
            value.trim().parse::<u64>().ok()
        })
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stats(completed: u64, failed: u64) -> Stats {
        let queue = QueueStats { completed_total: completed, failed_total: failed, ..QueueStats::default() };
        Stats { queues: [("q".to_owned(), queue)].into(), ..Stats::default() }
    }

    #[test]
    fn counters_are_summed_over_labels() {
        let text =
            "# TYPE a_total counter\na_total{x=\"} 9\"} 3\na_total 4\na_total_more 100\na_total{x=\"y\"} 5\n";
        assert_eq!(sum_of(text, "a_total"), 12);
        assert_eq!(sum_of(text, "b_total"), 0);
    }

    #[test]
    fn a_failing_queue_shows_in_its_own_rate() {
        let mut book = RateBook::new(0);
        assert!(book.is_due(0));
        book.record(10_000, &stats(90, 10), Some(Flow { webhooks: 200, webhook_errors: 10, messages: 120 }));
        assert!(!book.is_due(10_500) && book.is_due(11_000));
        let rates = book.error_rates(10_000);
        assert_eq!(rates, [("gateway".to_owned(), 0.05), ("q".to_owned(), 0.1)]);
        assert!((book.messages_per_second(10_000) - 12.0).abs() < 1e-9);
        assert!((book.of_queue("q", 10_000).completed_per_second - 9.0).abs() < 1e-9);
        assert!(book.of_queue("unknown", 10_000).completed_per_second.abs() < 1e-9);
    }

    #[test]
    fn queues_are_bounded() {
        let mut book = RateBook::new(0);
        let queues = (0..200).map(|n| (n.to_string(), QueueStats::default())).collect();
        book.record(1, &Stats { queues, ..Stats::default() }, None);
        assert_eq!(book.queues.len(), QUEUES_MAX);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_sum_panic(text in "(a_total[ -~]{0,30}\n){0,5}") {
            let _ = sum_of(&text, "a_total");
        }
    }
}
