//! Many callers at once.

use super::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// 1,000 callers at each moment of a half-open breaker: never more calls under way than the round is wide.
#[test]
fn half_open_never_admits_more_than_its_permits_under_1_000_callers() {
    let rig = Rig::new();
    rig.half_open();
    for width in [1_usize, 2, 4, 8, 16] {
        let start = Barrier::new(1_000);
        let admitted: Vec<Permit<'static>> = thread::scope(|scope| {
            let callers: Vec<_> = (0..1_000)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        rig.breaker.try_acquire().ok().map(Permit::into_owned)
                    })
                })
                .collect();
            callers.into_iter().filter_map(|caller| caller.join().expect("no panic")).collect()
        });
        assert_eq!(admitted.len(), width);
        assert_eq!(rig.breaker.snapshot().half_open.expect("half-open").in_flight as usize, width);
        for permit in admitted {
            assert_eq!(rig.state(), State::HalfOpen);
            permit.success(FAST);
        }
    }
    assert_eq!(rig.state(), State::Closed);
}

/// Callers that come, go, fail, forget and hang at random: the number under way never exceeds the width, and the
/// breaker always gets out of half-open.
#[test]
fn whatever_callers_do_the_round_is_never_exceeded_and_never_stuck() {
    let rig = Rig::with(BreakerConfig { half_open_full: 8, failure_rate: 1.0, ..BreakerConfig::default() });
    rig.half_open();
    let (in_flight, most) = (AtomicU32::new(0), AtomicU32::new(0));
    let call = |dice: &mut fastrand::Rng| {
        let Ok(permit) = rig.breaker.try_acquire() else { return };
        if !permit.is_trial() {
            return;
        }
        let now = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        thread::yield_now();
        // Before the report: the place is free from there on.
        in_flight.fetch_sub(1, Ordering::SeqCst);
        match dice.u8(..4) {
            0 => drop(permit),
            1 => permit.ignore(),
            _ => permit.success(FAST),
        }
    };
    thread::scope(|scope| {
        for seed in 0..16 {
            let (call, rig) = (&call, &rig);
            scope.spawn(move || {
                let mut dice = fastrand::Rng::with_seed(seed);
                for _ in 0..100_000 {
                    if rig.state() == State::Closed {
                        break;
                    }
                    call(&mut dice);
                }
            });
        }
    });
    assert_eq!(rig.state(), State::Closed);
    assert!(most.load(Ordering::SeqCst) <= 8);
}

/// Results from many threads are all counted, and a storm of failures opens exactly once.
#[test]
fn a_storm_opens_once() {
    let rig = Rig::new();
    let mut changes = rig.breaker.subscribe();
    let opened = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&opened);
    rig.breaker
        .on_state_change(move |change| {
            counted.fetch_add(u32::from(change.to == State::Open), Ordering::SeqCst);
        })
        .keep();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..1_000 {
                    if let Ok(permit) = rig.breaker.try_acquire() {
                        permit.failure(FAST);
                    }
                }
            });
        }
    });
    assert_eq!(rig.breaker.snapshot().trips, 1);
    assert!(changes.has_changed().expect("lives"));
    assert_eq!(changes.borrow_and_update().to, State::Open);
    assert_eq!(opened.load(Ordering::SeqCst), 1);
}
