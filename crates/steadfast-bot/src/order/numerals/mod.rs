//! Number words of many languages: tables of words, and one small grammar that puts them together.

mod grammar;
mod india;
mod tables;
mod tables_east;

use crate::order::amount::Amount;
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

/// Words that put a point into a number.
const POINTS: [&str; 11] =
    ["point", "punto", "coma", "komma", "ponto", "virgola", "virgule", "virgula", "phay", "दशमलव", "فاصله"];
/// Words for a half, and the joiners before one.
const HALVES: [&str; 24] = [
    "half",
    "halves",
    "medio",
    "media",
    "meio",
    "meia",
    "demi",
    "demie",
    "mezzo",
    "mezza",
    "halb",
    "halbe",
    "halbes",
    "halber",
    "halben",
    "half",
    "halve",
    "setengah",
    "nusu",
    "आधा",
    "आधि",
    "adha",
    "نصف",
    "নূন",
];
const HALF_JOINERS: [&str; 11] = ["and", "a", "y", "e", "et", "und", "en", "na", "و", "dan", "di"];
const QUARTERS: [&str; 5] = ["quarter", "cuarto", "quart", "viertel", "quarto"];

/// A number found in a row of tokens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numeral {
    pub(crate) amount: Amount,
    /// How many tokens it spans, at least 1.
    pub(crate) len: usize,
    /// Its word means something else in another language: a number only before a unit or a product.
    pub(crate) weak: bool,
}

/// Whether the weak number word `key` counts before a product.
pub(crate) fn counts_before_names(key: &str) -> bool {
    COUNT_BEFORE_NAMES.contains(&key)
}

/// Of the weak words, those that count before any product, not only before a unit.
const COUNT_BEFORE_NAMES: [&str; 6] = ["ba", "hai", "mil", "nau", "once", "single"];

/// Words that count one, or that other languages use for something else.
const WEAK: [&str; 24] = [
    "a", "an", "ba", "bay", "bees", "bis", "bon", "cha", "char", "che", "das", "dash", "do", "dus", "hai",
    "mil", "mot", "nau", "nulla", "once", "sat", "single", "tam", "tin",
];

/// Reads the number that begins at token `at`. `fresh` says that no product name stands before it in its
/// clause: only then may a literal combine with what follows (`3 en 30`), which may be the next line's.
pub(crate) fn read(tokens: &[Token], at: usize, fresh: bool) -> Option<Numeral> {
    let whole = literal(tokens, at).into_iter().chain(words(tokens, at, fresh)).max_by_key(|found| found.len);
    let numeral = match whole {
        Some(numeral) => fractional_tail(tokens, at, numeral),
        None => fractional_head(tokens, at)?,
    };
    Some(repeated_in_brackets(tokens, at, numeral))
}

/// A literal, with the scale word behind it if there is one.
fn literal(tokens: &[Token], at: usize) -> Option<Numeral> {
    let Kind::Number { amount, fraction } = tokens.get(at)?.kind else { return None };
    if let Some(Kind::Number { amount: part, fraction: true }) = tokens.get(at + 1).map(|token| token.kind)
        && !fraction
        && part.is_below_one()
    {
        return Some(Numeral { amount: amount.plus(part), len: 2, weak: false });
    }
    let scale = tokens.get(at + 1).filter(|next| next.is_word()).and_then(|next| {
        LANGUAGES.iter().filter(|language| !language.rules.scale_first).find_map(|language| {
            let key = if language.rules.accents { &next.lower } else { &next.key };
            match language.words.get(key) {
                Some(&Atom::Scale(value)) => Some(value),
                Some(Atom::Hundred) if amount.as_whole().is_some_and(|count| count < 100) => Some(100),
                _ => None,
            }
        })
    });
    Some(match scale {
        Some(scale) => Numeral { amount: amount.times(Amount::whole(scale)), len: 2, weak: false },
        None => Numeral { amount, len: 1, weak: false },
    })
}

/// The longest number in words, over all languages.
fn words(tokens: &[Token], at: usize, fresh: bool) -> Option<Numeral> {
    let mut best: Option<Numeral> = None;
    for language in LANGUAGES.iter() {
        let mut atoms = Vec::new();
        let mut ends = Vec::new();
        for token in tokens.iter().skip(at).take(TOKENS_MAX) {
            if !language.atoms(token, &mut atoms) {
                break;
            }
            ends.push(atoms.len());
        }
        let longest = ends.iter().enumerate().rev().find_map(|(index, &end)| {
            let part = &atoms[..end];
            let allowed = fresh || !matches!(part.first(), Some(Atom::Literal(_)));
            let value = if allowed { grammar::value(part, language.rules) } else { None };
            value.map(|value| (index + 1, value))
        });
        if let Some((len, value)) = longest
            && best.is_none_or(|best| best.len < len)
        {
            // Typed with its accents, `một` is no French word.
            let weak = len == 1 && tokens[at].lower.is_ascii() && WEAK.contains(&tokens[at].key.as_str());
            best = Some(Numeral { amount: Amount::whole(value), len, weak });
        }
    }
    best.or_else(|| article(tokens, at, fresh))
}

/// "A coke" is one coke, "a hundred and one" is a number.
fn article(tokens: &[Token], at: usize, fresh: bool) -> Option<Numeral> {
    if !has_key(tokens, at, &["a", "an", "another"]) {
        return None;
    }
    if !has_key(tokens, at + 1, &["a", "an", "another"])
        && let Some(numeral) = words(tokens, at + 1, fresh)
        && (numeral.amount.as_whole().is_some_and(|value| value >= 100)
            || has_key(tokens, at + 1, &["couple", "single"]))
    {
        return Some(Numeral { len: numeral.len + 1, ..numeral });
    }
    Some(Numeral { amount: Amount::ONE, len: 1, weak: tokens[at].key != "another" })
}

fn has_key(tokens: &[Token], at: usize, keys: &[&str]) -> bool {
    tokens.get(at).is_some_and(|token| token.is_word() && keys.contains(&token.key.as_str()))
}

/// `… point five`, `… and a half` behind a whole number.
fn fractional_tail(tokens: &[Token], at: usize, numeral: Numeral) -> Numeral {
    let behind = at + numeral.len;
    if has_key(tokens, behind, &POINTS)
        && let Some((fraction, len)) = after_point(tokens, behind + 1)
    {
        return Numeral { amount: numeral.amount.plus(fraction), len: numeral.len + 1 + len, weak: false };
    }
    let joined = (behind..behind + 3).find(|&at| !has_key(tokens, at, &HALF_JOINERS)).unwrap_or(behind);
    let plain_half = joined == behind;
    if !plain_half && has_key(tokens, joined, &HALVES) && !dozen_follows(tokens, joined + 1) {
        let len = joined + 1 - at;
        return Numeral { amount: numeral.amount.plus(Amount::HALF), len, weak: false };
    }
    // "A half", "una media", "one quarter": that part of one, not one and a part.
    if plain_half && has_key(tokens, behind, &HALVES) {
        return Numeral { amount: numeral.amount.times(Amount::HALF), len: numeral.len + 1, weak: false };
    }
    if has_key(tokens, behind, &QUARTERS) {
        let quarter = Amount::HALF.times(Amount::HALF);
        return Numeral { amount: numeral.amount.times(quarter), len: numeral.len + 1, weak: false };
    }
    numeral
}

/// "One and a half dozen" is eighteen, but "two and half a dozen" is nothing anyone means: both are asked.
fn dozen_follows(tokens: &[Token], at: usize) -> bool {
    has_key(tokens, at, &["a"]) && has_key(tokens, at + 1, &["dozen"])
}

/// `point 77`, `half`, `half a`.
fn fractional_head(tokens: &[Token], at: usize) -> Option<Numeral> {
    if has_key(tokens, at, &POINTS) {
        let (amount, len) = after_point(tokens, at + 1)?;
        return Some(Numeral { amount, len: len + 1, weak: false });
    }
    if has_key(tokens, at, &QUARTERS) {
        return Some(Numeral { amount: Amount::HALF.times(Amount::HALF), len: 1, weak: true });
    }
    if !has_key(tokens, at, &HALVES) {
        return None;
    }
    let article = has_key(tokens, at + 1, &["a", "an"]);
    Some(Numeral { amount: Amount::HALF, len: 1 + usize::from(article), weak: !article })
}

/// The digits behind a point, as a fraction.
fn after_point(tokens: &[Token], at: usize) -> Option<(Amount, usize)> {
    let found = match tokens.get(at)?.kind {
        Kind::Number { fraction: false, .. } => (tokens[at].key.clone(), 1),
        _ => {
            let numeral = words(tokens, at, false).filter(|numeral| !numeral.weak || numeral.len > 1)?;
            (numeral.amount.as_whole()?.to_string(), numeral.len)
        }
    };
    Some((Amount::decimal("", &found.0), found.1))
}

/// `forty-five (45)` is one number said twice.
fn repeated_in_brackets(tokens: &[Token], at: usize, numeral: Numeral) -> Numeral {
    let open = at + numeral.len;
    let bracket = |at: usize| tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Bracket));
    if !bracket(open) {
        return numeral;
    }
    let inner = literal(tokens, open + 1).or_else(|| words(tokens, open + 1, false));
    match inner {
        Some(inner) if inner.amount.same_as(numeral.amount) && bracket(open + 1 + inner.len) => {
            Numeral { len: numeral.len + inner.len + 2, ..numeral }
        }
        _ => numeral,
    }
}

#[cfg(test)]
mod tests;
