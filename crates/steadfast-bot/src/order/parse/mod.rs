//! Order texts, read without guessing: whatever is not certain becomes a [`Problem`].

mod address;
mod clause;
pub(crate) mod lex;
pub(crate) mod names;
mod quantity;
pub(crate) mod tag;
mod terms;

pub use super::problem::{Problem, Quoted};
pub use super::units::Unit;

use clause::{Clause, Outcome};
use lex::{Lexed, lex};
use names::Names;
use std::collections::HashMap;
use std::fmt;
use steadfast_core::catalogue::Catalogue;
use tag::{Piece, Tagged};

/// Characters of a text that are read.
pub const TEXT_CHARS_MAX: usize = 4_096;
/// Order lines of a text that are read.
pub const LINES_MAX: usize = 50;

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedItem {
    /// A product of the catalogue.
    pub sku: String,
    /// How many of it, 1 to the catalogue's `quantity_max`, in what the shop sells: two kilograms of a
    /// 500-gram pack are 4.
    pub quantity: u32,
    /// The unit it was given in, if any.
    pub unit: Option<Unit>,
}

/// What a text orders.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ParsedOrder {
    /// The lines, one per sku, in the order first named.
    pub items: Vec<ParsedItem>,
    /// Where to deliver, if the text says so.
    pub address: Option<String>,
    /// What was not taken, in the order written.
    pub problems: Vec<Problem>,
}

impl ParsedOrder {
    /// Whether the text holds nothing at all of an order.
    pub fn is_nothing(&self) -> bool {
        self.items.is_empty()
            && self.address.is_none()
            && self.problems.iter().all(|problem| matches!(problem, Problem::NotUnderstood { .. }))
    }
}

impl fmt::Debug for ParsedOrder {
    /// Everything but the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedOrder")
            .field("items", &self.items)
            .field("has_address", &self.address.is_some())
            .field("problems", &self.problems)
            .finish()
    }
}

/// Whether it is already known that the text is about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Nothing is known: "rice" is asked about.
    Bare,
    /// It is an order: "rice" is one rice.
    Order,
    /// Products are only named: "rice" stays without a quantity, whatever stands around it.
    Named,
}

/// A parser bound to one catalogue. Building it reads the whole catalogue once.
#[derive(Debug)]
pub struct Parser<'c> {
    names: Names<'c>,
}

impl<'c> Parser<'c> {
    /// A parser for the products of `catalogue`.
    pub fn new(catalogue: &'c Catalogue) -> Self {
        Self { names: Names::new(catalogue) }
    }

    /// Reads `text`. Never fails and never guesses: see [`ParsedOrder::problems`]. Reads at most
    /// [`TEXT_CHARS_MAX`] characters and [`LINES_MAX`] lines and says so.
    pub fn parse(&self, text: &str, context: Context) -> ParsedOrder {
        let (head, cut) = match text.char_indices().nth(TEXT_CHARS_MAX) {
            Some((end, _)) => (&text[..end], true),
            None => (text, false),
        };
        let mut lexed = lex(head);
        tag::split_times(&mut lexed, &self.names);
        let mut order = self.read(&lexed, context);
        if cut {
            order.problems.push(Problem::TooLong { max: TEXT_CHARS_MAX });
        }
        order
    }

    /// The catalogue it is bound to.
    pub const fn catalogue(&self) -> &'c Catalogue {
        self.names.catalogue
    }

    /// Whether some word of `text` says that it orders something: "I want", "send me".
    pub(crate) fn orders(&self, text: &str) -> bool {
        let lexed = lex(text);
        tag::tag(&lexed, &self.names, 0, lexed.tokens.len(), false).ordering
    }

    fn read(&self, lexed: &Lexed, context: Context) -> ParsedOrder {
        let tags = tag::tag(lexed, &self.names, 0, lexed.tokens.len(), true);
        let mut order = ParsedOrder { address: tags.address, ..ParsedOrder::default() };
        let clauses: Vec<&[Tagged]> = tags
            .pieces
            .split(|tagged| matches!(tagged.piece, Piece::Break | Piece::And))
            .filter(|pieces| !pieces.is_empty())
            .collect();
        let counted = |tagged: &Tagged| matches!(tagged.piece, Piece::Number { .. });
        let has_item = clauses.iter().any(|pieces| {
            pieces.iter().any(counted)
                && pieces.iter().any(|tagged| matches!(tagged.piece, Piece::Product(_)))
        });
        let assume_one = match context {
            Context::Bare => tags.ordering || has_item,
            Context::Order => true,
            Context::Named => false,
        };
        let mut sums = Sums::new(&self.names);
        let mut covered = 0;
        for pieces in clauses.iter().take(LINES_MAX) {
            if pieces.first().is_some_and(|first| first.from < covered) {
                continue;
            }
            let clause = Clause { lexed, names: &self.names, assume_one };
            for outcome in clause.read(pieces) {
                match outcome {
                    Outcome::Item { product, quantity, unit, text } => {
                        sums.add(product, quantity, unit, text)
                    }
                    Outcome::Problem(problem) => order.problems.push(problem),
                    Outcome::Address { text, end } if order.address.is_none() => {
                        order.address = Some(text);
                        covered = end;
                    }
                    Outcome::Address { text, .. } => {
                        order.problems.push(Problem::NotUnderstood { text: Quoted::new(&text) });
                    }
                }
            }
        }
        if clauses.len() > LINES_MAX {
            order.problems.push(Problem::TooManyLines { max: LINES_MAX });
        }
        sums.finish(&mut order);
        collapse_noise(lexed, &mut order);
        order
    }
}

/// Reads `text` against `catalogue`; see [`Parser::parse`].
pub fn parse(text: &str, catalogue: &Catalogue) -> ParsedOrder {
    Parser::new(catalogue).parse(text, Context::Bare)
}

/// Lines per product, summed.
struct Sums<'a, 'c> {
    names: &'a Names<'c>,
    lines: Vec<(usize, u64, Option<Unit>, Quoted)>,
    index: HashMap<usize, usize>,
}

impl<'a, 'c> Sums<'a, 'c> {
    fn new(names: &'a Names<'c>) -> Self {
        Self { names, lines: Vec::new(), index: HashMap::new() }
    }

    fn add(&mut self, product: usize, quantity: u32, unit: Option<Unit>, text: Quoted) {
        match self.index.get(&product).and_then(|&line| self.lines.get_mut(line)) {
            Some((_, sum, first_unit, _)) => {
                *sum = sum.saturating_add(u64::from(quantity));
                *first_unit = first_unit.filter(|first| Some(*first) == unit);
            }
            None => {
                self.index.insert(product, self.lines.len());
                self.lines.push((product, u64::from(quantity), unit, text));
            }
        }
    }

    /// Hands the lines over; a sum beyond the limit is a problem, not a line.
    fn finish(self, order: &mut ParsedOrder) {
        let max = self.names.catalogue.quantity_max;
        for (product, sum, unit, text) in self.lines {
            let Some(product) = self.names.product(product) else { continue };
            match u32::try_from(sum) {
                Ok(quantity) if (1..=max).contains(&quantity) => {
                    order.items.push(ParsedItem { sku: product.sku.clone(), quantity, unit });
                }
                _ => {
                    let sku = Some(product.sku.clone());
                    order.problems.push(Problem::QuantityTooLarge { sku, text, max });
                }
            }
        }
    }
}

/// Chat that holds nothing of an order is one thing not understood, not one per clause.
fn collapse_noise(lexed: &Lexed, order: &mut ParsedOrder) {
    if order.is_nothing() && order.problems.len() > 1 {
        let text = Quoted::new(lexed.slice(0, lexed.tokens.len()));
        order.problems = vec![Problem::NotUnderstood { text }];
    }
}

/// Lines that parse back to `items`: each by the product's name where that is clear, else by its number in the
/// menu. Products that are not in the catalogue are left out.
pub fn render(items: &[(String, u32)], catalogue: &Catalogue) -> String {
    let parser = Parser::new(catalogue);
    let by_sku = names::has_numbers(catalogue);
    let line = |(sku, quantity): &(String, u32)| {
        let (place, product) =
            catalogue.products.iter().enumerate().find(|(_, product)| product.sku == *sku)?;
        let named = format!("{quantity} x {}", product.name.replace('\n', " "));
        let read = parser.parse(&named, Context::Bare);
        let clear = read.problems.is_empty()
            && read.address.is_none()
            && matches!(read.items.as_slice(), [item] if item.sku == *sku && item.quantity == *quantity);
        let number = if by_sku { sku.clone() } else { (place + 1).to_string() };
        Some(if clear { named } else { format!("{number} x {quantity}") })
    };
    items.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests;
