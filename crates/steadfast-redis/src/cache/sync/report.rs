//! What came of sending back: counts, and some examples of each kind.

use super::Answer;
use crate::cache::entry::Kind;
use sha1::{Digest, Sha1};
use std::fmt::Write as _;

/// One key that was not simply applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Example {
    /// The key, or the first 16 digits of its SHA-1, behind `sha1:`.
    pub key: String,
    /// Its kind of data.
    pub kind: Kind,
    /// What the server answered.
    pub answer: Answer,
}

/// What came of everything that was sent back since it was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Entries that are as asked.
    pub applied: u64,
    /// Entries for which the server had a later write.
    pub superseded: u64,
    /// Entries that had ended before they could be sent.
    pub expired: u64,
    /// Entries that were put together with what others wrote.
    pub merged: u64,
    /// Entries that could not be put together with what the server holds, and are given up.
    pub conflicted: u64,
    /// Attempts without an answer. Their entries are sent again.
    pub unanswered: u64,
    /// Some of those that were not simply applied or merged, the first of each answer.
    pub examples: Vec<Example>,
}

impl Report {
    /// How many entries were answered for.
    pub fn answered(&self) -> u64 {
        self.applied + self.superseded + self.expired + self.merged + self.conflicted
    }

    /// What has been counted since it was as `earlier`; without examples.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            applied: self.applied.saturating_sub(earlier.applied),
            superseded: self.superseded.saturating_sub(earlier.superseded),
            expired: self.expired.saturating_sub(earlier.expired),
            merged: self.merged.saturating_sub(earlier.merged),
            conflicted: self.conflicted.saturating_sub(earlier.conflicted),
            unanswered: self.unanswered.saturating_sub(earlier.unanswered),
            examples: Vec::new(),
        }
    }

    /// Counts one answer, and keeps it as an example if there are fewer than `examples_max` like it.
    pub(crate) fn count(&mut self, kind: Kind, key: &[u8], answer: &Answer, examples_max: u32, hashed: bool) {
        let (count, notable) = match answer {
            Answer::Applied => (&mut self.applied, false),
            Answer::Merged => (&mut self.merged, false),
            Answer::Superseded { .. } => (&mut self.superseded, true),
            Answer::Expired => (&mut self.expired, true),
            Answer::Conflicted { .. } => (&mut self.conflicted, true),
        };
        *count += 1;
        if notable && *count <= examples_max.into() {
            let key = if hashed { hash(key) } else { String::from_utf8_lossy(key).into_owned() };
            self.examples.push(Example { key, kind, answer: answer.clone() });
        }
    }
}

fn hash(key: &[u8]) -> String {
    let mut shown = "sha1:".to_owned();
    for byte in &Sha1::digest(key)[..8] {
        // Writing to a String does not fail.
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_few_and_keys_hidden_if_asked() {
        let mut report = Report::default();
        for _ in 0..3 {
            report.count(Kind::Value, b"abc", &Answer::Expired, 2, true);
            report.count(Kind::Value, b"abc", &Answer::Applied, 2, false);
            report.count(Kind::Dedup, b"abc", &Answer::Conflicted { why: "x".to_owned() }, 1, false);
        }
        assert_eq!((report.applied, report.expired, report.conflicted, report.answered()), (3, 3, 3, 9));
        let keys: Vec<&str> = report.examples.iter().map(|example| example.key.as_str()).collect();
        assert_eq!(keys, ["sha1:a9993e364706816a", "abc", "sha1:a9993e364706816a"]);
        let earlier = report.clone();
        report.count(Kind::Value, b"abc", &Answer::Merged, 2, false);
        assert_eq!(report.since(&earlier), Report { merged: 1, ..Report::default() });
    }
}
