//! Leave for one call, and its refusal.

use super::event::{Cause, Evidence, State};
use super::gate::Sign;
use super::shared::Shared;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Leave for one call. Report how it went; dropped without a report it returns itself and decides nothing.
#[must_use = "a permit that is dropped says nothing about the call"]
pub struct Permit<'a> {
    shared: Held<'a>,
    right: Right,
}

/// A breaker borrowed costs nothing; one held costs two counts on a word that all callers share.
enum Held<'a> {
    Borrowed(&'a Arc<Shared>),
    Owned(Arc<Shared>),
}

/// What a permit stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    Unmetered { epoch: u64 },
    Counted { epoch: u64 },
    Leased { epoch: u64, lease: u64 },
}

impl<'a> Permit<'a> {
    pub(super) const fn new(shared: &'a Arc<Shared>, right: Right) -> Self {
        Self { shared: Held::Borrowed(shared), right }
    }

    /// The same permit, free to go where it likes.
    pub fn into_owned(mut self) -> Permit<'static> {
        let right = self.take();
        Permit { shared: Held::Owned(Arc::clone(self.shared.get())), right }
    }

    /// The epoch it was given in.
    pub const fn epoch(&self) -> u64 {
        match self.right {
            Right::Unmetered { epoch } | Right::Counted { epoch } | Right::Leased { epoch, .. } => epoch,
        }
    }

    /// Whether this is one of the few calls of a half-open round.
    pub const fn is_trial(&self) -> bool {
        matches!(self.right, Right::Leased { .. })
    }

    /// The dependency did its work, in `elapsed`: which may still have been slow.
    pub fn success(self, elapsed: Duration) {
        self.report(false, elapsed);
    }

    /// The dependency failed, after `elapsed`.
    pub fn failure(self, elapsed: Duration) {
        self.report(true, elapsed);
    }

    /// The call failed in a way that says nothing about the dependency's health: the caller's own mistake.
    pub fn ignore(self) {
        drop(self);
    }

    /// The dependency failed after `elapsed`, and in a way that proves it gone: opens at once, unless this comes late.
    pub fn trip(mut self, elapsed: Duration, evidence: Evidence) {
        let epoch = self.epoch();
        let right = self.take();
        let shared = self.shared.get();
        // First, so that the proof is what is named as the reason.
        shared.trip(epoch, evidence);
        match right {
            Right::Counted { epoch } => shared.record(epoch, true, elapsed),
            Right::Leased { lease, .. } => shared.give_back(lease),
            Right::Unmetered { .. } => {}
        }
    }

    fn report(mut self, failed: bool, elapsed: Duration) {
        match self.take() {
            Right::Counted { epoch } => self.shared.get().record(epoch, failed, elapsed),
            Right::Leased { lease, .. } => self.shared.get().settle(lease, failed, elapsed),
            Right::Unmetered { .. } => {}
        }
    }

    /// Takes the right away: what is left does nothing when dropped.
    const fn take(&mut self) -> Right {
        let nothing = Right::Unmetered { epoch: self.epoch() };
        std::mem::replace(&mut self.right, nothing)
    }
}

impl Held<'_> {
    const fn get(&self) -> &Arc<Shared> {
        match self {
            Self::Borrowed(shared) => shared,
            Self::Owned(shared) => shared,
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Right::Leased { lease, .. } = self.right {
            self.shared.get().give_back(lease);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.right).finish()
    }
}

/// A call was not let through: nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// Open, half-open with its round full, or forced open.
    pub state: State,
    /// What opened it.
    pub cause: Option<Cause>,
    /// When to ask again. `None`: with the next trial call's verdict, or when an operator says so.
    pub retry_after: Option<Duration>,
}

impl Rejected {
    pub(super) fn by(sign: Sign, retry_after: Option<Duration>) -> Self {
        Self { state: sign.state(), cause: sign.cause(), retry_after }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.state {
            State::HalfOpen => "the circuit is half-open and its trial calls are under way",
            State::ForcedOpen => "the circuit is held open by an operator",
            _ => "the circuit is open",
        };
        f.write_str(what)?;
        if let (Some(cause), true) = (self.cause, self.state != State::ForcedOpen) {
            write!(f, " ({})", cause.clause())?;
        }
        match (self.state, self.retry_after) {
            (State::ForcedOpen, _) => f.write_str("; reset it to let calls through"),
            (State::Open, Some(after)) => write!(f, "; the next trial call may be made in {after:?}"),
            _ => f.write_str("; the next trial call may be made shortly"),
        }
    }
}

impl std::error::Error for Rejected {}
