//! A refusal for want of room.

use super::class::Class;
use std::fmt;

/// A call was refused for want of room: nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overloaded {
    /// The call's class.
    pub class: Class,
    /// Why it did not wait, or no longer.
    pub reason: Shed,
    /// Calls of all classes under way.
    pub in_flight: u32,
    /// How many there may be.
    pub limit: u32,
    /// Callers of this class that wait.
    pub waiting: u32,
}

/// Why a caller was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shed {
    /// There was no slot, and it did not want to wait.
    NoSlot,
    /// There was no slot, and as many wait as may.
    LineFull,
    /// Its deadline passed before there was a slot.
    DeadlinePassed,
}

impl Shed {
    /// A name for metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoSlot => "no_slot",
            Self::LineFull => "line_full",
            Self::DeadlinePassed => "deadline_passed",
        }
    }
}

impl fmt::Display for Overloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { class, reason, in_flight, limit, waiting } = self;
        let what = match reason {
            Shed::NoSlot => "no slot is free",
            Shed::LineFull => "no slot is free and the line is full",
            Shed::DeadlinePassed => "no slot came free in time",
        };
        write!(
            f,
            "overloaded: {what} for a {class} call ({in_flight} under way, limit {limit}, {waiting} waiting); \
             ask again later, or ask for less"
        )
    }
}

impl std::error::Error for Overloaded {}
