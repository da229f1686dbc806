//! Bringing dead jobs back, oldest first: jobs of one conversation must run again in the order in which
//! they came.

use super::scan::{self, Brief};
use super::{Budget, deaths, dlq};
use crate::Monitor;
use crate::error::ApiError;
use serde::Serialize;
use std::collections::{HashMap, HashSet, VecDeque};
use steadfast_queue::backend::{Control, Filter};
use steadfast_queue::{JobId, State};

/// Jobs brought back in one step: workers and the queue's writer get to breathe in between.
const CHUNK: usize = 100;
/// Dead jobs looked at to find the oldest.
const LOOKED_AT_MAX: usize = 100_000;

/// What to do with dead jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Make them available again, with fresh attempts.
    Retry,
    /// Forget them.
    Discard,
}

impl Verb {
    fn command(self, ids: Vec<JobId>) -> Control {
        match self {
            Self::Retry => Control::Retry(ids),
            Self::Discard => Control::Discard(ids),
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Discard => "discarded",
        }
    }
}

/// What became of one named job.
#[derive(Debug, Serialize)]
pub(crate) struct Fate {
    id: String,
    /// `retried`, `discarded`, `unknown`, `not_dead` or `unchanged`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

impl Fate {
    fn new(id: &str, outcome: &'static str, state: Option<State>, why: Option<&'static str>) -> Self {
        // An id of ours has 32 digits (36 with dashes); what else was sent is given back only in part.
        Self { id: id.chars().take(64).collect(), outcome, state, why }
    }
}

/// The answer.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Redriven {
    #[serde(skip_serializing_if = "Option::is_none")]
    retried: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discarded: Option<u64>,
    skipped: u64,
    unknown: u64,
    /// Dead jobs left, of all queues for named ones, of those that match for all.
    remaining: u64,
    /// Whether to call again for the rest.
    more: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<Fate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

impl Redriven {
    /// What a retry of all would do, without doing it.
    pub(crate) fn counted(matching: u64) -> Self {
        let note = Some("Nothing was retried. Repeat it without dryRun to retry what remaining counts.");
        Self { retried: Some(0), remaining: matching, note, ..Self::default() }
    }

    pub(crate) fn changed(&self) -> u64 {
        self.retried.or(self.discarded).unwrap_or(0)
    }
}

const PACE: &str = "They run again at their workers' pace, behind what waits already.";
const PACE_MORE: &str = "One call brings back only so many, the oldest first: they run again at their workers' pace. \
    Look at /queues, then call again for the rest.";

const PACE_BLIND: &str = "There are too many to find the oldest of all: those brought back are the oldest among the \
    newest. Narrow the call by queue or error to keep the order of each conversation.";

/// Does `verb` to the dead jobs among `texts`, and says of each what became of it.
pub(crate) async fn named(monitor: &Monitor, texts: &[String], verb: Verb) -> Result<Redriven, ApiError> {
    let mut seen = HashSet::new();
    let ids: Vec<JobId> =
        texts.iter().filter_map(|text| JobId::parse(text)).filter(|id| seen.insert(*id)).collect();
    let found = scan::briefs(monitor, &ids).await?;
    let before: HashMap<JobId, State> = found.iter().map(|brief| (brief.id, brief.state)).collect();
    let mut dead: Vec<Brief> = found.into_iter().filter(|brief| brief.state == State::Dead).collect();
    // Of one millisecond, the later named is the older: listings run from the newest to the oldest.
    dead.reverse();
    dead.sort_by_key(|brief| brief.enqueued_ms);
    for chunk in dead.chunks(CHUNK) {
        let ids = chunk.iter().map(|brief| brief.id).collect();
        monitor.deps().backend.control(verb.command(ids)).await?;
    }
    let ids: Vec<JobId> = dead.iter().map(|brief| brief.id).collect();
    let mut after = HashMap::new();
    for chunk in ids.chunks(CHUNK) {
        let states = monitor.deps().backend.status(chunk.to_vec()).await?;
        after.extend(chunk.iter().copied().zip(states.into_iter().map(|status| status.state)));
    }
    let remaining = deaths::count(monitor, &monitor.stats().await?, dlq::dead(None, None)).await?;
    let mut answer = Redriven { remaining, ..Redriven::default() };
    let mut changed = 0;
    let mut told = HashSet::new();
    for text in texts.iter().filter(|text| told.insert(text.as_str())) {
        let fate = fate(text, &before, &after, verb);
        match fate.outcome {
            "unknown" => answer.unknown += 1,
            outcome if outcome == verb.done() => changed += 1,
            _ => answer.skipped += 1,
        }
        answer.results.push(fate);
    }
    match verb {
        Verb::Retry => (answer.retried, answer.note) = (Some(changed), (changed > 0).then_some(PACE)),
        Verb::Discard => answer.discarded = Some(changed),
    }
    Ok(answer)
}

fn fate(
    text: &str,
    before: &HashMap<JobId, State>,
    after: &HashMap<JobId, Option<State>>,
    verb: Verb,
) -> Fate {
    let Some(id) = JobId::parse(text) else {
        return Fate::new(text, "unknown", None, Some("a job id is 32 hex digits"));
    };
    match (before.get(&id), after.get(&id)) {
        (None, _) => Fate::new(text, "unknown", None, Some("no such job is kept here")),
        (Some(State::Dead), Some(Some(State::Dead))) => {
            Fate::new(text, "unchanged", Some(State::Dead), Some("it is dead still, or died again at once"))
        }
        (Some(State::Dead), after) => Fate::new(text, verb.done(), after.copied().flatten(), None),
        (Some(state), _) => Fate::new(text, "not_dead", Some(*state), Some("only dead jobs are taken here")),
    }
}

/// Brings back what matches `filter`, the oldest `max` of it, in chunks.
pub(crate) async fn all(monitor: &Monitor, filter: Filter, max: usize) -> Result<Redriven, ApiError> {
    let budget = Budget::of(monitor);
    // The listing runs from the newest to the oldest: what falls out at the front is newer than what stays.
    let mut oldest: VecDeque<JobId> = VecDeque::new();
    let walked = scan::walk(monitor, &filter, LOOKED_AT_MAX, budget, |job| {
        oldest.push_back(job.id);
        if oldest.len() > max {
            oldest.pop_front();
        }
    })
    .await?;
    let oldest_first: Vec<JobId> = oldest.into_iter().rev().collect();
    let mut answer = Redriven::default();
    let mut retried = 0;
    for (index, chunk) in oldest_first.chunks(CHUNK).enumerate() {
        // The first chunk always goes: a call that comes back empty-handed every time would never end.
        if index > 0 && budget.is_spent() {
            break;
        }
        let controlled = monitor.deps().backend.control(Control::Retry(chunk.to_vec())).await?;
        retried += controlled.affected;
        answer.skipped += controlled.skipped;
    }
    answer.remaining = deaths::count(monitor, &monitor.stats().await?, filter).await?;
    answer.retried = Some(retried);
    answer.more = answer.remaining > 0;
    answer.note = Some(match (walked.complete, answer.more) {
        (false, _) => PACE_BLIND,
        (true, true) => PACE_MORE,
        (true, false) => PACE,
    });
    Ok(answer)
}
