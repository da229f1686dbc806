//! What operators look for, and what they find.

use crate::job::{GroupKey, Job, JobId};
use crate::state::State;
use serde::Serialize;

/// A stretch of time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// Not before this.
    pub since_ms: Option<i64>,
    /// Before this.
    pub until_ms: Option<i64>,
}

impl Span {
    /// Whether `at_ms` lies in it. What has no time lies in none but that without bounds.
    pub fn contains(&self, at_ms: Option<i64>) -> bool {
        let since = self.since_ms.is_none_or(|since_ms| at_ms.is_some_and(|at_ms| at_ms >= since_ms));
        since && self.until_ms.is_none_or(|until_ms| at_ms.is_some_and(|at_ms| at_ms < until_ms))
    }
}

/// A search: what fits all of it. Ids are looked up, and so are dead letters by error word and by the time they died;
/// anything else is looked for among all jobs in the states asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Only these, at most [`BATCH_MAX`](super::BATCH_MAX); empty means all.
    pub ids: Vec<JobId>,
    /// Only this queue.
    pub queue: Option<String>,
    /// Only these states; empty means all.
    pub states: Vec<State>,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only this group.
    pub group: Option<GroupKey>,
    /// Only those whose last failure has this error word.
    pub error: Option<String>,
    /// Only those with this correlation id.
    pub correlation_id: Option<String>,
    /// Only those enqueued then.
    pub enqueued: Span,
    /// Only those that came to their end then.
    pub finished: Span,
    /// Only those finished (for final states) or enqueued before this, in milliseconds since the epoch.
    pub before_ms: Option<i64>,
}

impl Filter {
    /// The job that a unique key stands for in `queue`.
    pub fn of_unique(queue: &str, key: &[u8]) -> Self {
        let ids = vec![JobId::of_unique(queue, key)];
        Self { ids, queue: Some(queue.to_owned()), ..Self::default() }
    }
}

/// A page of a listing.
#[derive(Clone, Debug)]
pub struct Page {
    /// The jobs, newest first.
    pub jobs: Vec<Job>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<String>,
}

/// Dead letters of one queue with one error word.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeadGroup {
    /// Their queue.
    pub queue: String,
    /// The word for their last failure, at most [`WORD_BYTES_MAX`](crate::event::WORD_BYTES_MAX) bytes of it.
    pub error: String,
    /// How many.
    pub count: u64,
    /// When the first of them died, in milliseconds since the Unix epoch.
    pub first_ms: i64,
    /// When the last of them died.
    pub last_ms: i64,
}

/// All dead letters, counted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct DeadGroups {
    /// The largest groups, largest first; of equal ones the latest.
    pub groups: Vec<DeadGroup>,
    /// How many dead letters there are, those in other groups included.
    pub total: u64,
    /// How many groups.
    pub groups_total: u64,
}

impl DeadGroups {
    /// Adds a group, and holds no more than a few times `max`.
    pub(crate) fn add(&mut self, group: DeadGroup, max: usize) {
        self.total = self.total.saturating_add(group.count);
        self.groups_total += 1;
        self.groups.push(group);
        if self.groups.len() > max.saturating_mul(4).max(1_024) {
            self.keep(max);
        }
    }

    /// As answered: sorted, at most `max`.
    pub(crate) fn cut(mut self, max: usize) -> Self {
        self.keep(max);
        self
    }

    fn keep(&mut self, max: usize) {
        self.groups.sort_by(|a, b| {
            let size = (b.count, b.last_ms).cmp(&(a.count, a.last_ms));
            size.then_with(|| (&a.queue, &a.error).cmp(&(&b.queue, &b.error)))
        });
        self.groups.truncate(max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_half_open() {
        let span = Span { since_ms: Some(5), until_ms: Some(7) };
        let inside: Vec<i64> = (3..9).filter(|&at_ms| span.contains(Some(at_ms))).collect();
        assert_eq!(inside, [5, 6]);
        assert!(!span.contains(None) && Span::default().contains(None));
    }

    #[test]
    fn the_largest_groups_are_kept_however_many_there_are() {
        let mut groups = DeadGroups::default();
        for number in 0..10_000_u64 {
            let error = format!("error {number}");
            groups.add(DeadGroup { queue: "q".into(), error, count: number, first_ms: 0, last_ms: 0 }, 3);
            assert!(groups.groups.len() <= 1_024);
        }
        assert_eq!((groups.total, groups.groups_total), (49_995_000, 10_000));
        let counts: Vec<u64> = groups.cut(3).groups.iter().map(|group| group.count).collect();
        assert_eq!(counts, [9_999, 9_998, 9_997]);
    }
}
