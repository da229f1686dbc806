use super::*;
use proptest::prelude::*;
use std::time::Duration;
use steadfast_clock::ManualClock;

fn budget(ratio: f64, floor_per_s: u32, burst: u32) -> (RetryBudget, Arc<ManualClock>) {
    let clock = ManualClock::at(0);
    let config = RetryBudgetConfig { ratio, floor_per_s, burst };
    (RetryBudget::new(config, clock.clone()).expect("good"), clock)
}

fn drain(budget: &RetryBudget) -> u32 {
    (0..).take_while(|_| budget.try_retry()).count() as u32
}

#[test]
fn ten_calls_earn_one_retry() {
    let (budget, _clock) = budget(0.1, 0, 5);
    assert_eq!(drain(&budget), 5, "what is saved up at the start");
    for _ in 0..9 {
        budget.record_call();
    }
    assert!(!budget.try_retry());
    budget.record_call();
    assert!(budget.try_retry());
    assert!(!budget.try_retry());
}

#[test]
fn a_quiet_client_may_retry_once_per_second() {
    let (budget, clock) = budget(0.1, 1, 3);
    drain(&budget);
    clock.advance(Duration::from_millis(999));
    assert!(!budget.try_retry());
    clock.advance(Duration::from_millis(1));
    assert!(budget.try_retry());
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(drain(&budget), 3, "no more is saved up than the burst");
}

#[test]
fn other_terms_take_hold_at_once() {
    let (budget, _clock) = budget(0.0, 0, 16_000);
    assert_eq!(budget.available(), 16_000);
    budget.reconfigure(RetryBudgetConfig { ratio: 1.0, floor_per_s: 1_000, burst: 2 }).expect("good");
    assert_eq!(drain(&budget), 2);
    budget.record_call();
    assert_eq!(drain(&budget), 1);
    let error = budget.reconfigure(RetryBudgetConfig { ratio: f64::NAN, floor_per_s: 1_001, burst: 16_001 });
    assert_eq!(error.expect_err("bad").problems().len(), 3);
    assert_eq!(budget.available(), 0);
}

#[test]
fn terms_survive_their_packing() {
    for (ratio, floor_per_s, burst) in [(0.0, 0, 1), (1.0, 1_000, 16_000), (0.123, 7, 100)] {
        let terms = Terms::of(RetryBudgetConfig { ratio, floor_per_s, burst });
        assert_eq!(Terms::unpacked(terms.packed()), terms);
    }
}

proptest! {
    /// Against exact arithmetic: a retry is granted exactly if the bucket of the definition holds a token, and the
    /// promise of the documentation holds for every span.
    #[test]
    fn grants_what_the_definition_grants(
        per_call in 0_u32..300, floor_per_s in 0_u32..5, burst in 1_u32..20,
        steps in prop::collection::vec((0_u8..4, 1_u64..900), 1..300),
    ) {
        let (budget, clock) = budget(f64::from(per_call) / 1_000.0, floor_per_s, burst);
        let full = u64::from(burst) * 1_000;
        let (mut level, mut topped_ms, mut now_ms) = (full, 0, 0);
        let mut history = vec![];
        for (what, amount) in steps {
            match what {
                0 => {
                    clock.advance(Duration::from_millis(amount));
                    now_ms += amount;
                }
                1 | 2 => {
                    budget.record_call();
                    level = (level + u64::from(per_call)).min(full);
                    history.push((now_ms, true));
                }
                _ => {
                    level = (level + (now_ms - topped_ms) * u64::from(floor_per_s)).min(full);
                    topped_ms = now_ms;
                    let granted = level >= 1_000;
                    prop_assert_eq!(budget.try_retry(), granted);
                    if granted {
                        level -= 1_000;
                        history.push((now_ms, false));
                    }
                }
            }
        }
        for from in 0..history.len() {
            let (mut calls, mut retries) = (0, 0);
            for (at_ms, is_call) in &history[from..] {
                if *is_call { calls += 1 } else { retries += 1 }
                let flowed_in = (at_ms - history[from].0) * u64::from(floor_per_s);
                prop_assert!(retries * 1_000 <= full + calls * u64::from(per_call) + flowed_in);
            }
        }
    }
}

/// All orders of two callers, each a thread of its own: no token is lost, none is made up.
#[cfg(steadfast_loom)]
mod loom_checked {
    use super::*;
    use loom::thread::spawn;

    /// Lets two do the same to a bucket; says how many retries were granted, and what is left.
    fn by_two(level: u64, terms: Terms, act: fn(&Tokens, Terms) -> bool) -> (u64, u64) {
        let tokens = loom::sync::Arc::new(Tokens::new(level, 0));
        let both = [tokens.clone(), tokens.clone()].map(|tokens| spawn(move || act(&tokens, terms)));
        let granted = both.into_iter().map(|one| u64::from(one.join().expect("no panic"))).sum();
        (granted, tokens.level(terms, 1_000))
    }

    #[test]
    fn loom_no_token_is_lost_or_made_up() {
        loom::model(|| {
            let terms = Terms { per_call: 500, per_ms: 0, burst: 3_000 };
            let (granted, left) = by_two(1_000, terms, |tokens, terms| {
                tokens.deposit(terms);
                tokens.withdraw(terms, 1_000)
            });
            assert_eq!(left, 1_000 + 2 * 500 - granted * 1_000);
            assert!(granted >= 1);
        });
    }

    #[test]
    fn loom_time_flows_in_once_however_many_ask() {
        loom::model(|| {
            let terms = Terms { per_call: 0, per_ms: 1, burst: 3_000 };
            let (granted, left) = by_two(0, terms, |tokens, terms| tokens.withdraw(terms, 1_000));
            assert_eq!((granted, left), (1, 0), "one second, one token, one retry");
        });
    }
}
