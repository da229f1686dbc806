//! Splits a text into messages that WhatsApp takes: at most 1,600 characters each, cut where a reader would
//! pause, marks balanced in every part, parts numbered.

use super::format::{Marked, marked};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// The most of one message. Counted in UTF-16 units, of which every character has at least one: so it holds
/// whichever of the two Twilio counts.
pub const UNITS_MAX: usize = 1_600;
/// Kept free in every part for its number and for marks closed and opened again.
const RESERVE: usize = 40;

/// One part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The message: number, marks opened again, the text's bytes, marks closed.
    pub body: String,
    /// Which bytes of the text it carries. Between two parts lies white space only.
    pub range: Range<usize>,
}

/// `text` as messages, in order. One that fits is left as it is; one of white space alone gives none.
pub fn split(text: &str) -> Vec<String> {
    parts(text, UNITS_MAX).into_iter().map(|part| part.body).collect()
}

/// The same, with a bound of `units_max` (at least 64) and with the ranges.
pub fn parts(text: &str, units_max: usize) -> Vec<Part> {
    let whole = trim(text, 0..text.len());
    if whole.is_empty() {
        return Vec::new();
    }
    if units(&text[whole.clone()]) <= units_max {
        return vec![Part { body: text[whole.clone()].to_owned(), range: whole }];
    }
    let marks = marked(text);
    let ranges = cut(text, whole, units_max.max(64) - RESERVE, &marks);
    let total = ranges.len();
    let mut parts = Vec::with_capacity(total);
    for (index, range) in ranges.into_iter().enumerate() {
        let reopened: String = open_at(&marks, range.start).map(|marked| marked.mark).collect();
        let mut closed: Vec<&str> = open_at(&marks, range.end).map(|marked| marked.mark).collect();
        closed.reverse();
        let body = format!("({}/{total}) {reopened}{}{}", index + 1, &text[range.clone()], closed.concat());
        parts.push(Part { body, range });
    }
    parts
}

/// The marks that stand open at byte `at`, outermost first.
fn open_at(marks: &[Marked], at: usize) -> impl Iterator<Item = &Marked> {
    marks.iter().filter(move |marked| marked.is_cut_by(at))
}

fn cut(text: &str, whole: Range<usize>, room: usize, marks: &[Marked]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut rest = whole;
    while !rest.is_empty() {
        let limit = rest.start + fitting(&text[rest.clone()], room);
        let end = if limit == rest.end { limit } else { best_cut(text, rest.start, limit, marks) };
        let piece = trim(text, rest.start..end);
        if !piece.is_empty() {
            ranges.push(piece);
        }
        rest = trim(text, end..rest.end);
    }
    ranges
}

/// The last good place to cut after `start` and not after `limit`: a paragraph's end, a line's, a sentence's,
/// a word's, a grapheme's, a character's. A coarse place counts only if the part stays at least half full
/// (for words a quarter): else a short paragraph would leave a part almost empty. Places inside marks are
/// passed over while others will do.
fn best_cut(text: &str, start: usize, limit: usize, marks: &[Marked]) -> usize {
    let piece = &text[start..limit];
    // One character more shows whether the limit itself is a boundary.
    let next = text[limit..].chars().next().map_or(limit, |c| limit + c.len_utf8());
    let wider = &text[start..next];
    let near: Vec<&Marked> = marks.iter().filter(|m| m.range.start < limit && start < m.range.end).collect();
    let half = start + piece.len() / 2;
    let quarter = start + piece.len() / 4;
    let last = |places: &mut dyn Iterator<Item = usize>, least: usize| {
        let inside = |at: usize| near.iter().any(|marked| marked.is_cut_by(at));
        let sound: Vec<usize> = places.filter(|&at| at > start && at >= least && at <= limit).collect();
        let outside = sound.iter().copied().filter(|&at| !inside(at)).max();
        outside.or_else(|| sound.into_iter().max())
    };
    let after =
        |pattern: &'static str| wider.match_indices(pattern).map(move |(at, found)| start + at + found.len());
    last(&mut after("\n\n"), half)
        .or_else(|| last(&mut after("\n"), half))
        .or_else(|| last(&mut sentence_ends(wider).map(|at| start + at), half))
        .or_else(|| last(&mut word_ends(wider).map(|at| start + at), quarter))
        .or_else(|| last(&mut grapheme_ends(text, start, limit), start))
        .unwrap_or(limit)
}

/// Where white space follows the end of a sentence.
fn sentence_ends(text: &str) -> impl Iterator<Item = usize> {
    const ENDS: [char; 7] = ['.', '!', '?', '…', '।', '。', '؟'];
    word_ends(text).filter(|&at| text[..at].trim_end().ends_with(ENDS))
}

/// Where white space follows something.
fn word_ends(text: &str) -> impl Iterator<Item = usize> {
    text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at)
}

/// Where graphemes end. The last one of the piece may go on behind the limit, so it is looked at whole.
fn grapheme_ends(text: &str, start: usize, limit: usize) -> impl Iterator<Item = usize> {
    let beyond = text[limit..].char_indices().nth(32).map_or(text.len(), |(at, _)| limit + at);
    text[start..beyond]
        .grapheme_indices(true)
        .map(move |(at, _)| start + at)
        .take_while(move |&at| at <= limit)
}

/// How many bytes of `text` fit into `room` units, to a character's boundary.
fn fitting(text: &str, room: usize) -> usize {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.len_utf16();
        if used > room {
            return at;
        }
    }
    text.len()
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let piece = &text[range.clone()];
    let start = range.start + (piece.len() - piece.trim_start().len());
    let end = start + piece.trim().len();
    start..end
}

#[cfg(test)]
#[path = "split_tests.rs"]
mod tests;
