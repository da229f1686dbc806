//! Amounts of money: currency signs and words, numbers, magnitudes, ranges.

use super::tokens::{Kind, Token};

/// An amount of money, or a range of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Amount {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Roughly what one unit is in US dollars: good for magnitudes, not for accounts.
    pub usd: f64,
    /// A currency of a high-wage country.
    pub strong: bool,
}

impl Amount {
    /// The upper end in US dollars, roughly.
    pub(super) fn high_usd(&self) -> f64 {
        self.high * self.usd
    }
}

/// Sign or word, dollars per unit, currency of a high-wage country.
const CURRENCIES: &[(&str, f64, bool)] = &[
    ("$", 1.0, true),
    ("us$", 1.0, true),
    ("usd", 1.0, true),
    ("dollar", 1.0, true),
    ("dollars", 1.0, true),
    ("dolares", 1.0, true),
    ("€", 1.1, true),
    ("eur", 1.1, true),
    ("euro", 1.1, true),
    ("euros", 1.1, true),
    ("£", 1.25, true),
    ("gbp", 1.25, true),
    ("pounds", 1.25, true),
    ("cad", 0.72, true),
    ("aud", 0.65, true),
    ("c$", 0.72, true),
    ("ca$", 0.72, true),
    ("a$", 0.65, true),
    ("nz$", 0.6, true),
    ("aed", 0.27, true),
    ("dirham", 0.27, true),
    ("dirhams", 0.27, true),
    ("sar", 0.27, true),
    ("₹", 0.012, false),
    ("inr", 0.012, false),
    ("rs", 0.01, false),
    ("rupees", 0.01, false),
    ("rupee", 0.01, false),
    ("rupaye", 0.01, false),
    ("rupaya", 0.01, false),
    ("रुपये", 0.012, false),
    ("रुपए", 0.012, false),
    ("रुपैयाँ", 0.0075, false),
    ("रु", 0.0075, false),
    ("npr", 0.0075, false),
    ("pkr", 0.0036, false),
    ("taka", 0.009, false),
    ("bdt", 0.009, false),
    ("r$", 0.18, false),
    ("reais", 0.18, false),
    ("brl", 0.18, false),
    ("pesos", 0.05, false),
    ("mxn", 0.05, false),
    ("mx$", 0.05, false),
    ("₱", 0.017, false),
    ("php", 0.017, false),
    ("₦", 0.0007, false),
    ("naira", 0.0007, false),
    ("ksh", 0.0077, false),
    ("kes", 0.0077, false),
    ("rp", 0.000_06, false),
];

/// Joins currency, numbers and magnitude words into amounts.
pub(super) fn joined(text: &str, tokens: &[Token]) -> Vec<Token> {
    let mut joined: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut index = 0;
    while index < tokens.len() {
        match amount(text, &tokens[index..]) {
            Some((amount, used)) => {
                let (start, end) = (tokens[index].start, tokens[index + used - 1].end);
                joined.push(Token { kind: Kind::Money(amount), word: "#money".to_owned(), start, end });
                index += used;
            }
            None => {
                joined.push(tokens[index].clone());
                index += 1;
            }
        }
    }
    joined
}

fn currency(token: Option<&Token>) -> Option<(f64, bool)> {
    let token = token.filter(|token| token.kind == Kind::Word)?;
    CURRENCIES.iter().find(|(word, ..)| *word == token.word).map(|&(_, usd, strong)| (usd, strong))
}

/// An amount at the beginning of `tokens`, and how many of them it takes.
fn amount(text: &str, tokens: &[Token]) -> Option<(Amount, usize)> {
    let before = currency(tokens.first());
    let mut used = usize::from(before.is_some());
    let (low, more) = figure(&tokens[used..])?;
    used += more;
    let mut high = low;
    let range = range_end(text, tokens, used);
    if let Some((value, to)) = range {
        (high, used) = (value, to);
    }
    let after = if before.is_none() { currency(tokens.get(used)) } else { None };
    used += usize::from(after.is_some());
    let (usd, strong) = before.or(after)?;
    // "$5-10k": the thousand belongs to both.
    let low = if high >= 1_000.0 && low < 1_000.0 && low * 1_000.0 <= high { low * 1_000.0 } else { low };
    Some((Amount { low: low.min(high), high: high.max(low), usd, strong }, used))
}

/// A number with a magnitude word, and how many tokens it takes.
fn figure(tokens: &[Token]) -> Option<(f64, usize)> {
    let Kind::Number(value) = tokens.first()?.kind else { return None };
    let factor = match tokens.get(1).map_or("", |token| token.word.as_str()) {
        "lakh" | "lakhs" | "lac" | "lacs" | "लाख" => 100_000.0,
        "crore" | "crores" => 10_000_000.0,
        "thousand" | "mil" | "hazar" | "hajar" | "हजार" | "हज़ार" => 1_000.0,
        "million" => 1_000_000.0,
        _ => return Some((value, 1)),
    };
    Some((value * factor, 2))
}

/// The upper end of a range whose lower end stops before token `at`.
fn range_end(text: &str, tokens: &[Token], at: usize) -> Option<(f64, usize)> {
    let last = tokens.get(at.checked_sub(1)?)?;
    let mut next = at;
    while tokens
        .get(next)
        .is_some_and(|token| token.kind == Kind::Pause || matches!(token.word.as_str(), "to" | "a" | "ate"))
    {
        next += 1;
    }
    next += usize::from(currency(tokens.get(next)).is_some());
    let between = text.get(last.end..tokens.get(next)?.start)?.trim();
    let mark = between.trim_matches(|c: char| !c.is_alphanumeric() && !"-–—".contains(c));
    if !matches!(mark, "-" | "–" | "—" | "to" | "TO" | "a" | "até") && !between.starts_with(['-', '–', '—'])
    {
        return None;
    }
    let (value, used) = figure(&tokens[next..])?;
    Some((value, next + used))
}
