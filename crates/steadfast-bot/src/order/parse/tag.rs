//! Tokens to pieces: numbers with their units, products, unknown words and the signs between.

use super::address;
use super::lex::{Kind, Lexed, Token};
use super::names::{Found, Names};
use crate::order::amount::Amount;
use crate::order::numerals;
use crate::order::text::is_pictogram;
use crate::order::units::{Dimension, Unit};
use crate::order::words::{self, Role};

/// What a stretch of tokens is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// A quantity.
    Number { amount: Quantity, unit: Option<Unit> },
    /// A name of the catalogue, letter for letter or in the plural.
    Product(Found),
    /// A word that means nothing here.
    Word,
    /// A times sign.
    Times,
    /// `-`, `:`, `=`.
    Link,
    /// A minus before a number.
    Minus,
    /// A dash between numbers.
    Range,
    /// A word that takes back or leaves open.
    Negation,
    /// A wish that no field holds.
    Note,
    /// "And".
    And,
    /// The end of a clause.
    Break,
}

/// An [`Amount`] that can be compared with `==` in tests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quantity(pub(crate) Amount);

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.0.same_as(other.0)
    }
}

/// A piece and the tokens it covers, `from..to`.
#[derive(Debug, Clone)]
pub(crate) struct Tagged {
    pub(crate) piece: Piece,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// A text taken to pieces.
#[derive(Debug, Default)]
pub(crate) struct Tags {
    pub(crate) pieces: Vec<Tagged>,
    /// Some word says that this is an order.
    pub(crate) ordering: bool,
    /// Where to deliver.
    pub(crate) address: Option<String>,
}

/// Takes tokens `from..to` of `lexed` to pieces; `addresses` says whether to look for one.
pub(crate) fn tag(lexed: &Lexed, names: &Names<'_>, from: usize, to: usize, addresses: bool) -> Tags {
    let tokens = &lexed.tokens[..to.min(lexed.tokens.len())];
    let mut tagger = Tagger {
        lexed,
        tokens,
        names,
        address_tries: if addresses { ADDRESS_TRIES_MAX } else { 0 },
        tags: Tags::default(),
    };
    let mut at = from;
    while at < tokens.len() {
        // Every step covers at least one token, so this ends.
        at += tagger.step(at).max(1);
    }
    tagger.tags
}

/// Splits `2xrice`, `ricex2` and `2kgrice`, where the times sign or the unit is glued to a name.
pub(crate) fn split_times(lexed: &mut Lexed, names: &Names<'_>) {
    let mut split = Vec::with_capacity(lexed.tokens.len());
    let mut rest = std::mem::take(&mut lexed.tokens).into_iter().peekable();
    while let Some(token) = rest.next() {
        let unknown = token.is_word() && !names.knows_word(&token.key) && Unit::parse(&token.key).is_none();
        let after_number = token.glued && split.last().is_some_and(Token::is_number);
        let before_number = rest.peek().is_some_and(|next| next.glued && next.is_number());
        let ascii = token.key.is_ascii() && token.end - token.start == token.key.len();
        let unit_len = if unknown && ascii && after_number { glued_unit(&token.key, names) } else { 0 };
        if unit_len > 0 {
            let (unit, word) = cut(&token, unit_len);
            split.extend([unit, word]);
        } else if unknown && ascii && after_number && token.key.len() > 2 && token.key.starts_with('x') {
            let (sign, word) = cut(&token, 1);
            split.extend([Token { kind: Kind::Times, ..sign }, word]);
        } else if unknown && ascii && before_number && token.key.len() > 2 && token.key.ends_with('x') {
            let (word, sign) = cut(&token, token.key.len() - 1);
            if names.knows_word(&word.key) {
                split.extend([word, Token { kind: Kind::Times, ..sign }]);
            } else {
                split.push(token);
            }
        } else {
            split.push(token);
        }
    }
    lexed.tokens = split;
}

/// The length of the unit that begins a word like `kgrice`; 0 if none does.
fn glued_unit(key: &str, names: &Names<'_>) -> usize {
    let units = ["kgs", "kg", "gms", "gm", "ml", "ltr", "lt", "pcs", "pc", "pkt", "g", "l"];
    let begins =
        |unit: &&&str| key.strip_prefix(**unit).is_some_and(|rest| rest.len() > 1 && names.knows_word(rest));
    units.iter().find(begins).map_or(0, |unit| unit.len())
}

fn cut(token: &Token, at: usize) -> (Token, Token) {
    let (head, tail) = token.key.split_at(at);
    let middle = token.start + at;
    let part = |key: &str, start: usize, end: usize, glued: bool| Token {
        kind: Kind::Word,
        key: key.to_owned(),
        lower: key.to_owned(),
        start,
        end,
        glued,
    };
    (part(head, token.start, middle, token.glued), part(tail, middle, token.end, true))
}

/// How often one text is searched for an address.
const ADDRESS_TRIES_MAX: usize = 16;

struct Tagger<'a> {
    lexed: &'a Lexed,
    tokens: &'a [Token],
    names: &'a Names<'a>,
    /// How often it may still look for an address.
    address_tries: usize,
    tags: Tags,
}

impl Tagger<'_> {
    fn push(&mut self, piece: Piece, from: usize, len: usize) -> usize {
        self.tags.pieces.push(Tagged { piece, from, to: from + len });
        len
    }

    fn last(&self) -> Option<&Piece> {
        self.tags.pieces.last().map(|tagged| &tagged.piece)
    }

    /// Covers the tokens at `at` with a piece, or skips them; answers how many.
    fn step(&mut self, at: usize) -> usize {
        let piece = match self.tokens[at].kind {
            Kind::Line | Kind::Comma => Piece::Break,
            Kind::And => Piece::And,
            Kind::Times => Piece::Times,
            Kind::Link => Piece::Link,
            Kind::Minus => Piece::Minus,
            Kind::Range => Piece::Range,
            Kind::Bracket => return 1,
            Kind::Word | Kind::Number { .. } => return self.word(at),
        };
        self.push(piece, at, 1)
    }

    fn word(&mut self, at: usize) -> usize {
        let name = self.names.longest_at(self.tokens, at);
        let name_len = name.as_ref().map_or(0, |(_, len)| *len);
        if let Some(len) = self.unit_behind_number(at, name_len) {
            return len;
        }
        if self.is_times(at) {
            return self.push(Piece::Times, at, 1);
        }
        let fresh = !matches!(self.last(), Some(Piece::Product(_) | Piece::Word));
        let numeral = numerals::read(self.tokens, at, fresh).filter(|numeral| self.counts(at, *numeral));
        let numeral_len = numeral.map_or(0, |numeral| numeral.len);
        let phrase = words::longest_at(self.tokens, at);
        let phrase_len = phrase.as_ref().map_or(0, |(_, len)| *len);
        if let Some((found, len)) = name
            && len >= numeral_len
            && len >= phrase_len
        {
            return self.push(Piece::Product(found), at, len);
        }
        if let Some((roles, len)) = phrase
            && len >= numeral_len
            && let Some(taken) = self.phrase(&roles, at, len, numeral_len)
        {
            return taken;
        }
        if let Some(numeral) = numeral {
            return self.push(
                Piece::Number { amount: Quantity(numeral.amount), unit: None },
                at,
                numeral.len,
            );
        }
        self.lone_word(at)
    }

    /// `x` beside a number is a times sign.
    fn is_times(&self, at: usize) -> bool {
        let is_x = matches!(self.tokens[at].key.as_str(), "x" | "х");
        let before = matches!(self.last(), Some(Piece::Number { .. } | Piece::Product(_)));
        let number_at = |at: usize| {
            self.tokens.get(at).is_some_and(|next| next.is_number() || matches!(next.kind, Kind::Minus))
                || numerals::read(self.tokens, at, true).is_some_and(|numeral| !numeral.weak)
        };
        is_x && (matches!(self.last(), Some(Piece::Number { .. }))
            || number_at(at + 1)
            || (before && at + 1 == self.tokens.len()))
    }

    /// Whether a numeral that may be another word counts here.
    fn counts(&self, at: usize, numeral: numerals::Numeral) -> bool {
        if !numeral.weak {
            return true;
        }
        if matches!(self.last(), Some(Piece::Number { .. })) {
            return false;
        }
        let behind = at + numeral.len;
        let Some(next) = self.tokens.get(behind).filter(|next| next.is_word()) else { return false };
        let unit = Unit::parse(&next.key).is_some();
        let key = self.tokens[at].key.as_str();
        let article = matches!(key, "a" | "an" | "half" | "quarter" | "cuarto" | "quart");
        unit || matches!(next.key.as_str(), "x" | "х")
            || (article && !words::names_place(&next.key))
            || (numerals::counts_before_names(key) && self.names.longest_at(self.tokens, behind).is_some())
    }

    /// A unit behind a number belongs to it: `2 kg`, `two dozen`, `2 dozen packets`, `2 rice packets`.
    fn unit_behind_number(&mut self, at: usize, name_len: usize) -> Option<usize> {
        let unit = Unit::parse(&self.tokens[at].key).filter(|_| self.tokens[at].is_word())?;
        let begins_name = |at: usize| self.names.longest_at(self.tokens, at).is_some();
        let of_follows = self.tokens.get(at + 1).is_some_and(|next| {
            next.is_word() && matches!(next.key.as_str(), "of" | "de" | "di" | "d" | "von" | "van")
        });
        let name_follows = at + 1 < self.tokens.len() && (of_follows || begins_name(at + 1));
        if name_len > 1 || (name_len == 1 && !name_follows) {
            return None;
        }
        let behind_product = matches!(self.last(), Some(Piece::Product(_))) && !name_follows;
        let index = self.tags.pieces.len().checked_sub(if behind_product { 2 } else { 1 });
        let open = index.and_then(|index| self.tags.pieces.get_mut(index));
        match open.map(|tagged| (&mut tagged.piece, &mut tagged.to)) {
            Some((Piece::Number { unit: slot @ None, .. }, to)) => {
                *slot = Some(unit);
                if !behind_product {
                    *to = at + 1;
                }
                Some(1)
            }
            Some((Piece::Number { amount, unit: slot @ Some(Unit::Dozen | Unit::Pair) }, to))
                if unit.dimension() == Dimension::Container =>
            {
                let pieces = slot.map_or(Amount::ONE, Unit::size);
                *amount = Quantity(amount.0.times(pieces));
                *slot = Some(unit);
                if !behind_product {
                    *to = at + 1;
                }
                Some(1)
            }
            // "Dozen eggs" is one dozen.
            _ if matches!(unit, Unit::Dozen | Unit::Pair) && name_len == 0 => {
                Some(self.push(Piece::Number { amount: Quantity(Amount::ONE), unit: Some(unit) }, at, 1))
            }
            _ => None,
        }
    }

    /// Acts on a phrase; `None` where it has no role here.
    fn phrase(&mut self, roles: &[Role], at: usize, len: usize, numeral_len: usize) -> Option<usize> {
        for &role in roles {
            match role {
                Role::AddressStrong | Role::AddressTo | Role::AddressIn => {
                    if let Some(taken) = self.address(role, at, len) {
                        return Some(taken);
                    }
                    // An announced address that is not there leaves nothing to read.
                    if role == Role::AddressStrong {
                        return Some(len);
                    }
                    // "2 to 3" leaves open how many.
                    let number_behind = self.tokens.get(at + len).is_some_and(Token::is_number);
                    if number_behind && matches!(self.last(), Some(Piece::Number { .. })) {
                        return Some(self.push(Piece::Range, at, len));
                    }
                }
                Role::AddressBehind if self.address_before(at) => return Some(len),
                _ => {}
            }
        }
        if numeral_len >= len {
            return None;
        }
        for &role in roles {
            match role {
                Role::Order => {
                    self.tags.ordering = true;
                    return Some(len);
                }
                Role::Filler => return Some(len),
                Role::And => return Some(self.push(Piece::And, at, len)),
                Role::Negation => return Some(self.push(Piece::Negation, at, len)),
                Role::Note => return Some(self.push(Piece::Note, at, len)),
                _ => {}
            }
        }
        None
    }

    fn lone_word(&mut self, at: usize) -> usize {
        let token = &self.tokens[at];
        // A picture that names no product decorates.
        if token.key.chars().all(is_pictogram) {
            return 1;
        }
        // "… وكولا": the joiner is glued to the word.
        self.push(Piece::Word, at, 1)
    }

    /// Reads an address behind the phrase at `at`.
    fn address(&mut self, role: Role, at: usize, len: usize) -> Option<usize> {
        if self.address_tries == 0 {
            return None;
        }
        let items_before = self
            .tags
            .pieces
            .iter()
            .any(|tagged| matches!(tagged.piece, Piece::Number { .. } | Piece::Product(_)));
        let tries = &mut self.address_tries;
        let found =
            address::behind(self.lexed, self.tokens, self.names, at + len, role, items_before, tries)?;
        match found {
            address::Behind::Address { text, end } => {
                if self.tags.address.is_some() && role != Role::AddressStrong {
                    return None;
                }
                self.tags.address = Some(text);
                self.push(Piece::Break, end - 1, 1);
                Some(end - at)
            }
            address::Behind::Time { end } => {
                self.push(Piece::Note, at, end - at);
                Some(end - at)
            }
        }
    }

    /// Takes the words of the current clause as the address, if they can be one.
    fn address_before(&mut self, at: usize) -> bool {
        if self.address_tries == 0 || self.tags.address.is_some() {
            return false;
        }
        let ends = |piece: &Piece| matches!(piece, Piece::Break | Piece::And | Piece::Product(_));
        let begin =
            self.tags.pieces.iter().rposition(|tagged| ends(&tagged.piece)).map_or(0, |last| last + 1);
        let clause = &self.tags.pieces[begin..];
        let only_words =
            clause.iter().all(|tagged| matches!(tagged.piece, Piece::Word | Piece::Number { .. }));
        let worded = clause.iter().any(|tagged| tagged.piece == Piece::Word);
        let Some(first) = clause.first().map(|tagged| tagged.from) else { return false };
        if !only_words || !worded {
            return false;
        }
        self.tags.address = Some(self.lexed.slice(first, at).to_owned());
        self.tags.pieces.truncate(begin);
        true
    }
}
