//! How much to let through after a recovery.

use std::time::Duration;

/// A widening gate: 1, 2, 4, ... up to a full width. What comes back after an outage is let in by doubling, so that
/// it is not brought down again by everyone who waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ramp {
    step: u32,
    full: u32,
}

impl Ramp {
    /// A ramp at its first step, width 1, that ends at `full` (0 counts as 1).
    pub const fn new(full: u32) -> Self {
        Self { step: 0, full: if full == 0 { 1 } else { full } }
    }

    /// The ramp `elapsed` after its start, if it widens once per `interval`. An `interval` of zero is full at once.
    pub fn after(full: u32, elapsed: Duration, interval: Duration) -> Self {
        let steps = elapsed.as_nanos().checked_div(interval.as_nanos()).unwrap_or(u128::MAX);
        Self { step: u32::try_from(steps).unwrap_or(u32::MAX), ..Self::new(full) }
    }

    /// How much goes through at this step: 1 to the full width.
    pub const fn width(self) -> u32 {
        match 1_u32.checked_shl(self.step) {
            Some(width) if width < self.full => width,
            _ => self.full,
        }
    }

    /// Whether this step lets the full width through.
    pub const fn is_full(self) -> bool {
        self.width() == self.full
    }

    /// Goes on to the next step. False if this was the last one: the ramp is done.
    pub const fn widen(&mut self) -> bool {
        let goes_on = !self.is_full();
        if goes_on {
            self.step += 1;
        }
        goes_on
    }

    /// The same step of a ramp to another full width.
    #[must_use]
    pub const fn to(self, full: u32) -> Self {
        Self { step: self.step, ..Self::new(full) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_full_width_and_no_further() {
        for (full, widths) in [(0, vec![1]), (1, vec![1]), (2, vec![1, 2]), (10, vec![1, 2, 4, 8, 10])] {
            let mut ramp = Ramp::new(full);
            let mut seen = vec![ramp.width()];
            while ramp.widen() {
                seen.push(ramp.width());
            }
            assert_eq!(seen, widths);
            assert!(ramp.is_full());
        }
    }

    #[test]
    fn by_time_it_widens_once_per_interval() {
        let width = |ms| Ramp::after(100, Duration::from_millis(ms), Duration::from_millis(50)).width();
        assert_eq!([0, 49, 50, 149, 150, 349, 350].map(width), [1, 1, 2, 4, 8, 64, 100]);
        assert_eq!(width(u64::MAX), 100);
        assert_eq!(Ramp::after(9, Duration::ZERO, Duration::ZERO).width(), 9);
    }

    #[test]
    fn a_narrower_or_wider_end_keeps_the_step() {
        let mut ramp = Ramp::new(8);
        ramp.widen();
        ramp.widen();
        assert_eq!((ramp.width(), ramp.to(3).width(), ramp.to(100).width()), (4, 3, 4));
        assert!(!ramp.to(100).is_full());
    }
}
