//! The connections of a simulated server, and what is published to them.

use super::fault::End;
use super::glob;
use crate::redis::{Protocol, Reply};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// How many messages a subscriber may be behind before it is disconnected, as Redis does at its output limit.
pub(super) const BACKLOG_MAX: usize = 1_024;

/// What others may know of a connection and do to it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) addr: String,
    pub(super) name: String,
    pub(super) user: String,
    pub(super) db: usize,
    pub(super) protocol: Protocol,
    pub(super) multi: Option<usize>,
    pub(super) last_command: String,
    pub(super) channels: BTreeSet<Vec<u8>>,
    pub(super) patterns: BTreeSet<Vec<u8>>,
    pub(super) pushes: mpsc::Sender<Reply>,
    pub(super) control: watch::Sender<End>,
    /// Ends its wait, if it is in one, with a reply.
    pub(super) unblock: Option<oneshot::Sender<Unblock>>,
}

/// How a wait is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unblock {
    /// As if its time had run out.
    Timeout,
    /// By CLIENT UNBLOCK … ERROR.
    Error,
    /// The server became a replica.
    Demoted,
}

/// All connections by their number.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<BTreeMap<u64, Client>>);

impl Clients {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to those connections for which `which` holds; says to how many.
    pub(super) fn control(&self, end: End, which: impl Fn(u64, &Client) -> bool) -> usize {
        let clients = self.lock();
        let concerned: Vec<&Client> =
            clients.iter().filter(|(id, client)| which(**id, client)).map(|(_, client)| client).collect();
        for client in &concerned {
            client.control.send_replace(end);
        }
        concerned.len()
    }

    /// Sends a message to all who listen; says to how many.
    pub(super) fn publish(&self, channel: &[u8], message: &[u8]) -> usize {
        let mut reached = 0;
        for client in self.lock().values() {
            if client.channels.contains(channel) {
                let words = [b"message".as_slice(), channel, message];
                reached += usize::from(client.push(Reply::Push(words.map(Reply::bulk).to_vec())));
            }
            for pattern in client.patterns.iter().filter(|pattern| glob::matches(pattern, channel)) {
                let words = [b"pmessage".as_slice(), pattern, channel, message];
                reached += usize::from(client.push(Reply::Push(words.map(Reply::bulk).to_vec())));
            }
        }
        reached
    }
}

impl Client {
    fn push(&self, message: Reply) -> bool {
        let taken = self.pushes.try_send(message).is_ok();
        if !taken {
            self.control.send_replace(End::Close);
        }
        taken
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.channels.len() + self.patterns.len()
    }
}
