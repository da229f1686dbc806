//! Number words of many languages: tables of words, and one small grammar that puts them together.

mod grammar;
mod india;
mod read;
mod tables;
mod tables_east;

pub(crate) use read::{Numeral, counts_before_names, read};

use crate::order::parse::lex::{Kind, Token};
use crate::order::text::{fold, lower};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Tokens that one number may span.
const TOKENS_MAX: usize = 16;
/// Characters of a word that is taken apart into number words.
const COMPOUND_CHARS_MAX: usize = 60;

/// What a word contributes to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Atom {
    /// 0.
    Zero,
    /// 1 to 9.
    Digit(u64),
    /// 10 to 19.
    Teen(u64),
    /// 20, 30, … 90.
    Tens(u64),
    /// Another number below 100, complete in itself.
    Below(u64),
    /// 100, multiplied by what stands before.
    Hundred,
    /// 100, 200, … 900 in one word.
    Hundreds(u64),
    /// A power of ten from 1,000, multiplied by what stands before.
    Scale(u64),
    /// 1,000 or more in one word.
    Fixed(u64),
    /// Multiplies the digit before by ten (`puluh`, `mươi`).
    TenTimes,
    /// Ten on its own, ten times after a digit (`mười` without accents).
    TenEither,
    /// Adds ten to the digit before (`belas`, `عشر`).
    PlusTen,
    /// The word that joins parts.
    And,
    /// A number written in digits.
    Literal(u64),
}

/// How a language puts its words together.
#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    /// One word may hold several: `dreiunddreißig`.
    compound: bool,
    /// Units come before tens: `drei und dreißig`.
    units_first: bool,
    /// Tens and units need no joining word.
    tens_plain: bool,
    /// Tens and units may be joined.
    tens_joined: bool,
    /// Ten and a unit make a teen: `dix sept`, `kumi na moja`.
    ten_unit: bool,
    /// `soixante dix`, `quatre vingt onze`.
    vigesimal: bool,
    /// `one twenty two` is 122.
    bare_hundred: bool,
    /// Scales come before their count: `elfu tatu`.
    scale_first: bool,
    /// Accents tell words apart: compare [`lower`], not [`fold`].
    accents: bool,
    /// The joining word may be glued to the front of the next: `وخمسين`.
    and_prefix: bool,
}

/// A language's words as data.
#[derive(Debug, Clone, Copy)]
struct Table {
    rules: Rules,
    zero: &'static str,
    /// Values and their words, blanks between the words.
    numbers: &'static [(u64, &'static str)],
    /// 1 to 99, each with its words, for languages where they are irregular.
    below_hundred: &'static [&'static str],
    hundred: &'static str,
    scales: &'static [(u64, &'static str)],
    ten_times: &'static str,
    plus_ten: &'static str,
    and: &'static str,
}

const EMPTY: Table = Table {
    rules: Rules {
        compound: false,
        units_first: false,
        tens_plain: false,
        tens_joined: false,
        ten_unit: false,
        vigesimal: false,
        bare_hundred: false,
        scale_first: false,
        accents: false,
        and_prefix: false,
    },
    zero: "",
    numbers: &[],
    below_hundred: &[],
    hundred: "",
    scales: &[],
    ten_times: "",
    plus_ten: "",
    and: "",
};

/// A table made ready.
#[derive(Debug)]
struct Language {
    rules: Rules,
    words: HashMap<String, Atom>,
    /// Word lengths in bytes, longest first, for taking compounds apart.
    longest: usize,
}

impl Language {
    fn new(table: &Table) -> Self {
        let mut words = HashMap::new();
        let key = |word: &str| if table.rules.accents { lower(word) } else { fold(word) };
        let mut add = |list: &str, atom: Atom| {
            for word in list.split_whitespace() {
                words.entry(key(word)).or_insert(atom);
            }
        };
        for &(value, list) in table.numbers {
            add(list, atom_of(value));
        }
        for (index, list) in table.below_hundred.iter().enumerate() {
            let value = index as u64 + 1;
            add(list, if value < 10 { Atom::Digit(value) } else { Atom::Below(value) });
        }
        add(table.zero, Atom::Zero);
        add(table.hundred, Atom::Hundred);
        for &(value, list) in table.scales {
            add(list, Atom::Scale(value));
        }
        add(table.ten_times, if table.rules.accents { Atom::TenEither } else { Atom::TenTimes });
        add(table.plus_ten, Atom::PlusTen);
        add(table.and, Atom::And);
        let longest = words.keys().map(String::len).max().unwrap_or(0);
        Self { rules: table.rules, words, longest }
    }

    /// What `token` contributes; appends nothing and answers false for a word that is no number's.
    fn atoms(&self, token: &Token, atoms: &mut Vec<Atom>) -> bool {
        let word = match token.kind {
            Kind::Number { amount, fraction: false } => {
                let Some(value) = amount.as_whole() else { return false };
                atoms.push(Atom::Literal(value));
                return true;
            }
            Kind::And => {
                atoms.push(Atom::And);
                return true;
            }
            Kind::Word if self.rules.accents => &token.lower,
            Kind::Word => &token.key,
            _ => return false,
        };
        if let Some(&atom) = self.words.get(word) {
            atoms.push(atom);
            return true;
        }
        if self.rules.and_prefix
            && let Some(atom) = word.strip_prefix('و').and_then(|rest| self.words.get(rest))
        {
            atoms.extend([Atom::And, *atom]);
            return true;
        }
        self.rules.compound && word.len() <= COMPOUND_CHARS_MAX && self.take_apart(word, atoms)
    }

    /// Splits a compound into number words, longest first, stepping back where that leads nowhere.
    fn take_apart(&self, word: &str, atoms: &mut Vec<Atom>) -> bool {
        // Ends already found to be dead: without them, hostile words cost exponential time.
        let mut dead = vec![false; word.len() + 1];
        self.take_rest(word, 0, atoms, &mut dead)
    }

    fn take_rest(&self, word: &str, from: usize, atoms: &mut Vec<Atom>, dead: &mut [bool]) -> bool {
        if from == word.len() {
            return true;
        }
        if dead[from] {
            return false;
        }
        for end in (from + 1..=word.len().min(from + self.longest)).rev() {
            let Some(atom) = word.get(from..end).and_then(|part| self.words.get(part)) else { continue };
            atoms.push(*atom);
            if self.take_rest(word, end, atoms, dead) {
                return true;
            }
            atoms.pop();
        }
        dead[from] = true;
        false
    }
}

const fn atom_of(value: u64) -> Atom {
    match value {
        0 => Atom::Zero,
        1..=9 => Atom::Digit(value),
        10..=19 => Atom::Teen(value),
        20..=99 if value.is_multiple_of(10) => Atom::Tens(value),
        21..=99 => Atom::Below(value),
        100..=999 => Atom::Hundreds(value),
        _ => Atom::Fixed(value),
    }
}

static LANGUAGES: LazyLock<Vec<Language>> = LazyLock::new(|| {
    tables::ALL.iter().chain(tables_east::ALL).chain(india::ALL).map(Language::new).collect()
});

#[cfg(test)]
mod tests;
