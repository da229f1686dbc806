//! How fast replies go out: a token bucket and a pause per sender, a bound on calls in flight for the account.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_core::{Address, SharedClock};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What may go out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PacingConfig {
    /// Messages per second and sender: 80 is WhatsApp's, the Sandbox takes one in three seconds.
    pub per_second: f64,
    /// How many may go at once after a rest; at least 1.
    pub burst: u32,
    /// Sends in flight at a time, for the whole account on this node.
    pub in_flight_max: usize,
    /// How long a worker waits for its turn before it gives the job back, in milliseconds.
    pub wait_ms_max: u64,
}

impl Default for PacingConfig {
    fn default() -> Self {
        Self { per_second: 80.0, burst: 80, in_flight_max: 64, wait_ms_max: 3_000 }
    }
}

/// The most senders remembered; they are our own addresses. Beyond it, rested ones are forgotten.
const SENDERS_MAX: usize = 1_024;

/// The buckets and pauses of all senders. Pure: time is passed in.
#[derive(Debug)]
pub struct Buckets {
    interval_ms: f64,
    burst: f64,
    senders: HashMap<String, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at_ms: u64,
    paused_until_ms: u64,
}

impl Buckets {
    /// Full buckets of `burst` (at least 1) that gain `per_second` (at least one a day) each second.
    pub fn new(per_second: f64, burst: u32) -> Self {
        let rate = if per_second.is_finite() { per_second.max(1.0 / 86_400.0) } else { 80.0 };
        Self { interval_ms: 1_000.0 / rate, burst: f64::from(burst.max(1)), senders: HashMap::new() }
    }

    fn bucket(&mut self, sender: &str, now_ms: u64) -> &mut Bucket {
        if self.senders.len() >= SENDERS_MAX && !self.senders.contains_key(sender) {
            let (interval_ms, burst) = (self.interval_ms, self.burst);
            self.senders.retain(|_, bucket| {
                let rested = bucket.tokens + elapsed(bucket.at_ms, now_ms) / interval_ms >= burst;
                !rested || bucket.paused_until_ms > now_ms
            });
        }
        let burst = self.burst;
        self.senders.entry(sender.to_owned()).or_insert(Bucket {
            tokens: burst,
            at_ms: now_ms,
            paused_until_ms: 0,
        })
    }

    /// Takes a token of `sender`, or says how many milliseconds until there may be one.
    pub fn take(&mut self, sender: &str, now_ms: u64) -> Result<(), u64> {
        let (interval_ms, burst) = (self.interval_ms, self.burst);
        let bucket = self.bucket(sender, now_ms);
        if bucket.paused_until_ms > now_ms {
            return Err(bucket.paused_until_ms - now_ms);
        }
        bucket.tokens = (bucket.tokens + elapsed(bucket.at_ms, now_ms) / interval_ms).min(burst);
        bucket.at_ms = bucket.at_ms.max(now_ms);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a day")]
        let wait = ((1.0 - bucket.tokens) * interval_ms).ceil() as u64;
        Err(wait.max(1))
    }

    /// Lets nothing out from `sender` for `for_ms`; never shortens a pause.
    pub fn pause(&mut self, sender: &str, for_ms: u64, now_ms: u64) {
        let bucket = self.bucket(sender, now_ms);
        bucket.paused_until_ms = bucket.paused_until_ms.max(now_ms.saturating_add(for_ms));
    }

    /// How long `sender` is still paused, in milliseconds.
    pub fn paused_ms(&self, sender: &str, now_ms: u64) -> u64 {
        self.senders.get(sender).map_or(0, |bucket| bucket.paused_until_ms.saturating_sub(now_ms))
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds far below 2^52")]
fn elapsed(from_ms: u64, to_ms: u64) -> f64 {
    to_ms.saturating_sub(from_ms) as f64
}

/// The pacing of a node, shared by its reply workers.
#[derive(Debug)]
pub struct Pacer {
    buckets: Mutex<Buckets>,
    gate: Semaphore,
    wait_ms_max: u64,
    clock: SharedClock,
}

impl Pacer {
    /// Pacing by `config`, in `clock`'s monotonic time.
    pub fn new(config: PacingConfig, clock: SharedClock) -> Self {
        Self {
            buckets: Mutex::new(Buckets::new(config.per_second, config.burst)),
            gate: Semaphore::new(config.in_flight_max.clamp(1, Semaphore::MAX_PERMITS)),
            wait_ms_max: config.wait_ms_max,
            clock,
        }
    }

    /// Waits for `sender`'s turn and for room among the sends in flight; hold the permit during the send.
    /// Where the turn comes later than `wait_ms_max`, says how many milliseconds to stay away.
    ///
    /// # Cancel safety
    /// Dropping it spends at most a token.
    pub async fn turn(&self, sender: &Address) -> Result<SemaphorePermit<'_>, u64> {
        let deadline_ms = self.clock.mono_ms().saturating_add(self.wait_ms_max);
        loop {
            let now_ms = self.clock.mono_ms();
            let taken = self.buckets().take(sender.as_str(), now_ms);
            match taken {
                Ok(()) => break,
                Err(wait) if now_ms.saturating_add(wait) > deadline_ms => return Err(wait),
                Err(wait) => tokio::time::sleep(Duration::from_millis(wait)).await,
            }
        }
        let left = Duration::from_millis(deadline_ms.saturating_sub(self.clock.mono_ms()).max(1));
        match tokio::time::timeout(left, self.gate.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            // The gate is never closed; and if every place is taken for so long, come back later.
            Ok(Err(_)) | Err(_) => Err(self.wait_ms_max.max(1)),
        }
    }

    /// Lets nothing out from `sender` for `for_ms`.
    pub fn pause(&self, sender: &Address, for_ms: u64) {
        let now_ms = self.clock.mono_ms();
        self.buckets().pause(sender.as_str(), for_ms, now_ms);
    }

    /// How long `sender` is still paused, in milliseconds.
    pub fn paused_ms(&self, sender: &Address) -> u64 {
        self.buckets().paused_ms(sender.as_str(), self.clock.mono_ms())
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        // Consistent between any two calls, so a panic elsewhere spoils nothing.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use steadfast_core::ManualClock;

    #[test]
    fn eighty_a_second_after_a_burst() {
        let mut buckets = Buckets::new(80.0, 80);
        assert_eq!((0..200).filter(|_| buckets.take("s", 0).is_ok()).count(), 80);
        assert_eq!(buckets.take("s", 0), Err(13));
        assert_eq!(buckets.take("other", 0), Ok(()));
        assert_eq!((0..200).filter(|_| buckets.take("s", 500).is_ok()).count(), 40);
    }

    #[test]
    fn the_sandbox_takes_one_in_three_seconds() {
        let mut buckets = Buckets::new(1.0 / 3.0, 1);
        assert_eq!(buckets.take("s", 0), Ok(()));
        assert_eq!(buckets.take("s", 1), Err(2_999));
        assert_eq!(buckets.take("s", 3_001), Ok(()));
    }

    #[test]
    fn a_pause_holds_one_sender_and_is_never_shortened() {
        let mut buckets = Buckets::new(80.0, 80);
        buckets.pause("s", 10_000, 0);
        buckets.pause("s", 1_000, 0);
        assert_eq!(buckets.take("s", 4_000), Err(6_000));
        assert_eq!(buckets.take("other", 4_000), Ok(()));
        assert_eq!(buckets.paused_ms("s", 10_000), 0);
        assert_eq!(buckets.take("s", 10_000), Ok(()));
    }

    #[test]
    fn senders_are_bounded() {
        let mut buckets = Buckets::new(80.0, 1);
        for sender in 0..5_000_u64 {
            assert_eq!(buckets.take(&sender.to_string(), sender * 1_000), Ok(()));
        }
        assert!(buckets.senders.len() <= SENDERS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_gate_sends_workers_away() {
        let clock = ManualClock::at(0);
        let config = PacingConfig { in_flight_max: 1, ..PacingConfig::default() };
        let pacer = Pacer::new(config, clock);
        let sender = Address::parse("whatsapp:+14155238886").expect("valid");
        let held = pacer.turn(&sender).await.expect("room");
        assert_eq!(pacer.turn(&sender).await.err(), Some(3_000));
        drop(held);
        assert!(pacer.turn(&sender).await.is_ok());
    }

    proptest! {
        #[test]
        fn never_more_than_rate_and_burst(gaps in proptest::collection::vec(0_u64..50, 1..300), burst in 1_u32..20) {
            let mut buckets = Buckets::new(80.0, burst);
            let (mut now, mut sent) = (0, 0.0);
            for gap in gaps {
                now += gap;
                if buckets.take("s", now).is_ok() {
                    sent += 1.0;
                }
                prop_assert!(sent <= f64::from(burst) + elapsed(0, now) * 0.08 + 1e-6);
            }
        }
    }
}
