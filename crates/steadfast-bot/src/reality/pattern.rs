//! Patterns over tokens, as data: small, linear in practice, no regular expressions.
//!
//! A pattern is a line of elements: `pay|send` (either word), `regist*` (words that begin so), `~4` (up to four
//! words between), `fee?` (may be missing), `$` (an amount), `#` (a number or an amount), `@` (an e-mail
//! address). Pauses within a sentence are passed over; the end of a sentence is not.

use super::tokens::{Kind, Token};
use crate::router::words::fold;
use std::collections::HashMap;

#[derive(Debug, Clone)]
struct Element {
    what: What,
    optional: bool,
}

#[derive(Debug, Clone)]
enum What {
    Words(Vec<Alternative>),
    Gap(usize),
    Money,
    Figure,
    Email,
}

#[derive(Debug, Clone)]
enum Alternative {
    Whole(String),
    Beginning(String),
}

/// Patterns with what each of them means, ready to be looked for.
#[derive(Debug)]
pub(super) struct Patterns<T> {
    patterns: Vec<(T, Vec<Element>)>,
    /// Patterns that begin with one of whole words, by that word; the others must be tried everywhere.
    by_word: HashMap<String, Vec<usize>>,
    anywhere: Vec<usize>,
}

/// A pattern found: tokens `from..to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found<T> {
    /// What it means.
    pub meaning: T,
    /// The first token.
    pub from: usize,
    /// The token after the last.
    pub to: usize,
}

impl<T: Copy> Patterns<T> {
    /// Reads patterns, one per line; empty lines are none.
    pub(super) fn read<'a>(groups: impl IntoIterator<Item = (T, &'a str)>) -> Self {
        let mut all = Self { patterns: Vec::new(), by_word: HashMap::new(), anywhere: Vec::new() };
        for (meaning, lines) in groups {
            for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
                all.add(meaning, line.split_whitespace().map(element).collect());
            }
        }
        all
    }

    fn add(&mut self, meaning: T, elements: Vec<Element>) {
        let index = self.patterns.len();
        let words: Option<Vec<String>> = match elements.first() {
            Some(Element { what: What::Words(words), optional: false }) => words.iter().map(whole).collect(),
            _ => None,
        };
        match words {
            Some(words) => {
                words.into_iter().for_each(|word| self.by_word.entry(word).or_default().push(index))
            }
            None => self.anywhere.push(index),
        }
        self.patterns.push((meaning, elements));
    }

    /// All places where a pattern is found, the shortest match at each.
    pub(super) fn find(&self, tokens: &[Token]) -> Vec<Found<T>> {
        let mut found = Vec::new();
        let telling = |(_, token): &(usize, &Token)| !matches!(token.kind, Kind::Pause | Kind::Stop);
        for (from, token) in tokens.iter().enumerate().filter(telling) {
            let named = self.by_word.get(&token.word).into_iter().flatten();
            for &index in named.chain(&self.anywhere) {
                let (meaning, elements) = &self.patterns[index];
                if let Some(to) = matches_at(elements, tokens, from) {
                    found.push(Found { meaning: *meaning, from, to });
                }
            }
        }
        found
    }
}

fn whole(word: &Alternative) -> Option<String> {
    match word {
        Alternative::Whole(word) => Some(word.clone()),
        Alternative::Beginning(_) => None,
    }
}

fn element(text: &str) -> Element {
    let (text, optional) = match text.strip_suffix('?') {
        Some(rest) if !rest.is_empty() => (rest, true),
        _ => (text, false),
    };
    let what = match text {
        "$" => What::Money,
        "#" => What::Figure,
        "@" => What::Email,
        _ => match text.strip_prefix('~').and_then(|count| count.parse().ok()) {
            Some(count) => What::Gap(count),
            None => What::Words(text.split('|').map(alternative).collect()),
        },
    };
    Element { what, optional }
}

fn alternative(word: &str) -> Alternative {
    match word.strip_suffix('*') {
        Some(beginning) => Alternative::Beginning(fold(beginning)),
        None if word.chars().all(char::is_alphanumeric) => Alternative::Whole(fold(word)),
        // Signs such as "%" fold to nothing, and marked letters are kept by folding.
        None => Alternative::Whole(
            Some(fold(word)).filter(|folded| !folded.is_empty()).unwrap_or_else(|| word.to_owned()),
        ),
    }
}

/// Where a match of `elements` that begins at token `at` ends.
fn matches_at(elements: &[Element], tokens: &[Token], at: usize) -> Option<usize> {
    let Some((element, rest)) = elements.split_first() else { return Some(at) };
    let here = skip_pauses(tokens, at);
    if let What::Gap(count) = element.what {
        let mut next = here;
        for step in 0..=count {
            if let Some(end) = matches_at(rest, tokens, next) {
                return Some(end);
            }
            let over = tokens.get(next).is_none_or(|token| token.kind == Kind::Stop);
            if over || step == count {
                return None;
            }
            next = skip_pauses(tokens, next + 1);
        }
        return None;
    }
    if tokens.get(here).is_some_and(|token| element.what.takes(token))
        && let Some(end) = matches_at(rest, tokens, here + 1)
    {
        return Some(end);
    }
    if element.optional { matches_at(rest, tokens, at) } else { None }
}

fn skip_pauses(tokens: &[Token], mut at: usize) -> usize {
    while tokens.get(at).is_some_and(|token| token.kind == Kind::Pause) {
        at += 1;
    }
    at
}

impl What {
    fn takes(&self, token: &Token) -> bool {
        match self {
            Self::Words(words) => words.iter().any(|word| match word {
                Alternative::Whole(word) => token.word == *word,
                Alternative::Beginning(beginning) => token.word.starts_with(beginning.as_str()),
            }),
            Self::Money => matches!(token.kind, Kind::Money(_)),
            Self::Figure => matches!(token.kind, Kind::Money(_) | Kind::Number(_)),
            Self::Email => matches!(token.kind, Kind::Email { .. }),
            Self::Gap(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;
    use proptest::prelude::*;

    fn found<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
        let tokens = tokens(text);
        let patterns = Patterns::read([((), pattern)]);
        patterns
            .find(&tokens)
            .iter()
            .map(|found| &text[tokens[found.from].start..tokens[found.to - 1].end])
            .collect()
    }

    #[test]
    fn elements() {
        assert_eq!(found("pay|send ~2 fee|fees", "Please pay the small fee now"), ["pay the small fee"]);
        assert_eq!(found("pay|send ~2 fee", "pay one two three fee"), [""; 0]);
        assert_eq!(found("pay ~4 fee", "Good pay. A fee"), [""; 0], "a sentence's end is no gap");
        assert_eq!(found("pay $ fee?", "pay: $50 fee"), ["pay: $50 fee"]);
        assert_eq!(found("pay $ fee?", "Pay $50 now"), ["Pay $50"]);
        assert_eq!(
            found("regist* fee", "Registration fee, registrar fee"),
            ["Registration fee", "registrar fee"]
        );
        assert_eq!(found("# years", "3+ years"), ["3+ years"]);
        assert_eq!(found("inscripción", "INSCRIPCION"), ["INSCRIPCION"]);
        assert_eq!(found("शुल्क", "दर्ता शुल्क"), ["शुल्क"]);
    }

    proptest! {
        #[test]
        fn never_panics_and_lies_within(text in "\\PC{0,120}") {
            let tokens = tokens(&text);
            let patterns = Patterns::read([((), "~3 a|b* ~2 $?\n# x?\n@\na ~9 a")]);
            for found in patterns.find(&tokens) {
                prop_assert!(found.from <= found.to && found.to <= tokens.len());
            }
        }
    }
}
