//! What is on a disk for certain at some moment of a trace, what may be, and what a power cut leaves of it.
//!
//! Certain is what was written before a sync began that went well. Of everything since, a cut leaves an arbitrary
//! part: any sectors, in any order, one of them torn at any byte; lengths and names as they were or as they are. A
//! sector lies as it was before or after one of the writes since the last sync; bytes that no write touched stay. That
//! is harsher than journaling file systems are, and what POSIX allows.

use super::trace::{Event, FileId, Outcome};
use crate::dice::Dice;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A change that no sync has confirmed.
#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

/// A file: what is certain, and what came since.
#[derive(Clone, Debug, Default)]
struct Stored {
    certain: Vec<u8>,
    since: Vec<(usize, Change)>,
    /// As the process sees it.
    length: usize,
}

#[derive(Clone, Debug)]
enum Naming {
    Named(PathBuf, FileId),
    Removed(PathBuf),
    Renamed(PathBuf, PathBuf),
    Folder(PathBuf),
}

impl Naming {
    /// The folder in which it happened.
    fn place(&self) -> &Path {
        let (Self::Named(path, _) | Self::Removed(path) | Self::Renamed(path, _) | Self::Folder(path)) = self;
        path.parent().unwrap_or(Path::new(""))
    }
}

/// Names and folders.
#[derive(Clone, Debug, Default)]
struct Names {
    files: BTreeMap<PathBuf, FileId>,
    folders: BTreeSet<PathBuf>,
}

impl Names {
    fn apply(&mut self, naming: &Naming) {
        match naming {
            Naming::Named(path, file) => {
                self.files.insert(path.clone(), *file);
            }
            Naming::Removed(path) => {
                self.files.remove(path);
            }
            Naming::Renamed(from, to) => {
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
            Naming::Folder(path) => {
                self.folders.insert(path.clone());
            }
        }
    }
}

/// How a cut treats what is not certain.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// All of it is lost.
    Lost,
    /// All of it arrived.
    Arrived,
    /// What came before this place arrived; what came there is torn.
    Until(usize),
    /// Of a hundred calls so many arrived.
    Calls(u64),
    /// Of a hundred sectors of this size so many arrived.
    Sectors(u64, usize),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Platter {
    files: BTreeMap<FileId, Stored>,
    open_folders: BTreeMap<FileId, PathBuf>,
    names: Names,
    namings: Vec<(usize, Naming)>,
}

impl Platter {
    /// Takes in the event at `place` of the trace. `dice` tell what a failed sync has lost.
    pub fn apply(&mut self, place: usize, event: &Event, dice: &mut Dice) {
        match event {
            Event::Name { file, path, is_folder: true, .. } => {
                self.open_folders.insert(*file, path.clone());
            }
            Event::Name { file, path, .. } => {
                self.files.entry(*file).or_default();
                self.namings.push((place, Naming::Named(path.clone(), *file)));
            }
            Event::Write { file, at, bytes } => {
                let at = usize::try_from(*at).unwrap_or(usize::MAX);
                self.change(place, *file, Change::Write { at, bytes: bytes.clone() });
            }
            Event::Length { file, bytes } => {
                self.change(place, *file, Change::Length(usize::try_from(*bytes).unwrap_or(usize::MAX)));
            }
            Event::SyncEnd { file, begun, outcome } => self.sync(*file, *begun, *outcome, dice),
            Event::Unlink(path) => self.namings.push((place, Naming::Removed(path.clone()))),
            Event::Rename(from, to) => self.namings.push((place, Naming::Renamed(from.clone(), to.clone()))),
            Event::Mkdir(path) => self.namings.push((place, Naming::Folder(path.clone()))),
            Event::SyncBegin | Event::Said(_) => {}
        }
    }

    fn change(&mut self, place: usize, file: FileId, change: Change) {
        let Some(stored) = self.files.get_mut(&file) else { return };
        stored.length = match &change {
            Change::Write { at, bytes } => stored.length.max(at + bytes.len()),
            Change::Length(length) => *length,
        };
        stored.since.push((place, change));
    }

    fn sync(&mut self, file: FileId, begun: usize, outcome: Outcome, dice: &mut Dice) {
        if let Some(folder) = self.open_folders.get(&file) {
            if outcome == Outcome::Done {
                let all = std::mem::take(&mut self.namings);
                let (done, left) = all.into_iter().partition::<Vec<_>, _>(|(place, naming)| {
                    *place < begun && naming.place() == folder.as_path()
                });
                done.iter().for_each(|(_, naming)| self.names.apply(naming));
                self.namings = left;
            }
            return;
        }
        let Some(stored) = self.files.get_mut(&file) else { return };
        let (settled, left) = std::mem::take(&mut stored.since)
            .into_iter()
            .partition::<Vec<_>, _>(|&(place, _)| outcome == Outcome::FailedBefore || place < begun);
        match outcome {
            Outcome::Done => settled.iter().for_each(|(_, change)| apply(&mut stored.certain, change)),
            // What arrived, arrived; the rest will not, however often it is synced.
            Outcome::Failed => {
                let fate = Fate::Sectors(dice.one_of(&[0, 30, 90]), 4_096);
                settled.iter().for_each(|(place, change)| {
                    fate.apply(&mut stored.certain, *place, change, dice);
                });
            }
            Outcome::Dropped => stored.certain.resize(stored.length, 0),
            Outcome::FailedBefore => {
                stored.since = settled;
                return;
            }
        }
        stored.since = left;
    }

    /// What a power cut leaves now.
    pub fn cut(&self, now: usize, dice: &mut Dice) -> Image {
        let sector = dice.one_of(&[512, 4_096]);
        let oldest = self.files.values().filter_map(|stored| stored.since.first()).map(|&(place, _)| place);
        let span = now - oldest.min().unwrap_or(now).min(now);
        let fate = match dice.below(8) {
            0 => Fate::Lost,
            1 => Fate::Arrived,
            2 | 3 => Fate::Until(now - dice.place(span + 1)),
            4 => Fate::Calls(dice.below(100)),
            _ => Fate::Sectors(dice.below(100), sector),
        };
        let mut names = self.names.clone();
        for (place, naming) in &self.namings {
            let kept = match fate {
                Fate::Lost => false,
                Fate::Arrived => true,
                Fate::Until(end) => *place < end,
                Fate::Calls(_) | Fate::Sectors(..) => dice.percent(50),
            };
            if kept {
                names.apply(naming);
            }
        }
        let mut image = Image { fate: format!("{fate:?}"), folders: names.folders, files: BTreeMap::new() };
        for (path, file) in names.files {
            let Some(stored) = self.files.get(&file) else { continue };
            let mut bytes = stored.certain.clone();
            for (place, change) in &stored.since {
                fate.apply(&mut bytes, *place, change, dice);
            }
            // A length can arrive without what fills it.
            if bytes.len() < stored.length && matches!(fate, Fate::Sectors(..)) && dice.percent(40) {
                let from = bytes.len();
                bytes.resize(stored.length, 0);
                if dice.percent(50) {
                    bytes[from..].iter_mut().for_each(|byte| *byte = dice.draw().to_ne_bytes()[0]);
                }
            }
            image.files.insert(path, bytes);
        }
        image
    }
}

impl Fate {
    fn apply(self, bytes: &mut Vec<u8>, place: usize, change: &Change, dice: &mut Dice) {
        let Change::Write { at, bytes: written } = change else {
            let kept = match self {
                Self::Lost => false,
                Self::Arrived => true,
                Self::Until(end) => place < end,
                Self::Calls(percent) | Self::Sectors(percent, _) => dice.percent(percent),
            };
            return if kept {
                apply(bytes, change)
            };
        };
        match self {
            Self::Lost => {}
            Self::Until(end) if place > end => {}
            Self::Until(end) if place == end => {
                let torn = dice.place(written.len() + 1);
                put(bytes, *at, &written[..torn]);
            }
            Self::Arrived | Self::Until(_) => put(bytes, *at, written),
            Self::Calls(percent) => {
                if dice.percent(percent) {
                    put(bytes, *at, written);
                }
            }
            Self::Sectors(percent, sector) => {
                let mut from = 0;
                while from < written.len() {
                    let to = written.len().min(from + sector - (at + from) % sector);
                    if dice.percent(percent) {
                        let torn = if dice.percent(2) { from + dice.place(to - from) } else { to };
                        put(bytes, at + from, &written[from..torn]);
                    }
                    from = to;
                }
            }
        }
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, bytes: written } => put(bytes, *at, written),
        Change::Length(length) => bytes.resize(*length, 0),
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, written: &[u8]) {
    if written.is_empty() {
        return;
    }
    let end = at + written.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(written);
}

/// A folder as a power cut leaves it.
#[derive(Debug)]
pub struct Image {
    /// How the cut treated what was not certain, for messages.
    pub fate: String,
    folders: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Image {
    /// Whether there is a file of this name, with anything in it.
    pub fn holds(&self, path: &Path) -> bool {
        self.reachable(path) && self.files.get(path).is_some_and(|bytes| !bytes.is_empty())
    }

    fn reachable(&self, path: &Path) -> bool {
        let mut folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
        folders.all(|folder| self.folders.contains(folder))
    }

    /// Lays it out in `folder`, which must be empty.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn write_to(&self, folder: &Path) -> std::io::Result<()> {
        for path in self.folders.iter().filter(|path| self.reachable(path)) {
            std::fs::create_dir_all(folder.join(path))?;
        }
        for (path, bytes) in self.files.iter().filter(|(path, _)| self.reachable(path)) {
            std::fs::write(folder.join(path), bytes)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: FileId = FileId(1);

    fn write(at: u64, bytes: &[u8]) -> Event {
        Event::Write { file: FILE, at, bytes: bytes.to_vec() }
    }

    fn end(begun: usize, outcome: Outcome) -> Event {
        Event::SyncEnd { file: FILE, begun, outcome }
    }

    /// Every content that cuts at the end of `events` leave in a file whose name is certain.
    fn contents(events: &[Event]) -> BTreeSet<Vec<u8>> {
        let path = PathBuf::from("f");
        let folder = Event::Name { file: FileId(2), path: PathBuf::new(), fresh: false, is_folder: true };
        let named = Event::Name { file: FILE, path: path.clone(), fresh: true, is_folder: false };
        let synced = Event::SyncEnd { file: FileId(2), begun: 2, outcome: Outcome::Done };
        let all: Vec<Event> = [folder, named, synced].iter().chain(events).cloned().collect();
        let mut found = BTreeSet::new();
        for seed in 0..400 {
            let (mut dice, mut platter) = (Dice::seeded(seed), Platter::default());
            all.iter().enumerate().for_each(|(place, event)| platter.apply(place, event, &mut dice));
            found.insert(platter.cut(all.len(), &mut dice).files[&path].clone());
        }
        found
    }

    #[test]
    fn what_was_synced_stays_and_the_rest_is_there_or_not() {
        let found = contents(&[write(0, b"old"), end(4, Outcome::Done), write(0, b"new")]);
        assert!(found.contains(b"old".as_slice()) && found.contains(b"new".as_slice()), "{found:?}");
        assert!(found.contains(b"nld".as_slice()), "torn: {found:?}");
        assert!(found.iter().all(|bytes| bytes.len() == 3), "{found:?}");
    }

    #[test]
    fn what_was_written_while_a_sync_ran_is_not_certain() {
        let found = contents(&[write(0, b"a"), Event::SyncBegin, write(1, b"b"), end(4, Outcome::Done)]);
        assert!(found.contains(b"a".as_slice()) && found.contains(b"ab".as_slice()), "{found:?}");
        assert!(!found.contains(b"".as_slice()), "{found:?}");
    }

    #[test]
    fn what_a_failed_sync_lost_no_later_one_brings_back() {
        let found = contents(&[write(0, b"a"), end(4, Outcome::Failed), end(5, Outcome::Done)]);
        assert!(found.contains(b"".as_slice()) && found.contains(b"a".as_slice()), "{found:?}");
        let found = contents(&[write(0, b"a"), end(4, Outcome::FailedBefore), end(5, Outcome::Done)]);
        assert_eq!(found, BTreeSet::from([b"a".to_vec()]));
        let found = contents(&[write(0, b"a"), end(4, Outcome::Dropped)]);
        assert_eq!(found, BTreeSet::from([b"\0".to_vec()]));
    }

    #[test]
    fn sectors_come_alone() {
        let found = contents(&[write(0, &[7; 1_024])]);
        let halves = [[vec![0; 512], vec![7; 512]].concat(), vec![7; 512]];
        assert!(halves.iter().all(|half| found.contains(half)));
    }

    #[test]
    fn a_name_that_was_not_synced_may_be_missing() {
        let named = Event::Name { file: FILE, path: "d/f".into(), fresh: true, is_folder: false };
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let (mut dice, mut platter) = (Dice::seeded(seed), Platter::default());
            for (place, event) in [Event::Mkdir("d".into()), named.clone(), write(0, b"x")].iter().enumerate()
            {
                platter.apply(place, event, &mut dice);
            }
            platter.sync(FILE, 3, Outcome::Done, &mut dice);
            seen.insert(platter.cut(3, &mut dice).holds(Path::new("d/f")));
        }
        assert_eq!(seen.len(), 2);
    }
}
