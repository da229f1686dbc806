use super::*;
use crate::backend::rules::Dice;
use proptest::prelude::*;

/// A server that gets no faster beyond `knee` at a time: from there on jobs take turns.
struct Server {
    knee: usize,
    job_ms: f64,
    noise: f64,
    dice: Dice,
}

impl Server {
    fn window(&mut self, places: usize) -> Window {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let (busy, crowd) = (places.min(self.knee) as f64, (places as f64 / self.knee as f64).max(1.0));
        let mut noisy = |value: f64| value * (1.0 + self.noise * (2.0 * self.dice.roll() - 1.0));
        Window {
            saturated: true,
            per_second: noisy(busy * 1_000.0 / self.job_ms),
            p50_ms: noisy(self.job_ms * crowd),
        }
    }
}

fn idle(window: Option<Window>) -> Sample {
    Sample { running: 1, held: false, memory: None, window }
}

/// The numbers of places after each of `windows`.
fn run(controller: &mut Controller, server: &mut Server, windows: usize) -> Vec<usize> {
    let step = |_| {
        let window = server.window(controller.places());
        controller.step(&idle(Some(window))).places
    };
    (0..windows).map(step).collect()
}

fn median(mut values: Vec<usize>) -> usize {
    values.sort_unstable();
    values[values.len() / 2]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn it_settles_near_the_knee_from_either_side_and_does_not_flap(
        knee in 1_usize..=48, start in 1_usize..=64, job_ms in 1.0_f64..5_000.0,
    ) {
        let mut controller = Controller::new(start, 1..=64, 0.9);
        let mut server = Server { knee, job_ms, noise: 0.01, dice: Dice::new() };
        run(&mut controller, &mut server, 300);
        let late = run(&mut controller, &mut server, 200);
        let settled = median(late.clone());
        prop_assert!(settled * 10 >= knee * 7 && settled * 10 <= knee * 14 + 10, "knee {knee}, settled at {settled}: {late:?}");
        let changes = late.windows(2).filter(|pair| pair[0] != pair[1]).count();
        prop_assert!(changes <= 40, "{changes} changes in 200 windows: {late:?}");
        // Where its neighbours get about as much done, it may settle for one of them.
        let near = late.iter().filter(|&&places| places.abs_diff(settled) * 4 <= settled + 4).count();
        prop_assert!(near >= 140, "only {near} of 200 windows near {settled}: {late:?}");
    }

    #[test]
    fn whatever_is_measured_it_stays_within_its_bounds(
        bounds in (1_usize..20, 0_usize..50),
        samples in proptest::collection::vec(
            (0_usize..80, any::<bool>(), proptest::option::of(0.0_f64..1.5), any::<bool>(), any::<f64>(), any::<f64>()), 1..200),
    ) {
        let (min, max) = (bounds.0, bounds.0 + bounds.1);
        let mut controller = Controller::new(10, min..=max, 0.9);
        for (running, held, memory, saturated, per_second, p50_ms) in samples {
            let before = controller.places();
            let advice = controller.step(&Sample { running, held, memory, window: Some(Window { saturated, per_second, p50_ms }) });
            prop_assert!((min..=max).contains(&advice.places));
            if memory.is_some_and(|share| share > 0.9) {
                prop_assert!(advice.places <= before && advice.hold == (running > 0));
            }
            if !saturated || held {
                prop_assert!(advice.places <= before, "it grew without jobs that wait");
            }
            if held && !matches!(advice.reason, Reason::Memory(_)) {
                prop_assert_eq!((advice.places, advice.hold), (before, false));
            }
        }
    }
}

#[test]
fn under_noise_it_stays_in_the_neighbourhood() {
    for seed in 0..20 {
        let mut controller = Controller::new(2, 1..=64, 0.9);
        let mut server = Server { knee: 16, job_ms: 50.0, noise: 0.08, dice: Dice::new() };
        run(&mut controller, &mut server, 300);
        let settled = median(run(&mut controller, &mut server, 300));
        assert!((9..=40).contains(&settled), "run {seed}: settled at {settled}");
    }
}

#[test]
fn it_climbs_fast_at_first() {
    let mut controller = Controller::new(1, 1..=64, 0.9);
    let mut server = Server { knee: 64, job_ms: 100.0, noise: 0.0, dice: Dice::new() };
    assert_eq!(*run(&mut controller, &mut server, 13).last().expect("windows"), 64);
}

#[test]
fn a_dependency_that_became_slow_is_not_met_with_fewer_for_good() {
    let mut controller = Controller::new(8, 1..=16, 0.9);
    let mut server = Server { knee: 1_000, job_ms: 50.0, noise: 0.0, dice: Dice::new() };
    run(&mut controller, &mut server, 50);
    assert_eq!(controller.places(), 16);
    server.job_ms = 500.0;
    let after = run(&mut controller, &mut server, 60);
    assert!(after.contains(&13), "it looks whether fewer do: {after:?}");
    assert_eq!(median(after), 16);
}

#[test]
fn memory_halves_it_until_there_is_relief_and_never_stops_all_for_ever() {
    let mut controller = Controller::new(16, 2..=64, 0.9);
    let mut step = |running: usize, share: f64| {
        let advice = controller.step(&Sample { running, held: false, memory: Some(share), window: None });
        (advice.places, advice.hold)
    };
    assert_eq!(step(16, 0.89), (16, false));
    assert_eq!(step(16, 0.91), (8, true));
    assert_eq!(step(16, 0.91), (4, true));
    assert_eq!(step(3, 0.87), (2, true), "not before it is clearly below the bound");
    assert_eq!(step(0, 0.95), (2, false), "nothing of ours runs: others use it up");
    assert_eq!(step(2, 0.95), (2, true));
    assert_eq!(step(2, 0.84), (2, false));
}

#[test]
fn reasons_are_told_in_words() {
    assert_eq!(Reason::Memory(0.934).to_string(), "memory is short: 93 % is used");
    assert_eq!(Reason::TryingMore(8).to_string(), "jobs wait: trying more than 8");
}
