//! One clause of an order: which number belongs to which product.

use super::address;
use super::lex::Lexed;
use super::names::{CANDIDATES_MAX, Names};
use super::quantity::{Sold, is_pack, units_of};
use super::tag::{Piece, Tagged};
use super::terms::{Meaning, Placed, Term, glue, is_measure, named, products_of, refusal};
use crate::order::amount::Amount;
use crate::order::problem::{Problem, Quoted};
use crate::order::units::Unit;

/// What a clause yields.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A line.
    Item { product: usize, quantity: u32, unit: Option<Unit>, text: Quoted },
    /// Something to ask.
    Problem(Problem),
    /// A clause that is an address.
    Address {
        text: String,
        /// The token before which it ends, which may lie behind the clause.
        end: usize,
    },
}

/// Reads clauses.
pub(super) struct Clause<'a> {
    pub(super) lexed: &'a Lexed,
    pub(super) names: &'a Names<'a>,
    /// A product without a number is one of it.
    pub(super) assume_one: bool,
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
        if let Some(problem) = refusal(pieces, &self.quote(first.from, last.to)) {
            outcomes.push(Outcome::Problem(problem));
            return;
        }
        let (pieces, place) = self.part_address(pieces);
        if !pieces.is_empty() {
            match self.attempts(pieces) {
                Ok(mut lines) => outcomes.append(&mut lines),
                Err(problem) => outcomes.push(Outcome::Problem(problem)),
            }
        }
        outcomes.extend(place);
    }

    /// "12 Main St", alone or behind the items, is an address.
    fn part_address<'p>(&self, pieces: &'p [Tagged]) -> (&'p [Tagged], Option<Outcome>) {
        let Some(last) = pieces.last() else { return (pieces, None) };
        let starts = pieces
            .iter()
            .enumerate()
            .filter(|(at, tagged)| *at == 0 || (*at > 1 && matches!(tagged.piece, Piece::Number { .. })));
        for (at, tagged) in starts {
            if let Some((text, end)) = address::stands_alone(self.lexed, self.names, tagged.from, last.to) {
                return (&pieces[..at], Some(Outcome::Address { text, end }));
            }
        }
        (pieces, None)
    }

    /// Reads the clause as it stands, and where that leaves a question with sizes taken for quantities.
    fn attempts(&self, pieces: &[Tagged]) -> Result<Vec<Outcome>, Problem> {
        let settled = |lines: &[Outcome]| !lines.iter().any(|line| matches!(line, Outcome::Problem(_)));
        let as_it_stands = self.attempt(pieces);
        let lone_name = matches!(pieces, [Tagged { piece: Piece::Product(_), .. }]);
        if !lone_name && as_it_stands.as_ref().is_ok_and(|lines| settled(lines)) {
            return as_it_stands;
        }
        let parted = self.sizes_as_quantities(pieces).map(|parted| self.attempt(&parted));
        match parted {
            Some(Ok(lines)) if settled(&lines) => Ok(lines),
            _ => as_it_stands,
        }
    }

    fn attempt(&self, pieces: &[Tagged]) -> Result<Vec<Outcome>, Problem> {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(Vec::new()) };
        let whole = self.quote(first.from, last.to);
        match self.terms(pieces).and_then(|terms| glue(&terms, self)) {
            Some(terms) if !terms.is_empty() => self.lines(&terms, whole),
            Some(_) => Ok(Vec::new()),
            None => Err(self.unclear(products_of(pieces), whole)),
        }
    }

    fn quote(&self, from: usize, to: usize) -> Quoted {
        Quoted::new(self.lexed.slice(from, to))
    }

    /// A clause that makes no line: offers what its words may have meant.
    fn unclear(&self, mut candidates: Vec<usize>, text: Quoted) -> Problem {
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

    /// Terms to lines: each number with its one neighbour.
    fn lines(&self, terms: &[Placed], whole: Quoted) -> Result<Vec<Outcome>, Problem> {
        if let [Placed { term: Term::Name(meaning), from, to }] = terms {
            return Ok(vec![self.bare(meaning, *from, *to)]);
        }
        let mut at = 0;
        let mut lines = Vec::new();
        while at < terms.len() {
            match self.line(&terms[at..]) {
                Some((outcome, taken)) => {
                    lines.push(outcome);
                    at += taken;
                }
                None => return Err(self.unclear(named(terms), whole)),
            }
        }
        Ok(lines)
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
            [number, name, size_at] => match (&number.term, &name.term, &size_at.term) {
                (
                    Term::Number { amount, unit: None },
                    Term::Name(meaning),
                    Term::Number { amount: size, unit: Some(unit) },
                ) if is_measure(*unit) => {
                    let wide = Placed { to: size_at.to, ..name.clone() };
                    Some((self.sized(*amount, *size, *unit, meaning, number.from, &wide), 3))
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
