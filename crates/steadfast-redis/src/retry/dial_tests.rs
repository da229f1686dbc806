use super::super::{DialBudget, SeededJitter};
use super::*;
use proptest::prelude::*;
use std::sync::Arc;
use steadfast_clock::{Clock, ManualClock};

fn budget(config: &DialConfig, seed: u64) -> (DialBudget, Arc<ManualClock>) {
    let clock = ManualClock::at(0);
    (DialBudget::new(config, clock.clone(), SeededJitter::shared(seed)).expect("good"), clock)
}

fn wait_ms(budget: &DialBudget) -> u64 {
    budget.try_dial().expect_err("has to wait").wait.as_millis() as u64
}

/// Dials as soon as allowed until `until_ms`, each failing after `takes_ms`; says when they started.
fn fail_until(budget: &DialBudget, clock: &ManualClock, until_ms: u64, takes_ms: u64) -> Vec<u64> {
    let mut started = vec![];
    while clock.mono_ms() < until_ms {
        match budget.try_dial() {
            Ok(permit) => {
                started.push(clock.mono_ms());
                assert!(started.len() < 10_000, "no wait at all");
                clock.advance(Duration::from_millis(takes_ms));
                permit.failed();
            }
            Err(wait) => {
                assert!(wait.wait > Duration::ZERO);
                clock.advance(wait.wait);
            }
        }
    }
    started
}

fn most_within(started: &[u64], span_ms: u64) -> usize {
    let within = |from: u64| started.iter().filter(|at| (from..=from + span_ms).contains(at)).count();
    started.iter().map(|from| within(*from)).max().unwrap_or(0)
}

#[test]
fn the_first_dial_is_immediate_and_the_next_ones_wait_longer_and_longer() {
    let (budget, clock) = budget(&DialConfig::default(), 3);
    let started = fail_until(&budget, &clock, 15_000, 0);
    assert_eq!(started[0], 0);
    assert!(started[1] <= 100, "{started:?}");
    assert!(started.windows(2).all(|pair| pair[1] - pair[0] <= 2_000), "{started:?}");
    assert!((8..=12).contains(&started.len()), "{started:?}");
}

#[test]
fn a_node_that_is_up_may_be_dialled_any_number_of_times() {
    let (budget, _clock) = budget(&DialConfig::default(), 4);
    for _ in 0..100 {
        budget.try_dial().expect("no wait while dials succeed").succeeded();
    }
    assert_eq!(budget.view().recent, 0);
}

#[test]
fn lanes_that_dial_together_are_spaced_once_one_has_failed() {
    let (budget, clock) = budget(&DialConfig::default(), 5);
    let first: Vec<_> = std::iter::from_fn(|| budget.try_dial().ok()).take(100).collect();
    assert_eq!(first.len(), 3, "what 12 dials in 15 s leave for one moment, at 1.6 s apart later");
    drop(first);
    assert_eq!(budget.view().failures, 3);
    clock.advance(Duration::from_secs(30));
    let under_way = budget.try_dial().expect("one may");
    assert!(wait_ms(&budget) > 0, "the others wait again, though this one has not failed yet");
    under_way.succeeded();
    budget.try_dial().expect("it is up: no wait").succeeded();
}

/// Where the count forbids the near part of the range, the draw is from the rest of it, not thrown to its edge: many
/// clients would meet there.
#[test]
fn what_the_count_forbids_is_not_drawn() {
    let mut pace = Pace::new(&DialConfig::default());
    for _ in 0..3 {
        pace.start(0, 0.5).expect("within the count");
    }
    (0..3).for_each(|_| pace.failed(0, 0.5));
    // The third failure's range would end at 400 ms; the count allows 367 ms at the soonest, and the cap is 2 s.
    let low_ms = 15_001 - 9 * 1_625;
    assert!((low_ms..=low_ms + 1).contains(&(2 * pace.next_ms() - 2_000)), "{pace:?}");
}

/// A server is gone, and two thousand clients lost it in the same moment: in no twentieth of a second do more than a
/// few times as many of them dial as on average.
#[test]
fn clients_that_lost_a_server_together_do_not_meet_again() {
    for dials_max in [10, 12] {
        let config = DialConfig { dials_max, ..DialConfig::default() };
        let mut bins = vec![0_usize; 60_000 / 50];
        for seed in 0..2_000 {
            let (budget, clock) = budget(&config, seed);
            for at_ms in fail_until(&budget, &clock, 60_000, 0) {
                bins[at_ms as usize / 50] += 1;
            }
        }
        let mean = bins.iter().sum::<usize>() / bins.len();
        // The first dial is at once, and the next within a tenth of a second: those do meet.
        let (place, peak) = bins.iter().enumerate().skip(10).max_by_key(|(_, count)| **count).unwrap();
        assert!(*peak <= 5 * mean, "{peak} of {mean} on average, {} ms after it", place * 50);
    }
}

#[test]
fn a_server_that_accepts_and_hangs_up_is_not_stormed() {
    let (budget, clock) = budget(&DialConfig::default(), 6);
    let mut started = vec![];
    while clock.mono_ms() < 60_000 {
        match budget.try_dial() {
            Ok(permit) => {
                started.push(clock.mono_ms());
                permit.succeeded();
                clock.advance(Duration::from_millis(5));
                budget.connection_lost(Duration::from_millis(5));
                budget.connection_lost(Duration::from_millis(5));
            }
            Err(wait) => clock.advance(wait.wait),
        }
    }
    assert!(most_within(&started, 15_000) <= 12, "{started:?}");
}

#[test]
fn what_lasted_is_forgiven_at_once() {
    let (budget, clock) = budget(&DialConfig::default(), 7);
    fail_until(&budget, &clock, 40_000, 0);
    assert!(budget.view().failures > 10);
    clock.advance(Duration::from_secs(2));
    budget.try_dial().expect("a cap has passed").succeeded();
    clock.advance(Duration::from_secs(1));
    budget.connection_lost(Duration::from_secs(1));
    budget.try_dial().expect("it lasted: the next dial is immediate").failed();
    assert_eq!(budget.view().failures, 1, "and the row of failures begins anew");
}

#[test]
fn word_that_the_node_is_back_skips_the_wait_but_not_the_count() {
    let (budget, clock) = budget(&DialConfig::default(), 8);
    for _ in 0..3 {
        budget.hasten();
        budget.try_dial().expect("within the count").failed();
    }
    budget.hasten();
    assert_eq!(wait_ms(&budget), 376);
    clock.advance(Duration::from_millis(376));
    assert!(budget.try_dial().is_ok());
}

#[test]
fn numbers_that_do_not_fit_each_other_are_refused() {
    let config = DialConfig { dials_max: 7, ..DialConfig::default() };
    let error = config.validate().expect_err("7 dials 2 s apart do not fill 15 s");
    assert_eq!(error.problems()[0].field, "span");
    let config =
        DialConfig { base: Duration::ZERO, stable: Duration::from_secs(61), ..DialConfig::default() };
    assert_eq!(config.validate().expect_err("bad").problems().len(), 2);
}

#[test]
fn other_numbers_take_hold_at_once() {
    let (budget, clock) = budget(&DialConfig::default(), 9);
    fail_until(&budget, &clock, 30_000, 0);
    let slow = DialConfig {
        cap: Duration::from_secs(60),
        dials_max: 1,
        span: Duration::from_secs(50),
        ..DialConfig::default()
    };
    budget.reconfigure(&slow).expect("good");
    assert!((48_000..=50_001).contains(&wait_ms(&budget)), "{:?}", budget.view());
    assert!(budget.reconfigure(&DialConfig { base: Duration::ZERO, ..slow }).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// However the draws fall and however long dials take: the count holds in every span, the cap in every gap.
    #[test]
    fn the_count_and_the_cap_hold_together(
        seed: u64, takes_ms in 0_u64..3_000, base_ms in 1_u64..2_000,
        cap_ms in 200_u64..5_000, spare in 0_u32..8, span_s in 1_u64..40,
    ) {
        let config = DialConfig {
            base: Duration::from_millis(base_ms.min(cap_ms)),
            cap: Duration::from_millis(cap_ms),
            dials_max: u32::try_from((span_s * 1_000 + 1).div_ceil(cap_ms)).expect("small") + spare,
            span: Duration::from_secs(span_s),
            stable: Duration::from_secs(1),
        };
        let (budget, clock) = budget(&config, seed);
        let started = fail_until(&budget, &clock, 120_000, takes_ms);
        prop_assert!(most_within(&started, span_s * 1_000) <= config.dials_max as usize, "{:?}", started);
        for pair in started.windows(2) {
            prop_assert!(pair[1] - pair[0] <= takes_ms + cap_ms, "{:?}", pair);
        }
    }

    /// Lanes that dial side by side, with failures, young deaths, hints and rare successes in any order: at most 12
    /// dials fail in any 15 s, and the next may always be made within the cap.
    #[test]
    fn no_order_of_events_breaks_the_count(
        seed: u64, steps in prop::collection::vec((0_u8..10, 1_u64..1_500), 1..300),
    ) {
        let (budget, clock) = budget(&DialConfig::default(), seed);
        let (mut flying, mut unlucky) = (vec![], vec![]);
        for (what, amount) in steps {
            match what {
                0..=4 => if let Ok(permit) = budget.try_dial() { flying.push((clock.mono_ms(), permit)) },
                5 | 6 => if let Some((at_ms, permit)) = flying.pop() { unlucky.push(at_ms); permit.failed() },
                7 => if let Some((_, permit)) = flying.pop() { permit.succeeded() },
                8 => budget.hasten(),
                _ => budget.connection_lost(Duration::from_millis(amount)),
            }
            if what < 6 {
                clock.advance(Duration::from_millis(amount / 3));
            }
            prop_assert!(budget.view().next_ms <= clock.mono_ms() + 2_000, "{:?}", budget);
        }
        unlucky.sort_unstable();
        prop_assert!(most_within(&unlucky, 15_000) <= 12, "{:?}", unlucky);
    }
}
