//! When the next connection may be dialled: the rule, without locks or clock.

use super::{Checker, InvalidConfig, between_ms, doubled};
use std::collections::VecDeque;
use std::time::Duration;

/// How a [`DialBudget`](super::DialBudget) spaces dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DialConfig {
    /// The longest wait after the first failure, 1 ms to `cap`; doubles with each further one.
    pub base: Duration,
    /// The longest wait between two dials, and so the longest until a recovered node is found, at most 1 min.
    pub cap: Duration,
    /// Most dials in any `span` without a success, 1 to 1,000.
    pub dials_max: u32,
    /// The span `dials_max` counts over, 1 s to 10 min. At most `dials_max` times `cap`: with fewer dials than that
    /// the cap could not be kept.
    pub span: Duration,
    /// A connection that lasts this long was a success; one that dies younger counts like a failed dial. At most 1 min.
    pub stable: Duration,
}

impl Default for DialConfig {
    /// Waits of up to 100 ms doubling to 2 s; 12 dials in any 15 s; a connection counts after a second.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(100),
            cap: Duration::from_secs(2),
            dials_max: 12,
            span: Duration::from_secs(15),
            stable: Duration::from_secs(1),
        }
    }
}

impl DialConfig {
    /// Looks through all fields.
    ///
    /// # Errors
    /// Every field that is out of its range or does not fit the others.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let Self { base, cap, dials_max, span, stable } = *self;
        let (ms, second, minute) =
            (Duration::from_millis(1), Duration::from_secs(1), Duration::from_secs(60));
        let mut checker = Checker::of("dial budget");
        checker.require((ms..=cap).contains(&base), "base", || {
            format!("is {base:?}, must be 1 ms to the cap of {cap:?}")
        });
        checker.require(cap <= minute, "cap", || format!("is {cap:?}, must be at most {minute:?}"));
        checker.require((1..=1_000).contains(&dials_max), "dials_max", || {
            format!("is {dials_max}, must be 1 to 1,000")
        });
        checker.require((second..=10 * minute).contains(&span), "span", || {
            format!("is {span:?}, must be 1 s to 10 min")
        });
        // One millisecond more than the span: see `Pace::span_ms`.
        checker.require(span + ms <= cap.saturating_mul(dials_max), "span", || {
            format!("is {span:?}: {dials_max} dials at most {cap:?} apart do not fill it; raise `dials_max` or `cap`")
        });
        checker.require(stable <= minute, "stable", || format!("is {stable:?}, must be at most {minute:?}"));
        checker.finish()
    }
}

/// The rule's numbers, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Terms {
    base_ms: u64,
    cap_ms: u64,
    dials_max: usize,
    span_ms: u64,
    stable_ms: u64,
    /// How far apart dials are taken to be later on when one now is allowed: between what the count asks for and the
    /// cap. What it is less than the cap is always left to chance.
    apart_ms: u64,
}

/// A node's dials. Times are of one monotonic clock; `drawn` is a draw from `[0, 1]`.
#[derive(Debug)]
pub(super) struct Pace {
    terms: Terms,
    /// When the latest dials that count were started, oldest first; at most `dials_max`.
    charged: VecDeque<u64>,
    /// Failures in a row; a success alone does not end the row, one that lasted does.
    failures: u32,
    /// Not before this.
    next_ms: u64,
    /// Since when the node has been up, as far as dials tell.
    up_since_ms: Option<u64>,
    /// The latest dial, if it succeeded: charged after all should its connection die young.
    latest_refunded: Option<u64>,
}

impl Pace {
    pub(super) fn new(config: &DialConfig) -> Self {
        Self {
            terms: Terms::of(config),
            charged: VecDeque::new(),
            failures: 0,
            next_ms: 0,
            up_since_ms: None,
            latest_refunded: None,
        }
    }

    pub(super) fn reconfigure(&mut self, config: &DialConfig) {
        self.terms = Terms::of(config);
        let surplus = self.charged.len().saturating_sub(self.terms.dials_max);
        self.charged.drain(..surplus);
        self.next_ms = self.next_ms.min(self.charged.back().map_or(0, |latest| latest + self.terms.cap_ms));
    }

    pub(super) const fn failures(&self) -> u32 {
        self.failures
    }

    /// Dials charged within the span that ends now.
    pub(super) fn charged(&self, now_ms: u64) -> usize {
        self.charged.iter().filter(|started| now_ms < **started + self.terms.span_ms).count()
    }

    /// The soonest moment for the next dial.
    pub(super) fn next_ms(&self) -> u64 {
        self.next_ms.max(self.feasible_ms())
    }

    /// Starts a dial now, or says when it may be.
    pub(super) fn start(&mut self, now_ms: u64, drawn: f64) -> Result<(), u64> {
        let next_ms = self.next_ms();
        if now_ms < next_ms {
            return Err(next_ms);
        }
        self.charge(now_ms);
        self.latest_refunded = None;
        if self.failures > 0 && self.up_since_ms.is_none() {
            // Of several lanes that wait for the same node, one goes now and the others later.
            self.put_off(now_ms, drawn);
        }
        Ok(())
    }

    /// The dial started at `started_ms` led to a usable connection: it costs nothing, and the next may come at once.
    pub(super) fn succeeded(&mut self, started_ms: u64, now_ms: u64) {
        if let Some(place) = self.charged.iter().rposition(|charged| *charged == started_ms) {
            self.charged.remove(place);
        }
        let latest = self.charged.back().is_none_or(|latest| *latest <= started_ms);
        self.latest_refunded = latest.then_some(started_ms);
        self.up_since_ms.get_or_insert(now_ms);
        self.next_ms = 0;
    }

    /// A dial failed.
    pub(super) fn failed(&mut self, now_ms: u64, drawn: f64) {
        self.end_row_if_stable(now_ms);
        self.failures = self.failures.saturating_add(1);
        self.put_off(now_ms, drawn);
    }

    /// A connection died after `lifetime_ms`. Said once per connection; many that die together count as one.
    pub(super) fn lost(&mut self, lifetime_ms: u64, now_ms: u64, drawn: f64) {
        if lifetime_ms >= self.terms.stable_ms || self.up_since_ms.is_none() {
            return;
        }
        if let Some(started_ms) = self.latest_refunded.take() {
            self.charge(started_ms);
        }
        self.failed(now_ms, drawn);
        self.up_since_ms = None;
    }

    /// Word came that the node may be up: no jitter, only what the span still allows.
    pub(super) const fn hasten(&mut self) {
        self.next_ms = 0;
    }

    fn end_row_if_stable(&mut self, now_ms: u64) {
        if self
            .up_since_ms
            .take()
            .is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= self.terms.stable_ms)
        {
            self.failures = 0;
        }
    }

    fn charge(&mut self, started_ms: u64) {
        if self.charged.len() == self.terms.dials_max {
            self.charged.pop_front();
        }
        self.charged.push_back(started_ms);
    }

    /// Draws the next dial's moment: full jitter, but never so soon that the span's dials would run out. Where that cuts
    /// the range, it reaches to the cap: the clients of a server that is gone must not meet where it was cut.
    fn put_off(&mut self, now_ms: u64, drawn: f64) {
        let Terms { base_ms, cap_ms, .. } = self.terms;
        let low_ms = now_ms.max(self.feasible_ms());
        let ceiling_ms = doubled(base_ms, self.failures.saturating_sub(1), cap_ms);
        let high_ms = now_ms + if low_ms > now_ms { cap_ms } else { ceiling_ms };
        self.next_ms = between_ms(drawn, low_ms, high_ms);
    }

    /// The first moment from which dials `apart` from each other never exceed `dials_max` in a span.
    ///
    /// Dialling at `t`, `t + apart`, `t + 2·apart`, ... the dial number `j` (from 0) finds `j` of these and the charged
    /// ones of its span before it: at most `dials_max - 1 - j` of the latter may be younger than `t + j·apart - span`.
    /// So the `(dials_max - j)`-th youngest must be at least that old. As this held for the latest dial too, the
    /// moment is at most `apart` after it: with the cap in its place nothing would be left to draw from.
    fn feasible_ms(&self) -> u64 {
        let Terms { apart_ms, dials_max, span_ms, .. } = self.terms;
        let youngest_first = self.charged.iter().rev();
        youngest_first.enumerate().fold(0, |soonest_ms, (place, started_ms)| {
            let later_ms = (dials_max - 1 - place) as u64 * apart_ms;
            soonest_ms.max((started_ms + span_ms).saturating_sub(later_ms))
        })
    }
}

impl Terms {
    fn of(config: &DialConfig) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        // A millisecond more, so that a dial at each end of a span are not both within it.
        let (cap_ms, span_ms) = (ms(config.cap), ms(config.span) + 1);
        let even_ms = span_ms.div_ceil(u64::from(config.dials_max.max(1)));
        Self {
            base_ms: ms(config.base),
            cap_ms,
            dials_max: config.dials_max as usize,
            span_ms,
            stable_ms: ms(config.stable),
            apart_ms: (even_ms + cap_ms.max(even_ms)) / 2,
        }
    }
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
