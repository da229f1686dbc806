//! What must never happen again: the failures of other breakers, and the promises of this one.

use super::*;

#[test]
fn after_20_000_successes_a_total_outage_opens_within_the_window() {
    let rig = Rig::new();
    for _ in 0..10_000 {
        rig.good();
        rig.good();
        rig.advance(ms(1));
    }
    let began_ms = rig.clock.mono_ms();
    let mut failures = 0;
    while rig.state() == State::Closed {
        rig.bad();
        rig.bad();
        failures += 2;
        assert!(failures < 100_000, "never opens");
        rig.advance(ms(1));
    }
    let took_ms = rig.clock.mono_ms() - began_ms;
    assert!(took_ms <= 6_000, "half a window of failures, to the bucket: {took_ms} ms");
    assert!(failures <= 12_000, "{failures}");
}

#[test]
fn after_20_000_successes_and_a_pause_ten_failures_are_enough() {
    let rig = Rig::new();
    for _ in 0..20_000 {
        rig.good();
    }
    rig.advance(ms(10_000));
    for _ in 0..9 {
        rig.bad();
        assert_eq!(rig.state(), State::Closed);
    }
    rig.bad();
    assert_eq!(rig.state(), State::Open);
    assert_eq!(rig.breaker.snapshot().reason, Reason::FailureRate { calls: 10, failed: 10 });
}

#[test]
fn proof_opens_an_idle_breaker_at_once() {
    let rig = Rig::new();
    assert!(rig.breaker.trip(Evidence::ConnectRefused));
    let rejected = rig.rejected();
    assert_eq!((rejected.state, rejected.cause), (State::Open, Some(Cause::Evidence)));
    assert_eq!(rejected.retry_after, Some(ms(250)));
    assert_eq!(
        rejected.to_string(),
        "the circuit is open (it was found not to answer); the next trial call may be made in 250ms"
    );
    assert!(!rig.breaker.trip(Evidence::ConnectRefused), "open already");
}

#[test]
fn slow_answers_open_though_none_failed() {
    let rig = Rig::new();
    for _ in 0..2 {
        rig.good();
    }
    for _ in 0..7 {
        rig.permit().success(SLOW);
    }
    assert_eq!(rig.state(), State::Closed);
    rig.permit().success(SLOW);
    assert_eq!(rig.breaker.snapshot().reason, Reason::SlowRate { calls: 10, slow: 8, threshold: ms(50) });
}

#[test]
fn slow_is_learnt_from_what_is_normal() {
    let rig = Rig::with(BreakerConfig {
        slow_calls: SlowCalls::Learnt { factor: 4.0, floor: ms(1) },
        ..BreakerConfig::default()
    });
    for _ in 0..100 {
        rig.permit().success(ms(10));
        rig.advance(ms(100));
    }
    let slow_from = rig.breaker.snapshot().slow_from.expect("learnt");
    assert!(slow_from.abs_diff(ms(40)) < ms(1), "{slow_from:?}");
    // A server that hangs for all: each second's first call teaches, but the breaker is faster.
    let mut passed = Duration::ZERO;
    while rig.state() == State::Closed {
        rig.permit().success(ms(60));
        rig.advance(ms(100));
        passed += ms(100);
        assert!(passed < ms(60_000), "never opens");
    }
    assert!(passed <= ms(8_500), "{passed:?}");
}

#[test]
fn application_errors_never_count() {
    let rig = Rig::new();
    for _ in 0..10_000 {
        rig.permit().ignore();
    }
    assert_eq!(rig.breaker.snapshot().calls, 0);
    assert_eq!(rig.state(), State::Closed);
}

#[test]
fn late_results_change_nothing() {
    let rig = Rig::new();
    let early: Vec<_> = (0..100).map(|_| rig.permit()).collect();
    rig.half_open();
    let (first, rest) = (rig.permit(), early);
    let mut rest = rest.into_iter();
    for late in rest.by_ref().take(40) {
        late.failure(SLOW);
    }
    assert_eq!(rig.state(), State::HalfOpen, "failures of before do not reopen it");
    first.success(FAST);
    assert_eq!(rig.breaker.snapshot().half_open.expect("half-open").width, 2);
    for late in rest.by_ref().take(20) {
        late.success(FAST);
    }
    assert_eq!(rig.breaker.snapshot().half_open.expect("half-open").width, 2, "nor do successes close it");
    for _ in 0..30 {
        assert_eq!(rig.state(), State::HalfOpen);
        rig.good();
    }
    for late in rest.by_ref().take(20) {
        late.failure(SLOW);
    }
    assert_eq!((rig.state(), rig.breaker.snapshot().calls), (State::Closed, 0));
    for late in rest {
        late.trip(SLOW, Evidence::DeadSocket);
    }
    assert_eq!(rig.state(), State::Closed, "late proof neither");
    assert!(!rig.breaker.trip_in(1, Evidence::DeadSocket));
    assert!(rig.breaker.trip_in(rig.breaker.epoch(), Evidence::DeadSocket));
}

#[test]
fn a_call_that_brings_proof_opens_at_once_and_names_it() {
    let rig = Rig::new();
    rig.permit().trip(FAST, Evidence::DeadSocket);
    assert_eq!(rig.breaker.snapshot().reason, Reason::Evidence(Evidence::DeadSocket));
    rig.breaker.metrics_only();
    rig.permit().trip(FAST, Evidence::DeadSocket);
    let snapshot = rig.breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.failed), (State::MetricsOnly, 1));
}

#[test]
fn a_trial_that_hangs_is_taken_back_and_does_not_stick() {
    let rig = Rig::new();
    rig.half_open();
    let hung = rig.permit();
    assert!(hung.is_trial());
    assert_eq!(rig.rejected().state, State::HalfOpen);
    rig.advance(ms(9_999));
    assert_eq!(rig.rejected().retry_after, Some(ms(1)));
    rig.advance(ms(1));
    let second = rig.permit();
    hung.failure(SLOW);
    assert_eq!(rig.state(), State::HalfOpen, "what was taken back is no longer heard");
    second.success(FAST);
    assert_eq!(rig.breaker.snapshot().half_open.expect("half-open").width, 2);
}

#[test]
fn a_dropped_permit_returns_itself_and_decides_nothing() {
    let rig = Rig::new();
    drop(rig.permit());
    assert_eq!(rig.breaker.snapshot().calls, 0);
    rig.half_open();
    for _ in 0..1_000 {
        drop(rig.permit());
        rig.permit().ignore();
    }
    let view = rig.breaker.snapshot().half_open.expect("still half-open");
    assert_eq!((view.width, view.in_flight), (1, 0));
    // Borrowed permits do the same.
    drop(rig.breaker.try_acquire().expect("let through"));
    rig.breaker.try_acquire().expect("let through").success(FAST);
    assert_eq!(rig.breaker.snapshot().half_open.expect("half-open").width, 2);
}

#[test]
fn flapping_up_a_second_down_a_second_grows_the_open_time() {
    let rig = Rig::new();
    let mut trips = vec![];
    // The dependency is up in even seconds, down in odd ones; 20 calls per second, for five minutes.
    for step in 0..6_000 {
        let up = (rig.clock.mono_ms() / 1_000).is_multiple_of(2);
        if let Ok(permit) = rig.breaker.try_acquire() {
            if up { permit.success(FAST) } else { permit.failure(FAST) }
        }
        let seen = rig.breaker.snapshot();
        if trips.last() != Some(&seen.trips) {
            trips.push(seen.trips);
        }
        assert_eq!(rig.clock.mono_ms(), step * 50);
        rig.advance(ms(50));
    }
    let count = trips.len();
    assert!(count <= 30, "one that reset would trip about 150 times, this one {count}");
    assert_eq!(rig.breaker.snapshot().episode, 1);
}

#[test]
fn other_numbers_keep_counts_unless_the_window_changes() {
    let rig = Rig::new();
    for _ in 0..9 {
        rig.bad();
    }
    let config =
        BreakerConfig { minimum_calls: 12, slow_calls: SlowCalls::Never, ..BreakerConfig::default() };
    rig.breaker.reconfigure(config).expect("good");
    assert_eq!(rig.breaker.snapshot().calls, 9);
    rig.bad();
    rig.bad();
    assert_eq!(rig.state(), State::Closed);
    rig.breaker.reconfigure(BreakerConfig { buckets: 5, ..config }).expect("good");
    assert_eq!(rig.breaker.snapshot().calls, 0);
    for _ in 0..12 {
        assert_eq!(rig.state(), State::Closed);
        rig.bad();
    }
    assert_eq!(rig.state(), State::Open);
    let bad = BreakerConfig { buckets: 0, lease: Duration::ZERO, ..config };
    assert_eq!(rig.breaker.reconfigure(bad).expect_err("bad").problems().len(), 2);
    assert_eq!(rig.breaker.config().buckets, 5, "what was stays");
}

#[test]
fn trial_calls_go_on_while_the_window_is_given_another_shape() {
    let rig = Rig::new();
    rig.half_open();
    let trial = rig.permit();
    rig.breaker.reconfigure(BreakerConfig { bucket: ms(10_000), ..BreakerConfig::default() }).expect("good");
    trial.success(FAST);
    assert_eq!(rig.breaker.snapshot().half_open.expect("half-open").width, 2);
}

#[test]
fn an_operator_may_force_it_open_switch_it_off_and_only_look() {
    let rig = Rig::new();
    rig.breaker.force_open();
    let rejected = rig.rejected();
    assert_eq!((rejected.state, rejected.retry_after), (State::ForcedOpen, None));
    assert!(rejected.to_string().contains("reset it"));
    rig.advance(ms(3_600_000));
    rig.breaker.probe_passed();
    assert_eq!(rig.rejected().state, State::ForcedOpen);
    rig.breaker.disable();
    for _ in 0..100 {
        rig.bad();
    }
    assert_eq!((rig.state(), rig.breaker.snapshot().calls), (State::Disabled, 0));
    rig.breaker.metrics_only();
    for _ in 0..100 {
        rig.bad();
    }
    assert_eq!((rig.state(), rig.breaker.snapshot().failed), (State::MetricsOnly, 100));
    rig.breaker.reset();
    assert_eq!((rig.state(), rig.breaker.snapshot().failed), (State::Closed, 0));
}

#[test]
fn a_snapshot_and_debug_say_what_is() {
    let rig = Rig::new();
    for _ in 0..3 {
        rig.good();
    }
    rig.bad();
    let closed = rig.breaker.snapshot();
    assert_eq!((closed.calls, closed.failed, closed.failure_rate), (4, 1, 0.25));
    assert_eq!((closed.median, closed.slow_from), (Some(FAST), Some(ms(50))));
    assert_eq!((closed.open_until_ms, closed.half_open, closed.cause), (None, None, None));
    rig.advance(ms(100));
    rig.breaker.trip(Evidence::Other("its disk is full"));
    let open = rig.breaker.snapshot();
    assert_eq!((open.since_ms, open.open_until_ms, open.trips, open.episode), (100, Some(350), 1, 1));
    assert_eq!(open.reason.to_string(), "its disk is full");
    assert_eq!(rig.breaker.retry_after(), Some(ms(250)));
    assert!(format!("{:?}", rig.breaker).contains("Open"));
    rig.advance(ms(250));
    assert_eq!(rig.breaker.retry_after(), None, "a call may come");
}
