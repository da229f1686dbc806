//! The dead, counted and grouped, without reading more of them than are shown.

use super::{Budget, scan};
use crate::Monitor;
use crate::error::ApiError;
use crate::view::{FailureGroup, Failures};
use std::collections::BTreeMap;
use steadfast_queue::backend::{BATCH_MAX, DeadGroup, Filter, Stats};
use steadfast_queue::event::WORD_BYTES_MAX;

/// Error words of which an example is looked up.
const GROUPS_MAX: usize = 50;
/// Dead jobs looked at to group them, where the counts do not tell.
const LOOKED_AT_MAX: usize = 1_000;
/// A word of so many bytes may have been cut at the border of a character.
const CUT_FROM: usize = WORD_BYTES_MAX - 3;

/// The dead by error word.
#[derive(Debug)]
pub(crate) struct Grouped {
    pub(crate) groups: Vec<FailureGroup>,
    /// Of how many jobs.
    pub(crate) seen: u64,
    /// Whether these were all that match.
    pub(crate) all: bool,
}

/// The counts behind a search, if the queue knows them: by queue and error word it does, but for words that are very
/// many or long.
async fn counted(monitor: &Monitor, filter: &Filter) -> Result<Option<Vec<DeadGroup>>, ApiError> {
    let simple = Filter {
        queue: filter.queue.clone(),
        error: filter.error.clone(),
        states: filter.states.clone(),
        ..Filter::default()
    };
    if *filter != simple {
        return Ok(None);
    }
    let counted = monitor.deps().backend.dead_groups(filter.queue.clone(), BATCH_MAX).await?;
    let whole = counted.groups_total == counted.groups.len() as u64;
    let cut = |error: &str| error.len() >= CUT_FROM;
    if !whole || counted.groups.iter().any(|group| cut(&group.error)) {
        return Ok(None);
    }
    let wanted = |group: &DeadGroup| filter.error.as_ref().is_none_or(|error| *error == group.error);
    Ok(Some(counted.groups.into_iter().filter(wanted).collect()))
}

/// Groups the dead that match: all of them where the counts are known, else the newest.
pub(crate) async fn grouped(monitor: &Monitor, filter: &Filter) -> Result<Grouped, ApiError> {
    let Some(counted) = counted(monitor, filter).await? else {
        let mut failures = Failures::default();
        let budget = Budget::of(monitor);
        let walked = scan::walk(monitor, filter, LOOKED_AT_MAX, budget, |job| failures.add(job)).await?;
        let groups = failures.largest_first();
        return Ok(Grouped { groups, seen: walked.seen as u64, all: walked.complete });
    };
    let mut by_word: BTreeMap<String, Vec<DeadGroup>> = BTreeMap::new();
    for group in counted {
        by_word.entry(group.error.clone()).or_default().push(group);
    }
    let mut words: Vec<_> = by_word.into_iter().collect();
    words.sort_by_key(|(_, groups)| std::cmp::Reverse(groups.iter().map(|group| group.count).sum::<u64>()));
    let all = words.len() <= GROUPS_MAX;
    words.truncate(GROUPS_MAX);
    let (mut groups, mut seen) = (Vec::new(), 0_u64);
    for (error, counts) in words {
        // The newest is its group's example, found by its word.
        let one = Filter { error: Some(error.clone()), ..filter.clone() };
        let example = monitor.deps().backend.list(one, None, 1).await?.jobs.pop();
        let group = FailureGroup::counted(error, &counts, example.as_ref());
        seen = seen.saturating_add(group.count());
        groups.push(group);
    }
    Ok(Grouped { groups, seen, all })
}

/// How many dead jobs match.
pub(crate) async fn count(monitor: &Monitor, stats: &Stats, filter: Filter) -> Result<u64, ApiError> {
    if filter == (Filter { queue: filter.queue.clone(), states: filter.states.clone(), ..Filter::default() })
    {
        let queues =
            stats.queues.iter().filter(|(name, _)| filter.queue.as_ref().is_none_or(|queue| queue == *name));
        return Ok(queues.map(|(_, stats)| stats.dead).fold(0, u64::saturating_add));
    }
    match counted(monitor, &filter).await? {
        Some(groups) => Ok(groups.iter().map(|group| group.count).fold(0, u64::saturating_add)),
        None => scan::count(monitor, filter).await,
    }
}
