//! The terms of a clause: quantities, names, and what a times sign makes of them.

use super::clause::Clause;
use super::lex::Token;
use super::names::{Found, join};
use super::tag::{Piece, Quantity, Tagged};
use crate::order::amount::Amount;
use crate::order::problem::{Problem, Quoted};
use crate::order::units::{Dimension, Unit};
use std::collections::HashSet;

/// A clause in the terms of the grammar.
#[derive(Debug, Clone)]
pub(super) enum Term {
    /// A quantity.
    Number { amount: Amount, unit: Option<Unit> },
    /// Two numbers with a times sign between: sku and quantity.
    Pair { sku: String, amount: Amount, unit: Option<Unit> },
    /// Several sized packs: `2 x 500 ml`.
    Sized { amount: Amount, size: Amount, unit: Unit },
    /// What names a product, or fails to.
    Name(Meaning),
    /// A times sign.
    Times,
}

#[derive(Debug, Clone)]
pub(super) enum Meaning {
    Product(usize),
    /// Several products fit, or only part of the words names one.
    Candidates(Vec<usize>),
    Unknown,
}

#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) term: Term,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Clause<'_> {
    /// Pieces to terms: neighbouring words and products become one name.
    pub(super) fn terms(&self, pieces: &[Tagged]) -> Option<Vec<Placed>> {
        let mut terms: Vec<Placed> = Vec::new();
        let mut at = 0;
        while let Some(tagged) = pieces.get(at) {
            let mut end = at + 1;
            let term = match &tagged.piece {
                Piece::Number { amount, unit } => Some(Term::Number { amount: amount.0, unit: *unit }),
                Piece::Times => Some(Term::Times),
                // "Rice - 2", "rice: 2"; between two numbers it joins nothing.
                Piece::Link => {
                    let between_numbers =
                        matches!(terms.last(), Some(Placed { term: Term::Number { .. }, .. }))
                            && matches!(pieces.get(at + 1), Some(Tagged { piece: Piece::Number { .. }, .. }));
                    if between_numbers {
                        return None;
                    }
                    None
                }
                Piece::Product(_) | Piece::Word => {
                    while matches!(
                        pieces.get(end).map(|next| &next.piece),
                        Some(Piece::Product(_) | Piece::Word)
                    ) {
                        end += 1;
                    }
                    Some(Term::Name(self.meaning(&pieces[at..end])))
                }
                _ => return None,
            };
            if let Some(term) = term {
                terms.push(Placed { term, from: tagged.from, to: pieces[end - 1].to });
            }
            at = end;
        }
        Some(terms)
    }

    /// What a run of words and products means as one name.
    fn meaning(&self, run: &[Tagged]) -> Meaning {
        if let [Tagged { piece: Piece::Product(found), .. }] = run {
            return Meaning::from(found.clone());
        }
        let tokens: Vec<Token> = run
            .iter()
            .flat_map(|tagged| self.lexed.tokens.get(tagged.from..tagged.to).unwrap_or_default())
            .cloned()
            .collect();
        let key = join(&tokens);
        if let Some(found) = self.names.exact(&key).or_else(|| self.names.fuzzy(&key)) {
            return Meaning::from(found);
        }
        let mut candidates = products_of(run);
        candidates.extend(self.names.similar(&tokens));
        let mut seen = HashSet::new();
        candidates.retain(|product| seen.insert(*product));
        if candidates.is_empty() { Meaning::Unknown } else { Meaning::Candidates(candidates) }
    }
}

impl From<Found> for Meaning {
    fn from(found: Found) -> Self {
        match found {
            Found::Product(product) => Self::Product(product),
            Found::Several(products) => Self::Candidates(products),
        }
    }
}

pub(super) const fn is_measure(unit: Unit) -> bool {
    matches!(unit.dimension(), Dimension::Mass | Dimension::Volume)
}

/// The products that `terms` name, certain or not.
pub(super) fn named(terms: &[Placed]) -> Vec<usize> {
    let mut products: Vec<usize> = Vec::new();
    for placed in terms {
        match &placed.term {
            Term::Name(Meaning::Product(product)) => products.push(*product),
            Term::Name(Meaning::Candidates(candidates)) => products.extend(candidates),
            _ => {}
        }
    }
    products.dedup();
    products
}

/// What makes a whole clause unusable.
pub(super) fn refusal(pieces: &[Tagged], text: &Quoted) -> Option<Problem> {
    let has = |wanted: &Piece| pieces.iter().any(|tagged| tagged.piece == *wanted);
    if has(&Piece::Minus) {
        return Some(Problem::QuantityNegative { text: text.clone() });
    }
    (has(&Piece::Negation) || has(&Piece::Range)).then(|| Problem::NotUnderstood { text: text.clone() })
}

/// Times signs find their numbers: `1x2` is a pair, `2x rice` and `rice x2` are numbers, `2 x 500 ml coke`
/// and `2 500ml coke` are sized. `None` for a sign that finds none.
pub(super) fn glue(terms: &[Placed], clause: &Clause<'_>) -> Option<Vec<Placed>> {
    let mut glued: Vec<Placed> = Vec::new();
    let mut at = 0;
    let number = |at: usize| match terms.get(at).map(|placed| &placed.term) {
        Some(Term::Number { amount, unit }) => Some((*amount, *unit)),
        _ => None,
    };
    let is_times = |at: usize| matches!(terms.get(at), Some(Placed { term: Term::Times, .. }));
    let is_name = |at: usize| matches!(terms.get(at), Some(Placed { term: Term::Name(_), .. }));
    while let Some(placed) = terms.get(at) {
        let Some((amount, unit)) = number(at) else {
            if is_times(at) {
                // "x2": the sign belongs to the number behind it.
                let (amount, unit) = number(at + 1)?;
                let to = terms[at + 1].to;
                let trailing = usize::from(is_times(at + 2) && number(at + 3).is_none());
                glued.push(Placed { term: Term::Number { amount, unit }, from: placed.from, to });
                at += 2 + trailing;
            } else {
                glued.push(placed.clone());
                at += 1;
            }
            continue;
        };
        let mut behind = at + 1;
        while is_times(behind) {
            behind += 1;
        }
        let times = behind > at + 1;
        if unit.is_none()
            && let Some((second, second_unit)) = number(behind)
        {
            let measure = second_unit.filter(|unit| is_measure(*unit) && is_name(behind + 1));
            let to = terms[behind].to;
            if let Some(unit) = measure {
                glued.push(Placed {
                    term: Term::Sized { amount, size: second, unit },
                    from: placed.from,
                    to,
                });
                at = behind + 1;
                continue;
            }
            if times {
                // A third factor is no order line.
                if is_times(behind + 1) || number(behind + 1).is_some_and(|_| terms.len() == behind + 2) {
                    return None;
                }
                let sku =
                    clause.lexed.tokens.get(placed.from).map(|token| token.key.clone()).unwrap_or_default();
                let literal = clause.lexed.tokens.get(placed.from).is_some_and(Token::is_number);
                let sku = if literal { sku } else { amount.as_whole()?.to_string() };
                at = confirmed(terms, behind, clause, &sku)?;
                glued.push(Placed {
                    term: Term::Pair { sku, amount: second, unit: second_unit },
                    from: placed.from,
                    to,
                });
                continue;
            }
        }
        glued.push(Placed { term: Term::Number { amount, unit }, from: placed.from, to: placed.to });
        at = behind;
    }
    Some(glued)
}

/// "1x2 rice" is fine if number 1 is rice, and unclear if it is not. Answers where to go on.
fn confirmed(terms: &[Placed], behind: usize, clause: &Clause<'_>, sku: &str) -> Option<usize> {
    match terms.get(behind + 1).map(|placed| &placed.term) {
        Some(Term::Name(Meaning::Product(product))) => {
            (clause.names.by_number(sku) == Some(*product)).then_some(behind + 2)
        }
        Some(Term::Name(_)) => None,
        _ => Some(behind + 1),
    }
}

/// The products that the pieces name, certain or not.
pub(super) fn products_of(pieces: &[Tagged]) -> Vec<usize> {
    let mut products = Vec::new();
    for tagged in pieces {
        match &tagged.piece {
            Piece::Product(Found::Product(product)) => products.push(*product),
            Piece::Product(Found::Several(several)) => products.extend(several),
            _ => {}
        }
    }
    products
}

impl Clause<'_> {
    /// Reads a size at the end of a name as a quantity: "sugar 1 kg" is one kilogram of sugar, although
    /// "Sugar (1kg)" is what the product is called. `None` if no name ends so.
    pub(super) fn sizes_as_quantities(&self, pieces: &[Tagged]) -> Option<Vec<Tagged>> {
        let mut parted = Vec::with_capacity(pieces.len() + 2);
        let mut any = false;
        for tagged in pieces {
            match self.size_behind_name(tagged) {
                Some((name, size)) => {
                    parted.extend([name, size]);
                    any = true;
                }
                None => parted.push(tagged.clone()),
            }
        }
        any.then_some(parted)
    }

    fn size_behind_name(&self, tagged: &Tagged) -> Option<(Tagged, Tagged)> {
        if !matches!(tagged.piece, Piece::Product(_)) {
            return None;
        }
        let tokens = self.lexed.tokens.get(tagged.from..tagged.to)?;
        let at = tokens.iter().rposition(Token::is_number).filter(|&at| at > 0)?;
        let unit =
            tokens.get(at + 1).filter(|token| token.is_word()).and_then(|token| Unit::parse(&token.key))?;
        let only_brackets_behind =
            tokens.get(at + 2..)?.iter().all(|token| !token.is_word() && !token.is_number());
        let super::lex::Kind::Number { amount, .. } = tokens.get(at)?.kind else { return None };
        let found = self.names.exact(&join(&tokens[..at])).filter(|_| only_brackets_behind)?;
        let name = Tagged { piece: Piece::Product(found), from: tagged.from, to: tagged.from + at };
        let piece = Piece::Number { amount: Quantity(amount), unit: Some(unit) };
        Some((name, Tagged { piece, from: tagged.from + at, to: tagged.to }))
    }
}
