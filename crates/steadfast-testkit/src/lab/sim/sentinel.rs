//! The face of a Sentinel: what it believes about the primaries it watches.

use super::clients::Clients;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A primary as a sentinel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelMaster {
    /// Where it is.
    pub addr: SocketAddr,
    /// The configuration epoch: a sentinel with a higher one knows better.
    pub epoch: u64,
    /// `master`, with `s_down`, `o_down` and the like behind commas.
    pub flags: String,
    /// How many sentinels must agree that it is down.
    pub quorum: u32,
    /// Its replicas and their flags: `slave`, `s_down,slave` and the like.
    pub replicas: Vec<(SocketAddr, String)>,
    /// The other sentinels that watch it.
    pub sentinels: Vec<SocketAddr>,
}

impl SentinelMaster {
    /// One that is up, alone, in its first epoch.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            epoch: 1,
            flags: "master".to_owned(),
            quorum: 2,
            replicas: Vec::new(),
            sentinels: Vec::new(),
        }
    }

    /// The same with replicas that are up.
    #[must_use]
    pub fn replicas(mut self, replicas: &[SocketAddr]) -> Self {
        self.replicas = replicas.iter().map(|addr| (*addr, "slave".to_owned())).collect();
        self
    }

    /// The same with other sentinels.
    #[must_use]
    pub fn sentinels(mut self, sentinels: &[SocketAddr]) -> Self {
        self.sentinels = sentinels.to_vec();
        self
    }

    /// The same in another epoch.
    #[must_use]
    pub fn epoch(mut self, epoch: u64) -> Self {
        self.epoch = epoch;
        self
    }
}

type Masters = BTreeMap<String, SentinelMaster>;

#[derive(Debug, Default)]
pub(super) struct SentinelFace(Mutex<Masters>);

impl SentinelFace {
    pub(super) fn masters(&self) -> MutexGuard<'_, Masters> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn master_names(&self) -> Vec<String> {
        self.masters().keys().cloned().collect()
    }
}

/// Whether a sentinel has this command.
pub(super) fn knows(name: &str) -> bool {
    let known = [
        "PING",
        "HELLO",
        "AUTH",
        "QUIT",
        "RESET",
        "CLIENT",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "PSUBSCRIBE",
        "PUNSUBSCRIBE",
        "PUBLISH",
        "INFO",
        "ROLE",
        "COMMAND",
        "SENTINEL",
    ];
    known.contains(&name)
}

/// What a simulated sentinel believes and announces; each has a mind of its own.
#[derive(Debug)]
pub struct Sentinel<'a> {
    pub(super) face: &'a SentinelFace,
    pub(super) clients: &'a Clients,
}

impl Sentinel<'_> {
    /// From now on it watches this primary, or believes this of it. Nothing is announced.
    pub fn believe(&self, name: &str, master: SentinelMaster) {
        self.face.masters().insert(name.to_owned(), master);
    }

    /// What it believes.
    pub fn belief(&self, name: &str) -> Option<SentinelMaster> {
        self.face.masters().get(name).cloned()
    }

    /// It forgets a primary.
    pub fn forget(&self, name: &str) {
        self.face.masters().remove(name);
    }

    /// It learns that another server is the primary now, in an epoch of its own, and announces `+switch-master`. The old
    /// primary becomes a replica, the new one ceases to be one. Says how many were told.
    pub fn switch_master(&self, name: &str, to: SocketAddr, epoch: u64) -> usize {
        let from = match self.face.masters().get_mut(name) {
            None => return 0,
            Some(master) => {
                let from = std::mem::replace(&mut master.addr, to);
                master.epoch = epoch;
                "master".clone_into(&mut master.flags);
                master.replicas.retain(|(addr, _)| *addr != to && *addr != from);
                master.replicas.push((from, "slave".to_owned()));
                from
            }
        };
        let words = format!("{name} {} {} {} {}", from.ip(), from.port(), to.ip(), to.port());
        self.announce("+switch-master", &words)
    }

    /// Announces something, `+sdown` for instance, without believing it. Says how many were told.
    pub fn announce(&self, event: &str, words: &str) -> usize {
        self.clients.publish(event.as_bytes(), words.as_bytes())
    }
}
