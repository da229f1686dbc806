use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use steadfast_core::ManualClock;

fn somebody() -> Address {
    Address::parse("whatsapp:+9779800000001").expect("valid")
}

#[test]
fn the_fourth_check_in_ten_seconds_waits_exactly_as_long_as_it_must() {
    let clock = ManualClock::at(0);
    let limits = Limits::new(&LimitsConfig::default(), clock.clone());
    for _ in 0..3 {
        assert_eq!(limits.take(&somebody(), Work::Check, &another()), Ok(()));
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(limits.take(&somebody(), Work::Check, &another()), Err(7_000));
    clock.advance(Duration::from_millis(6_999));
    assert_eq!(limits.take(&somebody(), Work::Check, &another()), Err(1));
    clock.advance(Duration::from_millis(1));
    assert_eq!(limits.take(&somebody(), Work::Check, &another()), Ok(()));
}

#[test]
fn an_ordinary_order_chat_never_meets_a_limit() {
    let clock = ManualClock::at(0);
    let limits = Limits::new(&LimitsConfig::default(), clock.clone());
    for _ in 0..300 {
        assert_eq!(limits.take(&somebody(), Work::General, &another()), Ok(()));
        clock.advance(Duration::from_secs(1));
    }
}

#[test]
fn one_notice_then_silence() {
    let clock = ManualClock::at(0);
    let limits = Limits::new(&LimitsConfig::default(), clock.clone());
    let arrivals: Vec<Arrival> =
        (0..6).map(|_| limits.arrival(&somebody(), Work::Check, &another())).collect();
    use Arrival::{Beyond, BeyondWithNotice, Within};
    assert_eq!(arrivals, [Within, Within, Within, BeyondWithNotice, Beyond, Beyond]);
    clock.advance(Duration::from_secs(11));
    assert_eq!(limits.arrival(&somebody(), Work::Check, &another()), Within);
}

#[test]
fn the_switch_and_the_block_list() {
    let clock = ManualClock::at(0);
    let config = LimitsConfig { enabled: false, blocked: vec![somebody()], ..LimitsConfig::default() };
    let limits = Limits::new(&config, clock);
    for _ in 0..500 {
        assert_eq!(limits.take(&somebody(), Work::Check, &another()), Ok(()));
    }
    assert!(limits.is_blocked(&somebody()), "blocking does not depend on the limits");
    assert!(limits.unblock(&somebody()));
    assert!(!limits.is_blocked(&somebody()));
}

#[test]
fn memory_is_bounded_whoever_writes() {
    let mut limiter = Limiter::new(&[Rule { count: 3, window_ms: 1_000 }], 100);
    for person in 0..10_000 {
        limiter.count(&format!("p{person}"), 0);
    }
    assert!(limiter.recent.len() <= 100);
}

proptest! {
    /// No window of any rule ever sees more than it allows, and nobody waits without need.
    #[test]
    fn no_window_holds_more_than_its_count(gaps in proptest::collection::vec(0_u64..700, 1..200)) {
        let rules = [Rule { count: 3, window_ms: 1_000 }, Rule { count: 5, window_ms: 4_000 }];
        let mut limiter = Limiter::new(&rules, 10);
        let (mut now, mut taken) = (0, Vec::new());
        for gap in gaps {
            now += gap;
            let wait = limiter.wait_ms("w", now);
            let full = rules.iter().any(|rule| {
                taken.iter().filter(|&&at| at + rule.window_ms > now).count() >= rule.count as usize
            });
            prop_assert_eq!(wait > 0, full);
            if wait == 0 {
                limiter.count("w", now);
                taken.push(now);
            }
        }
    }
}

/// The id of a message that nobody asked about yet.
fn another() -> MessageSid {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    MessageSid::parse(format!("SM{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))).expect("an id")
}

#[test]
fn a_message_is_counted_once_however_often_its_job_runs() {
    let clock = ManualClock::at(0);
    let limits = Limits::new(&LimitsConfig::default(), clock.clone());
    let first = another();
    for _ in 0..1_000 {
        // The records are away: the job runs again and again, and nothing comes of it.
        assert_eq!(limits.arrival(&somebody(), Work::Check, &first), Arrival::Within);
        assert_eq!(limits.take(&somebody(), Work::Check, &first), Ok(()));
        clock.advance(Duration::from_secs(2));
    }
    assert_eq!(limits.arrival(&somebody(), Work::Check, &another()), Arrival::Within);
    assert_eq!(limits.take(&somebody(), Work::Check, &another()), Ok(()));
}
