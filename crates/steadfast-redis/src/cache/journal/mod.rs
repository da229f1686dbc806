//! The durable log of what is to be sent back.
//!
//! It is a row of segment files. Entries are appended to the last one; a segment is on the disk before the next
//! is begun. [`Journal::rewrite`] writes all that still counts into a *base* segment, under another name until it
//! is on the disk, and removes those before it. So whatever happens, the newest base and what follows it is what
//! counts.
//!
//! When a write fails in a way that leaves open what is on the disk, the journal is *broken*: it refuses
//! everything until it is rewritten from memory, which is the one who knows.

mod codec;
mod crc;
mod folder;
mod frame;
mod name;
mod open;
#[cfg(test)]
pub(crate) mod sim;
#[cfg(test)]
mod tests;

pub use folder::{DiskFile, DiskFolder, JournalFile, JournalFolder};

use super::entry::Entry;
use name::{Name, Role};
use std::collections::BTreeMap;
use std::io;
use thiserror::Error;

/// The journal did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system refused.
    #[error("the journal cannot {what} {name}: {source}; see to the disk, then it goes on by itself")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// It would become too large.
    #[error(
        "the journal is full: {bytes} bytes, {needed} more were needed, {bytes_max} are allowed; bring the server \
         back, or raise fallback.journal_bytes_max"
    )]
    Full {
        /// Its size.
        bytes: u64,
        /// What was to be appended.
        needed: u64,
        /// Its bound.
        bytes_max: u64,
    },
    /// An earlier write failed, and nobody knows what is on the disk.
    #[error("the journal is broken by an earlier error of the disk; it takes nothing until it is rewritten")]
    Broken,
    /// Somebody has it open.
    #[error("the journal in {folder} is open in another process; give each process a folder of its own")]
    Locked {
        /// The folder.
        folder: String,
    },
    /// It was written by another version.
    #[error("{name} was written by another version of this crate; start that one, or name another folder")]
    OtherVersion {
        /// The segment.
        name: String,
    },
    /// One entry is too large.
    #[error(
        "an entry of {bytes} bytes is too large for the journal, which takes 64 MiB; keep large values elsewhere"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// Bytes in a segment that are no entries.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The segment's name.
    pub segment: String,
    /// Where they begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// Whether they are at the very end, as a write that a crash cut short leaves them. Such a write was never
    /// acknowledged as being on the disk.
    pub torn: bool,
}

/// The bounds of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) bytes_max: u64,
    pub(crate) segment_bytes: u64,
}

impl Bounds {
    /// What bookkeeping may take beyond the bound, so that a full journal can become shorter.
    fn with_reserve(self) -> u64 {
        self.bytes_max.saturating_add((self.bytes_max / 8).max(64 << 10))
    }
}

/// The segment that is appended to.
struct Active<F> {
    file: F,
    name: Name,
    len: u64,
}

/// An open journal.
pub(crate) struct Journal<F: JournalFolder> {
    folder: F,
    bounds: Bounds,
    rng: fastrand::Rng,
    active: Option<Active<F::File>>,
    /// Sizes of all segments, the active one too.
    sizes: BTreeMap<Name, u64>,
    /// Its size when it was last rewritten.
    base_bytes: u64,
    next_number: u64,
    unsynced: bool,
    broken: bool,
    buffer: Vec<u8>,
}

impl<F: JournalFolder> Journal<F> {
    /// The size of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.sizes.values().sum()
    }

    /// Whether it takes nothing until it is rewritten.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether rewriting it may give room: an eighth of its bound was appended since the last time.
    pub(crate) fn may_shrink(&self) -> bool {
        self.bytes().saturating_sub(self.base_bytes) > self.bounds.bytes_max / 8
    }

    /// Whether so much of it is of no account that rewriting pays, when what counts takes `live` bytes.
    pub(crate) fn is_wasteful(&self, live: u64) -> bool {
        self.bytes() > live.saturating_mul(2).saturating_add(self.bounds.segment_bytes)
    }

    pub(crate) fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Appends all of `entries`, or none. They are on the disk after the next [`Journal::sync`].
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken);
        }
        if entries.is_empty() {
            return Ok(());
        }
        if self.active.as_ref().is_some_and(|active| active.len >= self.bounds.segment_bytes) {
            self.sync()?;
            self.active = None;
        }
        if self.active.is_none() {
            self.begin()?;
        }
        let Some(active) = &mut self.active else { return Err(JournalError::Broken) };
        self.buffer.clear();
        for entry in entries {
            let start = self.buffer.len();
            frame::write(entry, active.name.salt, active.len, &mut self.buffer);
            let bytes = self.buffer.len() - start;
            if bytes > frame::ENTRY_MAX {
                return Err(JournalError::TooLarge { bytes });
            }
        }
        let needed = self.buffer.len() as u64;
        let bytes = self.sizes.values().sum::<u64>();
        let bookkeeping = entries.iter().all(Entry::is_bookkeeping);
        let bytes_max = if bookkeeping { self.bounds.with_reserve() } else { self.bounds.bytes_max };
        if bytes.saturating_add(needed) > bytes_max {
            return Err(JournalError::Full { bytes, needed, bytes_max });
        }
        if let Err(source) = active.file.append(&self.buffer) {
            // Part of it may be there: the next entry must not stand behind it. Nor before it: a power cut may keep what
            // is written from here on and forget that this was cut away, unless that is on the disk first.
            self.broken = active.file.truncate(active.len).and_then(|()| active.file.sync()).is_err();
            self.unsynced &= self.broken;
            return Err(JournalError::Io { what: "append to", name: active.name.to_string(), source });
        }
        active.len += needed;
        self.sizes.insert(active.name, active.len);
        self.unsynced = true;
        Ok(())
    }

    /// Makes everything appended reach the disk.
    pub(crate) fn sync(&mut self) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken);
        }
        if let (true, Some(active)) = (self.unsynced, &mut self.active) {
            if let Err(source) = active.file.sync() {
                // A later sync may succeed without what this one lost.
                self.broken = true;
                return Err(JournalError::Io { what: "sync", name: active.name.to_string(), source });
            }
            self.unsynced = false;
        }
        Ok(())
    }

    /// Begins a segment.
    fn begin(&mut self) -> Result<(), JournalError> {
        let name = self.next_name(Role::Log);
        let shown = name.to_string();
        let created = self.folder.create(&shown).and_then(|file| self.folder.sync().map(|()| file));
        match created {
            Ok(file) => {
                self.active = Some(Active { file, name, len: 0 });
                self.sizes.insert(name, 0);
                Ok(())
            }
            Err(source) => {
                // An empty segment that stays is none the worse.
                let _ = self.folder.remove(&shown);
                Err(JournalError::Io { what: "begin", name: shown, source })
            }
        }
    }

    fn next_name(&mut self, role: Role) -> Name {
        let number = self.next_number;
        self.next_number += 1;
        Name { number, salt: self.rng.u32(..), role }
    }

    /// Writes `entries`, which are all that counts, in place of everything that there is. Heals a broken journal.
    /// On an error nothing is lost, but the journal may be broken: when it is left open whether the new base
    /// counts, nothing may be appended to what it replaces.
    pub(crate) fn rewrite(&mut self, entries: impl Iterator<Item = Entry>) -> Result<(), JournalError> {
        let base = self.next_name(Role::Base);
        let temporary = Name { role: Role::Temporary, ..base };
        let io = |source| JournalError::Io { what: "rewrite", name: base.to_string(), source };
        let (file, len) = self.write_base(entries, temporary).map_err(|source| {
            // Removed at the next opening, if not now.
            let _ = self.folder.remove(&temporary.to_string());
            io(source)
        })?;
        let named = self.folder.rename(&temporary.to_string(), &base.to_string());
        if let Err(source) = named.and_then(|()| self.folder.sync()) {
            self.broken = true;
            return Err(io(source));
        }
        // From here on the base counts, and nothing before it: what cannot be removed now is at the next opening.
        for name in std::mem::take(&mut self.sizes).into_keys() {
            let _ = self.folder.remove(&name.to_string());
        }
        self.active = Some(Active { file, name: base, len });
        self.sizes.insert(base, len);
        self.base_bytes = len;
        (self.unsynced, self.broken) = (false, false);
        Ok(())
    }

    /// A file of `entries`, on the disk.
    fn write_base(&mut self, entries: impl Iterator<Item = Entry>, name: Name) -> io::Result<(F::File, u64)> {
        const CHUNK: usize = 256 << 10;
        let mut file = self.folder.create(&name.to_string())?;
        let mut len = 0;
        self.buffer.clear();
        for entry in entries {
            frame::write(&entry, name.salt, len, &mut self.buffer);
            if self.buffer.len() >= CHUNK {
                file.append(&self.buffer)?;
                len += self.buffer.len() as u64;
                self.buffer.clear();
            }
        }
        file.append(&self.buffer)?;
        len += self.buffer.len() as u64;
        file.sync()?;
        Ok((file, len))
    }
}

impl<F: JournalFolder> std::fmt::Debug for Journal<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes = self.bytes();
        f.debug_struct("Journal").field("bytes", &bytes).field("broken", &self.broken).finish_non_exhaustive()
    }
}
