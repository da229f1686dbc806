//! One clause of an order: which number belongs to which product.

use super::address;
use super::lex::{Lexed, Token};
use super::names::{CANDIDATES_MAX, Found, Names, join};
use super::quantity::{Sold, is_pack, units_of};
use super::tag::{Piece, Tagged};
use crate::order::amount::Amount;
use crate::order::problem::{Problem, Quoted};
use crate::order::units::{Dimension, Unit};

/// What a clause yields.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A line.
    Item { product: usize, quantity: u32, unit: Option<Unit>, text: Quoted },
    /// Something to ask.
    Problem(Problem),
    /// A clause that is an address.
    Address(String),
}

/// Reads clauses.
pub(super) struct Clause<'a> {
    pub(super) lexed: &'a Lexed,
    pub(super) names: &'a Names<'a>,
    /// A product without a number is one of it.
    pub(super) assume_one: bool,
}

/// A clause in the terms of the grammar.
#[derive(Debug, Clone)]
enum Term {
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
enum Meaning {
    Product(usize),
    /// Several products fit, or only part of the words names one.
    Candidates(Vec<usize>),
    Unknown,
}

#[derive(Debug, Clone)]
struct Placed {
    term: Term,
    from: usize,
    to: usize,
}

impl Clause<'_> {
    /// Everything that `pieces`, one clause, says.
    pub(super) fn read(&self, pieces: &[Tagged]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let (notes, pieces): (Vec<Tagged>, Vec<Tagged>) =
            pieces.iter().cloned().partition(|tagged| tagged.piece == Piece::Note);
        self.read_lines(&pieces, &mut outcomes);
        for note in notes {
            outcomes.push(Outcome::Problem(Problem::NotUnderstood { text: self.quote(note.from, note.to) }));
        }
        outcomes
    }

    fn read_lines(&self, pieces: &[Tagged], outcomes: &mut Vec<Outcome>) {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return };
        let whole = self.quote(first.from, last.to);
        if let Some(problem) = refusal(pieces, &whole) {
            outcomes.push(Outcome::Problem(problem));
            return;
        }
        if let Some(text) = address::stands_alone(self.lexed, self.names, first.from, last.to) {
            outcomes.push(Outcome::Address(text));
            return;
        }
        match self.terms(pieces).and_then(|terms| glue(terms, self)) {
            Some(terms) if !terms.is_empty() => self.lines(&terms, &whole, outcomes),
            Some(_) => {}
            None => outcomes.push(Outcome::Problem(self.unclear(pieces, whole))),
        }
    }

    fn quote(&self, from: usize, to: usize) -> Quoted {
        Quoted::new(self.lexed.slice(from, to))
    }

    /// A clause that makes no line: offers what its words may have meant.
    fn unclear(&self, pieces: &[Tagged], text: Quoted) -> Problem {
        let mut candidates = Vec::new();
        for tagged in pieces {
            match &tagged.piece {
                Piece::Product(Found::Product(product)) => candidates.push(*product),
                Piece::Product(Found::Several(products)) => candidates.extend(products),
                _ => {}
            }
        }
        candidates.dedup();
        self.ambiguous_or(candidates, text, |text| Problem::NotUnderstood { text })
    }

    fn ambiguous_or(
        &self,
        mut products: Vec<usize>,
        text: Quoted,
        other: impl FnOnce(Quoted) -> Problem,
    ) -> Problem {
        products.truncate(CANDIDATES_MAX);
        let candidates: Vec<String> = products
            .iter()
            .filter_map(|&index| self.names.product(index))
            .map(|product| product.sku.clone())
            .collect();
        if candidates.is_empty() { other(text) } else { Problem::Ambiguous { text, candidates } }
    }

    /// Pieces to terms: neighbouring words and products become one name.
    fn terms(&self, pieces: &[Tagged]) -> Option<Vec<Placed>> {
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
        let mut candidates: Vec<usize> = Vec::new();
        for tagged in run {
            match &tagged.piece {
                Piece::Product(Found::Product(product)) => candidates.push(*product),
                Piece::Product(Found::Several(products)) => candidates.extend(products),
                _ => {}
            }
        }
        candidates.extend(self.names.similar(&tokens));
        let mut seen = std::collections::HashSet::new();
        candidates.retain(|product| seen.insert(*product));
        if candidates.is_empty() { Meaning::Unknown } else { Meaning::Candidates(candidates) }
    }

    /// Terms to lines: each number with its one neighbour.
    fn lines(&self, terms: &[Placed], whole: &Quoted, outcomes: &mut Vec<Outcome>) {
        if let [Placed { term: Term::Name(meaning), from, to }] = terms {
            return outcomes.push(self.bare(meaning, *from, *to));
        }
        let mut at = 0;
        let mut lines = Vec::new();
        while at < terms.len() {
            match self.line(&terms[at..]) {
                Some((outcome, taken)) => {
                    lines.push(outcome);
                    at += taken;
                }
                None => {
                    let problem = self
                        .ambiguous_or(named(terms), whole.clone(), |text| Problem::NotUnderstood { text });
                    return outcomes.push(Outcome::Problem(problem));
                }
            }
        }
        outcomes.append(&mut lines);
    }

    /// The line at the front of `terms`, and how many terms it takes.
    fn line(&self, terms: &[Placed]) -> Option<(Outcome, usize)> {
        match terms {
            [Placed { term: Term::Pair { sku, amount, unit }, from, to }, ..] => {
                Some((self.pair(sku, *amount, *unit, &self.quote(*from, *to)), 1))
            }
            [sized, name, ..]
                if matches!(sized.term, Term::Sized { .. }) && matches!(name.term, Term::Name(_)) =>
            {
                let (Term::Sized { amount, size, unit }, Term::Name(meaning)) = (&sized.term, &name.term)
                else {
                    return None;
                };
                Some((self.sized(*amount, *size, *unit, meaning, sized.from, name), 2))
            }
            // "2 coke 500 ml" where the size is not in the name.
            [number, name, size] => match (&number.term, &name.term, &size.term) {
                (
                    Term::Number { amount, unit: None },
                    Term::Name(meaning),
                    Term::Number { amount: size, unit: Some(unit) },
                ) if is_measure(*unit) => {
                    let text = Placed { from: name.from, to: name.to, term: name.term.clone() };
                    Some((self.sized(*amount, *size, *unit, meaning, number.from, &text), 3))
                }
                _ => self.pairing(number, name),
            },
            [one, other, ..] => self.pairing(one, other),
            _ => None,
        }
    }

    /// A number and a name, in either order.
    fn pairing(&self, one: &Placed, other: &Placed) -> Option<(Outcome, usize)> {
        let (number, name) = match (&one.term, &other.term) {
            (Term::Number { .. }, Term::Name(_)) => (one, other),
            (Term::Name(_), Term::Number { .. }) => (other, one),
            _ => return None,
        };
        let (Term::Number { amount, unit }, Term::Name(meaning)) = (&number.term, &name.term) else {
            return None;
        };
        let text = self.quote(one.from.min(other.from), one.to.max(other.to));
        Some((self.named(meaning, *amount, *unit, &text, name), 2))
    }

    fn named(
        &self,
        meaning: &Meaning,
        amount: Amount,
        unit: Option<Unit>,
        text: &Quoted,
        name: &Placed,
    ) -> Outcome {
        match meaning {
            Meaning::Product(product) => self.item(*product, amount, unit, text),
            Meaning::Candidates(products) => {
                let text = text.clone();
                Outcome::Problem(
                    self.ambiguous_or(products.clone(), text, |text| Problem::UnknownProduct { text }),
                )
            }
            Meaning::Unknown => {
                Outcome::Problem(Problem::UnknownProduct { text: self.quote(name.from, name.to) })
            }
        }
    }

    fn item(&self, product: usize, amount: Amount, unit: Option<Unit>, text: &Quoted) -> Outcome {
        let Some(entry) = self.names.product(product) else {
            return Outcome::Problem(Problem::UnknownProduct { text: text.clone() });
        };
        let sold =
            Sold { sku: &entry.sku, pack: self.names.pack(product), max: self.names.catalogue.quantity_max };
        match units_of(sold, amount, unit, text) {
            Ok(quantity) => Outcome::Item { product, quantity, unit, text: text.clone() },
            Err(problem) => Outcome::Problem(problem),
        }
    }

    fn sized(
        &self,
        amount: Amount,
        size: Amount,
        unit: Unit,
        meaning: &Meaning,
        from: usize,
        name: &Placed,
    ) -> Outcome {
        let text = self.quote(from, name.to);
        match meaning {
            Meaning::Product(product) if is_pack(self.names.pack(*product), size, unit) => {
                self.item(*product, amount, None, &text)
            }
            Meaning::Product(product) => match self.names.product(*product) {
                Some(entry) => Outcome::Problem(Problem::PackSize { sku: entry.sku.clone(), text }),
                None => Outcome::Problem(Problem::UnknownProduct { text }),
            },
            // "2 x 500 ml coke" where the shop has two sizes of it: the size decides.
            Meaning::Candidates(products) => {
                let fitting: Vec<usize> = products
                    .iter()
                    .copied()
                    .filter(|&product| is_pack(self.names.pack(product), size, unit))
                    .collect();
                match fitting.as_slice() {
                    [one] if self.all_share_name(products) => self.item(*one, amount, None, &text),
                    _ => self.named(meaning, amount, None, &text, name),
                }
            }
            Meaning::Unknown => self.named(meaning, amount, None, &text, name),
        }
    }

    /// Whether the candidates are sizes of one thing rather than different things.
    fn all_share_name(&self, products: &[usize]) -> bool {
        products.iter().all(|&product| self.names.pack(product).is_some())
    }

    fn pair(&self, sku: &str, amount: Amount, unit: Option<Unit>, text: &Quoted) -> Outcome {
        match self.names.by_number(sku) {
            Some(product) => self.item(product, amount, unit, text),
            None => Outcome::Problem(Problem::UnknownSku { text: Quoted::new(sku) }),
        }
    }

    /// A name without a number.
    fn bare(&self, meaning: &Meaning, from: usize, to: usize) -> Outcome {
        let text = self.quote(from, to);
        match meaning {
            Meaning::Product(product) if self.assume_one => self.item(*product, Amount::ONE, None, &text),
            Meaning::Product(product) => match self.names.product(*product) {
                Some(entry) => Outcome::Problem(Problem::QuantityMissing { sku: entry.sku.clone() }),
                None => Outcome::Problem(Problem::NotUnderstood { text }),
            },
            Meaning::Candidates(products) => {
                let other = |text| self.unknown(text);
                Outcome::Problem(self.ambiguous_or(products.clone(), text, other))
            }
            Meaning::Unknown => Outcome::Problem(self.unknown(text)),
        }
    }

    fn unknown(&self, text: Quoted) -> Problem {
        if self.assume_one { Problem::UnknownProduct { text } } else { Problem::NotUnderstood { text } }
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

const fn is_measure(unit: Unit) -> bool {
    matches!(unit.dimension(), Dimension::Mass | Dimension::Volume)
}

/// The products that `terms` name, certain or not.
fn named(terms: &[Placed]) -> Vec<usize> {
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
fn refusal(pieces: &[Tagged], text: &Quoted) -> Option<Problem> {
    let has = |wanted: &Piece| pieces.iter().any(|tagged| tagged.piece == *wanted);
    if has(&Piece::Minus) {
        return Some(Problem::QuantityNegative { text: text.clone() });
    }
    (has(&Piece::Negation) || has(&Piece::Range)).then(|| Problem::NotUnderstood { text: text.clone() })
}

/// Times signs find their numbers: `1x2` is a pair, `2x rice` and `rice x2` are numbers, `2 x 500 ml coke`
/// and `2 500ml coke` are sized. `None` for a sign that finds none.
fn glue(terms: Vec<Placed>, clause: &Clause<'_>) -> Option<Vec<Placed>> {
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
                at = confirmed(&terms, behind, clause, &sku)?;
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
