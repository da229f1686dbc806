//! Whether a figure rises or falls. Pure.
//!
//! Two robust tests must agree, so that neither one spike nor noise is called a trend: that there is one (Mann-Kendall:
//! of all pairs of points, so many more rise than fall as chance gives once in a hundred times), and that it matters
//! (Theil-Sen: the median of all pairs' slopes, over the whole span, is a fifth of the figure or more).

use serde::Serialize;

/// Points that are looked at; more are put together by their median. All pairs are compared.
const POINTS_MAX: usize = 60;
/// Fewer say nothing.
const POINTS_MIN: usize = 8;
/// The deviation that chance exceeds once in a hundred times, to either side.
const CERTAIN: f64 = 2.576;
/// The change over the span, as a share of the figure, that is worth a word.
const CHANGE_MIN: f64 = 0.2;

/// Where a figure goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Up.
    Rising,
    /// Down.
    Falling,
    /// Nowhere, or not clearly.
    Steady,
    /// There are too few samples to say.
    Unknown,
}

impl Direction {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Falling => "falling",
            Self::Steady => "steady",
            Self::Unknown => "too few samples",
        }
    }
}

/// A figure over time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Trend {
    /// Where it goes.
    pub direction: Direction,
    /// Its median over the first quarter of the time.
    pub from: f64,
    /// Its median over the last quarter.
    pub to: f64,
}

/// The trend of `values`, evenly spaced in time. A change of less than `floor` is none, however small the figure.
pub(super) fn trend(values: &[f64], floor: f64) -> Trend {
    let points = thinned(values);
    let quarter = (points.len() / 4).max(1).min(points.len());
    let (from, to) = (median(&points[..quarter]), median(&points[points.len() - quarter..]));
    let direction = match points.len() {
        ..POINTS_MIN => Direction::Unknown,
        _ => direction(&points, floor),
    };
    Trend { direction, from, to }
}

fn direction(points: &[f64], floor: f64) -> Direction {
    let count = points.len() as f64;
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    let mut balance = 0_i64;
    for (at, earlier) in points.iter().enumerate() {
        for (after, later) in (1_u32..).zip(&points[at + 1..]) {
            balance += i64::from(later > earlier) - i64::from(later < earlier);
            slopes.push((later - earlier) / f64::from(after));
        }
    }
    let variance = count * (count - 1.0) * (2.0 * count + 5.0) / 18.0;
    // One less: the balance is a whole number, and the distribution that it is compared with is not.
    let deviation = (balance.abs() - 1).max(0) as f64 / variance.sqrt();
    let change = median(&slopes) * (count - 1.0);
    let matters = change.abs() >= floor.max(CHANGE_MIN * median(points).abs());
    match (deviation >= CERTAIN && matters, change > 0.0) {
        (true, true) => Direction::Rising,
        (true, false) => Direction::Falling,
        (false, _) => Direction::Steady,
    }
}

/// At most [`POINTS_MAX`] points, each the median of as many neighbours as the others.
fn thinned(values: &[f64]) -> Vec<f64> {
    let each = values.len().div_ceil(POINTS_MAX).max(1);
    values.chunks(each).map(median).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Direction {
        trend(values, 0.0).direction
    }

    #[test]
    fn a_few_points_say_nothing_and_the_same_value_is_steady() {
        assert_eq!(of(&[]), Direction::Unknown);
        assert_eq!(of(&[1.0, 2.0, 3.0]), Direction::Unknown);
        assert_eq!(of(&[5.0; 100]), Direction::Steady);
        assert_eq!(of(&[0.0; 100]), Direction::Steady);
    }

    #[test]
    fn a_slope_is_seen_through_noise_and_a_small_one_is_not_worth_a_word() {
        let wave = |at: usize| if at.is_multiple_of(2) { 5.0 } else { -5.0 };
        let rising: Vec<f64> = (0..50).map(|at| 100.0 + at as f64 * 2.0 + wave(at)).collect();
        assert_eq!(of(&rising), Direction::Rising);
        let slight: Vec<f64> = (0..50).map(|at| 100.0 + at as f64 * 0.1).collect();
        assert_eq!(of(&slight), Direction::Steady);
        assert_eq!(trend(&rising, 1_000.0).direction, Direction::Steady, "below the floor");
        let ends = trend(&rising, 0.0);
        assert!(ends.from < 130.0 && ends.to > 170.0, "{ends:?}");
    }

    #[test]
    fn one_spike_is_no_trend() {
        for at in [0, 25, 49] {
            let mut values = vec![10.0; 50];
            values[at] = 10_000.0;
            assert_eq!(of(&values), Direction::Steady, "at {at}");
        }
    }

    proptest! {
        #[test]
        fn backwards_it_goes_the_other_way(mut values in proptest::collection::vec(0.0_f64..1_000.0, 8..60)) {
            let forth = of(&values);
            values.reverse();
            let opposite = match forth {
                Direction::Rising => Direction::Falling,
                Direction::Falling => Direction::Rising,
                other => other,
            };
            prop_assert_eq!(of(&values), opposite);
        }

        #[test]
        fn steps_up_rise_whatever_their_size(steps in proptest::collection::vec(1.0_f64..50.0, 30..200)) {
            let values: Vec<f64> = steps.iter().scan(1.0, |sum, step| { *sum += step; Some(*sum) }).collect();
            prop_assert_eq!(of(&values), Direction::Rising);
        }

        /// Noise alone is called a trend at most as often as was promised, with some room for bad luck.
        #[test]
        fn noise_is_steady(seed in any::<u64>()) {
            let mut random = fastrand::Rng::with_seed(seed);
            let called = (0..200).filter(|_| {
                let values: Vec<f64> = (0..40).map(|_| random.f64() * 100.0).collect();
                of(&values) != Direction::Steady
            });
            prop_assert!(called.count() <= 10);
        }
    }
}
