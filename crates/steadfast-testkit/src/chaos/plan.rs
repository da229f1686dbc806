//! What happens when: made from the seed before anything starts.

use super::random::Random;

/// One thing that happens to the node. Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// kill -9, then a start.
    Kill,
    /// kill -9, a start, and again kill -9 so long into it.
    KillInStart(u64),
    /// SIGTERM, then kill -9 so long into the drain.
    KillInStop(u64),
    /// SIGTERM, waited for.
    Restart,
    /// SIGSTOP for so long; ended by kill -9 instead of SIGCONT if so.
    Freeze { ms: u64, killed: bool },
    /// No room on the disk for so long; after `kill_after`, if any, the node is killed amid it.
    DiskFull { ms: u64, kill_after: Option<u64> },
    /// The wall clock stands so far off the true time from now on.
    Clock { off_s: i64 },
}

impl Fault {
    /// How often it kills.
    pub(super) const fn kills(self) -> u32 {
        match self {
            Self::Kill | Self::KillInStop(_) | Self::Freeze { killed: true, .. } => 1,
            Self::KillInStart(_) => 2,
            Self::DiskFull { kill_after: Some(_), .. } => 1,
            _ => 0,
        }
    }

    /// How long it lasts, a start apart.
    const fn lasts_ms(self) -> u64 {
        match self {
            Self::Freeze { ms, .. }
            | Self::DiskFull { ms, .. }
            | Self::KillInStop(ms)
            | Self::KillInStart(ms) => ms,
            _ => 0,
        }
    }
}

/// The longest step of the clock either way: within a day, beyond which people may no longer be written to, and
/// far beyond an hour, in which the queue itself knows a message again.
const CLOCK_OFF_S_MAX: i64 = 6 * 3_600;

/// Faults with their time since the start, in milliseconds.
pub(super) fn plan(seed: u64, length_ms: u64, kills: u32) -> Vec<(u64, Fault)> {
    let mut random = Random::new(seed, 0);
    let faults = faults(&mut random, kills);
    let busy_ms: u64 = faults.iter().map(|fault| fault.lasts_ms()).sum();
    // Gaps of any length up to twice the mean: some faults meet a node that has just come up.
    let weights: Vec<u64> = faults.iter().map(|_| random.between(0, 1_000)).collect();
    let calm_ms = length_ms.saturating_sub(busy_ms);
    let weight: u64 = weights.iter().sum::<u64>().max(1);
    let mut at_ms = 0;
    let timed = faults.into_iter().zip(weights).map(|(fault, own)| {
        at_ms += calm_ms * own / weight;
        let due = at_ms;
        at_ms += fault.lasts_ms();
        (due, fault)
    });
    timed.collect()
}

/// Which, in random order: `kills` kills of all sorts, and the other faults in proportion.
fn faults(random: &mut Random, kills: u32) -> Vec<Fault> {
    let share = |part: u32| (kills / part).max(1);
    let mut faults = Vec::new();
    for _ in 0..share(10) {
        faults.push(Fault::Restart);
        let ms = random.between(500, 14_000);
        faults.push(Fault::Freeze { ms, killed: random.percent(30) });
    }
    for index in 0..share(16) {
        let ms = random.between(2_000, 8_000);
        // Every second one, so that a short run has the plain case.
        let kill_after = (index % 2 == 1).then(|| random.between(100, ms - 100));
        faults.push(Fault::DiskFull { ms, kill_after });
    }
    for _ in 0..share(5).max(2) {
        let off_s = random.between(0, 2 * CLOCK_OFF_S_MAX.unsigned_abs()).cast_signed() - CLOCK_OFF_S_MAX;
        faults.push(Fault::Clock { off_s });
    }
    let killed = |faults: &[Fault]| faults.iter().map(|fault| fault.kills()).sum::<u32>();
    while killed(&faults) < kills {
        faults.push(match random.between(0, 9) {
            0 | 1 => Fault::KillInStart(random.between(1, 400)),
            2 => Fault::KillInStop(random.between(0, 300)),
            _ => Fault::Kill,
        });
    }
    for last in (1..faults.len()).rev() {
        let other = random.between(0, last as u64);
        faults.swap(last, usize::try_from(other).unwrap_or(last));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        let first = plan(7, 600_000, 100);
        assert_eq!(first, plan(7, 600_000, 100));
        assert_ne!(first, plan(8, 600_000, 100));
    }

    #[test]
    fn a_plan_kills_as_often_as_asked_and_fits_the_time() {
        for seed in 0..200 {
            let plan = plan(seed, 600_000, 100);
            let kills: u32 = plan.iter().map(|(_, fault)| fault.kills()).sum();
            assert!((100..=101).contains(&kills), "{kills}");
            assert!(plan.is_sorted_by_key(|(at_ms, _)| *at_ms));
            assert!(plan.iter().all(|(at_ms, fault)| at_ms + fault.lasts_ms() <= 600_000));
            let has = |wanted: fn(&Fault) -> bool| plan.iter().any(|(_, fault)| wanted(fault));
            assert!(has(|fault| matches!(fault, Fault::DiskFull { kill_after: None, .. })));
            assert!(has(|fault| matches!(fault, Fault::Clock { .. })));
            assert!(has(|fault| matches!(fault, Fault::Freeze { .. })));
        }
    }
}
