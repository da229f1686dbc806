//! The journal against a disk that does its worst.

use super::sim::{Sim, Stop};
use super::*;
use crate::cache::version::{NodeId, Version};
use bytes::Bytes;
use proptest::prelude::*;

const BOUNDS: Bounds = Bounds { bytes_max: 4_000, segment_bytes: 300 };

fn open(disk: &Sim) -> (Journal<Sim>, Vec<Entry>, Vec<Damage>) {
    let mut entries = Vec::new();
    let rng = fastrand::Rng::with_seed(disk.steps());
    let (journal, damage) =
        Journal::open(disk.clone(), BOUNDS, rng, &mut |entry| entries.push(entry)).unwrap();
    (journal, entries, damage)
}

fn entry(number: u64) -> Entry {
    let key = Bytes::from(format!("key {number}"));
    Entry::Delete { version: Version::new(number, 0, NodeId::new(1)), key }
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.version().ms()).collect()
}

#[test]
fn what_was_appended_is_found_over_many_segments() {
    let disk = Sim::new(1);
    let (mut journal, ..) = open(&disk);
    for number in 0..30 {
        journal.append(&[entry(number)]).unwrap();
    }
    assert!(journal.sizes.len() > 3);
    drop(journal);
    let (_, entries, damage) = open(&disk);
    assert_eq!(numbers(&entries), (0..30).collect::<Vec<_>>());
    assert!(damage.is_empty());
}

#[test]
fn a_full_journal_refuses_and_stays_whole_and_bookkeeping_goes_on() {
    let disk = Sim::new(1);
    let (mut journal, ..) = open(&disk);
    let mut taken = 0;
    let error = loop {
        match journal.append(&[entry(taken)]) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, JournalError::Full { .. }), "{error}");
    assert!(journal.bytes() <= BOUNDS.bytes_max && taken > 20);
    journal.append(&[Entry::Clock { version: Version::ZERO }]).unwrap();
    journal.rewrite([entry(taken)].into_iter()).unwrap();
    journal.append(&[entry(taken + 1)]).unwrap();
    drop(journal);
    assert_eq!(numbers(&open(&disk).1), [taken, taken + 1]);
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let disk = Sim::new(1);
    let (mut journal, ..) = open(&disk);
    journal.append(&[entry(1)]).unwrap();
    disk.set_room(Some(10));
    assert!(matches!(journal.append(&[entry(2)]), Err(JournalError::Io { .. })));
    assert!(journal.rewrite([entry(1)].into_iter()).is_err());
    assert!(!journal.is_broken());
    disk.set_room(None);
    journal.append(&[entry(3)]).unwrap();
    drop(journal);
    assert_eq!(numbers(&open(&disk).1), [1, 3]);
}

#[test]
fn after_a_failed_sync_nothing_is_taken_until_it_is_rewritten() {
    let disk = Sim::new(1);
    let (mut journal, ..) = open(&disk);
    journal.append(&[entry(1)]).unwrap();
    disk.fail_sync();
    assert!(matches!(journal.sync(), Err(JournalError::Io { .. })));
    assert!(matches!(journal.append(&[entry(2)]), Err(JournalError::Broken)));
    assert!(matches!(journal.sync(), Err(JournalError::Broken)));
    journal.rewrite([entry(1), entry(2)].into_iter()).unwrap();
    drop(journal);
    disk.restart(Stop::Power);
    assert_eq!(numbers(&open(&disk).1), [1, 2]);
}

#[test]
fn damage_is_named_and_what_follows_is_kept() {
    let disk = Sim::new(1);
    let (mut journal, ..) = open(&disk);
    for number in 0..30 {
        journal.append(&[entry(number)]).unwrap();
    }
    let segment = journal.sizes.keys().nth(1).unwrap().to_string();
    drop(journal);
    disk.flip(&segment, 70);
    let (_, entries, damage) = open(&disk);
    assert_eq!(entries.len(), 29);
    let [damage] = damage.as_slice() else { panic!("{damage:?}") };
    assert_eq!((&damage.segment, damage.torn), (&segment, false));
}

#[test]
fn a_torn_tail_is_cut_once() {
    let disk = Sim::new(3);
    let (mut journal, ..) = open(&disk);
    journal.append(&[entry(1)]).unwrap();
    disk.die_after(0);
    assert!(journal.append(&[entry(2)]).is_err());
    disk.restart(Stop::Kill);
    let (mut journal, entries, damage) = open(&disk);
    assert_eq!(numbers(&entries), [1]);
    assert!(damage.iter().all(|damage| damage.torn));
    journal.append(&[entry(3)]).unwrap();
    drop(journal);
    let (_, entries, damage) = open(&disk);
    assert_eq!(numbers(&entries), [1, 3]);
    assert!(damage.is_empty(), "{damage:?}");
}

#[test]
fn what_another_version_wrote_is_not_touched() {
    let mut disk = Sim::new(1);
    JournalFolder::create(&mut disk, "2-0000000000000001-00000001.log").unwrap();
    let opened = Journal::open(disk.clone(), BOUNDS, fastrand::Rng::with_seed(1), &mut |_| {});
    assert!(matches!(opened, Err(JournalError::OtherVersion { .. })));
    assert_eq!(disk.list().unwrap().len(), 1);
}

#[test]
fn the_real_disk_does_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let open = |entries: &mut Vec<Entry>| {
        let folder = DiskFolder::open(dir.path()).unwrap();
        Journal::open(folder, BOUNDS, fastrand::Rng::with_seed(1), &mut |entry| entries.push(entry))
            .unwrap()
            .0
    };
    let mut journal = open(&mut Vec::new());
    for number in 0..20 {
        journal.append(&[entry(number)]).unwrap();
    }
    journal.sync().unwrap();
    journal.rewrite((10..20).map(entry)).unwrap();
    journal.append(&[entry(20)]).unwrap();
    journal.sync().unwrap();
    drop(journal);
    let mut entries = Vec::new();
    open(&mut entries);
    assert_eq!(numbers(&entries), (10..=20).collect::<Vec<_>>());
}

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Sync,
    /// Keeps the last so many.
    Rewrite(u8),
    Reopen,
    Room(u16),
    FailSync,
    FailNames(u8),
    Die(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (1..4_u8).prop_map(Step::Append),
        4 => Just(Step::Sync),
        2 => any::<u8>().prop_map(Step::Rewrite),
        1 => Just(Step::Reopen),
        1 => (0..200_u16).prop_map(Step::Room),
        1 => Just(Step::FailSync),
        1 => (0..4_u8).prop_map(Step::FailNames),
        2 => (0..8_u8, any::<bool>()).prop_map(|(steps, power)| Step::Die(steps, power)),
    ]
}

/// What must and what may be found.
#[derive(Default)]
struct Model {
    /// Everything that counts, in order.
    all: Vec<u64>,
    /// How many of them are on the disk for certain.
    synced: usize,
    /// Refused, but perhaps there.
    doubtful: Vec<u64>,
    /// Rewrites to these were not finished; one of them may count.
    others: Vec<Vec<u64>>,
}

impl Model {
    fn check(&self, found: &[u64], stop: Stop) -> Result<(), TestCaseError> {
        let matches = |all: &[u64], synced: usize| {
            let sure = if stop == Stop::Kill { all.len() } else { synced };
            let may: Vec<u64> = all.iter().chain(&self.doubtful).copied().collect();
            let ordered = found.is_sorted();
            ordered && all[..sure].iter().all(|n| found.contains(n)) && found.iter().all(|n| may.contains(n))
        };
        let rewritten = self.others.iter().any(|other| matches(other, other.len()));
        prop_assert!(matches(&self.all, self.synced) || rewritten, "{found:?} of {:?}", self.all);
        Ok(())
    }
}

fn run(seed: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let disk = Sim::new(seed);
    let (mut journal, ..) = open(&disk);
    let mut model = Model::default();
    let mut next = 1;
    let mut stop = Stop::Kill;
    // What a power cut left between whole entries stays until the segment goes.
    let mut holed = false;
    for step in steps {
        match step {
            Step::Append(count) => {
                let batch: Vec<u64> = (next..next + u64::from(*count)).collect();
                next += u64::from(*count);
                let entries: Vec<Entry> = batch.iter().copied().map(entry).collect();
                match journal.append(&entries) {
                    Ok(()) => model.all.extend(batch),
                    Err(_) => model.doubtful.extend(batch),
                }
            }
            Step::Sync => {
                if journal.sync().is_ok() {
                    model.synced = model.all.len();
                }
            }
            Step::Rewrite(keep) => {
                let from = model.all.len().saturating_sub(usize::from(*keep));
                let kept = model.all[from..].to_vec();
                if journal.rewrite(kept.iter().copied().map(entry)).is_ok() {
                    (model.synced, model.all) = (kept.len(), kept);
                    model.doubtful.clear();
                    model.others.clear();
                } else if journal.is_broken() || disk.is_dead() {
                    model.others.push(kept);
                }
            }
            Step::Room(bytes) => disk.set_room(Some((*bytes).into())),
            Step::FailSync => disk.fail_sync(),
            Step::FailNames(count) => disk.fail_names(*count),
            Step::Die(steps, power) => {
                disk.die_after((*steps).into());
                stop = if *power { Stop::Power } else { Stop::Kill };
            }
            Step::Reopen => {}
        }
        if disk.is_dead() || matches!(step, Step::Reopen) {
            if !disk.is_dead() {
                stop = Stop::Kill;
            }
            drop(journal);
            disk.restart(stop);
            let (reopened, entries, damage) = open(&disk);
            let found = numbers(&entries);
            model.check(&found, stop)?;
            holed |= stop == Stop::Power;
            prop_assert!(holed || damage.iter().all(|damage| damage.torn), "{damage:?}");
            model = Model { synced: found.len(), all: found, ..Model::default() };
            journal = reopened;
        }
    }
    Ok(())
}

#[test]
fn a_refused_entry_does_not_come_back_behind_a_later_one() {
    use Step::{Append, Die, Rewrite, Room};
    // At whatever step the power goes, the disk may forget that the end of the second append was cut away.
    for (seed, dies) in (0..50).flat_map(|seed| (0..9).map(move |dies| (seed, dies))) {
        let refused = [Rewrite(0), Room(0), Die(dies, true), Append(1), Room(76), Append(3)];
        run(seed, &[&refused[..], &[Room(38), Append(1), Append(1)]].concat()).unwrap();
    }
}

proptest! {
    /// Whatever was synced is found, in order; whatever is found was appended; a kill alone loses nothing.
    #[test]
    fn nothing_synced_is_lost(seed in any::<u64>(), steps in prop::collection::vec(step(), 1..60)) {
        run(seed, &steps)?;
    }
}
