//! What the program says of one second. Pure.

/// One line of the quickstart: what became of the calls that ended within a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) good: u64,
    pub(super) failed: u64,
    pub(super) slowest_ms: u64,
}

impl Line {
    /// Reads `12 s  97 good, 1 not sent, 2 rejected, 3 ambiguous; slowest 2 ms; 127.0.0.1:6379`; nothing if it is another
    /// line.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (counts, rest) = text.split_once(';')?;
        let (_, counts) = counts.split_once(" s ")?;
        let count = |word: &str| {
            let part = counts.split(',').find(|part| part.trim_end().ends_with(word))?;
            part.split_whitespace().next()?.parse::<u64>().ok()
        };
        let slowest = rest.trim().strip_prefix("slowest ")?.split(' ').next()?;
        Some(Self {
            good: count("good")?,
            failed: count("not sent")? + count("rejected")? + count("ambiguous")?,
            slowest_ms: slowest.parse().ok()?,
        })
    }

    /// Calls were answered, and none failed.
    pub(super) const fn is_well(self) -> bool {
        self.good > 0 && self.failed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_other_words_are_not() {
        let text = "  12 s   97 good, 1 not sent, 2 rejected, 3 ambiguous; slowest 45 ms; 127.0.0.1:6379";
        assert_eq!(Line::parse(text), Some(Line { good: 97, failed: 6, slowest_ms: 45 }));
        let text = "   1 s  170 good, 0 not sent, 0 rejected, 0 ambiguous; slowest 2 ms; ";
        assert!(Line::parse(text).is_some_and(Line::is_well));
        assert_eq!(
            Line::parse("        INCR on 127.0.0.1:1: the connection is closed; wait 3 s for it"),
            None
        );
        assert_eq!(Line::parse("told to stop"), None);
    }
}
