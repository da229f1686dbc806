//! WhatsApp's text marks: where `*bold*`, `_italics_`, `~strike~` and ``` blocks really begin and end.

use std::ops::Range;

/// A stretch of marked text: the marks included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marked {
    /// `*`, `_`, `~` or three backticks.
    pub mark: &'static str,
    /// Bytes from the first of the opening mark to the last of the closing one.
    pub range: Range<usize>,
}

impl Marked {
    /// Whether a cut at byte `at` falls between the marks.
    pub(crate) fn is_cut_by(&self, at: usize) -> bool {
        self.range.start + self.mark.len() <= at && at + self.mark.len() <= self.range.end
    }
}

const FENCE: &str = "```";

/// The marked stretches of `text`, by where they begin. Those of one line nest or stand side by side; one
/// that crosses another is no mark. Inside a block nothing is a mark.
pub(crate) fn marked(text: &str) -> Vec<Marked> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(open) = text[at..].find(FENCE).map(|found| at + found) {
        let Some(close) = text[open + 3..].find(FENCE).map(|found| open + 3 + found) else { break };
        lines(text, at..open, &mut found);
        found.push(Marked { mark: FENCE, range: open..close + 3 });
        at = close + 3;
    }
    lines(text, at..text.len(), &mut found);
    found.sort_by_key(|marked| (marked.range.start, std::cmp::Reverse(marked.range.end)));
    found
}

fn lines(text: &str, range: Range<usize>, found: &mut Vec<Marked>) {
    let mut start = range.start;
    for line in text[range].split_inclusive('\n') {
        line_marks(line, start, found);
        start += line.len();
    }
}

/// Pairs the marks of one line with a stack: a mark closes the nearest open one of its kind, and what was
/// opened in between is no mark.
fn line_marks(line: &str, start: usize, found: &mut Vec<Marked>) {
    let mut open: Vec<(&'static str, usize)> = Vec::new();
    let mut before: Option<char> = None;
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let after = chars.peek().map(|&(_, c)| c);
        let mark = match c {
            '*' => "*",
            '_' => "_",
            '~' => "~",
            _ => {
                before = Some(c);
                continue;
            }
        };
        let closes = before.is_some_and(|c| !c.is_whitespace()) && after.is_none_or(|c| !c.is_alphanumeric());
        let opens = before.is_none_or(|c| !c.is_alphanumeric()) && after.is_some_and(|c| !c.is_whitespace());
        let opened = open.iter().rposition(|&(other, position)| other == mark && position + 1 < at);
        match opened {
            Some(index) if closes => {
                found.push(Marked { mark, range: start + open[index].1..start + at + 1 });
                open.truncate(index);
            }
            _ if opens && open.iter().all(|&(other, _)| other != mark) => open.push((mark, at)),
            _ => {}
        }
        before = Some(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<&str> {
        marked(text).into_iter().map(|marked| &text[marked.range]).collect()
    }

    #[test]
    fn marks_are_found_where_whatsapp_sees_them() {
        assert_eq!(texts("a *bold* and _it_ ~no~."), ["*bold*", "_it_", "~no~"]);
        assert_eq!(texts("*a _b_ c*"), ["*a _b_ c*", "_b_"]);
        assert_eq!(texts("2*3*4 and snake_case_name"), [""; 0]);
        assert_eq!(texts("* not bold *"), [""; 0]);
        assert_eq!(texts("*no\nbreak*"), [""; 0]);
        assert_eq!(texts("```x *y*\nz``` *b*"), ["```x *y*\nz```", "*b*"]);
        assert_eq!(texts("**"), [""; 0]);
        assert_eq!(texts("*a _b* c_"), ["*a _b*"]);
    }

    proptest! {
        #[test]
        fn stretches_nest_or_stand_apart(text in "[*_~` a\\nb.é]{0,60}") {
            let all = marked(&text);
            for (index, one) in all.iter().enumerate() {
                prop_assert!(text[one.range.clone()].starts_with(one.mark) && text[one.range.clone()].ends_with(one.mark));
                for other in &all[index + 1..] {
                    let (a, b) = (&one.range, &other.range);
                    prop_assert!(a.end <= b.start || (a.start < b.start && b.end < a.end), "{:?} {:?}", one, other);
                }
            }
        }
    }
}
