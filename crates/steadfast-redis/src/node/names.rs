//! Names that come to lead elsewhere.

use super::NodeSettings;
use super::ask::{question, read_state};
use super::keeper::Keeper;
use super::lanes::Entry;
use super::running::Running;
use crate::config::Address;
use crate::role::Role;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long the server at the old address may take to say what it is.
const ASK_WITHIN: Duration = Duration::from_millis(300);

/// A lane, and where it leads.
type Place = (u64, Arc<str>);

/// What is known of where the name leads.
pub(super) struct Names {
    due: Instant,
    /// Yields the lanes to leave.
    pub(super) resolving: Running<Vec<Place>>,
    /// Lanes that lead where the name does not lead any more, to a server that is no primary: they go when another is
    /// there.
    leaving: Vec<Place>,
}

impl Names {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, resolving: Running::default(), leaving: Vec::new() }
    }

    /// When the name is to be resolved again.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// It is resolved at least so often from now on.
    pub(super) fn hasten(&mut self, by: Instant) {
        self.due = self.due.min(by);
    }

    /// True if a connection is wanted in place of those that lead to the old address.
    pub(super) const fn leaves(&self) -> bool {
        !self.leaving.is_empty()
    }

    pub(super) fn leave(&mut self, left: Vec<Place>) {
        self.leaving = left;
    }

    /// The lanes to leave, now that there is one to `peer`.
    pub(super) fn take(&mut self, peer: &Arc<str>) -> Vec<u64> {
        let left = std::mem::take(&mut self.leaving);
        left.into_iter().filter(|(_, old)| old != peer).map(|(id, _)| id).collect()
    }
}

impl Keeper {
    /// Resolves the name again if that is due. Connections to an address that it does not lead to any more stay as long as
    /// the server there says that it is the primary: names change before servers do, and after them.
    pub(super) fn look_up(&mut self, entries: &[Entry], settings: &NodeSettings, now: Instant) {
        if now < self.names.due {
            return;
        }
        self.names.due = now + settings.resolve_every;
        let Address::Tcp { host, port } = &self.node.address else { return };
        if entries.is_empty() || self.names.resolving.is_running() || host.parse::<IpAddr>().is_ok() {
            return;
        }
        let (host, port, dial) = (host.clone(), *port, settings.dial.clone());
        let lanes = entries.to_vec();
        self.names.resolving.start(async move {
            let found = tokio::time::timeout(dial.timeout, dial.resolver.resolve(&host, port)).await;
            // One that does not answer, or knows nothing, is no reason to leave anything.
            let Ok(Ok(found)) = found else { return Vec::new() };
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            let gone = |entry: &Entry| !found.is_empty() && !found.iter().any(|peer| *peer == *entry.peer);
            let gone: Vec<Entry> = lanes.into_iter().filter(gone).collect();
            match gone.first() {
                Some(first) if !is_primary(first).await => {
                    tracing::info!(
                        host,
                        peer = &*first.peer,
                        "the name leads elsewhere now, to a new connection"
                    );
                    gone.into_iter().map(|entry| (entry.id, entry.peer)).collect()
                }
                _ => Vec::new(),
            }
        });
    }
}

async fn is_primary(entry: &Entry) -> bool {
    let (packed, replies) = question(false);
    let Ok(ticket) = entry.lane.offer(packed, Some(replies)) else { return false };
    let said = ticket.wait(Instant::now() + ASK_WITHIN).await.ok().and_then(read_state);
    said.and_then(|said| said.role) == Some(Role::Primary)
}
