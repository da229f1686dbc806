//! Watching the wall clock for steps back.
//!
//! When a job is due is stored as wall time. When the wall clock is set back by an hour, what was to wait two
//! seconds would wait an hour and two seconds; so whoever stores such times shifts them along. A step forward
//! is left alone: jobs come early, by at most the step.

use steadfast_clock::Clock;

/// Steps of up to so many milliseconds are left alone, also when several add up to it: that is how far
/// clocks are corrected in passing.
const STEP_MS: i64 = 2_000;
/// Two readings further apart than this, in milliseconds, do not belong together.
const READING_MS_MAX: u64 = 100;
const READINGS_MAX: usize = 3;

/// Wall time and monotonic time of one moment. A thread that is held up between the two readings asks again:
/// it would see a step where there was none.
pub(super) fn read(clock: &dyn Clock) -> (i64, u64) {
    let mut before_ms = clock.mono_ms();
    let mut now_ms = clock.now_ms();
    for _ in 0..READINGS_MAX {
        let after_ms = clock.mono_ms();
        if after_ms.saturating_sub(before_ms) <= READING_MS_MAX {
            break;
        }
        before_ms = after_ms;
        now_ms = clock.now_ms();
    }
    (now_ms, before_ms)
}

/// What wall time the stored times are meant in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall {
    /// The furthest that the wall clock was seen ahead of the monotonic one.
    ahead_ms: i64,
}

impl Wall {
    /// Stored times are meant in a wall time that is or was `seen_ms`, as of `mono_ms`.
    pub(super) fn at(seen_ms: i64, mono_ms: u64) -> Self {
        Self { ahead_ms: seen_ms.saturating_sub(signed(mono_ms)) }
    }

    /// By how much the wall clock is behind the stored times, if by enough to shift them. Until
    /// [`Wall::shifted`] is called it will say so again.
    pub(super) fn fell(&mut self, now_ms: i64, mono_ms: u64) -> Option<i64> {
        let ahead_ms = now_ms.saturating_sub(signed(mono_ms));
        self.ahead_ms = self.ahead_ms.max(ahead_ms);
        let step_ms = self.ahead_ms.saturating_sub(ahead_ms);
        (step_ms > STEP_MS).then_some(step_ms)
    }

    /// Stored times were shifted: they are meant in the wall time that is `now_ms`.
    pub(super) fn shifted(&mut self, now_ms: i64, mono_ms: u64) {
        *self = Self::at(now_ms, mono_ms);
    }

    /// The wall time that stored times are meant in, as of `mono_ms`.
    pub(super) fn meant_ms(&self, mono_ms: u64) -> i64 {
        self.ahead_ms.saturating_add(signed(mono_ms))
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn only_steps_back_are_seen() {
        let mut wall = Wall::at(10_000, 0);
        assert_eq!(wall.fell(11_000, 1_000), None, "time passes");
        assert_eq!(wall.fell(91_000, 1_000), None, "a step forward");
        assert_eq!(wall.fell(92_000, 2_000), None);
        assert_eq!(wall.fell(32_500, 2_500), Some(60_000));
        assert_eq!(wall.fell(33_000, 3_000), Some(60_000), "until it is dealt with");
        assert_eq!(wall.meant_ms(3_000), 93_000);
        wall.shifted(33_000, 3_000);
        assert_eq!(wall.fell(34_000, 4_000), None);
        assert_eq!(wall.meant_ms(4_000), 34_000);
    }

    #[test]
    fn small_steps_back_add_up() {
        let mut wall = Wall::at(10_000, 0);
        assert_eq!(wall.fell(9_000, 0), None);
        assert_eq!(wall.fell(8_000, 0), None);
        assert_eq!(wall.fell(7_900, 0), Some(2_100));
    }

    /// A clock whose reader is held up for ten seconds between its first two readings.
    #[derive(Debug, Default)]
    struct HeldUp(AtomicU64);

    impl Clock for HeldUp {
        fn now_ms(&self) -> i64 {
            signed(self.mono_ms()) + 1_000_000
        }

        fn mono_ms(&self) -> u64 {
            if self.0.fetch_add(1, Ordering::SeqCst) == 0 { 0 } else { 10_000 }
        }
    }

    #[test]
    fn a_reader_who_was_held_up_reads_again() {
        assert_eq!(read(&HeldUp::default()), (1_010_000, 10_000));
    }
}
