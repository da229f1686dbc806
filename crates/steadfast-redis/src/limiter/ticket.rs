//! Leave to have one call under way.

use super::class::Class;
use super::core::Outcome;
use super::gate::Shared;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Leave to have one call under way. Say how it ended; dropped without a word it frees its slot and teaches nothing.
#[must_use = "the slot is free again when this is dropped"]
pub struct Ticket {
    /// `None` once the slot is given back.
    shared: Option<Arc<Shared>>,
    class: Class,
}

impl Ticket {
    pub(super) const fn new(shared: Arc<Shared>, class: Class) -> Self {
        Self { shared: Some(shared), class }
    }

    /// The class it was given to.
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The call was answered, `elapsed` after it was let through: the limit learns from it.
    pub fn done(mut self, elapsed: Duration) {
        self.end(Outcome::Done(elapsed));
    }

    /// The call timed out, or was refused by the server as too much: the limit shrinks.
    pub fn dropped(mut self) {
        self.end(Outcome::Dropped);
    }

    /// The call failed in a way that says nothing about load. The same as dropping the ticket.
    pub fn ignored(self) {
        drop(self);
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(shared) = self.shared.take() {
            Shared::leave(&shared, self.class, outcome);
        }
    }

    /// Nobody wants it: its class, without giving the slot back.
    pub(super) fn undone(mut self) -> Class {
        self.shared = None;
        self.class
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Outcome::Ignored);
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("class", &self.class).finish_non_exhaustive()
    }
}
