//! What a job says while it runs: how far it is, and lines of a log. Pure.
//!
//! Both are kept with the job, bounded, and are there for the next attempt to read. They hold nothing private:
//! operators see them, and they are not encrypted.

use serde::{Deserialize, Serialize};

/// The most lines that a job keeps; beyond it the oldest but the first go.
pub const LOG_LINES_MAX: usize = 64;
/// The most bytes of all its lines; beyond it the same.
pub const LOG_BYTES_MAX: usize = 16 * 1024;
/// The longest line, in bytes; a longer one is cut.
pub const LINE_BYTES_MAX: usize = 1_024;
/// The longest note on progress, in bytes; a longer one is cut.
pub const PROGRESS_NOTE_BYTES_MAX: usize = 200;

/// How far a job is.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// So much is done,
    pub done: u64,
    /// of so much; 0: nobody knows.
    pub total: u64,
    /// What it is doing, at most [`PROGRESS_NOTE_BYTES_MAX`] bytes.
    pub note: String,
    /// When it said so, in milliseconds since the Unix epoch; the store fills it in.
    pub at_ms: i64,
}

impl Progress {
    /// So many of a hundred, at most all.
    pub fn percent(percent: u8) -> Self {
        Self::of(u64::from(percent.min(100)), 100)
    }

    /// So much of so much.
    pub fn of(done: u64, total: u64) -> Self {
        Self { done, total, ..Self::default() }
    }

    /// With a few words.
    #[must_use]
    pub fn saying(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }
}

/// A line of a job's log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LogLine {
    /// When it was stored, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// In which attempt.
    pub attempt: u32,
    /// What it says, at most [`LINE_BYTES_MAX`] bytes.
    pub text: String,
}

/// What a running job has to say, with an extension or a settlement.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Note {
    /// How far it is, if that is news.
    pub progress: Option<Progress>,
    /// Lines of its log, oldest first.
    pub log: Vec<String>,
}

impl Note {
    /// Whether it says nothing.
    pub const fn is_empty(&self) -> bool {
        self.progress.is_none() && self.log.is_empty()
    }

    /// Adds a line, within the bounds of what a job keeps.
    pub(crate) fn add_line(&mut self, text: &str) {
        self.log.push(cut(text, LINE_BYTES_MAX));
        if self.log.len() > LOG_LINES_MAX {
            self.log.remove(1);
        }
    }

    /// Puts what was said earlier, and could not be stored, before this.
    pub(crate) fn after(&mut self, earlier: Self) {
        let later = std::mem::replace(self, earlier);
        if later.progress.is_some() {
            self.progress = later.progress;
        }
        later.log.iter().for_each(|line| self.add_line(line));
    }
}

/// What a job has said so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Said {
    pub(crate) progress: Option<Progress>,
    pub(crate) log: Vec<LogLine>,
}

impl Said {
    /// Takes in what it says in attempt `attempt` at `at_ms`.
    pub(crate) fn take(&mut self, note: &Note, attempt: u32, at_ms: i64) {
        if let Some(progress) = &note.progress {
            let note = cut(&progress.note, PROGRESS_NOTE_BYTES_MAX);
            self.progress = Some(Progress { note, at_ms, ..*progress });
        }
        for text in &note.log {
            self.log.push(LogLine { at_ms, attempt, text: cut(text, LINE_BYTES_MAX) });
            // The first line stays, and so does the last: together they fit.
            while self.log.len() > 2 && (self.log.len() > LOG_LINES_MAX || self.bytes() > LOG_BYTES_MAX) {
                self.log.remove(1);
            }
        }
    }

    fn bytes(&self) -> usize {
        self.log.iter().map(|line| line.text.len()).sum()
    }
}

fn cut(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: impl IntoIterator<Item = String>) -> Note {
        Note { progress: None, log: texts.into_iter().collect() }
    }

    #[test]
    fn the_first_line_and_the_latest_are_kept() {
        let mut said = Said::default();
        said.take(&lines((0..500).map(|number| format!("line {number}"))), 1, 7);
        assert_eq!((said.log.len(), said.log[0].text.as_str()), (LOG_LINES_MAX, "line 0"));
        assert_eq!(said.log.last().map(|line| line.text.as_str()), Some("line 499"));
        said.take(&lines((0..99).map(|_| "ü".repeat(2_000))), 2, 8);
        assert!(
            said.bytes() <= LOG_BYTES_MAX && said.log.iter().all(|line| line.text.len() <= LINE_BYTES_MAX)
        );
        assert_eq!((said.log[0].attempt, said.log[1].attempt), (1, 2));
    }

    #[test]
    fn what_could_not_be_stored_comes_first() {
        let mut note = Note { progress: None, log: vec!["later".into()] };
        note.after(Note { progress: Some(Progress::percent(5)), log: vec!["earlier".into()] });
        assert_eq!(
            (note.log.join(" ").as_str(), note.progress),
            ("earlier later", Some(Progress::percent(5)))
        );
        let mut note = Note { progress: Some(Progress::percent(9)), log: Vec::new() };
        note.after(Note { progress: Some(Progress::percent(5)), log: Vec::new() });
        assert_eq!(note.progress, Some(Progress::percent(9)));
    }

    #[test]
    fn words_are_cut_between_characters() {
        let mut said = Said::default();
        let progress = Progress::of(3, 4).saying("ä".repeat(150));
        said.take(&Note { progress: Some(progress), log: Vec::new() }, 1, 5);
        let kept = said.progress.expect("kept");
        assert_eq!((kept.done, kept.total, kept.at_ms, kept.note.len()), (3, 4, 5, 200));
    }
}
