use super::*;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn config() -> LimiterConfig {
    LimiterConfig {
        initial: 100,
        least: 10,
        most: 1_000,
        rtt_floor: Duration::ZERO,
        ..LimiterConfig::default()
    }
}

fn window(adaptive: &mut Adaptive, now_ms: &mut u64, elapsed: Duration, in_flight: u32) {
    for _ in 0..SAMPLES {
        adaptive.done(elapsed, in_flight, *now_ms, &config());
        *now_ms += 12;
    }
}

#[test]
fn a_limit_that_is_not_reached_stays() {
    let (mut adaptive, mut now_ms) = (Adaptive::new(&config()), 0);
    for _ in 0..100 {
        window(&mut adaptive, &mut now_ms, ms(10), 49);
    }
    assert_eq!(adaptive.limit(), 100);
    window(&mut adaptive, &mut now_ms, ms(10), 50);
    assert_eq!(adaptive.limit(), 102);
    assert_eq!(adaptive.rtt(), Some((ms(10), ms(10))));
}

#[test]
fn a_burst_of_drops_is_one_sign() {
    let mut adaptive = Adaptive::new(&config());
    for _ in 0..1_000 {
        adaptive.dropped(0, &config());
    }
    assert_eq!(adaptive.limit(), 90);
    adaptive.dropped(1_000, &config());
    adaptive.dropped(1_001, &config());
    assert_eq!(adaptive.limit(), 81, "the next window's");
    for second in 2..100 {
        adaptive.dropped(second * 1_001, &config());
    }
    assert_eq!(adaptive.limit(), 10, "the least");
}

#[test]
fn no_growth_in_a_window_with_a_drop() {
    let mut adaptive = Adaptive::new(&config());
    adaptive.dropped(0, &config());
    let mut now_ms = 0;
    window(&mut adaptive, &mut now_ms, ms(1), 100);
    assert_eq!(adaptive.limit(), 90);
}

/// A server that does 64 at once in `base` each and queues the rest, for so many windows under all the load the limit
/// lets through.
fn saturate(adaptive: &mut Adaptive, now_ms: &mut u64, base: Duration, windows: u32) {
    for _ in 0..windows {
        let in_flight = adaptive.limit();
        let elapsed = base.mul_f64((f64::from(in_flight) / 64.0).max(1.0));
        window(adaptive, now_ms, elapsed, in_flight);
    }
}

/// The rule rests where `1 - 1.5 · 64 / limit = 1 / √limit`: 106. Rests halve it now and then.
const SETTLED: std::ops::RangeInclusive<u32> = 45..=150;

#[test]
fn finds_what_a_server_can_do_and_stays_there() {
    for (initial, quiet) in [(10, true), (900, true), (10, false), (900, false)] {
        let config = LimiterConfig { initial, ..config() };
        let (mut adaptive, mut now_ms) = (Adaptive::new(&config), 0);
        for _ in 0..if quiet { 20 } else { 0 } {
            window(&mut adaptive, &mut now_ms, ms(10), 1);
        }
        saturate(&mut adaptive, &mut now_ms, ms(10), 3_000);
        for _ in 0..10_000 {
            saturate(&mut adaptive, &mut now_ms, ms(10), 1);
            assert!(SETTLED.contains(&adaptive.limit()), "{initial} {quiet}: {}", adaptive.limit());
        }
    }
}

#[test]
fn a_server_that_is_slower_for_good_is_believed() {
    for base in [18, 25, 100] {
        let (mut adaptive, mut now_ms) = (Adaptive::new(&config()), 0);
        saturate(&mut adaptive, &mut now_ms, ms(10), 1_000);
        saturate(&mut adaptive, &mut now_ms, ms(base), 4_000);
        assert!(SETTLED.contains(&adaptive.limit()), "{base}: {}", adaptive.limit());
        saturate(&mut adaptive, &mut now_ms, ms(10), 4_000);
        assert!(
            SETTLED.contains(&adaptive.limit()),
            "and one that is fast again, {base}: {}",
            adaptive.limit()
        );
    }
}

#[test]
fn noise_does_not_drive_the_limit_down() {
    let (mut adaptive, mut now_ms) = (Adaptive::new(&config()), 0);
    let mut dice = fastrand::Rng::with_seed(5);
    for _ in 0..5_000 {
        let in_flight = adaptive.limit().min(60);
        // Window means between 5 and 15 ms.
        window(&mut adaptive, &mut now_ms, ms(5) + ms(10).mul_f64(dice.f64()), in_flight);
    }
    assert!(adaptive.limit() > 90, "{}", adaptive.limit());
}

#[test]
fn a_fixed_limit_never_rests() {
    let fixed = LimiterConfig { initial: 100, least: 100, most: 100, ..config() };
    let mut adaptive = Adaptive::new(&fixed);
    for turn in 0..10_000 {
        adaptive.done(ms(turn % 90), 100, turn * 12, &fixed);
        adaptive.dropped(turn * 12, &fixed);
        assert_eq!(adaptive.limit(), 100);
    }
}

#[test]
fn what_was_learnt_in_congestion_is_let_go_of() {
    let (mut adaptive, mut now_ms) = (Adaptive::new(&config()), 0);
    for _ in 0..50 {
        window(&mut adaptive, &mut now_ms, ms(100), 1);
    }
    for _ in 0..60 {
        window(&mut adaptive, &mut now_ms, ms(10), 1);
    }
    let (_, long) = adaptive.rtt().expect("seen");
    assert!(long <= ms(21), "{long:?}");
}
