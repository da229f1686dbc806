//! Number literals: grouped, decimal, fractions, and the numbering of lines.

use super::{Kind, Lexer, is_times_word};
use crate::order::amount::Amount;
use crate::order::text::{digit, fold, is_letter};

impl Lexer {
    pub(super) fn number(&mut self) {
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
