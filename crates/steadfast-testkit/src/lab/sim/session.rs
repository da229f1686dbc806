//! What a simulated server remembers of one connection.

use crate::redis::{Protocol, Request};

/// A transaction that is being queued.
#[derive(Debug, Default)]
pub(super) struct Multi {
    pub(super) queue: Vec<Request>,
    /// A command was refused: nothing will be executed.
    pub(super) broken: bool,
}

/// A key of WATCH and when it had last been changed.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) db: usize,
    pub(super) key: Vec<u8>,
    pub(super) changed: u64,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    /// Which connection it is; 0 is the test itself.
    pub(super) id: u64,
    pub(super) protocol: Protocol,
    pub(super) db: usize,
    pub(super) name: String,
    /// Who is logged in.
    pub(super) user: Option<String>,
    pub(super) multi: Option<Multi>,
    /// A transaction is being executed: nothing waits.
    pub(super) executing: bool,
    pub(super) watched: Vec<Watched>,
    /// The next command may touch a slot that is being imported.
    pub(super) asking: bool,
    /// May read from a replica of a cluster.
    pub(super) readonly: bool,
}

impl Session {
    /// As it was when it connected.
    pub(super) fn reset(&mut self, user: Option<String>) {
        *self = Self { id: self.id, user, ..Self::default() };
    }
}
