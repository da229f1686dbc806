//! What happens to jobs and queues, as a stream with a cursor.
//!
//! Every store keeps the latest events in memory, in the order in which they came true: none before the commit that
//! it belongs to, none for what was undone. A reader asks for what came after its cursor, and may wait for it. One
//! who fell behind, or comes from before a restart, is told that it missed something, and how much if that can be
//! known, and goes on from the oldest there is: events tell of changes, and what is true stands in the jobs. Nobody
//! who reads holds up anybody who writes.
//!
//! Of each life of a job, from its enqueue or its retry by hand on, there is at most one event that
//! [ends it](EventKind::is_end), and after it none but that of its removal.

mod follow;
mod ring;

pub use follow::{Followed, Follower};
pub(crate) use ring::EventLog;

use crate::backend::rules;
use crate::job::{GroupKey, JobId};
use crate::note::Progress;
use crate::settings::Mode;
use crate::state::{State, Verdict};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The most events that a store keeps; beyond it the oldest go.
pub const EVENTS_MAX: usize = 8_192;
/// The most bytes that they take, error words included; beyond it the oldest go.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// The most events in one answer.
pub const EVENTS_PAGE_MAX: usize = 1_024;
/// The longest error word in an event, in bytes; a longer one is cut.
pub const WORD_BYTES_MAX: usize = 64;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum EventKind {
    /// A job was stored.
    Enqueued,
    /// A worker took it.
    Started,
    /// It said how far it is.
    Progress,
    /// An attempt failed; another follows.
    Retried,
    /// It ran, and runs again later, not through its fault.
    Snoozed,
    /// It did not run, and will later.
    PutOff,
    /// It was given back without having run.
    Released,
    /// Its lease ran out, or its process died; it runs again.
    Reclaimed,
    /// It is done.
    Completed,
    /// It failed for good.
    Dead,
    /// It waited for too long before its first attempt, and is dead.
    Expired,
    /// It was called off.
    Cancelled,
    /// An operator sent it ahead, with a fresh set of attempts.
    RetriedByHand,
    /// An operator removed it. Retention removes without a word.
    Discarded,
    /// A queue hands out nothing more. This and what follows is of queues, not of jobs.
    Paused,
    /// A queue takes in nothing new.
    Drained,
    /// A queue goes on as usual.
    Resumed,
    /// A queue got other settings.
    Configured,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Enqueued,
        Self::Started,
        Self::Progress,
        Self::Retried,
        Self::Snoozed,
        Self::PutOff,
        Self::Released,
        Self::Reclaimed,
        Self::Completed,
        Self::Dead,
        Self::Expired,
        Self::Cancelled,
        Self::RetriedByHand,
        Self::Discarded,
        Self::Paused,
        Self::Drained,
        Self::Resumed,
        Self::Configured,
    ];

    /// The word in listings and streams.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Started => "started",
            Self::Progress => "progress",
            Self::Retried => "retried",
            Self::Snoozed => "snoozed",
            Self::PutOff => "put_off",
            Self::Released => "released",
            Self::Reclaimed => "reclaimed",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::RetriedByHand => "retried_by_hand",
            Self::Discarded => "discarded",
            Self::Paused => "paused",
            Self::Drained => "drained",
            Self::Resumed => "resumed",
            Self::Configured => "configured",
        }
    }

    /// Reads a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether nothing happens to the job any more by itself. Each life of a job has at most one such event.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Expired | Self::Cancelled)
    }

    /// What a verdict is that leaves its job unfinished.
    pub(crate) const fn of_verdict(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Complete => Self::Completed,
            Verdict::Retry { .. } => Self::Retried,
            Verdict::Snooze { .. } => Self::Snoozed,
            Verdict::PutOff { .. } => Self::PutOff,
            Verdict::Dead { .. } => Self::Dead,
            Verdict::Release => Self::Released,
        }
    }

    /// What reaching the final state `to` is, `from` that one, with this error word.
    pub(crate) fn of_end(from: State, to: State, error: &str) -> Self {
        match to {
            State::Completed => Self::Completed,
            State::Cancelled => Self::Cancelled,
            _ if from != State::Running && error == rules::EXPIRED => Self::Expired,
            _ => Self::Dead,
        }
    }

    pub(crate) const fn of_mode(mode: Mode) -> Self {
        match mode {
            Mode::Running => Self::Resumed,
            Mode::Paused => Self::Paused,
            Mode::Draining => Self::Drained,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that happened. It holds no payload, no metadata and no text of a failure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its place in the stream: one more than that of the event before it.
    pub number: u64,
    /// When, in milliseconds since the Unix epoch, by the store's clock.
    pub at_ms: i64,
    /// What.
    pub kind: EventKind,
    /// In which queue.
    pub queue: Arc<str>,
    /// To which job; `None`: to the queue.
    pub job: Option<JobId>,
    /// The group of the job.
    pub group: Option<GroupKey>,
    /// The attempt that it belongs to; at an end, how many were spent. 0: none.
    pub attempt: u32,
    /// The word for the failure, if it was one: at most [`WORD_BYTES_MAX`] bytes.
    pub error: Option<Arc<str>>,
    /// How far the job is, in percent, if it said that.
    pub percent: Option<u8>,
}

impl Event {
    /// Of a queue. Its number is given when it is told.
    pub(crate) const fn of_queue(kind: EventKind, at_ms: i64, queue: Arc<str>) -> Self {
        Self { number: 0, at_ms, kind, queue, job: None, group: None, attempt: 0, error: None, percent: None }
    }

    /// Of a job in an attempt.
    pub(crate) fn of_job(self, job: JobId, group: Option<GroupKey>, attempt: u32) -> Self {
        Self { job: Some(job), group, attempt, ..self }
    }

    /// With the word for a failure.
    pub(crate) fn failing(self, error: Option<&str>) -> Self {
        Self { error: error.map(|error| Arc::from(rules::word(error))), ..self }
    }

    /// With how far its job is.
    pub(crate) fn reaching(self, progress: &Progress) -> Self {
        let (done, total) = (u128::from(progress.done.min(progress.total)), u128::from(progress.total));
        Self {
            percent: (done * 100).checked_div(total).and_then(|percent| u8::try_from(percent).ok()),
            ..self
        }
    }

    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.error.as_ref().map_or(0, |error| error.len())
    }
}

/// Where a reader is: before the event with this number. Good for one start of one store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventCursor {
    /// Which stream: no two starts of a store have the same.
    pub stream: u64,
    /// The event to come next.
    pub number: u64,
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.stream, self.number)
    }
}

/// A text that is no cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("this is no cursor of events: take one from an answer, or none to begin with the oldest")]
pub struct NoCursor;

impl FromStr for EventCursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let (stream, number) = text.split_once('-').ok_or(NoCursor)?;
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if stream.len() != 16 || !plain(stream) || !plain(number) {
            return Err(NoCursor);
        }
        let stream = u64::from_str_radix(stream, 16).map_err(|_| NoCursor)?;
        Ok(Self { stream, number: number.parse().map_err(|_| NoCursor)? })
    }
}

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum EventsFrom {
    /// With the oldest that is kept.
    #[default]
    Oldest,
    /// With what happens from now on.
    Now,
    /// Where an earlier answer ended.
    After(EventCursor),
}

/// What a reader does not get to see between its cursor and the first event of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Gap {
    /// Nothing.
    #[default]
    None,
    /// So many events, which are no longer kept.
    Events(u64),
    /// Nobody knows: the store was started anew since, or had to find out what it holds, or the cursor is not of
    /// its making.
    Unknown,
}

/// Some events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Events {
    /// In the order in which they came true.
    pub events: Vec<Event>,
    /// What was missed before them.
    pub gap: Gap,
    /// Where to go on.
    pub next: EventCursor,
}

impl Events {
    /// Where to go on behind one of these events.
    pub const fn after(&self, event: &Event) -> EventCursor {
        EventCursor { stream: self.next.stream, number: event.number + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_cursors_read_back() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(kind));
        }
        for cursor in
            [EventCursor { stream: 7, number: 15 }, EventCursor { stream: u64::MAX, number: u64::MAX }]
        {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let odd = ["", "-", "7-1", "0000000000000007", "0000000000000007-", "0000000000000007-+1"];
        for odd in odd.into_iter().chain(["000000000000000g-1", "+000000000000007-1", "0000000000000007-1-2"])
        {
            assert_eq!(odd.parse::<EventCursor>(), Err(NoCursor), "{odd}");
        }
    }

    #[test]
    fn a_word_is_cut_and_progress_is_bounded() {
        let event = || Event::of_queue(EventKind::Dead, 1, Arc::from("q"));
        let word = event().failing(Some(&"ö".repeat(99))).error.expect("a word");
        assert_eq!(word.len(), WORD_BYTES_MAX);
        for (progress, percent) in [
            (Progress::of(1, 3), Some(33)),
            (Progress::of(9, 3), Some(100)),
            (Progress::of(u64::MAX, u64::MAX), Some(100)),
            (Progress::of(5, 0), None),
        ] {
            assert_eq!(event().reaching(&progress).percent, percent, "{progress:?}");
        }
    }
}
