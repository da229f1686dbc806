//! Numbers found in a row of tokens: literals, words, and the fractions of both.

use super::{Atom, LANGUAGES, TOKENS_MAX, grammar};
use crate::order::amount::Amount;
use crate::order::parse::lex::{Kind, Token};

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
pub(super) const WEAK: [&str; 24] = [
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
