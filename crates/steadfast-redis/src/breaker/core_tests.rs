use super::*;

fn core(change: impl FnOnce(&mut BreakerConfig)) -> Core {
    let mut config = BreakerConfig::default();
    change(&mut config);
    Core::new(config, 0)
}

/// A moment whose draw is the longest: open times are their ceilings.
const fn at(ms: u64) -> Now {
    Now { ms, drawn: 1.0 }
}

const WHY: Reason = Reason::FailureRate { calls: 10, failed: 10 };
const GOOD: Trial = Trial { failed: false, slow: false };
const BAD: Trial = Trial { failed: true, slow: false };

fn trip(core: &mut Core, now_ms: u64) -> Change {
    core.trip_by_rate(core.epoch(), WHY, at(now_ms)).expect("closed")
}

fn open_ms(change: Change) -> u64 {
    ms(change.open_for.expect("it opened"))
}

fn lease(core: &mut Core, now_ms: u64) -> u64 {
    match core.admit(now_ms).0 {
        Admission::Leased(lease) => lease,
        other => panic!("{other:?}"),
    }
}

/// Passes all rounds; the breaker must be open and its time over.
fn recover(core: &mut Core, now_ms: u64) {
    for _ in 0..31 {
        assert_ne!(core.state(), State::Closed);
        let lease = lease(core, now_ms);
        core.settle(lease, GOOD, at(now_ms));
    }
    assert_eq!(core.state(), State::Closed, "rounds of 1, 2, 4, 8 and 16");
}

#[test]
fn open_times_double_to_the_cap_and_are_half_sure() {
    let mut core = core(|_| ());
    let mut now_ms = 0;
    let mut change = trip(&mut core, now_ms);
    let mut seen = vec![open_ms(change)];
    for _ in 0..9 {
        now_ms = core.open_until_ms();
        let lease = lease(&mut core, now_ms);
        change = core.settle(lease, BAD, at(now_ms)).expect("reopens");
        assert_eq!(change.reason, Reason::TrialFailed);
        seen.push(open_ms(change));
    }
    assert_eq!(seen, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    now_ms = core.open_until_ms();
    let lease = lease(&mut core, now_ms);
    let shortest = core.settle(lease, BAD, Now { ms: now_ms, drawn: 0.0 }).expect("reopens");
    assert_eq!(open_ms(shortest), 15_000);
}

#[test]
fn flapping_does_not_reset_the_open_time_and_alerts_once() {
    let mut core = core(|_| ());
    let (mut now_ms, mut open, mut alerts) = (0, vec![], 0);
    for _ in 0..9 {
        let change = trip(&mut core, now_ms);
        alerts += u32::from(change.alert);
        open.push(open_ms(change));
        assert_eq!(change.episode, 1);
        now_ms = core.open_until_ms();
        recover(&mut core, now_ms);
        now_ms += 1_000;
    }
    assert_eq!(open, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    assert_eq!(alerts, 1);
}

#[test]
fn health_takes_off_one_doubling_at_a_time() {
    let mut core = core(|_| ());
    let mut now_ms = 0;
    for _ in 0..20 {
        trip(&mut core, now_ms);
        now_ms = core.open_until_ms();
        recover(&mut core, now_ms);
    }
    // Just short of the span nothing is forgotten; after five spans five doublings are.
    let change = trip(&mut core, now_ms + 29_999);
    assert_eq!((open_ms(change), change.alert), (30_000, false));
    now_ms = core.open_until_ms();
    recover(&mut core, now_ms);
    let change = trip(&mut core, now_ms + 5 * 30_000);
    assert_eq!((open_ms(change), change.alert, change.episode), (2_000, true, 2));
    now_ms = core.open_until_ms();
    recover(&mut core, now_ms);
    assert_eq!(open_ms(trip(&mut core, now_ms + 3_600_000)), 250);
}

#[test]
fn a_probe_opens_the_way_or_holds_it_shut() {
    let mut core = core(|_| ());
    trip(&mut core, 0);
    assert_eq!(core.probe_failed(at(200)), None);
    assert_eq!(core.open_until_ms(), 450, "as long again from the probe, without growth");
    assert!(matches!(core.admit(449).0, Admission::Rejected { retry_at_ms: Some(450) }));
    let change = core.probe_passed(at(300)).expect("half-open");
    assert_eq!((change.to, change.reason), (State::HalfOpen, Reason::ProbePassed));
    let change = core.probe_failed(at(310)).expect("reopens");
    assert_eq!((change.to, change.reason, open_ms(change)), (State::Open, Reason::ProbeFailed, 500));
    for _ in 0..5 {
        assert_ne!(core.state(), State::Closed);
        core.probe_passed(at(320));
    }
    core.probe_passed(at(320));
    assert_eq!(
        core.state(),
        State::Closed,
        "idle, it closes by its prober: open, then rounds of 1, 2, 4, 8, 16"
    );
}

#[test]
fn rates_open_only_their_own_epoch_and_only_from_closed() {
    let mut core = core(|_| ());
    let old = core.epoch();
    assert_eq!(core.trip_by_rate(old - 1, WHY, at(0)), None);
    trip(&mut core, 0);
    assert_eq!(core.trip_by_rate(core.epoch(), WHY, at(1)), None);
    assert_eq!(core.trip(None, WHY, at(1)), None, "open already");
    recover(&mut core, 250);
    assert_eq!(core.trip(Some(old), WHY, at(300)), None, "proof of an older epoch");
    assert!(core.trip(Some(core.epoch()), WHY, at(300)).is_some());
}

#[test]
fn an_operators_word_stands() {
    for state in [State::ForcedOpen, State::Disabled, State::MetricsOnly] {
        let mut core = core(|_| ());
        let held = core.epoch();
        let change = core.force(state, Reason::Operator, 5).expect("a change");
        assert_eq!((change.from, change.to, change.alert), (State::Closed, state, false));
        assert_eq!(core.force(state, Reason::Operator, 6), None);
        assert_eq!(core.trip(None, WHY, at(7)), None);
        assert_eq!(core.trip_by_rate(core.epoch(), WHY, at(7)), None);
        assert_eq!(core.probe_passed(at(7)), None);
        assert_eq!(core.probe_failed(at(7)), None);
        assert!(core.epoch() > held);
        let admitted = match state {
            State::ForcedOpen => Admission::Rejected { retry_at_ms: None },
            State::Disabled => Admission::Unmetered,
            _ => Admission::Counted,
        };
        assert_eq!(core.admit(8), (admitted, None));
        core.force(State::Closed, Reason::Reset, 9);
        assert_eq!(core.state(), State::Closed);
    }
}

#[test]
fn a_reset_forgets_growth_and_episode() {
    let mut core = core(|_| ());
    for _ in 0..4 {
        let now_ms = core.open_until_ms();
        trip(&mut core, now_ms);
        core.force(State::Closed, Reason::Reset, now_ms);
    }
    let change = trip(&mut core, 1_000);
    assert_eq!((open_ms(change), change.episode, change.alert, change.trips), (250, 5, true, 5));
    let epoch = core.epoch();
    core.force(State::Closed, Reason::Reset, 1_001);
    assert_eq!(core.force(State::Closed, Reason::Reset, 1_002), None, "no change of state");
    assert_eq!(core.epoch(), epoch + 2, "but a clean slate");
}

#[test]
fn a_lower_cap_cuts_the_open_time() {
    let mut core = core(|config| config.open_base = Duration::from_secs(20));
    trip(&mut core, 0);
    assert_eq!(core.open_until_ms(), 20_000);
    let config = BreakerConfig { open_cap: Duration::from_secs(1), ..BreakerConfig::default() };
    core.reconfigure(config, core.epoch(), 100);
    assert_eq!(core.open_until_ms(), 1_100);
}

#[test]
fn when_a_round_is_full_callers_are_told_to_ask_soon() {
    let mut core = core(|_| ());
    trip(&mut core, 0);
    let _held = lease(&mut core, 250);
    assert_eq!(core.admit(260).0, Admission::Rejected { retry_at_ms: Some(510) });
    assert_eq!(core.admit(10_200).0, Admission::Rejected { retry_at_ms: Some(10_250) });
    assert!(matches!(core.admit(10_250).0, Admission::Leased(_)));
}
