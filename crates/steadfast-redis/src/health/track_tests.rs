use super::*;
use proptest::prelude::*;

const THREE_TWO: Thresholds = Thresholds { failures: 3, successes: 2 };

fn run(capability: Capability, evidence: &[(u64, Evidence)]) -> CapabilityState {
    let mut track = Track::new(capability);
    evidence.iter().for_each(|(now, evidence)| track.take(evidence, *now, THREE_TWO));
    track.state
}

fn refused(cause: Cause) -> Evidence {
    Evidence::Refused(cause.into())
}

fn failed(capability: Capability) -> Evidence {
    Evidence::Failed(capability, Cause::NoAnswer.into())
}

const fn probed(capability: Capability) -> Evidence {
    Evidence::Good(capability, Witness::Probe)
}

const fn called(capability: Capability) -> Evidence {
    Evidence::Good(capability, Witness::Call)
}

#[test]
fn silence_needs_three_in_a_row_and_recovery_two() {
    let reads = Capability::Reads;
    let (bad, good) = (failed(reads), called(reads));
    let times = |all: &[&Evidence]| {
        let all: Vec<_> = all.iter().map(|evidence| (0, (*evidence).clone())).collect();
        run(reads, &all)
    };
    assert_eq!(times(&[&bad, &bad, &good, &bad, &bad]), CapabilityState::Up);
    let down = CapabilityState::Down(Cause::NoAnswer.into());
    assert_eq!(times(&[&bad, &bad, &bad]), down);
    assert_eq!(times(&[&bad, &bad, &bad, &good]), down);
    assert_eq!(times(&[&bad, &bad, &bad, &good, &bad, &good]), down, "not in a row");
    assert_eq!(times(&[&bad, &bad, &bad, &good, &good]), CapabilityState::Up);
}

#[test]
fn a_refusal_counts_at_once_and_takes_what_it_takes() {
    for cause in [Cause::ReadOnly, Cause::MisConf, Cause::NoReplicas] {
        assert_eq!(run(Capability::Writes, &[(0, refused(cause))]), CapabilityState::Down(cause.into()));
        assert_eq!(run(Capability::Scripts, &[(0, refused(cause))]), CapabilityState::Degraded(cause.into()));
        assert_eq!(run(Capability::Reads, &[(0, refused(cause))]), CapabilityState::Up);
    }
}

#[test]
fn a_script_that_runs_does_not_show_that_scripts_can_write() {
    let readonly = (0, refused(Cause::ReadOnly));
    let degraded = CapabilityState::Degraded(Cause::ReadOnly.into());
    let script = || (1, called(Capability::Scripts));
    let write = || (1, called(Capability::Writes));
    assert_eq!(run(Capability::Scripts, &[readonly.clone(), script(), script(), script()]), degraded);
    assert_eq!(run(Capability::Scripts, &[readonly, write(), write()]), CapabilityState::Up);
}

#[test]
fn a_read_shows_that_loading_is_over_for_writes_too_and_not_that_readonly_is() {
    let read = || (1, called(Capability::Reads));
    assert_eq!(run(Capability::Writes, &[(0, refused(Cause::Loading)), read(), read()]), CapabilityState::Up);
    let down = CapabilityState::Down(Cause::ReadOnly.into());
    assert_eq!(run(Capability::Writes, &[(0, refused(Cause::ReadOnly)), read(), read()]), down);
}

/// With a full memory a deletion passes: only the probe, which adds, shows that there is room again.
#[test]
fn a_call_that_passes_does_not_show_that_memory_is_free_until_the_refusal_is_old() {
    let oom = (0, refused(Cause::OutOfMemory));
    let down = CapabilityState::Down(Cause::OutOfMemory.into());
    let call = |now| (now, called(Capability::Writes));
    let probe = |now| (now, probed(Capability::Writes));
    assert_eq!(run(Capability::Writes, &[oom.clone(), call(1), call(2), call(3)]), down);
    assert_eq!(run(Capability::Writes, &[oom.clone(), probe(1), probe(2)]), CapabilityState::Up);
    let late = STALE_MS;
    assert_eq!(run(Capability::Writes, &[oom, call(late), call(late)]), CapabilityState::Up);
}

#[test]
fn late_answers_degrade_and_punctual_probes_mend() {
    let reads = Capability::Reads;
    let late = || (0, Evidence::Late(reads, Cause::Slow.into()));
    let slow = CapabilityState::Degraded(Cause::Slow.into());
    assert_eq!(run(reads, &[late(), late()]), CapabilityState::Up);
    assert_eq!(run(reads, &[late(), late(), (0, probed(reads)), late()]), CapabilityState::Up);
    assert_eq!(run(reads, &[late(), late(), late()]), slow);
    let call = || (STALE_MS, called(reads));
    assert_eq!(run(reads, &[late(), late(), late(), call(), call()]), slow, "only the probe is timed");
    assert_eq!(
        run(reads, &[late(), late(), late(), (0, probed(reads)), (0, probed(reads))]),
        CapabilityState::Up
    );
}

#[test]
fn an_answer_that_says_nothing_more_ends_silence_and_no_refusal() {
    let writes = Capability::Writes;
    let bad = || (0, failed(writes));
    let answers = || (0, Evidence::Answers);
    assert_eq!(run(writes, &[bad(), bad(), bad(), answers(), answers()]), CapabilityState::Up);
    let down = CapabilityState::Down(Cause::MisConf.into());
    assert_eq!(run(writes, &[(0, refused(Cause::MisConf)), answers(), answers(), answers()]), down);
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let capability = || prop::sample::select(Capability::ALL.to_vec());
    let cause = prop::sample::select(vec![
        Cause::ReadOnly,
        Cause::Loading,
        Cause::MisConf,
        Cause::OutOfMemory,
        Cause::Busy,
        Cause::ClusterDown,
    ]);
    prop_oneof![
        capability().prop_map(called),
        capability().prop_map(probed),
        Just(Evidence::Answers),
        cause.prop_map(refused),
        capability().prop_map(failed),
        capability().prop_map(|capability| Evidence::Late(capability, Cause::Slow.into())),
    ]
}

proptest! {
    /// Whatever came before: enough successes of everything make everything up, and one refusal makes it not so.
    #[test]
    fn it_always_recovers_and_always_believes_the_server(
        history in proptest::collection::vec((0_u64..20_000, evidence()), 0..60),
        failures in 1_u32..5,
        successes in 1_u32..5,
    ) {
        let thresholds = Thresholds { failures, successes };
        for capability in Capability::ALL {
            let mut track = Track::new(capability);
            for (now, evidence) in &history {
                track.take(evidence, *now, thresholds);
            }
            for _ in 0..successes {
                track.take(&Evidence::Answers, 20_000, thresholds);
                for seen in Capability::ALL {
                    track.take(&probed(seen), 20_000, thresholds);
                }
            }
            prop_assert_eq!(&track.state, &CapabilityState::Up);
            track.take(&refused(Cause::Busy), 20_000, thresholds);
            prop_assert_eq!(&track.state, &CapabilityState::Down(Cause::Busy.into()));
        }
    }

    /// Fewer successes than the threshold never make up what is not.
    #[test]
    fn it_never_recovers_too_early(seen in proptest::collection::vec(0_usize..5, 0..4)) {
        let thresholds = Thresholds { failures: 1, successes: 5 };
        let mut track = Track::new(Capability::Writes);
        track.take(&refused(Cause::Busy), 0, thresholds);
        for place in seen {
            track.take(&probed(Capability::ALL[place]), 0, thresholds);
            prop_assert!(track.state.is_down());
        }
    }
}
