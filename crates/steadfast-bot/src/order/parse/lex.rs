//! Text to tokens: words, exact numbers and the few signs that mean something in an order.

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

// Numbers.
impl Lexer {
    fn number(&mut self) {
        let from = self.at;
        let run = self.digit_run();
        if self.is_numbering(from, &run) {
            self.at += 1;
            return;
        }
        let scientific = matches!(self.peek(0), Some('e' | 'E'))
            && (self.digit_at(1).is_some()
                || (matches!(self.peek(1), Some('+' | '-')) && self.digit_at(2).is_some()));
        if scientific {
            while self.peek(0).is_some_and(|c| !c.is_whitespace() && !matches!(c, ',' | ';')) {
                self.at += 1;
            }
            return self.push_number(Amount::Huge, from, false);
        }
        if let Some(amount) = self.fraction(&run) {
            return self.push_number(amount, from, true);
        }
        let mut amount = read_run(&run);
        if matches!(self.peek(0), Some('k' | 'K')) && !self.peek(1).is_some_and(|c| is_letter(c) || c == '.')
        {
            self.at += 1;
            amount = amount.times(Amount::whole(1_000));
        }
        self.push_number(amount, from, false);
    }

    fn push_number(&mut self, amount: Amount, from: usize, fraction: bool) {
        let key: String = self.chars[from..self.at].iter().filter_map(|&(_, c)| digit(c)).collect();
        self.push(Kind::Number { amount, fraction }, from, key.clone(), key);
    }

    /// Digits with the points, commas and blanks that group them; comes to rest behind them.
    fn digit_run(&mut self) -> String {
        let mut run = String::new();
        while let Some(c) = self.peek(0) {
            if let Some(digit) = digit(c) {
                run.push(digit);
            } else if self.digit_at(1).is_some() {
                match c {
                    '.' | '٫' => run.push('.'),
                    ',' if self.list_comma() => break,
                    ',' => run.push(','),
                    '٬' | '\'' | '’' if self.group_of_three(1) => {}
                    ' ' if self.blank_groups(&run) => {}
                    _ => break,
                }
            } else {
                break;
            }
            self.at += 1;
        }
        run
    }

    /// In `1x2,3x1` the comma parts two lines: a times sign stands before the digits before it, and another
    /// behind the digits behind it. In `1,000 x rice` it does not.
    fn list_comma(&self) -> bool {
        let last_is_times =
            self.tokens.last().is_some_and(|last| matches!(last.kind, Kind::Times) || is_times_word(last));
        if !last_is_times {
            return false;
        }
        let mut ahead = 1;
        while self.digit_at(ahead).is_some() {
            ahead += 1;
        }
        if self.peek(ahead) == Some(' ') {
            ahead += 1;
        }
        match self.peek(ahead) {
            Some('x' | 'X' | 'х' | 'Х') => !self.peek(ahead + 1).is_some_and(is_letter),
            Some('×' | '*' | '✕' | '✖') => true,
            _ => false,
        }
    }

    /// Exactly three digits follow the sign.
    fn group_of_three(&self, ahead: usize) -> bool {
        (ahead..ahead + 3).all(|at| self.digit_at(at).is_some()) && self.digit_at(ahead + 3).is_none()
    }

    /// `100 000`: a blank inside a number, unless a measure follows ("2 500ml" is two of 500 ml).
    fn blank_groups(&self, run: &str) -> bool {
        let head = run.len();
        let grouped = run.bytes().all(|byte| byte.is_ascii_digit()) && !run.starts_with('0');
        let measure =
            self.peek(4).is_some_and(is_letter) || (self.peek(4) == Some(' ') && self.measure_follows(5));
        grouped && (1..=3).contains(&head) && self.group_of_three(1) && !measure
            || grouped && head > 3 && self.joined_before() && self.group_of_three(1) && !measure
    }

    /// Whether this number already holds a blank.
    fn joined_before(&self) -> bool {
        self.at >= 4 && self.chars.get(self.at - 4).is_some_and(|&(_, c)| c == ' ')
    }

    fn measure_follows(&self, ahead: usize) -> bool {
        let word: String =
            (ahead..ahead + 3).map_while(|at| self.peek(at)).take_while(|&c| is_letter(c)).collect();
        matches!(fold(&word).as_str(), "g" | "gm" | "gms" | "gr" | "ml" | "mg" | "gra" | "mil" | "मि" | "ग्")
    }

    /// `1. ` or `1) ` at the start of a line that goes on: the number of the line, not a quantity.
    fn is_numbering(&self, from: usize, run: &str) -> bool {
        let first = self.tokens.last().is_none_or(|last| matches!(last.kind, Kind::Line));
        let only_digits = run.len() <= 3 && run.bytes().all(|byte| byte.is_ascii_digit());
        let text_between =
            self.chars[..from].iter().rev().take_while(|&&(_, c)| c != '\n').any(|&(_, c)| is_letter(c));
        let after = self.peek(1);
        let goes_on = match after {
            Some(' ') => self.chars.iter().skip(self.at + 2).any(|&(_, c)| !c.is_whitespace()),
            Some(c) => is_letter(c),
            None => false,
        };
        first && only_digits && !text_between && matches!(self.peek(0), Some('.' | ')')) && goes_on
    }

    /// `1/2` and `½` (which normalisation writes with a fraction slash).
    fn fraction(&mut self, run: &str) -> Option<Amount> {
        let plain = run.bytes().all(|byte| byte.is_ascii_digit());
        if !plain || !matches!(self.peek(0), Some('/' | '⁄' | '∕')) {
            return None;
        }
        self.digit_at(1)?;
        let vulgar = self.peek(0) == Some('⁄');
        self.at += 1;
        let mut den = String::new();
        while let Some(digit) = self.digit_at(0) {
            den.push(digit);
            self.at += 1;
        }
        // Normalisation writes "1½" as "11⁄2": the last digit is the numerator, unless it is "10⁄…".
        let (whole, num) = match run.len() {
            2.. if vulgar && !run.ends_with('0') => run.split_at(run.len() - 1),
            _ => ("", run),
        };
        let value = Amount::decimal(num, "").over(Amount::decimal(&den, ""));
        Some(value.map_or(Amount::Huge, |value| value.plus(Amount::decimal(whole, ""))))
    }
}

/// Reads digits with points and commas: the sign that comes last and once is the decimal point, unless
/// exactly three digits follow it and a whole number of at most three stands before.
fn read_run(run: &str) -> Amount {
    let signs: Vec<(usize, char)> = run.char_indices().filter(|&(_, c)| c == '.' || c == ',').collect();
    let Some(&(last_at, last)) = signs.last() else { return Amount::decimal(run, "") };
    let digits = |part: &str| part.chars().filter(char::is_ascii_digit).collect::<String>();
    let (head, tail) = (&run[..last_at], &run[last_at + 1..]);
    let single_kind = signs.iter().all(|&(_, sign)| sign == last);
    let grouped = tail.len() == 3
        && !head.is_empty()
        && !head.starts_with('0')
        && head.split(last).count() == signs.len();
    if single_kind && signs.len() > 1 {
        let groups_of_three = run.split(last).skip(1).all(|group| group.len() == 3);
        return if groups_of_three { Amount::decimal(&digits(run), "") } else { Amount::Huge };
    }
    if single_kind && grouped && head.len() <= 3 {
        return Amount::decimal(&digits(run), "");
    }
    Amount::decimal(&digits(head), tail)
}

#[cfg(test)]
#[path = "lex_tests.rs"]
mod tests;
