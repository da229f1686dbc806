//! What holds a queue's jobs back: its settings, and what was charged to its rates. Every back-end keeps one of
//! these per queue, in memory. Pure.

use crate::backend::rules::{Limits, Retention};
use crate::job::GroupKey;
use crate::rate::{Arrival, Charge, GroupPaces, Pace};
use crate::settings::{Mode, QueueSettings, Resolved};

/// Whether a queue may hand out a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// Not before something else happens.
    Closed,
    /// In so many milliseconds.
    In(u64),
}

/// What a job was charged when it was handed out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Charges {
    queue: Option<Charge>,
    group: Option<Charge>,
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) settings: QueueSettings,
    pub(super) resolved: Resolved,
    pace: Option<Pace>,
    paces: Option<GroupPaces>,
    defaults: (Limits, Retention),
}

impl Flow {
    /// Settings of which nothing is known before `mono_ms`.
    pub(super) fn new(settings: QueueSettings, defaults: (Limits, Retention), mono_ms: u64) -> Self {
        let resolved = settings.resolve(defaults.0, defaults.1);
        let pace = settings.rate.map(|rate| Pace::unknown(rate, mono_ms));
        let paces = settings.group_rate.map(|rate| GroupPaces::unknown(rate, mono_ms));
        Self { settings, resolved, pace, paces, defaults }
    }

    /// The same queue with other settings. A rate that stays keeps what it was charged.
    pub(super) fn configure(&mut self, settings: QueueSettings, mono_ms: u64) {
        let old = std::mem::replace(self, Self::new(settings, self.defaults, mono_ms));
        if self.settings.rate == old.settings.rate {
            self.pace = old.pace;
        }
        if self.settings.group_rate == old.settings.group_rate {
            self.paces = old.paces;
        }
    }

    /// What was charged, taken over from before the file was opened anew.
    pub(super) fn take_over(&mut self, before: &Self) {
        if self.settings.rate == before.settings.rate {
            self.pace = before.pace;
        }
        if self.settings.group_rate == before.settings.group_rate {
            self.paces.clone_from(&before.paces);
        }
    }

    /// Whether a queue with so many jobs running may hand out one more.
    pub(super) fn gate(&self, mode: Mode, running: u64, mono_ms: u64) -> Gate {
        if mode.is_paused() || running >= self.resolved.concurrency_max {
            return Gate::Closed;
        }
        match self.pace.map_or(0, |pace| pace.wait_ms(mono_ms)) {
            0 => Gate::Open,
            wait_ms => Gate::In(wait_ms),
        }
    }

    /// How long until a job of `group` may begin, if not now.
    pub(super) fn group_wait_ms(&self, group: Option<GroupKey>, mono_ms: u64) -> Option<u64> {
        let wait_ms = self.paces.as_ref()?.wait_ms(&group?, mono_ms);
        (wait_ms > 0).then_some(wait_ms)
    }

    /// The arrival of `group` once `charges` were given back.
    pub(super) fn arrival_without(
        &self,
        group: GroupKey,
        arrival: Option<Arrival>,
        charges: Charges,
    ) -> Option<Arrival> {
        let arrival = arrival.or_else(|| Some(self.paces.as_ref()?.arrival_of(&group)))?;
        Some(match charges.group.filter(|_| self.gives_back_to_groups()) {
            Some(charge) => arrival.without(charge),
            None => arrival,
        })
    }

    /// As [`Flow::group_wait_ms`], of a group that has this arrival.
    pub(super) fn wait_from_ms(&self, arrival: Arrival, mono_ms: u64) -> Option<u64> {
        let wait_ms = self.paces.as_ref()?.wait_from_ms(arrival, mono_ms);
        (wait_ms > 0).then_some(wait_ms)
    }

    /// Counts a job that is handed out.
    pub(super) fn charge(&mut self, group: Option<GroupKey>, mono_ms: u64) -> Charges {
        let queue = self.pace.as_mut().map(|pace| pace.charge(mono_ms));
        let paces = self.paces.as_mut().zip(group);
        Charges { queue, group: paces.map(|(paces, group)| paces.charge(group, mono_ms)) }
    }

    /// The job did not run.
    pub(super) fn give_back(&mut self, group: Option<GroupKey>, charges: Charges) {
        if let Some((pace, charge)) = self.pace.as_mut().zip(charges.queue) {
            pace.give_back(charge);
        }
        let to_groups = self.gives_back_to_groups();
        if let (Some(paces), Some(group), Some(charge), true) =
            (self.paces.as_mut(), group, charges.group, to_groups)
        {
            paces.give_back(&group, charge);
        }
    }

    /// Where several of a group run at once, one of them may be put off already to the time that a charge set:
    /// were it given back, those behind would overtake it.
    fn gives_back_to_groups(&self) -> bool {
        self.resolved.group_concurrency == 1
    }
}
