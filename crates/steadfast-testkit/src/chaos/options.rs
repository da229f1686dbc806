//! What a run is told.

use std::path::PathBuf;
use std::time::Duration;

/// A run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The built binary.
    pub binary: PathBuf,
    /// An empty folder for everything the run makes; what is left there afterwards helps to understand it.
    pub folder: PathBuf,
    /// How long faults happen. The end, until all is quiet, comes on top.
    pub length: Duration,
    /// How often the node is killed in that time, spread at random. The other faults come in proportion.
    pub kills: u32,
    /// Decides the plan of faults and what is sent.
    pub seed: u64,
    /// Messages per second, from all senders together.
    pub per_second: u32,
    /// Different senders.
    pub senders: u32,
    /// Nobody writes any more while so many acknowledged messages have no reply yet.
    pub unanswered_max: u64,
    /// A file system of its own for the node, where root allows it; else full means that files cannot grow.
    pub own_disk: bool,
    /// `bot.ambiguous_grace` of the node.
    pub ambiguous_grace: Duration,
    /// How long the end may take at most.
    pub quiet_within: Duration,
    /// Prints what happens as it happens.
    pub tell: fn(&str),
}

impl Options {
    /// Ten minutes, a hundred kills.
    pub fn new(binary: PathBuf, folder: PathBuf) -> Self {
        Self {
            binary,
            folder,
            length: Duration::from_mins(10),
            kills: 100,
            seed: 1,
            per_second: 200,
            senders: 2_000,
            unanswered_max: 5_000,
            own_disk: true,
            ambiguous_grace: Duration::from_mins(1),
            quiet_within: Duration::from_mins(6),
            tell: |_| (),
        }
    }
}
