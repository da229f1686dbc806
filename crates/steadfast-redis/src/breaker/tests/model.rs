//! The breaker against a model that keeps a list of everything and looks at all of it.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const BUCKETS: u64 = 4;
const BUCKET_MS: u64 = 500;
const MINIMUM: usize = 6;
const BASE_MS: u64 = 200;
const CAP_MS: u64 = 3_000;
const DECAY_MS: u64 = 2_000;
const FULL: usize = 5;
const LEASE_MS: u64 = 700;

fn config() -> BreakerConfig {
    BreakerConfig {
        buckets: 4,
        bucket: ms(BUCKET_MS),
        minimum_calls: 6,
        failure_rate: 0.5,
        slow_rate: 0.8,
        slow_calls: SlowCalls::Fixed(ms(50)),
        open_base: ms(BASE_MS),
        open_cap: ms(CAP_MS),
        decay_after: ms(DECAY_MS),
        half_open_full: 5,
        lease: ms(LEASE_MS),
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    Call,
    /// Report on the permit at this place of those held; how it went is drawn from a hundred, twice.
    Report(usize, u8, u8),
    /// So many calls, one after the other, with draws from a seed.
    Run(u8, u64),
    Drop(usize),
    Trip,
    ProbePassed,
    ProbeFailed,
    Reset,
    Force(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..900).prop_map(Step::Pass),
        12 => Just(Step::Call),
        14 => (0_usize..3, 0_u8..100, 0_u8..100).prop_map(|(place, failed, slow)| Step::Report(place, failed, slow)),
        3 => (1_u8..25, any::<u64>()).prop_map(|(calls, seed)| Step::Run(calls, seed)),
        1 => (0_usize..4).prop_map(Step::Drop),
        1 => Just(Step::Trip),
        1 => Just(Step::ProbePassed),
        1 => Just(Step::ProbeFailed),
        1 => (0_u8..12).prop_map(|what| if what < 3 { Step::Force(what) } else { Step::Reset }),
    ]
}

/// A permit as the model knows it.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    /// Changes of state and resets before it.
    era: usize,
    trial: Option<u64>,
}

#[derive(Debug)]
struct Model {
    state: State,
    era: usize,
    since_ms: u64,
    open_until_ms: u64,
    growth: u32,
    episode: u64,
    in_episode: bool,
    alerts: u64,
    /// Era, bucket, failed, slow.
    results: VecDeque<(usize, u64, bool, bool)>,
    round: usize,
    /// Number and end.
    leases: Vec<(u64, u64)>,
    verdicts: Vec<(bool, bool)>,
    numbers: u64,
}

impl Model {
    fn new() -> Self {
        Self {
            state: State::Closed,
            era: 0,
            since_ms: 0,
            open_until_ms: 0,
            growth: 0,
            episode: 0,
            in_episode: false,
            alerts: 0,
            results: VecDeque::new(),
            round: 1,
            leases: vec![],
            verdicts: vec![],
            numbers: 0,
        }
    }

    fn enter(&mut self, state: State, now_ms: u64) {
        (self.state, self.since_ms) = (state, now_ms);
        self.era += 1;
    }

    /// With the longest draw, the open time is its ceiling.
    fn open_ms(&self) -> u64 {
        (BASE_MS << (self.growth - 1)).min(CAP_MS)
    }

    fn open(&mut self, now_ms: u64) {
        if self.state == State::Closed {
            let spans = (now_ms - self.since_ms) / DECAY_MS;
            self.growth = self.growth.saturating_sub(spans as u32);
            if !self.in_episode || spans > 0 {
                self.episode += 1;
                self.alerts += 1;
                self.in_episode = true;
            }
        }
        if self.growth == 0 || self.open_ms() < CAP_MS {
            self.growth += 1;
        }
        self.open_until_ms = now_ms + self.open_ms();
        self.enter(State::Open, now_ms);
    }

    fn half_open(&mut self, now_ms: u64) {
        self.round = 1;
        self.leases.clear();
        self.verdicts.clear();
        self.enter(State::HalfOpen, now_ms);
    }

    fn call(&mut self, now_ms: u64) -> Option<Ticket> {
        if self.state == State::Open && now_ms >= self.open_until_ms {
            self.half_open(now_ms);
        }
        match self.state {
            State::Open | State::ForcedOpen => None,
            State::HalfOpen => {
                self.leases.retain(|lease| lease.1 > now_ms);
                if self.leases.len() + self.verdicts.len() >= self.round {
                    return None;
                }
                self.numbers += 1;
                self.leases.push((self.numbers, now_ms + LEASE_MS));
                Some(Ticket { era: self.era, trial: Some(self.numbers) })
            }
            State::Closed | State::Disabled | State::MetricsOnly => {
                Some(Ticket { era: self.era, trial: None })
            }
        }
    }

    fn window(&self, now_ms: u64) -> Vec<(bool, bool)> {
        let of_now = |result: &&(usize, u64, bool, bool)| {
            result.0 == self.era && result.1 + BUCKETS > now_ms / BUCKET_MS
        };
        self.results.iter().filter(of_now).map(|result| (result.2, result.3)).collect()
    }

    fn report(&mut self, ticket: Ticket, failed: bool, slow: bool, now_ms: u64) {
        if let Some(number) = ticket.trial {
            return self.verdict(number, failed, slow, now_ms);
        }
        if ticket.era != self.era || self.state == State::Disabled {
            return;
        }
        self.results.push_back((self.era, now_ms / BUCKET_MS, failed, slow));
        let window = self.window(now_ms);
        let share = |bad: usize| bad as f64 / window.len() as f64;
        let failures = share(window.iter().filter(|result| result.0).count());
        let slow_ones = share(window.iter().filter(|result| result.1).count());
        let enough = window.len() >= MINIMUM && (failures >= 0.5 || slow_ones >= 0.8);
        if enough && (failed || slow) && self.state == State::Closed {
            self.open(now_ms);
        }
    }

    fn verdict(&mut self, number: u64, failed: bool, slow: bool, now_ms: u64) {
        self.leases.retain(|lease| lease.1 > now_ms);
        let held = self.leases.iter().any(|lease| lease.0 == number);
        if self.state != State::HalfOpen || !held {
            return;
        }
        self.leases.retain(|lease| lease.0 != number);
        self.verdicts.push((failed, slow));
        let share = |bad: usize| bad as f64 / self.round as f64;
        let failures = share(self.verdicts.iter().filter(|verdict| verdict.0).count());
        let slow_ones = share(self.verdicts.iter().filter(|verdict| verdict.1).count());
        if failures >= 0.5 || slow_ones >= 0.8 {
            self.open(now_ms);
        } else if self.verdicts.len() == self.round {
            self.next_round(now_ms);
        }
    }

    fn next_round(&mut self, now_ms: u64) {
        self.verdicts.clear();
        if self.round == FULL {
            self.enter(State::Closed, now_ms);
        } else {
            self.round = (self.round * 2).min(FULL);
        }
    }

    fn probe(&mut self, passed: bool, now_ms: u64) {
        self.leases.retain(|lease| lease.1 > now_ms);
        match (self.state, passed) {
            (State::Open, true) => self.half_open(now_ms),
            (State::Open, false) => self.open_until_ms = self.open_until_ms.max(now_ms + self.open_ms()),
            (State::HalfOpen, true) if self.leases.is_empty() => self.next_round(now_ms),
            (State::HalfOpen, false) => self.open(now_ms),
            _ => (),
        }
    }

    fn force(&mut self, state: State, now_ms: u64) {
        (self.growth, self.in_episode) = (0, false);
        self.enter(state, now_ms);
    }
}

/// Takes one step on both, while so many of a hundred calls fail and are slow.
fn take(step: Step, ill: (u8, u8), rig: &Rig, model: &mut Model, held: &mut Vec<(Permit<'static>, Ticket)>) {
    let now_ms = rig.clock.mono_ms();
    match step {
        Step::Pass(span_ms) => rig.advance(ms(span_ms)),
        Step::Call => {
            let (permit, ticket) = (rig.breaker.try_acquire(), model.call(now_ms));
            assert_eq!(permit.is_ok(), ticket.is_some());
            held.extend(permit.ok().map(Permit::into_owned).zip(ticket));
        }
        Step::Report(place, failed, slow) if place < held.len() => {
            let (permit, ticket) = held.remove(place);
            let (failed, slow) = (failed < ill.0, slow < ill.1);
            let elapsed = if slow { SLOW } else { FAST };
            if failed {
                permit.failure(elapsed)
            } else {
                permit.success(elapsed)
            }
            model.report(ticket, failed, slow, now_ms);
        }
        Step::Run(calls, seed) => {
            let mut dice = fastrand::Rng::with_seed(seed);
            for _ in 0..calls {
                take(Step::Call, ill, rig, model, held);
                take(
                    Step::Report(held.len().saturating_sub(1), dice.u8(..100), dice.u8(..100)),
                    ill,
                    rig,
                    model,
                    held,
                );
            }
        }
        Step::Drop(place) if place < held.len() => {
            let (_, ticket) = held.remove(place);
            model.leases.retain(|lease| Some(lease.0) != ticket.trial);
        }
        Step::Report(..) | Step::Drop(_) => (),
        Step::Trip => {
            let opens = matches!(model.state, State::Closed | State::HalfOpen);
            assert_eq!(rig.breaker.trip(Evidence::DeadSocket), opens);
            if opens {
                model.open(now_ms);
            }
        }
        Step::ProbePassed => {
            rig.breaker.probe_passed();
            model.probe(true, now_ms);
        }
        Step::ProbeFailed => {
            rig.breaker.probe_failed();
            model.probe(false, now_ms);
        }
        Step::Reset => {
            rig.breaker.reset();
            model.force(State::Closed, now_ms);
        }
        Step::Force(what) => {
            let (act, state): (fn(&CircuitBreaker), _) = match what {
                0 => (CircuitBreaker::force_open, State::ForcedOpen),
                1 => (CircuitBreaker::disable, State::Disabled),
                _ => (CircuitBreaker::metrics_only, State::MetricsOnly),
            };
            act(&rig.breaker);
            model.force(state, now_ms);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn does_what_the_model_does(
        failing in prop::sample::select(vec![0_u8, 10, 40, 90]),
        slow in prop::sample::select(vec![0_u8, 10, 40, 90]),
        steps in prop::collection::vec(step(), 1..250),
    ) {
        let rig = Rig::with(config());
        let mut model = Model::new();
        let mut held = vec![];
        let alerts = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let counted = Arc::clone(&alerts);
        rig.breaker
            .on_state_change(move |change| {
                counted.fetch_add(u64::from(change.alert), std::sync::atomic::Ordering::Relaxed);
            })
            .keep();
        for step in steps {
            take(step, (failing, slow), &rig, &mut model, &mut held);
            let now_ms = rig.clock.mono_ms();
            let seen = rig.breaker.snapshot();
            prop_assert_eq!(seen.state, model.state);
            if model.state == State::Open {
                prop_assert_eq!(seen.open_until_ms, Some(model.open_until_ms));
            }
            if model.state == State::HalfOpen {
                let view = seen.half_open.expect("half-open");
                let under_way = model.leases.iter().filter(|lease| lease.1 > now_ms).count();
                prop_assert_eq!((view.width as usize, view.in_flight as usize), (model.round, under_way));
            }
            let window = model.window(now_ms);
            let bad = (
                window.iter().filter(|result| result.0).count() as u64,
                window.iter().filter(|result| result.1).count() as u64,
            );
            prop_assert_eq!((seen.calls, (seen.failed, seen.slow)), (window.len() as u64, bad));
            prop_assert_eq!(seen.episode, model.episode);
            prop_assert_eq!(alerts.load(std::sync::atomic::Ordering::Relaxed), model.alerts);
        }
    }
}
