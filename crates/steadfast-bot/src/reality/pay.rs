//! Pay: rates that are too good, ranges that are plausible.

use super::money::Amount;
use super::tokens::{Kind, Token};

/// A rate of pay: tokens `from..to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// How much.
    pub amount: Amount,
    /// Per how many hours of work.
    pub period: Period,
    /// First token.
    pub from: usize,
    /// Token after the last.
    pub to: usize,
}

/// What a rate is per.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

const PERIODS: &[(Period, &[&str])] = &[
    (Period::Hour, &["hour", "hr", "hourly", "hora", "hrs", "heure", "घण्टा", "घंटे", "ghanta"]),
    (
        Period::Day,
        &[
            "day",
            "daily",
            "dia",
            "diario",
            "diarios",
            "diarias",
            "jour",
            "din",
            "roj",
            "rojana",
            "दिन",
            "रोज",
            "दैनिक",
            "प्रतिदिन",
        ],
    ),
    (
        Period::Week,
        &["week", "weekly", "semana", "semanal", "semanales", "semanais", "hafta", "हप्ता", "हफ्ते", "साप्ताहिक"],
    ),
    (
        Period::Month,
        &[
            "month",
            "monthly",
            "mes",
            "mensual",
            "mensuales",
            "mensais",
            "mensal",
            "mahina",
            "mahine",
            "महिना",
            "महीना",
            "महीने",
            "मासिक",
            "pm",
        ],
    ),
    (
        Period::Year,
        &["year", "yearly", "annum", "annual", "annually", "pa", "lpa", "ano", "anual", "anuales", "वर्ष"],
    ),
];

/// Words between an amount and its period.
const LINKS: &[&str] = &[
    "per",
    "a",
    "an",
    "each",
    "every",
    "por",
    "al",
    "ao",
    "a",
    "la",
    "cada",
    "par",
    "in",
    "प्रति",
    "pre",
    "one",
    "the",
    "prati",
];

/// The rates in `tokens`.
pub(super) fn rates(tokens: &[Token]) -> Vec<Rate> {
    let mut found = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let Kind::Money(amount) = token.kind else { continue };
        if let Some((period, to)) = period_after(tokens, index + 1) {
            found.push(Rate { amount, period, from: index, to });
        } else if let Some((period, from)) = period_before(tokens, index) {
            found.push(Rate { amount, period, from, to: index + 1 });
        }
    }
    found
}

fn period_of(token: &Token) -> Option<Period> {
    PERIODS.iter().find(|(_, words)| words.contains(&token.word.as_str())).map(|&(period, _)| period)
}

/// "$500 per day", "$500/day", "$500 daily", "$500 a la semana".
fn period_after(tokens: &[Token], from: usize) -> Option<(Period, usize)> {
    let near = tokens.iter().enumerate().skip(from).filter(|(_, token)| token.kind != Kind::Pause);
    for (index, token) in near.take(4) {
        if let Some(period) = period_of(token) {
            return Some((period, index + 1));
        }
        if !LINKS.contains(&token.word.as_str()) {
            return None;
        }
    }
    None
}

/// "daily $500", "per day earn $500", "roj ₹5000".
fn period_before(tokens: &[Token], at: usize) -> Option<(Period, usize)> {
    const BETWEEN: [&str; 12] = [
        "earn",
        "earning",
        "earnings",
        "income",
        "pay",
        "payment",
        "up",
        "to",
        "kamaye",
        "kamao",
        "of",
        "कमाएं",
    ];
    let before = tokens[..at].iter().enumerate().rev().filter(|(_, token)| token.kind != Kind::Pause);
    for (index, token) in before.take(4) {
        if let Some(period) = period_of(token) {
            return Some((period, index));
        }
        if !BETWEEN.contains(&token.word.as_str()) {
            return None;
        }
    }
    None
}

/// Dollars beyond which a rate is too good for work that asks for no qualification: in countries of high
/// wages, elsewhere.
fn too_good(period: Period) -> (f64, f64) {
    match period {
        Period::Hour => (75.0, 15.0),
        Period::Day => (190.0, 28.0),
        Period::Week => (1_500.0, 180.0),
        Period::Month => (7_500.0, 900.0),
        Period::Year => (200_000.0, 25_000.0),
    }
}

impl Rate {
    /// The rate against what is too good: from 1.0 on it is.
    pub(super) fn excess(&self) -> f64 {
        let (strong, weak) = too_good(self.period);
        self.amount.high_usd() / if self.amount.strong { strong } else { weak }
    }
}

/// Whether an amount is a range as honest ads state them: its ends not too far apart, of the size of a wage.
pub(super) fn plausible_range(tokens: &[Token], index: usize, rates: &[Rate]) -> bool {
    let Some(Token { kind: Kind::Money(amount), .. }) = tokens.get(index) else { return false };
    let rate = rates.iter().find(|rate| (rate.from..rate.to).contains(&index));
    if rate.is_some_and(|rate| matches!(rate.period, Period::Day) || rate.excess() >= 1.0) {
        return false;
    }
    let yearly = rate.is_none() && amount.low * amount.usd < 1_000.0;
    amount.high > amount.low && amount.high <= amount.low * 2.5 && !yearly
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn excesses(text: &str) -> Vec<bool> {
        rates(&tokens(text)).iter().map(|rate| rate.excess() >= 1.0).collect()
    }

    #[test]
    fn rates_too_good_and_fair() {
        for text in [
            "$500 per day",
            "$200-500 per day",
            "$10,000 a month",
            "earn daily ₹5000",
            "R$ 300 por dia",
            "$2,000/week",
        ] {
            assert_eq!(excesses(text), [true], "{text}");
        }
        for text in [
            "$18 an hour",
            "Rs 600 per day",
            "$120,000-180,000 a year",
            "NPR 35,000 per month",
            "₹25,000 monthly",
            "€ 2.500 al mes",
        ] {
            assert_eq!(excesses(text), [false], "{text}");
        }
        assert_eq!(excesses("buy $500 gift cards, keep $100"), [false; 0]);
    }

    #[test]
    fn plausible_ranges() {
        let plausible = |text: &str| {
            let tokens = tokens(text);
            let rates = rates(&tokens);
            (0..tokens.len()).any(|index| plausible_range(&tokens, index, &rates))
        };
        assert!(plausible("$70,000-90,000"));
        assert!(plausible("$16 - $20 per hour"));
        assert!(plausible("Rs 25,000 - 35,000 per month"));
        assert!(!plausible("$200-500 per day"));
        assert!(!plausible("$100 - $10,000 a month"));
        assert!(!plausible("$20-40 fee"));
    }
}
