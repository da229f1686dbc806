//! How many retries all callers together may make.

use super::sync::{AtomicU64, Ordering};
use super::{Checker, InvalidConfig};
use std::fmt;
use std::sync::Arc;
use steadfast_clock::SharedClock;

/// Tokens are counted in thousandths.
const TOKEN: u64 = 1_000;
/// The most tokens that fit: 24 bits of thousandths.
const BURST_MAX: u32 = 16_000;
/// The share of the state word that tells the time: 40 bits of milliseconds, 34 years.
const TIME_BITS: u32 = 40;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;

/// What a [`RetryBudget`] grants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryBudgetConfig {
    /// Retries per call, 0 to 1, in steps of a thousandth. 0.1 lets load grow by a tenth at the worst.
    pub ratio: f64,
    /// Retries per second that are granted however few calls there are, 0 to 1,000: a quiet client may retry too.
    pub floor_per_s: u32,
    /// The most retries saved up, 1 to 16,000: as many may be made at one moment.
    pub burst: u32,
}

impl Default for RetryBudgetConfig {
    /// A tenth of the calls, one per second beside, 100 at once.
    fn default() -> Self {
        Self { ratio: 0.1, floor_per_s: 1, burst: 100 }
    }
}

impl RetryBudgetConfig {
    /// Looks through all fields.
    ///
    /// # Errors
    /// Every field that is out of its range.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let Self { ratio, floor_per_s, burst } = *self;
        let mut checker = Checker::of("retry budget");
        checker.require((0.0..=1.0).contains(&ratio), "ratio", || format!("is {ratio}, must be 0 to 1"));
        checker.require(floor_per_s <= 1_000, "floor_per_s", || format!("is {floor_per_s}, at most 1,000"));
        checker.require((1..=BURST_MAX).contains(&burst), "burst", || {
            format!("is {burst}, must be 1 to 16,000")
        });
        checker.finish()
    }
}

/// Retries as a share of recent calls: a token bucket shared by all callers of a node.
///
/// Every call puts `ratio` of a token in, every retry takes a whole one out, `floor_per_s` tokens per second come for
/// nothing, and no more than `burst` are kept. So within any span of time
/// `retries <= burst + ratio·calls + floor_per_s·seconds`, and an outage cannot multiply the load that meets the node
/// when it returns. (In the manner of gRPC's retry throttling, proposal A6, and Finagle's retry budget.)
///
/// Cheap to clone; clones share the tokens. Lock-free; with the bucket full, [`record_call`](Self::record_call) is
/// two loads.
#[derive(Clone)]
pub struct RetryBudget(Arc<Shared>);

struct Shared {
    tokens: Tokens,
    /// Ratio, floor and burst, so that they change together: 12, 12 and 16 bits.
    terms: AtomicU64,
    clock: SharedClock,
}

/// What the bucket gives and holds, in thousandths of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Terms {
    per_call: u64,
    /// Thousandths per millisecond are tokens per second.
    per_ms: u64,
    burst: u64,
}

impl RetryBudget {
    /// A full bucket.
    ///
    /// # Errors
    /// Every field of `config` that is out of its range.
    pub fn new(config: RetryBudgetConfig, clock: SharedClock) -> Result<Self, InvalidConfig> {
        config.validate()?;
        let terms = Terms::of(config);
        let tokens = Tokens::new(terms.burst, clock.mono_ms());
        Ok(Self(Arc::new(Shared { tokens, terms: AtomicU64::new(terms.packed()), clock })))
    }

    /// A call is made. Say it once per call, not for its retries.
    pub fn record_call(&self) {
        self.0.tokens.deposit(self.0.terms());
    }

    /// Asks for one retry. If granted it is spent: there is no way to give it back.
    pub fn try_retry(&self) -> bool {
        self.0.tokens.withdraw(self.0.terms(), self.0.clock.mono_ms())
    }

    /// Retries that would be granted now, one after the other.
    pub fn available(&self) -> u32 {
        let tokens = self.0.tokens.level(self.0.terms(), self.0.clock.mono_ms()) / TOKEN;
        u32::try_from(tokens).unwrap_or(u32::MAX)
    }

    /// Goes on under other terms, with the tokens it has.
    ///
    /// # Errors
    /// Every field of `config` that is out of its range; the terms stay.
    pub fn reconfigure(&self, config: RetryBudgetConfig) -> Result<(), InvalidConfig> {
        config.validate()?;
        self.0.terms.store(Terms::of(config).packed(), Ordering::Release);
        Ok(())
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget").field("terms", &self.0.terms()).finish_non_exhaustive()
    }
}

impl Shared {
    fn terms(&self) -> Terms {
        Terms::unpacked(self.terms.load(Ordering::Acquire))
    }
}

impl Terms {
    fn of(config: RetryBudgetConfig) -> Self {
        Self {
            per_call: (config.ratio * TOKEN as f64).round() as u64,
            per_ms: u64::from(config.floor_per_s),
            burst: u64::from(config.burst) * TOKEN,
        }
    }

    const fn packed(self) -> u64 {
        (self.per_call << 28) | (self.per_ms << 16) | (self.burst / TOKEN)
    }

    const fn unpacked(word: u64) -> Self {
        Self { per_call: word >> 28, per_ms: (word >> 16) & 0xFFF, burst: (word & 0xFFFF) * TOKEN }
    }
}

/// Tokens and when they were last topped up, in one word: both change together or not at all.
struct Tokens(AtomicU64);

impl Tokens {
    fn new(level: u64, now_ms: u64) -> Self {
        Self(AtomicU64::new(Self::pack(level, now_ms)))
    }

    const fn pack(level: u64, at_ms: u64) -> u64 {
        (level << TIME_BITS) | (at_ms & TIME_MASK)
    }

    const fn unpack(word: u64) -> (u64, u64) {
        (word >> TIME_BITS, word & TIME_MASK)
    }

    /// Puts a call's share in. What flows in over time waits for the next withdrawal: a call need not read the clock.
    fn deposit(&self, terms: Terms) {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let (level, at_ms) = Self::unpack(seen);
            if level >= terms.burst || terms.per_call == 0 {
                return;
            }
            let wanted = Self::pack((level + terms.per_call).min(terms.burst), at_ms);
            match self.0.compare_exchange_weak(seen, wanted, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    fn withdraw(&self, terms: Terms, now_ms: u64) -> bool {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let (level, at_ms) = Self::topped_up(seen, terms, now_ms);
            let granted = level >= TOKEN;
            let wanted = Self::pack(if granted { level - TOKEN } else { level }, at_ms);
            match self.0.compare_exchange_weak(seen, wanted, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return granted,
                Err(other) => seen = other,
            }
        }
    }

    fn level(&self, terms: Terms, now_ms: u64) -> u64 {
        Self::topped_up(self.0.load(Ordering::Relaxed), terms, now_ms).0
    }

    /// The level with what flowed in since it was last topped up. A reading of the clock older than that adds nothing.
    fn topped_up(word: u64, terms: Terms, now_ms: u64) -> (u64, u64) {
        let (level, at_ms) = Self::unpack(word);
        let gained = now_ms.saturating_sub(at_ms).saturating_mul(terms.per_ms);
        (level.saturating_add(gained).min(terms.burst), at_ms.max(now_ms))
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
