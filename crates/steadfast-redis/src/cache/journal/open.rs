//! Opens a journal: finds what counts, reads it, clears away what a crash left.

use super::name::{Name, Role, is_of_another_version};
use super::{Bounds, Damage, Journal, JournalError, JournalFolder, frame};
use crate::cache::entry::Entry;
use std::collections::BTreeMap;
use std::io;

impl<F: JournalFolder> Journal<F> {
    /// Opens the journal in `folder`, calling `found` with each entry in order. Says what was no entry.
    ///
    /// Nothing is appended to old segments any more, so opening twice without writing changes nothing.
    pub(crate) fn open(
        mut folder: F,
        bounds: Bounds,
        rng: fastrand::Rng,
        found: &mut dyn FnMut(Entry),
    ) -> Result<(Self, Vec<Damage>), JournalError> {
        let mut names = names_that_count(&mut folder)?;
        names.sort_unstable();
        let mut sizes = BTreeMap::new();
        let mut damages = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let shown = name.to_string();
            let file = folder.read(&shown).map_err(|source| io("read", &shown, source))?;
            let scan = frame::scan(&file, name.salt, found);
            let damage = |offset: usize, end: usize, torn| Damage {
                segment: shown.clone(),
                offset: offset as u64,
                bytes: (end - offset) as u64,
                torn,
            };
            damages.extend(scan.gaps.iter().map(|gap| damage(gap.start, gap.end, false)));
            let torn = index + 1 == names.len();
            if scan.end < file.len() {
                damages.push(damage(scan.end, file.len(), torn));
            }
            let mut size = file.len();
            if torn && scan.end < size {
                folder.cut(&shown, scan.end as u64).map_err(|source| io("cut", &shown, source))?;
                size = scan.end;
            }
            sizes.insert(*name, size as u64);
        }
        let next_number = names.last().map_or(1, |name| name.number + 1);
        let journal = Self {
            folder,
            bounds,
            rng,
            active: None,
            sizes,
            base_bytes: 0,
            next_number,
            unsynced: false,
            broken: false,
            buffer: Vec::new(),
        };
        Ok((journal, damages))
    }
}

fn io(what: &'static str, name: &str, source: io::Error) -> JournalError {
    JournalError::Io { what, name: name.to_owned(), source }
}

/// The newest base and what follows it. The rest is removed.
fn names_that_count<F: JournalFolder>(folder: &mut F) -> Result<Vec<Name>, JournalError> {
    let listed = folder.list().map_err(|source| io("list", "its folder", source))?;
    if let Some(name) = listed.iter().find(|name| is_of_another_version(name)) {
        return Err(JournalError::OtherVersion { name: name.clone() });
    }
    let names: Vec<Name> = listed.iter().filter_map(|name| Name::parse(name)).collect();
    let bases = names.iter().filter(|name| name.role == Role::Base).map(|name| name.number);
    let first = bases.max().unwrap_or(0);
    let (count, stale): (Vec<Name>, Vec<Name>) =
        names.into_iter().partition(|name| name.role != Role::Temporary && name.number >= first);
    // If the newest base is not on the disk under its name, what it stands for must not go.
    if !stale.is_empty() {
        folder.sync().map_err(|source| io("sync", "its folder", source))?;
    }
    for name in stale {
        let shown = name.to_string();
        folder.remove(&shown).map_err(|source| io("remove", &shown, source))?;
    }
    Ok(count)
}
