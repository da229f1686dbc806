//! Whether a silent connection is dead, or its server slow. Pure: the caller brings the time and runs the probe.
//!
//! A connection on which commands wait and nothing comes may be dead (a firewall forgot it, the peer's machine is
//! gone) or its server may be busy. Closing a good one throws away what is in flight; keeping a dead one loses all
//! that follows. The difference can be proved: a *fresh* connection to the same server, on which `PING` is answered
//! at once, shows that the server is well, so that the silence of the old one is its own. Even then the old one has
//! a moment more (`grace`): a server that was stopped and goes on answers both, in no order that could be relied on.
//! If the fresh one is silent too, nothing is closed: the server is slow, and new connections would make it slower.

use std::time::Duration;

/// The times of the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatchdogTimes {
    /// Silence with commands in flight that starts a probe.
    pub(crate) progress: Duration,
    /// A probe whose round trips are within this shows that the server is well.
    pub(crate) probe: Duration,
    /// What a suspect has after that.
    pub(crate) grace: Duration,
}

/// What is known of one lane at a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneView {
    pub(crate) id: u64,
    /// How long nothing has come while something was in flight.
    pub(crate) silent: Duration,
}

/// What the caller should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Well,
    /// Make a fresh connection and send `PING` on it; tell [`Watchdog::answered`] or [`Watchdog::unreachable`].
    Probe,
    /// These are dead: close them.
    Dead(Vec<u64>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Probing {
        since: Duration,
    },
    /// The server is well, and this is when the suspects' time is over.
    Grace {
        until: Duration,
    },
    /// It answered, but late, or could not be reached: nothing is suspected before this.
    Patient {
        until: Duration,
    },
}

/// One node's watchdog. Times are spans since any fixed start.
#[derive(Debug)]
pub(crate) struct Watchdog {
    times: WatchdogTimes,
    phase: Phase,
}

impl Watchdog {
    pub(crate) const fn new(times: WatchdogTimes) -> Self {
        Self { times, phase: Phase::Idle }
    }

    /// Goes on with other times.
    pub(crate) fn set_times(&mut self, times: WatchdogTimes) {
        if times != self.times {
            // A probe that is under way counts as none: what it is measured by has changed.
            (self.times, self.phase) = (times, Phase::Idle);
        }
    }

    /// Looks at the lanes. `progress_min` raises the silence that counts, for a server whose slowest answers are slow.
    pub(crate) fn tick(&mut self, now: Duration, progress_min: Duration, lanes: &[LaneView]) -> Verdict {
        let progress = self.times.progress.max(progress_min);
        let is_silent = |lane: &&LaneView| lane.silent >= progress;
        match self.phase {
            Phase::Idle if lanes.iter().any(|lane| is_silent(&lane)) => {
                self.phase = Phase::Probing { since: now };
                Verdict::Probe
            }
            Phase::Grace { until } if now >= until => {
                self.phase = Phase::Idle;
                let dead: Vec<u64> = lanes.iter().filter(is_silent).map(|lane| lane.id).collect();
                if dead.is_empty() { Verdict::Well } else { Verdict::Dead(dead) }
            }
            Phase::Patient { until } if now >= until => {
                self.phase = Phase::Idle;
                Verdict::Well
            }
            _ => Verdict::Well,
        }
    }

    /// The probe was answered; its slowest round trip took `round_trip`. What else a dial takes (a name, TLS) tells of
    /// other things than the server.
    pub(crate) fn answered(&mut self, now: Duration, round_trip: Duration) {
        if matches!(self.phase, Phase::Probing { .. }) {
            self.phase = if round_trip <= self.times.probe {
                Phase::Grace { until: now.saturating_add(self.times.grace) }
            } else {
                // It was slow and goes on now: the old connections have as long to answer as at the beginning.
                self.patient(now)
            };
        }
    }

    /// The probe could not connect, or its connection ended: that says nothing about the old ones.
    pub(crate) fn unreachable(&mut self, now: Duration) {
        if matches!(self.phase, Phase::Probing { .. }) {
            self.phase = self.patient(now);
        }
    }

    const fn patient(&self, now: Duration) -> Phase {
        Phase::Patient { until: now.saturating_add(self.times.progress) }
    }

    /// True while a probe is waited for, longer than a well server needs.
    pub(crate) fn is_slow(&self, now: Duration) -> bool {
        matches!(self.phase, Phase::Probing { since } if now.saturating_sub(since) > self.times.probe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: WatchdogTimes = WatchdogTimes {
        progress: Duration::from_millis(750),
        probe: Duration::from_millis(300),
        grace: Duration::from_millis(100),
    };

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn lanes(silent: &[u64]) -> Vec<LaneView> {
        silent.iter().zip(0..).map(|(silent, id)| LaneView { id, silent: ms(*silent) }).collect()
    }

    #[test]
    fn a_dead_one_is_closed_within_1_2_seconds_and_the_others_stay() {
        let mut dog = Watchdog::new(TIMES);
        assert_eq!(dog.tick(ms(700), ms(0), &lanes(&[700, 3])), Verdict::Well);
        assert_eq!(dog.tick(ms(750), ms(0), &lanes(&[750, 3])), Verdict::Probe);
        assert_eq!(dog.tick(ms(800), ms(0), &lanes(&[800, 3])), Verdict::Well, "one probe at a time");
        dog.answered(ms(1050), ms(300));
        assert_eq!(dog.tick(ms(1100), ms(0), &lanes(&[1100, 3])), Verdict::Well, "grace");
        assert_eq!(dog.tick(ms(1150), ms(0), &lanes(&[1150, 3])), Verdict::Dead(vec![0]));
    }

    #[test]
    fn one_that_answers_within_the_grace_stays() {
        let mut dog = Watchdog::new(TIMES);
        assert_eq!(dog.tick(ms(750), ms(0), &lanes(&[750])), Verdict::Probe);
        dog.answered(ms(760), ms(1));
        assert_eq!(dog.tick(ms(860), ms(0), &lanes(&[20])), Verdict::Well);
    }

    /// A server stopped for 3 s: one probe, and nothing closed, neither while it stands nor when it goes on.
    #[test]
    fn a_slow_server_keeps_its_connections() {
        let mut dog = Watchdog::new(TIMES);
        let mut probes = 0;
        for now in (0..3000).step_by(50) {
            match dog.tick(ms(now), ms(0), &lanes(&[now, now])) {
                Verdict::Probe => probes += 1,
                Verdict::Well => {}
                Verdict::Dead(_) => panic!("closed at {now} ms"),
            }
            assert_eq!(dog.is_slow(ms(now)), now > 1050);
        }
        assert_eq!(probes, 1);
        dog.answered(ms(3001), ms(2251));
        assert_eq!(
            dog.tick(ms(3050), ms(0), &lanes(&[3050, 0])),
            Verdict::Well,
            "the other one is a little later"
        );
        assert_eq!(dog.tick(ms(3800), ms(0), &lanes(&[0, 0])), Verdict::Well);
    }

    #[test]
    fn a_server_that_cannot_be_reached_proves_nothing() {
        let mut dog = Watchdog::new(TIMES);
        assert_eq!(dog.tick(ms(750), ms(0), &lanes(&[750])), Verdict::Probe);
        dog.unreachable(ms(751));
        assert_eq!(dog.tick(ms(900), ms(0), &lanes(&[900])), Verdict::Well);
        assert_eq!(dog.tick(ms(1501), ms(0), &lanes(&[1501])), Verdict::Well);
        assert_eq!(dog.tick(ms(1551), ms(0), &lanes(&[1551])), Verdict::Probe, "again after a while");
    }

    #[test]
    fn a_server_with_slow_answers_has_more_time() {
        let mut dog = Watchdog::new(TIMES);
        assert_eq!(dog.tick(ms(800), ms(1500), &lanes(&[800])), Verdict::Well);
        assert_eq!(dog.tick(ms(1500), ms(1500), &lanes(&[1500])), Verdict::Probe);
    }
}
