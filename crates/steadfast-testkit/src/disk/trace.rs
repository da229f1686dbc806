//! What happened on a misbehaving disk, read back from its log.

use super::SAID;
use anyhow::{Context, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A file of the trace. A name that was removed and made again is another file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// How a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything written before it began is on the disk.
    Done,
    /// What was not on the disk yet may never get there, though it can still be read.
    Failed,
    /// An earlier failure was reported: nothing is known of what was written since.
    FailedBefore,
    /// What was not on the disk yet is gone, and can no longer be read.
    Dropped,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file or folder got a name, newly or (`fresh` false) for the log alone, because it was there before.
    Name {
        /// Which.
        file: FileId,
        /// Its name below the folder; empty for the folder itself.
        path: PathBuf,
        /// Whether it came into being.
        fresh: bool,
        /// Whether it is a folder.
        is_folder: bool,
    },
    /// Bytes were written.
    Write {
        /// To which.
        file: FileId,
        /// Where.
        at: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// A file got another length.
    Length {
        /// Which.
        file: FileId,
        /// How many bytes.
        bytes: u64,
    },
    /// A sync began.
    SyncBegin,
    /// A sync ended.
    SyncEnd {
        /// Of which.
        file: FileId,
        /// The place in the trace at which it began.
        begun: usize,
        /// How.
        outcome: Outcome,
    },
    /// A name was removed.
    Unlink(PathBuf),
    /// A file got another name.
    Rename(PathBuf, PathBuf),
    /// A folder was made.
    Mkdir(PathBuf),
    /// The child said this. Not on the disk.
    Said(String),
}

/// Bytes of a record before its payload.
const HEAD: usize = 32;

/// Everything that happened, in order.
#[derive(Debug)]
pub struct Trace {
    /// The events, one per record.
    pub events: Vec<Event>,
}

impl Trace {
    /// Reads a log. A record that was being written when the process was killed is left out.
    ///
    /// # Errors
    /// If the log cannot be read, or is none.
    pub fn read(log: &Path) -> anyhow::Result<Self> {
        let bytes = std::fs::read(log).with_context(|| format!("no log at {}", log.display()))?;
        let mut rest = bytes.as_slice();
        let (mut events, mut said) = (Vec::new(), BTreeSet::new());
        while let Some((head, after)) = rest.split_at_checked(HEAD) {
            let length = usize::try_from(number(head, 24)).context("a record without end")?;
            let Some((payload, after)) = after.split_at_checked(length) else { break };
            events.push(event(head, payload, &mut said)?);
            rest = after;
        }
        Ok(Self { events })
    }
}

fn number(head: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[at..at + 8]);
    u64::from_ne_bytes(bytes)
}

fn event(head: &[u8], payload: &[u8], said: &mut BTreeSet<FileId>) -> anyhow::Result<Event> {
    let first = number(head, 0).to_ne_bytes();
    let half = |at: usize| u32::from_ne_bytes([first[at], first[at + 1], first[at + 2], first[at + 3]]);
    let (kind, file) = (half(0), FileId(half(4)));
    let (a, b) = (number(head, 8), number(head, 16));
    let path = |bytes: &[u8]| PathBuf::from(String::from_utf8_lossy(bytes).into_owned());
    Ok(match kind {
        1 => {
            if payload == SAID.as_bytes() {
                said.insert(file);
            }
            Event::Name { file, path: path(payload), fresh: a & 1 != 0, is_folder: a & 2 != 0 }
        }
        2 if said.contains(&file) => Event::Said(String::from_utf8_lossy(payload).into_owned()),
        2 => Event::Write { file, at: a, bytes: payload.to_vec() },
        3 => Event::Length { file, bytes: a },
        4 => Event::SyncBegin,
        5 => Event::SyncEnd {
            file,
            begun: usize::try_from(a).context("an impossible place")?,
            outcome: match b {
                0 => Outcome::Done,
                1 => Outcome::Failed,
                2 => Outcome::FailedBefore,
                _ => Outcome::Dropped,
            },
        },
        6 => Event::Unlink(path(payload)),
        7 => {
            let middle = payload.iter().position(|&byte| byte == 0).context("a new name is missing")?;
            Event::Rename(path(&payload[..middle]), path(&payload[middle + 1..]))
        }
        8 => Event::Mkdir(path(payload)),
        other => bail!("no record is of kind {other}: is this a log?"),
    })
}
