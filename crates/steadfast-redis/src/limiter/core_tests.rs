use super::*;
use proptest::prelude::*;

type Line = Core<u64>;

fn config(limit: u32) -> LimiterConfig {
    LimiterConfig {
        initial: limit,
        least: limit,
        most: limit,
        waiting_most: [4, 4, 2],
        ..LimiterConfig::default()
    }
}

/// A caller who waits, known by a number.
fn wait(core: &mut Line, class: Class, number: u64, now: Instant) -> Result<u64, Shed> {
    core.stand_in_line(class, now + Duration::from_secs(1), now, || (number, ())).map(|(id, ())| id)
}

fn granted(core: &mut Line, now_ms: u64, now: Instant) -> Vec<(Class, u64)> {
    core.turn(now_ms, now).granted
}

#[tokio::test(start_paused = true)]
async fn a_freed_slot_goes_to_the_highest_class() {
    let now = Instant::now();
    let mut core = Line::new(config(10));
    for _ in 0..10 {
        assert!(core.enter(Class::Critical, 0), "critical borrows everything that is idle");
    }
    for (number, class) in [Class::Background, Class::Normal, Class::Critical].into_iter().enumerate() {
        assert!(!core.enter(class, 0));
        wait(&mut core, class, number as u64, now).expect("room in line");
    }
    let mut order = vec![];
    for _ in 0..5 {
        core.leave(Class::Critical, Outcome::Ignored, 0);
        order.extend(granted(&mut core, 0, now));
    }
    assert_eq!(order, [(Class::Critical, 2), (Class::Normal, 1), (Class::Background, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_background_leaves_the_rest_free() {
    let now = Instant::now();
    let mut core = Line::new(config(10));
    let entered = (0..100).filter(|_| core.enter(Class::Background, 0)).count();
    assert_eq!(entered, 2);
    assert_eq!(wait(&mut core, Class::Background, 1, now), Ok(0));
    assert_eq!(wait(&mut core, Class::Background, 2, now), Ok(1));
    assert_eq!(wait(&mut core, Class::Background, 3, now), Err(Shed::LineFull), "the newest is refused");
    assert_eq!((0..100).filter(|_| core.enter(Class::Normal, 0)).count(), 6);
    assert_eq!((0..100).filter(|_| core.enter(Class::Critical, 0)).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_is_past_the_deadline_is_passed_over() {
    let now = Instant::now();
    let mut core = Line::new(config(1));
    assert!(core.enter(Class::Normal, 0));
    for (number, seconds) in [(1, 1), (2, 3)] {
        let deadline = now + Duration::from_secs(seconds);
        core.stand_in_line(Class::Normal, deadline, now, || (number, ())).expect("room in line");
    }
    let late = core.stand_in_line(Class::Normal, now, now, || (3, ()));
    assert_eq!(late.map(|(id, ())| id), Err(Shed::DeadlinePassed));
    core.leave(Class::Normal, Outcome::Ignored, 0);
    let turn = core.turn(0, now + Duration::from_secs(1));
    assert_eq!((turn.granted, turn.expired), (vec![(Class::Normal, 2)], vec![1]));
}

#[tokio::test(start_paused = true)]
async fn a_slow_start_lets_in_by_doubling_until_the_former_limit() {
    let mut core = Line::new(config(20));
    core.slow_start(1_000);
    let limits = [1_000, 1_099, 1_100, 1_200, 1_399, 1_400, 1_499, 1_500].map(|now_ms| core.limit(now_ms));
    assert_eq!(limits, [1, 1, 2, 4, 8, 16, 16, 20]);
    assert!(!core.is_slow_starting());
    core.slow_start(5_000);
    assert_eq!((core.next_step_ms(5_000), core.next_step_ms(5_150)), (Some(5_100), Some(5_200)));
    core.slow_start(5_150);
    assert_eq!(core.limit(5_149 + 600), 20, "an outage within a slow start keeps the former limit");
}

#[tokio::test(start_paused = true)]
async fn in_a_slow_start_a_newcomer_does_not_overtake() {
    let now = Instant::now();
    let mut core = Line::new(config(20));
    core.slow_start(0);
    assert!(core.enter(Class::Normal, 0));
    wait(&mut core, Class::Normal, 1, now).expect("room in line");
    assert!(!core.enter(Class::Critical, 200), "of four slots the second is for the one who waits");
    assert_eq!(granted(&mut core, 200, now), [(Class::Normal, 1)]);
    assert!(core.enter(Class::Critical, 200));
}

/// Three classes that all want two thirds of what there is: the lowest is shed, the next a little, the highest not at all.
#[tokio::test(start_paused = true)]
async fn background_is_shed_first_and_critical_last() {
    let now = Instant::now();
    let mut core = Line::new(LimiterConfig { waiting_most: [8, 8, 8], ..config(20) });
    let mut dice = fastrand::Rng::with_seed(11);
    let mut under_way: Vec<Class> = vec![];
    for number in 0..100_000 {
        let class = Class::ALL[dice.usize(..3)];
        if core.enter(class, 0) {
            under_way.push(class);
        } else {
            let _ = wait(&mut core, class, number, now);
        }
        if dice.u8(..2) == 0 && !under_way.is_empty() {
            let class = under_way.swap_remove(dice.usize(..under_way.len()));
            core.leave(class, Outcome::Ignored, 0);
            under_way.extend(granted(&mut core, 0, now).into_iter().map(|(class, _)| class));
        }
    }
    let [critical, normal, background] = Class::ALL.map(|class| {
        let standing = core.standing(class, 20);
        standing.shed as f64 / (standing.shed + standing.admitted) as f64
    });
    assert!(critical < 0.001, "{critical}");
    assert!(critical < normal && normal < 0.7, "{normal}");
    assert!(background > 0.8, "{background}");
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Enter(Class),
    /// The call at this place ends.
    End(usize, u8),
    /// The waiter at this place gives up.
    GiveUp(usize),
    Pass(u64),
    Limit(u32),
    SlowStart,
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(Class::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => class().prop_map(Step::Enter),
        8 => (0_usize..50, 0_u8..4).prop_map(|(place, how)| Step::End(place, how)),
        2 => (0_usize..10).prop_map(Step::GiveUp),
        2 => (1_u64..400).prop_map(Step::Pass),
        1 => (1_u32..40).prop_map(Step::Limit),
        1 => Just(Step::SlowStart),
    ]
}

/// The core with everything that must hold looked at after every step.
struct Watched {
    core: Line,
    now: Instant,
    passed_ms: u64,
    under_way: Vec<Class>,
    /// Number, class and id, in the order of their coming; with their deadlines.
    waiting: Vec<(u64, Class, u64, Instant)>,
    number: u64,
}

impl Watched {
    fn new(limit: u32) -> Self {
        let config = LimiterConfig { least: 1, most: 50, initial: limit, ..config(limit) };
        Self {
            core: Line::new(config),
            now: Instant::now(),
            passed_ms: 0,
            under_way: vec![],
            waiting: vec![],
            number: 0,
        }
    }

    fn held(&self) -> [u32; 3] {
        Class::ALL.map(|class| self.under_way.iter().filter(|held| **held == class).count() as u32)
    }

    fn division(&mut self) -> Division {
        let limit = self.core.limit(self.passed_ms);
        Division::of(limit, &self.core.config().shares)
    }

    fn let_in(&mut self, class: Class) {
        let (division, held) = (self.division(), self.held());
        assert!(division.fits(class, &held), "{class} over {division:?} at {held:?}");
        self.under_way.push(class);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Enter(class) => self.enter(class),
            Step::End(place, how) if place < self.under_way.len() => {
                let class = self.under_way.swap_remove(place);
                let outcome = match how {
                    0 => Outcome::Dropped,
                    1 => Outcome::Ignored,
                    how => Outcome::Done(Duration::from_millis(u64::from(how) * 10)),
                };
                self.core.leave(class, outcome, self.passed_ms);
            }
            Step::GiveUp(place) if place < self.waiting.len() => {
                let (number, class, id, _) = self.waiting.remove(place);
                assert_eq!(self.core.leave_line(class, id), Some(number));
                assert_eq!(self.core.leave_line(class, id), None);
            }
            Step::End(..) | Step::GiveUp(_) => (),
            Step::Pass(ms) => {
                self.passed_ms += ms;
                self.now += Duration::from_millis(ms);
            }
            Step::Limit(limit) => {
                let config =
                    LimiterConfig { least: limit, most: limit, initial: limit, ..self.core.config() };
                self.core.reconfigure(config);
            }
            Step::SlowStart => self.core.slow_start(self.passed_ms),
        }
        self.turn();
    }

    fn enter(&mut self, class: Class) {
        self.number += 1;
        if self.core.enter(class, self.passed_ms) {
            let overtaken = self.waiting.iter().any(|waiter| waiter.1 == class);
            assert!(!overtaken, "a newcomer overtook its class");
            return self.let_in(class);
        }
        // Deadlines in no order: short ones come after long ones.
        let deadline = self.now + Duration::from_millis(self.number * 7_919 % 700 + 1);
        let number = self.number;
        match self.core.stand_in_line(class, deadline, self.now, || (number, ())) {
            Ok((id, ())) => self.waiting.push((number, class, id, deadline)),
            Err(reason) => {
                assert_eq!(reason, Shed::LineFull);
                let (line, most) = (self.core.waiting(class), self.core.config().waiting_most[class.place()]);
                assert_eq!(line, most);
            }
        }
    }

    fn turn(&mut self) {
        let turn = self.core.turn(self.passed_ms, self.now);
        for number in turn.expired {
            let place = self.waiting.iter().position(|waiter| waiter.0 == number).expect("was waiting");
            assert!(self.waiting.remove(place).3 <= self.now, "passed over too soon");
        }
        for (class, number) in turn.granted {
            let first = self.waiting.iter().position(|waiter| waiter.1 == class).expect("was waiting");
            let (first_number, _, _, deadline) = self.waiting.remove(first);
            assert_eq!(first_number, number, "first come, first served");
            assert!(deadline > self.now, "granted too late");
            self.let_in(class);
        }
        self.look();
    }

    fn look(&mut self) {
        let (division, held) = (self.division(), self.held());
        assert_eq!(self.core.in_flight(), held.iter().sum::<u32>(), "no slot lost or made up");
        for class in Class::ALL {
            let waiting = self.waiting.iter().filter(|waiter| waiter.1 == class).count() as u32;
            assert_eq!(self.core.waiting(class), waiting);
            assert!(waiting == 0 || !division.fits(class, &held), "{class} waits though there is room");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_the_limit_the_order_and_every_slot_are_kept(
        limit in 1_u32..40, steps in prop::collection::vec(step(), 1..300),
    ) {
        let mut watched = Watched::new(limit);
        for step in steps {
            watched.take(step);
        }
    }
}
