//! One node's health as calls and its task share it.

use super::capability::{Capabilities, Cause, Reason};
use super::checks::{Check, Checks};
use super::evidence::told_by;
use super::machine::{Machine, Probe};
use super::standing::Standing;
use super::track::{Evidence, Thresholds, Witness};
use crate::command::Access;
use crate::error::{Error, ErrorKind, Outcome};
use crate::fault::Fault;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::sync::Notify;

/// A caller that gave a call less time than this and did not get it done says more of itself than of the server.
const TIMEOUT_TELLS_FROM: Duration = Duration::from_millis(50);
/// No slot is known.
const NO_SLOT: u32 = u32::MAX;

/// One node's health. Good news costs one relaxed load while there is no trouble; bad news a short lock.
#[derive(Debug)]
pub(crate) struct NodeHealth {
    clock: SharedClock,
    machine: Mutex<Machine>,
    /// A success would change something.
    troubled: AtomicBool,
    /// Something changed that the task has not seen.
    pub(super) changed: Notify,
    /// A slot that it serves, in a cluster.
    slot: AtomicU32,
}

/// A node's health at one moment.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) capabilities: Capabilities,
    pub(super) probes: [Probe; 5],
    pub(super) checks: Checks,
}

impl NodeHealth {
    pub(crate) fn new(thresholds: Thresholds, clock: SharedClock) -> Self {
        Self {
            clock,
            machine: Mutex::new(Machine::new(thresholds)),
            troubled: AtomicBool::new(false),
            changed: Notify::new(),
            slot: AtomicU32::new(NO_SLOT),
        }
    }

    /// A call, or one attempt of it, failed: if it was sent and no answer came, that counts.
    pub(crate) fn note_silence(&self, access: Access, error: &Error, elapsed: Duration) {
        if error.fault().is_some() || error.outcome() != Outcome::Ambiguous {
            return;
        }
        let tells = match error.kind() {
            ErrorKind::Timeout => elapsed >= TIMEOUT_TELLS_FROM,
            kind => kind == ErrorKind::Connection,
        };
        if let Some(capability) = told_by(access).filter(|_| tells) {
            self.take(&Evidence::Failed(capability, Reason::new(Cause::NoAnswer, error.why())));
        }
    }

    /// The server answered with an error.
    pub(crate) fn note_fault(&self, fault: &Fault, text: &str) {
        if let Some(cause) = fault.health_cause() {
            self.take(&Evidence::Refused(Reason::new(cause, text)));
        }
    }

    /// A call was answered.
    pub(crate) fn note_success(&self, access: Access) {
        if self.troubled.load(Ordering::Relaxed)
            && let Some(capability) = told_by(access)
        {
            self.take(&Evidence::Good(capability, Witness::Call));
        }
    }

    /// In a cluster: it serves this slot.
    pub(crate) fn serves(&self, slot: u16) {
        self.slot.store(u32::from(slot), Ordering::Relaxed);
    }

    pub(super) fn slot(&self) -> Option<u16> {
        u16::try_from(self.slot.load(Ordering::Relaxed)).ok()
    }

    pub(super) fn stand(&self, standing: Standing) {
        self.change(|machine, _| machine.standing = standing);
    }

    pub(super) fn checked(&self, check: &Check) {
        self.change(|machine, now| machine.checked(check, now));
    }

    pub(crate) fn reconfigure(&self, thresholds: Thresholds) {
        self.change(|machine, _| machine.reconfigure(thresholds));
    }

    pub(super) fn read(&self) -> Reading {
        let machine = self.machine();
        Reading {
            capabilities: machine.capabilities(),
            probes: machine.probes(),
            checks: machine.checks.clone(),
        }
    }

    pub(super) fn is_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
    }

    /// The task is woken by what is new, not by each of a thousand errors that say the same.
    fn take(&self, evidence: &Evidence) {
        let is_new = self.change(|machine, now| {
            let before = (machine.is_troubled(), machine.said());
            machine.take(evidence, now);
            before != (machine.is_troubled(), machine.said())
        });
        if is_new {
            self.changed.notify_one();
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Machine, u64) -> T) -> T {
        let now = self.clock.mono_ms();
        let mut machine = self.machine();
        let changed = change(&mut machine, now);
        self.troubled.store(machine.is_troubled(), Ordering::Relaxed);
        changed
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
