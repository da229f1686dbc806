//! All that is known of one node's health, from circumstances and evidence. Pure.

use super::capability::{Capabilities, Capability, CapabilityState, Cause};
use super::checks::{Check, Checks};
use super::standing::Standing;
use super::track::{Evidence, Thresholds, Track};
use serde::Serialize;

/// What the active check could find out of a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Probe {
    /// It has not looked yet.
    #[default]
    NotYet,
    /// It was executed.
    Passed,
    /// It was refused, or not answered.
    Failed,
    /// Our user may not do it: nothing is known.
    Forbidden,
    /// It is not done: by the configuration, because the node is a replica, or because there is no harmless way.
    Off,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Machine {
    thresholds: Thresholds,
    tracks: [Track; 5],
    probes: [Probe; 5],
    pub(super) standing: Standing,
    pub(super) checks: Checks,
}

impl Machine {
    pub(crate) fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            tracks: Capability::ALL.map(Track::new),
            probes: [Probe::NotYet; 5],
            standing: Standing::default(),
            checks: Checks::default(),
        }
    }

    pub(crate) fn reconfigure(&mut self, thresholds: Thresholds) {
        self.thresholds = thresholds;
    }

    /// Takes something in that was seen.
    pub(super) fn take(&mut self, evidence: &Evidence, now_ms: u64) {
        for track in &mut self.tracks {
            track.take(evidence, now_ms, self.thresholds);
        }
    }

    /// Takes in what an active check found.
    pub(super) fn checked(&mut self, check: &Check, now_ms: u64) {
        self.probes = check.probes;
        for evidence in &check.evidence {
            self.take(evidence, now_ms);
        }
        self.checks.add(check);
    }

    /// How a capability is: the worse of what circumstances and evidence say.
    pub(crate) fn state(&self, capability: Capability) -> CapabilityState {
        let [reads, writes, scripts, blocking, pub_sub] = &self.tracks;
        let track = match capability {
            Capability::Reads => reads,
            Capability::Writes => writes,
            Capability::Scripts => scripts,
            Capability::Blocking => blocking,
            Capability::PubSub => pub_sub,
        };
        self.standing.state(capability).or_worse(track.state.clone())
    }

    /// How all of them are.
    pub(crate) fn capabilities(&self) -> Capabilities {
        Capabilities::each(|capability| self.state(capability))
    }

    /// What the last active check could find out, in the order of [`Capability::ALL`].
    pub(crate) const fn probes(&self) -> [Probe; 5] {
        self.probes
    }

    /// Changes with what evidence says, and not with how often it says so.
    pub(super) fn said(&self) -> [(u8, Option<Cause>); 5] {
        self.tracks.each_ref().map(|track| {
            let reason = track.state.reason();
            (u8::from(track.state.is_down()), reason.map(|reason| reason.cause))
        })
    }

    /// True if evidence says that something is or may not be up: the active check should look soon, and successes count.
    pub(super) fn is_troubled(&self) -> bool {
        self.tracks.iter().any(Track::is_troubled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;

    #[test]
    fn the_worse_of_circumstances_and_evidence_counts() {
        let mut machine = Machine::new(Thresholds { failures: 3, successes: 2 });
        assert_eq!(machine.state(Capability::Reads), CapabilityState::Down(Cause::Connecting.into()));
        machine.standing = Standing { lanes: 1, role: Role::Primary, ..Standing::default() };
        assert!(machine.capabilities().is_healthy() && !machine.is_troubled());
        machine.take(&Evidence::Refused(Cause::OutOfMemory.into()), 0);
        let seen = machine.capabilities();
        assert_eq!(seen.writes, CapabilityState::Down(Cause::OutOfMemory.into()));
        assert!(!seen.is_available() && machine.is_troubled());
        machine.standing.is_loading = true;
        assert_eq!(machine.state(Capability::Reads), CapabilityState::Down(Cause::Loading.into()));
    }
}
