//! Text to tokens: words, exact numbers and the few signs that mean something in an order.

mod numbers;

use crate::order::amount::Amount;
use crate::order::text::{digit, fold, is_letter, is_pictogram, lower, normalise};

/// What a token is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A word or a pictogram.
    Word,
    /// A number literal. `fraction` marks one written with a slash or as a vulgar fraction.
    Number { amount: Amount, fraction: bool },
    /// `x`, `×` or `*` between a number and something.
    Times,
    /// `-`, `:` or `=` between a product and its number.
    Link,
    /// A minus that belongs to the number after it.
    Minus,
    /// A dash between two numbers.
    Range,
    /// `&` or `+`.
    And,
    /// A comma, semicolon, full stop or the like.
    Comma,
    /// The end of a line.
    Line,
    /// A bracket.
    Bracket,
}

/// One token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The word without case and accents, or the digits of a number.
    pub(crate) key: String,
    /// The word without case, accents kept.
    pub(crate) lower: String,
    /// Where it begins in [`Lexed::text`], in bytes.
    pub(crate) start: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// Nothing stands between it and the token before.
    pub(crate) glued: bool,
}

impl Token {
    pub(crate) const fn is_word(&self) -> bool {
        matches!(self.kind, Kind::Word)
    }

    pub(crate) const fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Number { .. })
    }

    /// Whether it ends a clause whatever stands around it.
    pub(crate) const fn is_break(&self) -> bool {
        matches!(self.kind, Kind::Comma | Kind::Line)
    }
}

/// A text and its tokens.
#[derive(Debug)]
pub(crate) struct Lexed {
    /// The text, normalised.
    pub(crate) text: String,
    /// Its tokens, in order.
    pub(crate) tokens: Vec<Token>,
}

impl Lexed {
    /// The text under tokens `from..to`, trimmed of what surrounds words.
    pub(crate) fn slice(&self, from: usize, to: usize) -> &str {
        if from >= to {
            return "";
        }
        let (Some(first), Some(last)) = (self.tokens.get(from), self.tokens.get(to - 1)) else { return "" };
        self.text.get(first.start..last.end).unwrap_or("").trim()
    }
}

/// Reads `text`.
pub(crate) fn lex(text: &str) -> Lexed {
    let text = normalise(text);
    let tokens =
        Lexer { chars: text.char_indices().collect(), length: text.len(), at: 0, tokens: Vec::new() }.run();
    Lexed { tokens, text }
}

struct Lexer {
    chars: Vec<(usize, char)>,
    length: usize,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer {
    fn run(mut self) -> Vec<Token> {
        while let Some(c) = self.peek(0) {
            if digit(c).is_some() || self.starts_bare_fraction(c) {
                self.number();
            } else if is_letter(c) {
                self.word();
            } else {
                self.sign(c);
            }
        }
        self.tokens
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).map(|&(_, c)| c)
    }

    fn before(&self) -> Option<char> {
        self.at.checked_sub(1).and_then(|at| self.chars.get(at)).map(|&(_, c)| c)
    }

    fn digit_at(&self, ahead: usize) -> Option<char> {
        self.peek(ahead).and_then(digit)
    }

    fn offset(&self, at: usize) -> usize {
        self.chars.get(at).map_or(self.length, |&(offset, _)| offset)
    }

    fn push(&mut self, kind: Kind, from: usize, key: String, lower: String) {
        let start = self.offset(from);
        let end = self.offset(self.at);
        let glued = self.tokens.last().is_some_and(|last| last.end == start);
        self.tokens.push(Token { kind, key, lower, start, end, glued });
    }

    fn push_sign(&mut self, kind: Kind) {
        let from = self.at;
        self.at += 1;
        self.push(kind, from, String::new(), String::new());
    }

    /// `.5` and `,77` where no word or number ends right before.
    fn starts_bare_fraction(&self, c: char) -> bool {
        let point = matches!(c, '.' | '٫') || (c == ',' && self.tokens.last().is_none_or(Token::is_break));
        point
            && self.digit_at(1).is_some()
            && self.before().is_none_or(|before| before == ' ' || before == '\n')
    }

    /// Nothing but blanks and skipped bullets stands before on this line.
    fn at_line_start(&self) -> bool {
        self.tokens.last().is_none_or(|last| matches!(last.kind, Kind::Line))
    }

    fn word(&mut self) {
        let from = self.at;
        let mut word = String::new();
        while let Some(c) = self.peek(0) {
            if is_letter(c) {
                word.push(c);
            } else if matches!(c, '\'' | '’') && self.peek(1).is_some_and(is_letter) {
                if is_elision(&word) && self.letters_after(1) >= 3 {
                    break;
                }
            } else if c == '.' && word.chars().count() == 1 && self.is_abbreviation() {
                // "k.g." is "kg".
            } else {
                break;
            }
            self.at += 1;
        }
        let (key, lower) = (fold(&word), lower(&word));
        self.push(Kind::Word, from, key, lower);
    }

    fn letters_after(&self, ahead: usize) -> usize {
        (ahead..).take_while(|&at| self.peek(at).is_some_and(is_letter)).count()
    }

    /// A point after a single letter, before one or two more letters and no third.
    fn is_abbreviation(&self) -> bool {
        matches!(self.letters_after(1), 1 | 2)
    }

    fn sign(&mut self, c: char) {
        match c {
            '\n' => self.push_sign(Kind::Line),
            ',' | ';' | '、' | '،' | '؛' | '।' | '॥' | '|' | '!' | '…' | '。' | '/' | '\\' => {
                self.push_sign(Kind::Comma);
            }
            '?' | '؟' => self.push_sign(Kind::Comma),
            '.' => self.full_stop(),
            '&' => self.push_sign(Kind::And),
            '+' => self.push_sign(Kind::And),
            ':' | '=' | '→' => self.push_sign(Kind::Link),
            '×' | '✕' | '✖' | '╳' | '∗' | '⨯' => self.push_sign(Kind::Times),
            '*' => self.asterisk(),
            '(' | ')' | '[' | ']' | '{' | '}' => self.push_sign(Kind::Bracket),
            '-' | '‐' | '‑' | '‒' | '–' | '—' | '−' => self.dash(),
            // A price or a share is no quantity: the word makes the phrase around it not understood.
            '%' | '$' | '€' | '£' | '₹' | '¥' | '@' => {
                let from = self.at;
                self.at += 1;
                self.push(Kind::Word, from, c.to_string(), c.to_string());
            }
            c if is_pictogram(c) => {
                let from = self.at;
                self.at += 1;
                self.push(Kind::Word, from, c.to_string(), c.to_string());
            }
            _ => self.at += 1,
        }
    }

    /// A full stop ends a clause, except after an abbreviation ("St.", "g.", "Dr.").
    fn full_stop(&mut self) {
        let short = self.tokens.last().is_some_and(|last| {
            last.is_word() && last.end == self.offset(self.at) && last.key.chars().count() <= 3
        });
        if short { self.at += 1 } else { self.push_sign(Kind::Comma) }
    }

    /// `*` multiplies in `1*10`, `1 * 10` and beside a number; elsewhere it marks bold text or a bullet.
    fn asterisk(&mut self) {
        let (before, after) = (self.before(), self.peek(1));
        let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let previous_number = self.tokens.last().is_some_and(Token::is_number);
        let times = !self.at_line_start()
            && match (blank(before), blank(after)) {
                (false, false) | (true, true) => true,
                (false, true) => previous_number,
                (true, false) => after.and_then(digit).is_some() && !self.closes_bold(),
            };
        if times { self.push_sign(Kind::Times) } else { self.at += 1 }
    }

    /// Whether another `*` follows on this line right after a word: then this one opens bold text.
    fn closes_bold(&self) -> bool {
        let rest = self.chars.iter().skip(self.at + 1).map(|&(_, c)| c).take_while(|&c| c != '\n');
        let mut previous = ' ';
        for c in rest {
            if c == '*' {
                return previous != ' ';
            }
            previous = c;
        }
        false
    }

    fn dash(&mut self) {
        let next_digit = self.digit_at(1).is_some();
        if self.at_line_start() {
            // "- 2 rice" is a bullet, "-2 rice" takes something away.
            if next_digit {
                self.push_sign(Kind::Minus)
            } else {
                self.at += 1
            }
            return;
        }
        let glued = self.before().is_some_and(|c| !c.is_whitespace());
        let next_letter = self.peek(1).is_some_and(is_letter);
        let Some(last) = self.tokens.last() else { return };
        let number_after = next_digit || (self.peek(1) == Some(' ') && self.digit_at(2).is_some());
        if last.is_number() && number_after {
            self.push_sign(Kind::Range);
        } else if glued && last.is_word() && next_letter {
            self.at += 1;
        } else if next_digit && (!glued || !last.is_word() || is_times_word(last)) {
            self.push_sign(Kind::Minus);
        } else {
            self.push_sign(Kind::Link);
        }
    }
}

/// Letters that French and Italian tie to the next word.
fn is_elision(word: &str) -> bool {
    matches!(
        fold(word).as_str(),
        "d" | "l" | "j" | "s" | "n" | "c" | "m" | "t" | "qu" | "dell" | "all" | "dall"
    )
}

fn is_times_word(token: &Token) -> bool {
    matches!(token.key.as_str(), "x" | "х")
}

#[cfg(test)]
#[path = "lex_tests.rs"]
mod tests;
