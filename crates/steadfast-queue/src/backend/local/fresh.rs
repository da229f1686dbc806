//! The newest jobs: what their ids and groups are is known in memory, and sorted into tables later.
//!
//! An id is a hash, and so is a group: their places in their tables are anywhere. Put there at once, every job would
//! write two pages of the log, and two of the database, for the sake of eighty bytes. So the tables hold what came up
//! to a certain number; what came since is known here, and on disk by the jobs' own rows, or by the list of those
//! whose rows are gone. When there are many, a whole generation of them is sorted into the tables, in their order and
//! in small steps ([`super::stage`]); then the number moves on. A crash in between sorts them once more.
//!
//! A job is often done before its generation is sorted: its group then never was on disk.

use super::ids::Found;
use crate::job::{GroupKey, JobId};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Sorting goes in steps of at least so many, so that a step pays for its transaction.
const STEP_MIN: usize = 16;
/// So much is sorted per new job. A job costs three at most: its id, its group, its place in the list. So a generation
/// is sorted before the next one is full.
const STEP_PER_JOB: usize = 4;

/// An unfinished job of a group: queue, group, number.
pub(super) type Member = (i64, GroupKey, i64);

#[derive(Debug, Default)]
struct Generation {
    ids: BTreeMap<JobId, Found>,
    members: BTreeSet<Member>,
}

/// What became of a step of sorting.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    pub(super) ids: usize,
    pub(super) members: usize,
    /// The generation is in the tables.
    pub(super) all: bool,
    /// So many were dropped from the list.
    pub(super) unlisted: usize,
    /// No more can be dropped.
    pub(super) cleared: bool,
}

impl Step {
    pub(super) fn size(&self) -> usize {
        self.ids + self.members + self.unlisted
    }
}

/// What a transaction changes.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// `None`: no longer known here.
    pub(super) ids: HashMap<JobId, Option<Found>>,
    pub(super) joined: BTreeSet<Member>,
    pub(super) left: HashSet<Member>,
    /// By how many the members on disk became more.
    pub(super) grouped: i64,
    pub(super) step: Step,
}

/// See the module. Changed by [`Fresh::apply`] after a commit, and by beginning a generation, which no commit knows of.
#[derive(Debug)]
pub(super) struct Fresh {
    young: Generation,
    /// What of the generation being sorted is not in the tables yet.
    old: Generation,
    sorted: i64,
    sorting: Option<i64>,
    doubtful: i64,
    grouped: u64,
    listed: bool,
    generation: usize,
    owed: usize,
}

impl Fresh {
    /// Nothing yet, as of a file whose tables hold what came up to the number `sorted`, whose last number is `number`,
    /// and whose list begins before `sorted` if it is `listed`.
    pub(super) fn new((sorted, number): (i64, i64), listed: bool, generation: usize) -> Self {
        Self {
            young: Generation::default(),
            old: Generation::default(),
            sorted,
            sorting: None,
            doubtful: number,
            grouped: 0,
            listed,
            generation: generation.max(1),
            owed: if listed { STEP_MIN } else { 0 },
        }
    }

    /// Takes note of a job in the file. Those that the tables have are passed over.
    pub(super) fn load(&mut self, id: JobId, found: Found, member: Option<(i64, GroupKey)>) {
        if found.seq > self.sorted {
            self.young.ids.insert(id, found);
            self.young.members.extend(member.map(|(queue, group)| (queue, group, found.seq)));
        }
    }

    /// Takes note of how many members are on disk.
    pub(super) fn load_grouped(&mut self, grouped: u64) {
        self.grouped = grouped;
    }

    /// Up to this number, the tables hold everything.
    pub(super) fn sorted(&self) -> i64 {
        self.sorted
    }

    /// What is being sorted, or was sorted last, ends here: what comes behind it is young.
    pub(super) fn boundary(&self) -> i64 {
        self.sorting.unwrap_or(self.sorted)
    }

    /// Whether a job known here may be in the tables too: because it was there before the file was opened.
    pub(super) fn is_doubtful(&self, seq: i64) -> bool {
        seq <= self.doubtful
    }

    pub(super) fn find(&self, id: &JobId) -> Option<Found> {
        self.young.ids.get(id).or_else(|| self.old.ids.get(id)).copied()
    }

    pub(super) fn has_member(&self, member: &Member) -> bool {
        self.young.members.contains(member) || self.old.members.contains(member)
    }

    /// Members of a group before the number `before`, in order.
    pub(super) fn members(&self, queue: i64, group: GroupKey, before: i64) -> impl Iterator<Item = i64> {
        let range = (queue, group, i64::MIN)..(queue, group, before);
        let old = self.old.members.range(range.clone()).map(|&(.., seq)| seq);
        old.chain(self.young.members.range(range).map(|&(.., seq)| seq))
    }

    /// The next group of a queue behind `after`.
    pub(super) fn next_group(&self, queue: i64, after: Option<GroupKey>) -> Option<GroupKey> {
        // No job has the first or the last of all numbers.
        let from = after.map_or((queue, GroupKey([0; 16]), i64::MIN), |after| (queue, after, i64::MAX));
        let next = |members: &BTreeSet<Member>| {
            let next = members.range(from..).next().filter(|(no, ..)| *no == queue);
            next.map(|&(_, group, _)| group)
        };
        next(&self.young.members).into_iter().chain(next(&self.old.members)).min()
    }

    /// Whether any members are on disk.
    pub(super) fn has_grouped(&self) -> bool {
        self.grouped > 0
    }

    /// How many to sort now, if any; `number` is the last number given. A generation begins when it is full.
    pub(super) fn wants(&mut self, number: i64) -> Option<usize> {
        let step = STEP_MIN.min(self.generation);
        if self.sorting.is_none() && !self.listed {
            let Some(beyond) = self.young.ids.len().checked_sub(self.generation) else {
                self.owed = 0;
                return None;
            };
            self.old = std::mem::take(&mut self.young);
            self.sorting = Some(number);
            // More than a generation comes of a file whose processes did not live long enough to sort it.
            self.owed = step + STEP_PER_JOB * beyond;
        }
        (self.owed >= step).then_some(self.owed)
    }

    /// The next to be sorted, in the order of the tables, at most `limit`.
    pub(super) fn next_ids(&self, limit: usize) -> impl Iterator<Item = (&JobId, &Found)> {
        self.old.ids.iter().take(limit)
    }

    /// The same of groups.
    pub(super) fn next_members(&self, limit: usize) -> impl Iterator<Item = &Member> {
        self.old.members.iter().take(limit)
    }

    /// The generation being sorted, if its last ones are those that a step of this size takes.
    pub(super) fn ends_with(&self, step: Step) -> Option<i64> {
        let all = self.old.ids.len() == step.ids && self.old.members.len() == step.members;
        self.sorting.filter(|_| all)
    }

    /// Whether a generation is being sorted.
    pub(super) fn is_sorting(&self) -> bool {
        self.sorting.is_some()
    }

    /// What a committed transaction changed.
    pub(super) fn apply(&mut self, changes: Changes) {
        let Changes { ids, joined, left, grouped, step } = changes;
        let boundary = self.boundary();
        self.owed = self.owed.saturating_add(STEP_PER_JOB * ids.len()).saturating_sub(step.size());
        for (id, found) in ids {
            match found {
                Some(found) if found.seq > boundary => {
                    self.old.ids.remove(&id);
                    self.young.ids.insert(id, found);
                }
                // Only one that is to be sorted has kept its number.
                Some(found) => _ = self.old.ids.insert(id, found),
                None if self.young.ids.remove(&id).is_some() => {}
                None => _ = self.old.ids.remove(&id),
            }
        }
        for member in left {
            if !self.young.members.remove(&member) {
                self.old.members.remove(&member);
            }
        }
        self.young.members.extend(joined);
        self.grouped = self.grouped.saturating_add_signed(grouped);
        (0..step.ids).for_each(|_| _ = self.old.ids.pop_first());
        (0..step.members).for_each(|_| _ = self.old.members.pop_first());
        if step.all {
            self.sorted = boundary;
            (self.sorting, self.listed) = (None, true);
        }
        if step.cleared {
            self.listed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GENERATION: usize = 200;

    /// Takes the step that the writer would take; whether there was one to take.
    fn sort(fresh: &mut Fresh, number: i64, listed: &mut usize) -> bool {
        let Some(limit) = fresh.wants(number) else { return false };
        let mut step = Step::default();
        if fresh.is_sorting() {
            step.ids = fresh.next_ids(limit).count();
            step.members = fresh.next_members(limit - step.ids).count();
            step.all = fresh.ends_with(step).is_some();
        } else {
            step.unlisted = limit.min(*listed);
            step.cleared = step.unlisted < limit;
            *listed -= step.unlisted;
        }
        fresh.apply(Changes { step, ..Changes::default() });
        true
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whatever the size of the calls: what comes is sorted before the next generation is full, with one step per
        /// commit.
        #[test]
        fn memory_holds_two_generations_at_most(
            calls in proptest::collection::vec(1_usize..100, 1..200), grouped in any::<bool>(), rows_go in any::<bool>()
        ) {
            let mut fresh = Fresh::new((0, 0), false, GENERATION);
            let (mut number, mut listed) = (0_i64, 0);
            for call in calls {
                let mut changes = Changes::default();
                for _ in 0..call {
                    number += 1;
                    let mut id = [0; 16];
                    id[..8].copy_from_slice(&number.wrapping_mul(0x5851_f42d_4c95_7f2d).to_be_bytes());
                    changes.ids.insert(JobId(id), Some(Found { slot: 0, seq: number, until_ms: 0 }));
                    if grouped {
                        changes.joined.insert((1, GroupKey([id[0]; 16]), number));
                    }
                }
                listed += if rows_go { call } else { 0 };
                fresh.apply(changes);
                sort(&mut fresh, number, &mut listed);
                let known = fresh.young.ids.len() + fresh.old.ids.len();
                prop_assert!(known <= 2 * GENERATION + call, "{known} ids");
                let members = fresh.young.members.len() + fresh.old.members.len();
                prop_assert!(members <= 2 * GENERATION + call, "{members} members");
            }
        }
    }
}
